//! `PanicError`: a panic as the cause of an error.

use std::any::Any;

/// A panic of a handler or of middleware, as the [`cause`](crate::Error::cause) of an
/// [`Error`](crate::Error).
///
/// A panic becomes a response with status 500 where it happened. The extensions of the response
/// hold the error. So middleware around it can look for panics and replace the response:
///
/// ```
/// use http::{Method, Request, StatusCode};
/// use volga_core::{
///     Error, HandlerEndpoint, HttpBody, HttpContext, IntoResponse, Next, PanicError, Router,
///     ScopeId, SettingsLevel, WrapMiddleware,
/// };
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut router = Router::new();
/// let replace = WrapMiddleware::new(|ctx: HttpContext, next: Next| async move {
///     let response = next.run(ctx).await;
///     let error = response.extensions().get::<Error>();
///     match error.is_some_and(|error| error.cause().is::<PanicError>()) {
///         true => (StatusCode::INTERNAL_SERVER_ERROR, "we are sorry").into_response(),
///         false => Ok(response),
///     }
/// });
/// router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), replace);
/// router.map(Method::GET, "/", HandlerEndpoint::new(|| -> () { panic!("on purpose") }));
/// let request = Request::get("/").body(HttpBody::empty()).unwrap();
/// let response = router.into_service().unwrap().respond(request).await;
/// assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[error("panic: {message}")]
pub struct PanicError {
    message: String,
}

impl PanicError {
    /// Creates the error of a panic from its payload, as [`catch_unwind`](std::panic::catch_unwind)
    /// returns it.
    #[must_use]
    pub fn new(panic: &(dyn Any + Send)) -> Self {
        let message = panic
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        Self { message: message.to_owned() }
    }

    /// The message of the panic.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}
