//! Arguments of handlers, and how a type becomes one.

/// All path arguments as one value.
///
/// ```
/// use serde::Deserialize;
/// use volga::{App, Path, ok};
///
/// #[derive(Deserialize)]
/// struct Place {
///     user: u32,
///     post: u32,
/// }
///
/// let mut app = App::new();
/// app.map_get("/users/{user}/posts/{post}", async |Path(place): Path<Place>| {
///     ok!("post {} of user {}", place.post, place.user)
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::Path;

/// The query of the URL.
///
/// ```
/// use serde::Deserialize;
/// use volga::{App, Query, ok};
///
/// #[derive(Deserialize)]
/// struct Page {
///     page: u32,
///     size: Option<u32>,
/// }
///
/// let mut app = App::new();
/// app.map_get("/books", async |Query(Page { page, size }): Query<Page>| {
///     ok!("page {page} with {} books", size.unwrap_or(20))
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::Query;

/// JSON: as an argument the body of the request, and as a result the body of the response.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use volga::{App, Json};
///
/// #[derive(Deserialize, Serialize)]
/// struct User {
///     name: String,
/// }
///
/// let mut app = App::new();
/// app.map_post("/users", async |Json(user): Json<User>| Json(User { name: user.name.to_uppercase() }));
/// # app.check().unwrap();
/// ```
pub use volga_core::Json;

/// The fields of an HTML form.
///
/// ```
/// use serde::Deserialize;
/// use volga::{App, Form, redirect};
///
/// #[derive(Deserialize)]
/// struct Todo {
///     title: String,
/// }
///
/// let mut app = App::new();
/// app.map_post("/todos", async |Form(todo): Form<Todo>| redirect!("/todos?added={}", todo.title));
/// # app.check().unwrap();
/// ```
pub use volga_core::Form;

/// A typed header of the request. [`headers!`](crate::headers!) declares headers of your own.
///
/// ```
/// use volga::{App, Header, headers::UserAgent, ok};
///
/// let mut app = App::new();
/// app.map_get("/agent", async |agent: Header<UserAgent>| ok!("{}", agent.as_str()));
/// # app.check().unwrap();
/// ```
pub use volga_core::Header;

/// JSON values, one on each line, while they arrive.
///
/// ```
/// use volga::{App, NdJson, ok};
///
/// let mut app = App::new();
/// app.map_post("/sum", async |mut numbers: NdJson<u64>| {
///     let mut sum = 0;
///     while let Some(number) = numbers.next().await {
///         sum += number?;
///     }
///     ok!("{sum}")
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::NdJson;

/// The body of the request as text, whatever its content type is.
///
/// ```
/// use volga::{App, Text, ok};
///
/// let mut app = App::new();
/// app.map_post("/length", async |Text(text): Text| ok!("{}", text.len()));
/// # app.check().unwrap();
/// ```
pub use volga_core::Text;

/// An argument that is checked before the handler runs. The client gets the errors of all fields.
///
/// ```
/// use serde::Deserialize;
/// use volga::{App, FieldErrors, Json, Valid, Validate, ok};
///
/// #[derive(Deserialize)]
/// struct SignUp {
///     age: u8,
/// }
///
/// impl Validate for SignUp {
///     fn field_errors(&self) -> FieldErrors {
///         let mut errors = FieldErrors::new();
///         if self.age < 18 {
///             errors.add("age", "is below 18");
///         }
///         errors
///     }
/// }
///
/// let mut app = App::new();
/// app.map_post("/users", async |Valid(Json(user)): Valid<Json<SignUp>>| ok!("{}", user.age));
/// # app.check().unwrap();
/// ```
pub use volga_core::{FieldErrors, Valid, Validate};

/// A form or a query in which an empty field counts as missing.
///
/// ```
/// use serde::Deserialize;
/// use volga::{App, Form, NonEmptyFields, ok};
///
/// #[derive(Deserialize)]
/// struct Person {
///     name: String,
///     nickname: Option<String>,
/// }
///
/// let mut app = App::new();
/// app.map_post("/people", async |Form(NonEmptyFields(person)): Form<NonEmptyFields<Person>>| {
///     ok!("{}", person.nickname.unwrap_or(person.name))
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::NonEmptyFields;

/// Tells a handler that its client has left, or a background task that the app ends.
///
/// ```
/// use volga::{App, CancellationToken, ok};
///
/// let mut app = App::new();
/// app.map_get("/primes", async |token: CancellationToken| {
///     let count = tokio::task::spawn_blocking(move || {
///         (2..10_000).take_while(|_| !token.is_cancelled()).filter(|n| n % 2 == 1).count()
///     });
///     ok!("{}", count.await?)
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::CancellationToken;

/// Lets a handler run to its end, even if its client leaves.
///
/// ```
/// use volga::{App, detached};
///
/// async fn pay(order: u32) -> String {
///     format!("order {order} is paid")
/// }
///
/// let mut app = App::new();
/// app.map_post("/pay/{order}", detached(pay));
/// # app.check().unwrap();
/// ```
pub use volga_core::detached;

