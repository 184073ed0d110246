//! Who a client is and where it comes from: TLS, credentials, cookies, sessions, origins.

/// A certificate, with which an app serves HTTPS.
///
/// ```
/// use volga::{App, tls::Tls};
///
/// let app = App::new().bind("0.0.0.0:443").with_tls(Tls::pem_files("cert.pem", "key.pem"));
/// # drop(app);
/// ```
#[cfg(feature = "tls")]
pub use volga_http::Tls;

/// The authorities whose certificates clients must show.
///
/// ```
/// use volga::{App, tls::{ClientRoots, Tls}};
///
/// let tls = Tls::pem_files("cert.pem", "key.pem")
///     .require_client_certificates(ClientRoots::pem_file("clients.pem"));
/// let app = App::new().with_tls(tls);
/// # drop(app);
/// ```
#[cfg(feature = "tls")]
pub use volga_http::{CertificateSource, ClientRoots};

/// Reads the certificate again while the app runs.
///
/// ```
/// use volga::tls::Tls;
///
/// let tls = Tls::pem_files("cert.pem", "key.pem");
/// let handle = tls.handle();
/// # async fn later(handle: volga::tls::TlsHandle) -> Result<(), volga::tls::TlsError> {
/// // After the files have changed.
/// handle.reload().await
/// # }
/// # drop(later(handle));
/// ```
#[cfg(feature = "tls")]
pub use volga_http::{TlsAcceptor, TlsHandle};

/// A name and a password in the header `Authorization`.
///
/// ```
/// use volga::{App, auth::{AuthError, Basic}, error::Error};
///
/// async fn me(basic: Basic) -> Result<String, Error> {
///     if !basic.matches("anna", "s3cret") {
///         return Err(AuthError::basic().into());
///     }
///     Ok(format!("hello, {}", basic.name()))
/// }
///
/// let mut app = App::new();
/// app.map_get("/me", me);
/// # app.check().unwrap();
/// ```
#[cfg(feature = "auth")]
pub use volga_web::{Basic, Challenge};

/// A token in the header `Authorization`, and the error that asks the client for another one.
///
/// ```
/// use volga::{App, auth::{AuthError, Bearer}, error::Error};
///
/// async fn me(bearer: Bearer) -> Result<&'static str, Error> {
///     if !bearer.matches("s3cret") {
///         return Err(AuthError::invalid_token("the token is unknown").into());
///     }
///     Ok("anna")
/// }
///
/// let mut app = App::new();
/// app.map_get("/me", me);
/// # app.check().unwrap();
/// ```
#[cfg(feature = "auth")]
pub use volga_web::{AuthError, Bearer};

/// The name of the area that credentials are for. The challenges of its routes have it.
///
/// ```
/// use volga::{App, auth::{Bearer, Realm}, ok};
///
/// let mut app = App::new();
/// app.group("/api", |api| {
///     api.attach(Realm::from_static("api"));
///     api.map_get("/me", async |bearer: Bearer| ok!("{} bytes", bearer.token().len()));
/// });
/// # app.check().unwrap();
/// ```
#[cfg(feature = "auth")]
pub use volga_web::Realm;

/// Tickets that open a stream once, for an `EventSource` that cannot send a token.
///
/// ```
/// use std::time::Duration;
/// use volga::auth::Tickets;
///
/// # fn main() -> Result<(), volga::error::Error> {
/// let tickets = Tickets::<String>::new().with_lifetime(Duration::from_secs(10));
/// let ticket = tickets.issue("anna".to_owned())?;
/// assert_eq!(tickets.redeem(&ticket)?, "anna");
/// assert!(tickets.redeem(&ticket).is_err());
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "auth")]
pub use volga_web::Tickets;

/// Compares secrets in a time that does not depend on where they differ.
///
/// ```
/// use volga::auth::constant_time_eq;
///
/// assert!(constant_time_eq(b"s3cret", b"s3cret"));
/// assert!(!constant_time_eq(b"s3cret", b"secret"));
/// ```
#[cfg(feature = "auth")]
pub use volga_web::constant_time_eq;

