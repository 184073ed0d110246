//! `Header<T>`: one header of the request.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use crate::extract::FromRequestParts;
use crate::extract::error::ExtractError;
use crate::extract::optional::OptionalArg;
use crate::handler::description::Description;
use crate::headers::typed::TypedHeader;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// One header of the request, by its type. It dereferences to the value.
///
/// The status is 400 if the header is missing or malformed, and the message names it.
/// `Option<Header<T>>` is `None` if the header is missing. If a header occurs several times, its
/// values are joined with commas.
///
/// The module [`mod@crate::headers`] has types for standard headers. [`headers!`](crate::headers!)
/// declares more. Implement [`TypedHeader`] for a type of your own.
///
/// ```
/// use volga_core::{HandlerEndpoint, Header, Router, headers, headers::UserAgent};
///
/// headers! { (ApiKey, "x-api-key") }
///
/// let mut router = Router::new();
/// router.map(http::Method::GET, "/", HandlerEndpoint::new(
///     |key: Header<ApiKey>, agent: Option<Header<UserAgent>>| {
///         format!("{} {}", key.as_str(), agent.is_some())
///     },
/// ));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Header<T>(pub T);

impl<T> Header<T> {
    /// Returns the value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: TypedHeader> FromRequestParts for Header<T> {
    fn describe(description: &mut Description) {
        description.reads_header(T::NAME).responds(StatusCode::BAD_REQUEST, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let value = joined(&parts.headers, &T::NAME)
            .ok_or(ExtractError::MissingHeader { name: T::NAME })?;
        T::from_value(&value).map(Self).map_err(|error| {
            ExtractError::Header { name: T::NAME, reason: error.into().to_string() }.into()
        })
    }
}

impl<T: TypedHeader> OptionalArg for Header<T> {
    fn is_absent(parts: &RequestParts) -> bool {
        !parts.headers.contains_key(T::NAME)
    }
}

impl<T> Deref for Header<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Header<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Prints the value.
impl<T: fmt::Display> fmt::Display for Header<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Returns the value of a header. Several fields with one name mean the same as one field with
/// commas (RFC 9110, section 5.3). Cookies are joined with semicolons (RFC 9113, section 8.2.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
    let mut all = Vec::new();
    for value in values {
        all.extend_from_slice(separator);
        all.extend_from_slice(value.as_bytes());
    }
    if all.is_empty() {
        return Some(first.clone());
    }
    let all = [first.as_bytes(), &all].concat();
    // The parts are header values, so the whole is one, too.
    HeaderValue::from_maybe_shared(all).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_fields_are_joined() {
        let mut headers = HeaderMap::new();
        assert_eq!(joined(&headers, &header::ACCEPT), None);
        for (name, value) in
            [("accept", "a"), ("accept", "b"), ("accept", "c"), ("cookie", "d"), ("cookie", "e")]
        {
            headers.append(name, HeaderValue::from_static(value));
        }
        assert_eq!(joined(&headers, &header::ACCEPT).unwrap(), "a, b, c");
        assert_eq!(joined(&headers, &header::COOKIE).unwrap(), "d; e");
    }
}
