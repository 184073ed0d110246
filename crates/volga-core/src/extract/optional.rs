//! `Option` and `Result` of an argument.

use crate::extract::{FromRequest, FromRequestParts, refuses_large_body};
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// An argument that a request need not have, so that `Option<Self>` is an argument, too.
///
/// `Option<Self>` is `None` if the argument is absent. An argument that is present but malformed is
/// still an error.
///
/// ```
/// use volga_core::{Error, FromRequestParts, OptionalArg, RequestParts};
///
/// struct Tenant(String);
///
/// impl FromRequestParts for Tenant {
///     async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
///         let name = parts.headers.get("x-tenant").ok_or_else(|| Error::client_error("no tenant"))?;
///         Ok(Tenant(name.to_str().map_err(Error::client_error)?.to_owned()))
///     }
/// }
///
/// impl OptionalArg for Tenant {
///     fn is_absent(parts: &RequestParts) -> bool {
///         !parts.headers.contains_key("x-tenant")
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` cannot be an argument of a handler",
    label = "not an optional argument",
    note = "implement `OptionalArg` for your own type, or take `Result<{Self}, Error>`",
    note = "a path argument is never absent: map a second route without it"
)]
pub trait OptionalArg {
    /// Whether the request does not have the argument.
    fn is_absent(parts: &RequestParts) -> bool;

    /// Whether the request does not have the argument if its body turns out to be empty. A body of
    /// unknown length says only when it is read whether it is empty. The default is false.
    fn is_absent_without_content(parts: &RequestParts) -> bool {
        let _ = parts;
        false
    }
}

impl<T: FromRequestParts + OptionalArg> FromRequestParts for Option<T> {
    fn describe(description: &mut Description) {
        description.optional(T::describe);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        if T::is_absent(parts) { Ok(None) } else { T::from_request_parts(parts).await.map(Some) }
    }
}

impl<T: FromRequest + OptionalArg> FromRequest for Option<T> {
    fn describe(description: &mut Description) {
        description.optional(T::describe);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        if T::is_absent(&parts) {
            return Ok(None);
        }
        let body = if T::is_absent_without_content(&parts) {
            match body.peek().await {
                Some(body) => body,
                None => return Ok(None),
            }
        } else {
            body
        };
        T::from_request(parts, body).await.map(Some)
    }
}

/// The handler gets the error, and decides about the response.
impl<T: FromRequestParts> FromRequestParts for Result<T, Error> {
    fn describe(description: &mut Description) {
        description.fallible(T::describe);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        Ok(T::from_request_parts(parts).await)
    }
}

/// The handler gets the error, and decides about the response.
impl<T: FromRequest> FromRequest for Result<T, Error> {
    fn describe(description: &mut Description) {
        description.fallible(T::describe);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        match body.check_limit() {
            Err(error) if refuses_large_body::<T, _>() => Ok(Err(error.into())),
            _ => Ok(T::from_request(parts, body).await),
        }
    }
}
