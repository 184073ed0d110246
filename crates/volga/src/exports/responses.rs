//! Responses, errors and middleware.

/// An error with its status. With `?`, every error becomes one: of a client, of the server, or with
/// the status that you choose.
///
/// ```
/// use volga::{App, HttpResult, error::Error, http::StatusCode, ok};
///
/// async fn read(name: String) -> HttpResult {
///     if name.contains('.') {
///         return Err(Error::client_error("a name has no dot"));
///     }
///     let text = std::fs::read_to_string(&name)
///         .map_err(|error| Error::new(StatusCode::NOT_FOUND, error))?;
///     ok!("{text}")
/// }
///
/// let mut app = App::new();
/// app.map_get("/files/{name}", read);
/// # app.check().unwrap();
/// ```
pub use volga_core::Error;

/// An error as the client reads it: JSON in the format of RFC 9457.
///
/// ```
/// use volga::{App, HttpResult, error::Problem};
///
/// async fn sold_out() -> HttpResult {
///     Err(Problem::new(409)
///         .with_title("sold out")
///         .with_detail("there are 0 left")
///         .with_extension("left", 0)
///         .into())
/// }
///
/// let mut app = App::new();
/// app.map_post("/orders", sold_out);
/// # app.check().unwrap();
/// ```
pub use volga_core::Problem;

/// The format of errors, on an app, a group or a route.
///
/// ```
/// use volga::{App, error::ErrorFormat, ok};
///
/// let mut app = App::new();
/// app.group("/api", |api| {
///     api.error_format(ErrorFormat::Problem);
///     api.map_get("/square/{n}", async |n: u8| ok!("{}", u32::from(n).pow(2)));
/// });
/// # app.check().unwrap();
/// ```
pub use volga_core::ErrorFormat;

/// Says which of several media types the client prefers, by its `Accept`.
///
/// ```
/// use volga::http::{HeaderMap, preferred_media_type};
///
/// const OFFERS: [&str; 2] = ["application/json", "text/html"];
///
/// let mut headers = HeaderMap::new();
/// headers.insert("accept", "text/html,application/xml;q=0.9,*/*;q=0.8".parse().unwrap());
/// assert_eq!(preferred_media_type(&headers, &OFFERS), Some("text/html"));
/// ```
pub use volga_core::preferred_media_type;

/// A report for the observer of errors.
///
/// ```
/// use volga::App;
///
/// let app = App::new().on_error(|report| {
///     eprintln!("{} {}: {} {}", report.method(), report.path(), report.status(), report.error());
/// });
/// # drop(app);
/// ```
pub use volga_core::ErrorReport;

/// A middleware with settings is a type that `attach` takes.
///
/// ```
/// use std::sync::Arc;
/// use volga::{
///     App, HttpBody, HttpResponse,
///     http::{HeaderValue, RequestParts},
///     middleware::{BoxFuture, Endpoint, Middleware},
///     ok,
/// };
///
/// /// Adds a header to each response.
/// struct Mark(HeaderValue);
///
/// struct Marked(HeaderValue, Arc<dyn Endpoint>);
///
/// impl Middleware for Mark {
///     fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
///         Arc::new(Marked(self.0.clone(), inner))
///     }
/// }
///
/// impl Endpoint for Marked {
///     fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
///         let (mark, response) = (self.0.clone(), self.1.call(parts, body));
///         Box::pin(async move {
///             let mut response = response.await;
///             response.headers_mut().insert("x-mark", mark);
///             response
///         })
///     }
/// }
///
/// let mut app = App::new();
/// app.attach(Mark(HeaderValue::from_static("7")));
/// app.map_get("/", || ok!("hello"));
/// # app.check().unwrap();
/// ```
pub use volga_core::{Endpoint, Middleware};

/// The arguments of a function that `wrap` puts around handlers: the request, and the rest of the
/// pipeline.
///
/// ```
/// use volga::{App, HttpResponse, http::HeaderValue, middleware::{HttpContext, Next}, ok};
///
/// async fn mark(ctx: HttpContext, next: Next) -> HttpResponse {
///     println!("{} {}", ctx.method, ctx.uri);
///     let mut response = next.run(ctx).await;
///     response.headers_mut().insert("x-mark", HeaderValue::from_static("7"));
///     response
/// }
///
/// let mut app = App::new();
/// app.wrap(mark);
/// app.map_get("/", || ok!("hello"));
/// # app.check().unwrap();
/// ```
pub use volga_core::{HttpContext, Next};

/// The rest of the way, for a function that takes arguments as a handler does.
///
/// ```
/// use volga::{App, Header, headers::UserAgent, middleware::NextCall, ok};
///
/// let mut app = App::new();
/// app.with(async |agent: Header<UserAgent>, next: NextCall| {
///     let response = next.await;
///     println!("{}: {}", agent.as_str(), response.status());
///     response
/// });
/// app.map_get("/", || ok!("hello"));
/// # app.check().unwrap();
/// ```
pub use volga_core::NextCall;

/// The result of a filter: `bool`, or a `Result` whose error is the response.
///
/// ```
/// use volga::{App, error::Problem, http::HeaderMap, ok};
///
/// let mut app = App::new();
/// app.filter(|headers: HeaderMap| match headers.get("x-api-key") {
///     Some(_) => Ok(()),
///     None => Err(Problem::new(401).with_detail("send `x-api-key`")),
/// });
/// app.map_get("/", || ok!("hello"));
/// # app.check().unwrap();
/// ```
pub use volga_core::FilterVerdict;

/// A result of your own for handlers.
///
/// ```
/// use volga::{App, HttpResult, html, http::IntoResponse};
///
/// struct Page {
///     title: String,
/// }
///
/// impl IntoResponse for Page {
///     fn into_response(self) -> HttpResult {
///         html!("<h1>{}</h1>", self.title)
///     }
/// }
///
/// let mut app = App::new();
/// app.map_get("/{title}", async |title: String| Page { title });
/// # app.check().unwrap();
/// ```
pub use volga_core::IntoResponse;

/// Headers or a status in front of a body: a tuple of them is a response.
///
/// ```
/// use volga::{App, http::StatusCode};
///
/// let mut app = App::new();
/// app.map_post("/orders", async || (StatusCode::CREATED, [("location", "/orders/7")], "ordered"));
/// # app.check().unwrap();
/// ```
pub use volga_core::IntoResponseParts;
