//! `Option` and `Result` around an argument.

use crate::{Error, FromRequest, FromRequestParts, HttpBody, RequestParts};

/// An argument that a request may do without: then `Option<Self>` is an argument, too.
///
/// `Option<Self>` is `None` when the request says nothing of it. What the request says and gets wrong stays an error.
///
/// ```
/// use volga_core::{Error, FromRequestParts, MayBeAbsent, RequestParts};
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
/// impl MayBeAbsent for Tenant {
///     fn is_absent(parts: &RequestParts) -> bool {
///         !parts.headers.contains_key("x-tenant")
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`Option<{Self}>` cannot be an argument of a handler",
    label = "no optional argument",
    note = "implement `MayBeAbsent` for a type of your own, or take `Result<{Self}, Error>`",
    note = "a path argument is never absent: map a second route without it"
)]
pub trait MayBeAbsent {
    /// True when the request says nothing of it.
    fn is_absent(parts: &RequestParts) -> bool;
}

impl<T: FromRequestParts + MayBeAbsent> FromRequestParts for Option<T> {
    const PATH_ARGS: usize = T::PATH_ARGS;
    const SEES_EXTENSIONS: bool = T::SEES_EXTENSIONS;

    fn needs(needs: &mut crate::Needs) {
        needs.optional(T::needs);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        if T::is_absent(parts) { Ok(None) } else { T::from_request_parts(parts).await.map(Some) }
    }
}

impl<T: FromRequest + MayBeAbsent> FromRequest for Option<T> {
    const SEES_EXTENSIONS: bool = T::SEES_EXTENSIONS;

    fn needs(needs: &mut crate::Needs) {
        needs.optional(T::needs);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        if T::is_absent(&parts) { Ok(None) } else { T::from_request(parts, body).await.map(Some) }
    }
}

/// The handler gets the error and decides.
impl<T: FromRequestParts> FromRequestParts for Result<T, Error> {
    const PATH_ARGS: usize = T::PATH_ARGS;
    const SEES_EXTENSIONS: bool = T::SEES_EXTENSIONS;

    fn needs(needs: &mut crate::Needs) {
        needs.optional(T::needs);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        Ok(T::from_request_parts(parts).await)
    }
}

/// The handler gets the error and decides.
impl<T: FromRequest> FromRequest for Result<T, Error> {
    const SEES_EXTENSIONS: bool = T::SEES_EXTENSIONS;
    const REFUSES_LARGE: bool = false;

    fn needs(needs: &mut crate::Needs) {
        needs.optional(T::needs);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        match body.check_limit() {
            Err(error) if T::REFUSES_LARGE => Ok(Err(error.into())),
            _ => Ok(T::from_request(parts, body).await),
        }
    }
}