/// Reads the cookies of the request, and sets cookies in the response.
///
/// ```
/// use volga::{App, cookies::Cookies, ok};
///
/// let mut app = App::new();
/// app.map_get("/", async |cookies: Cookies| {
///     let visits = cookies.get("visits").and_then(|text| text.parse().ok()).unwrap_or(0_u32) + 1;
///     cookies.add(("visits", visits.to_string()))?;
///     ok!("visit {visits}")
/// });
/// # app.check().unwrap();
/// ```
#[cfg(feature = "cookies")]
pub use volga_web::Cookies;

/// Cookies that clients cannot change, and those that they cannot even read.
///
/// ```
/// use volga::{App, cookies::{CookieKeys, PrivateCookies, SignedCookies}, ok};
///
/// let mut app = App::new();
/// app.add_singleton(CookieKeys::random().unwrap());
/// app.map_post("/login/{name}", async |signed: SignedCookies, private: PrivateCookies, name: String| {
///     signed.add(("user", name))?;
///     private.add(("cart", "7, 9"))?;
///     ok!("welcome")
/// });
/// # app.check().unwrap();
/// ```
#[cfg(feature = "signed-cookies")]
pub use volga_web::{CookieKeys, PrivateCookies, SignedCookies};

/// Lets pages of other origins call the app.
///
/// ```
/// use volga::{App, middleware::Cors, ok};
///
/// let mut app = App::new();
/// app.cors(Cors::new().origins(["https://app.example"]).credentials());
/// app.map_get("/tea", || ok!("tea"));
/// # app.check().unwrap();
/// ```
#[cfg(feature = "cors")]
pub use volga_web::Cors;

/// Refuses changes that pages of other sites ask for in the name of a user.
///
/// ```
/// use volga::{App, middleware::CrossSiteProtection, ok};
///
/// let mut app = App::new();
/// app.attach(CrossSiteProtection::new());
/// app.map_post("/logout", || ok!("bye"));
/// # app.check().unwrap();
/// ```
#[cfg(feature = "csrf")]
pub use volga_web::CrossSiteProtection;

/// Browsers that sign in: a session is an argument, and the app has a store for them.
///
/// ```
/// use volga::{App, ok, sessions::{MemorySessions, Session, Sessions}};
///
/// let mut app = App::new();
/// app.add_singleton(Sessions::new(MemorySessions::new()));
/// app.map_post("/login/{name}", async |session: Session, name: String| {
///     session.sign_in(name).await?;
///     ok!("welcome")
/// });
/// app.map_get("/", async |session: Session| match session.user() {
///     Some(name) => ok!("hello, {name}"),
///     None => ok!("nobody is signed in"),
/// });
/// # app.check().unwrap();
/// ```
#[cfg(feature = "sessions")]
pub use volga_web::{MemorySessions, Session, Sessions};

/// Sessions in the files of a folder, which survive a restart.
///
/// ```
/// use volga::{App, sessions::{FileSessions, Sessions}};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let temporary = tempfile::tempdir()?;
/// let folder = std::env::temp_dir().join("my-app/sessions");
/// # let folder = temporary.path().join("sessions");
/// let mut app = App::new();
/// app.add_singleton(Sessions::new(FileSessions::open(folder)?));
/// # app.check()?;
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "sessions")]
pub use volga_web::FileSessions;

/// A store for sessions, here the one in memory; `examples/login` has one on SQLite.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use volga::sessions::{MemorySessions, SessionId, SessionRecord, SessionStore};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga::error::Error> {
/// let (store, id, now) = (MemorySessions::new(), SessionId::random()?, SystemTime::now());
/// let record = SessionRecord {
///     user: Some("anna".to_owned()),
///     data: "{}".to_owned(),
///     created_at: now,
///     expires_at: now + Duration::from_secs(3600),
/// };
/// store.insert(&id, record).await?;
/// assert_eq!(store.load(&id).await?.expect("a session").user.as_deref(), Some("anna"));
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "sessions")]
pub use volga_web::{SessionId, SessionRecord, SessionStore};