/// A service as an argument.
///
/// ```
/// use volga::{App, di::Dc, ok};
///
/// struct Greeting(&'static str);
///
/// let mut app = App::new();
/// app.add_singleton(Greeting("Good day"));
/// app.map_get("/{name}", async |name: String, greeting: Dc<Greeting>| ok!("{}, {name}", greeting.0));
/// # app.check().unwrap();
/// ```
pub use volga_core::Dc;

/// A service that is made of other services.
///
/// ```
/// use volga::{App, di::{Dc, Inject}, error::Error, ok};
///
/// struct Settings { name: &'static str }
/// struct Letter(String);
///
/// impl Inject for Letter {
///     type Dependencies = Dc<Settings>;
///
///     async fn inject(settings: Dc<Settings>) -> Result<Self, Error> {
///         Ok(Self(format!("Dear {}", settings.name)))
///     }
/// }
///
/// let mut app = App::new();
/// app.add_singleton(Settings { name: "Anna" });
/// app.add_transient::<Letter>();
/// app.map_get("/letter", async |letter: Dc<Letter>| ok!("{}", letter.0));
/// # app.check().unwrap();
/// ```
pub use volga_core::{Dependencies, Factory, Inject, Scope};

/// An argument of your own, made of the head of the request.
///
/// ```
/// use volga::{App, error::Error, http::{FromRequestParts, RequestParts}, ok};
///
/// struct Tenant(String);
///
/// impl FromRequestParts for Tenant {
///     async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
///         let name = parts.headers.get("x-tenant").and_then(|value| value.to_str().ok());
///         let name = name.ok_or_else(|| Error::client_error("the header `x-tenant` is missing"))?;
///         Ok(Self(name.to_owned()))
///     }
/// }
///
/// let mut app = App::new();
/// app.map_get("/", async |Tenant(name): Tenant| ok!("{name}"));
/// # app.check().unwrap();
/// ```
pub use volga_core::{FromRequestParts, RequestParts};

/// An argument of your own that reads the body. It is the last argument of its handler.
///
/// ```
/// use volga::{App, HttpBody, error::Error, http::{FromRequest, RequestParts}, ok};
///
/// /// How many lines the body has.
/// struct Lines(usize);
///
/// impl FromRequest for Lines {
///     async fn from_request(_: RequestParts, mut body: HttpBody) -> Result<Self, Error> {
///         let mut lines = 0;
///         while let Some(bytes) = body.next().await {
///             lines += bytes?.iter().filter(|byte| **byte == b'\n').count();
///         }
///         Ok(Self(lines))
///     }
/// }
///
/// let mut app = App::new();
/// app.map_post("/count", async |Lines(lines): Lines| ok!("{lines}"));
/// # app.check().unwrap();
/// ```
pub use volga_core::FromRequest;

/// A type of your own as a path argument.
///
/// ```
/// use volga::{App, http::FromPathArg, ok};
///
/// struct Room(String);
///
/// impl FromPathArg for Room {
///     type Error = &'static str;
///
///     fn from_path_arg(text: &str) -> Result<Self, Self::Error> {
///         let fits = text.bytes().all(|byte| byte.is_ascii_lowercase());
///         if fits { Ok(Self(text.to_owned())) } else { Err("a room has small letters") }
///     }
/// }
///
/// let mut app = App::new();
/// app.map_get("/rooms/{room}", async |Room(name): Room| ok!("{name}"));
/// # app.check().unwrap();
/// ```
pub use volga_core::FromPathArg;

/// An argument of your own that may be missing, as `Option`.
///
/// ```
/// use volga::{App, error::Error, http::{FromRequestParts, OptionalArg, RequestParts}, ok};
///
/// struct Tenant(String);
///
/// impl FromRequestParts for Tenant {
///     async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
///         let name = parts.headers.get("x-tenant").and_then(|value| value.to_str().ok());
///         Ok(Self(name.ok_or_else(|| Error::client_error("no tenant"))?.to_owned()))
///     }
/// }
///
/// impl OptionalArg for Tenant {
///     fn is_absent(parts: &RequestParts) -> bool {
///         !parts.headers.contains_key("x-tenant")
///     }
/// }
///
/// let mut app = App::new();
/// app.map_get("/", async |tenant: Option<Tenant>| match tenant {
///     Some(Tenant(name)) => ok!("{name}"),
///     None => ok!("everybody"),
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::OptionalArg;

/// A value that a middleware has found out, as an argument.
///
/// ```
/// use volga::{App, http::Extension, ok};
///
/// #[derive(Clone)]
/// struct Tenant(&'static str);
///
/// let mut app = App::new();
/// app.tap_req(|parts| {
///     parts.extensions.insert(Tenant("acme"));
/// });
/// app.map_get("/", async |Extension(Tenant(name)): Extension<Tenant>| ok!("{name}"));
/// # app.check().unwrap();
/// ```
pub use volga_core::Extension;

/// The URL as the client sent it, before a middleware or a mounted service changed it.
///
/// ```
/// use volga::{App, http::{Extension, OriginalUri}, ok};
///
/// let mut app = App::new();
/// app.map_get("/where", async |Extension(OriginalUri(uri)): Extension<OriginalUri>| {
///     ok!("{uri}")
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::OriginalUri;
