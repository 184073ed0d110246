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

/// One header of the request, by its type. Dereferences to it.
///
/// Status 400 where it is missing or malformed, with its name; `Option<Header<T>>` is `None` where
/// it is missing. A header that comes several times is read as one, its values joined by commas.
///
/// Types are in [`mod@crate::headers`]; [`headers!`](crate::headers!) declares more, and
/// [`TypedHeader`] is the trait for a type of your own.
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
    /// The header itself.
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

/// The value alone.
impl<T: fmt::Display> fmt::Display for Header<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The value of a header; several lines of one name mean the same as one with commas (RFC 9110,
/// section 5.3), and cookies one with semicolons.
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
    // Every part was a header value, and so is the whole.
    HeaderValue::from_maybe_shared(all).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_lines_are_one_list() {
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
