//! Bodies, requests, and the connections on which they come.

/// A socket that your program has opened itself.
///
/// ```
/// use volga::{App, ok};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// println!("http://{}", listener.local_addr()?);
///
/// let (mut app, shutdown) = App::new().with_shutdown();
/// app.map_get("/", || ok!("hello"));
/// # shutdown.shutdown();
/// app.run_with_listener(listener).await
/// # }
/// ```
pub use volga_http::{AcceptStreams, ByteStream, Listener};

/// Where an app listens, for more than an address.
///
/// ```
/// use volga::{App, BindTarget};
///
/// let app = App::new().bind(BindTarget::unix("/run/app.sock").unix_mode(0o660));
/// # drop(app);
/// ```
pub use volga_http::BindTarget;

/// The body of a request or a response.
///
/// ```
/// use volga::{App, HttpBody, error::Error};
///
/// let mut app = App::new();
/// app.map_post("/count", async |mut body: HttpBody| {
///     let mut count = 0;
///     while let Some(bytes) = body.next().await {
///         count += bytes?.len();
///     }
///     Ok::<_, Error>(format!("{count} bytes"))
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::HttpBody;

/// The whole request, and what every handler's result becomes.
///
/// ```
/// use volga::{App, HttpResult, http::HttpRequest, ok};
///
/// async fn show(request: HttpRequest) -> HttpResult {
///     ok!("{} {}", request.method(), request.uri())
/// }
///
/// let mut app = App::new();
/// app.map_get("/show", show);
/// # app.check().unwrap();
/// ```
pub use volga_core::{HttpRequest, HttpResponse, HttpResult};

/// The connection of a request.
///
/// ```
/// use volga::{App, http::{ConnectionInfo, Extension}, ok};
///
/// let mut app = App::new();
/// app.map_get("/who", async |Extension(connection): Extension<ConnectionInfo>| {
///     ok!("{:?}, encrypted: {}", connection.peer(), connection.tls().is_some())
/// });
/// # app.check().unwrap();
/// ```
pub use volga_http::{ConnectionInfo, TlsInfo};

/// A request that wants to use its connection for another protocol.
///
/// ```
/// use tokio::io::AsyncWriteExt;
/// use volga::{App, HttpBody, HttpResult, error::Problem, http::{HttpRequest, TunnelOffer}};
///
/// async fn greet(request: HttpRequest) -> HttpResult {
///     let offer = request.extensions().get::<TunnelOffer>().filter(|offer| offer.has("greet"));
///     let offer = offer.ok_or(Problem::new(426).with_detail("this is for the protocol `greet`"))?;
///     let response = offer.accept("greet", |mut stream| async move {
///         let _ = stream.write_all(b"hello\n").await;
///     });
///     Ok(response.map(|()| HttpBody::empty()))
/// }
///
/// let mut app = App::new();
/// app.map_get("/greet", greet);
/// # app.check().unwrap();
/// ```
pub use volga_http::{Tunnel, TunnelOffer, TunnelStream};
