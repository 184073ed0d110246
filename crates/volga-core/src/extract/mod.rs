//! Arguments made of requests: two traits, one for what needs the head only and one for what takes the body.

mod body;
mod path_arg;

use std::future::Future;

use crate::{Error, HttpBody, HttpRequest, RequestParts};

/// An argument made of everything but the body.
///
/// Arguments are made from left to right; the first error ends the request with the error's status. Implement it for a type of your own to have it
/// as an argument of any handler:
///
/// ```
/// use volga_core::{Error, FromRequestParts, RequestParts};
///
/// struct Tenant(String);
///
/// impl FromRequestParts for Tenant {
///     async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
///         let name = parts.headers.get("x-tenant").and_then(|value| value.to_str().ok());
///         name.map(|name| Tenant(name.to_owned()))
///             .ok_or_else(|| Error::client_error("the header `x-tenant` is missing"))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler here",
    label = "no argument",
    note = "arguments are path arguments (`String`, numbers, `bool`, …), and types that implement `FromRequestParts`",
    note = "what takes the body, such as `HttpRequest` or `HttpBody`, must be the last argument"
)]
pub trait FromRequestParts: Sized {
    /// How many path arguments it takes.
    #[doc(hidden)]
    const PATH_ARGS: usize = 0;

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// Why it cannot be made of this request.
    fn from_request_parts(
        parts: &mut RequestParts,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// The last argument of a handler, which may take the body.
///
/// Whatever implements [`FromRequestParts`] implements it too; the parameter `Via` keeps the two apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a handler",
    label = "no argument",
    note = "arguments are path arguments (`String`, numbers, `bool`, …), `HttpRequest`, `HttpBody`, and types that implement `FromRequestParts` or `FromRequest`"
)]
pub trait FromRequest<Via = ViaRequest>: Sized {
    /// How many path arguments it takes.
    #[doc(hidden)]
    const PATH_ARGS: usize = 0;

    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// Why it cannot be made of this request.
    fn from_request(
        parts: RequestParts,
        body: HttpBody,
    ) -> impl Future<Output = Result<Self, Error>> + Send;
}

/// Marks an argument that is made of the head alone.
#[derive(Debug)]
pub enum ViaParts {}

/// Marks an argument that takes the body.
#[derive(Debug)]
pub enum ViaRequest {}

impl<T: FromRequestParts> FromRequest<ViaParts> for T {
    const PATH_ARGS: usize = T::PATH_ARGS;

    async fn from_request(mut parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        // Dropped first, so that the future need not hold it.
        drop(body);
        T::from_request_parts(&mut parts).await
    }
}

impl FromRequest for HttpRequest {
    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(Self::from_parts(parts.into_head(), body))
    }
}
