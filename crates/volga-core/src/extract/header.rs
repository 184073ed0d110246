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
/// values are joined with commas. A header that takes one value, such as `Authorization` or
/// `Content-Type`, is malformed if it occurs several times.
///
/// A header that holds a text may have any bytes: see
/// [`TextHeader::as_bytes`](crate::headers::TextHeader::as_bytes).
///
/// `Debug` does not print the value of `Authorization`, `Proxy-Authorization` and `Cookie`.
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
        let count = parts.headers.get_all(T::NAME).iter().count();
        if count > 1 && has_one_value(&T::NAME) {
            let reason = format!("sent {count} times, but it takes one value");
            return Err(ExtractError::Header { name: T::NAME, reason }.into());
        }
        let mut value = joined(&parts.headers, &T::NAME)
            .ok_or(ExtractError::MissingHeader { name: T::NAME })?;
        // Then `Debug` does not print the value.
        value.set_sensitive(is_secret(&T::NAME));
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

/// Whether the header is not a list, so that a request may have it only once (RFC 9110, section
/// 5.3). Its values must not be joined: two credentials are not one credential.
fn has_one_value(name: &HeaderName) -> bool {
    const NAMES: [HeaderName; 19] = [
        header::AUTHORIZATION,
        header::CONTENT_DISPOSITION,
        header::CONTENT_LENGTH,
        header::CONTENT_LOCATION,
        header::CONTENT_RANGE,
        header::CONTENT_TYPE,
        header::DATE,
        header::FROM,
        header::HOST,
        header::IF_MODIFIED_SINCE,
        header::IF_RANGE,
        header::IF_UNMODIFIED_SINCE,
        header::LAST_MODIFIED,
        header::ORIGIN,
        header::PROXY_AUTHORIZATION,
        header::RANGE,
        header::REFERER,
        header::USER_AGENT,
        HeaderName::from_static("traceparent"),
    ];
    NAMES.contains(name)
}

/// Whether the values are credentials.
fn is_secret(name: &HeaderName) -> bool {
    [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION].contains(name)
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

    #[tokio::test]
    async fn debug_prints_no_credentials() {
        use crate::headers::{Authorization, Cookie, UserAgent};

        async fn debug<T: TypedHeader + fmt::Debug>() -> String {
            let mut request = http::Request::builder();
            for name in ["authorization", "cookie", "user-agent"] {
                // Bytes that are not UTF-8 are kept as a text, too.
                request = request.header(name, &b"s3cret \xff"[..]);
            }
            let body = crate::request::body::HttpBody::empty();
            let (head, body) = request.body(body).unwrap().into_parts();
            let path_args = crate::request::path_args::PathArgs::default();
            let mut parts = RequestParts::new(head, path_args, &body);
            format!("{:?}", Header::<T>::from_request_parts(&mut parts).await.unwrap())
        }

        assert!(!debug::<Authorization>().await.contains("s3cret"));
        assert!(!debug::<Cookie>().await.contains("s3cret"));
        assert!(debug::<UserAgent>().await.contains("s3cret"));
    }

    #[tokio::test]
    async fn a_header_that_takes_one_value_is_refused_if_it_occurs_again() {
        use crate::headers::{Accept, Authorization, ContentType, Cookie, Host, UserAgent};
        async fn status<T: TypedHeader>(count: usize) -> Result<(), http::StatusCode> {
            let mut request = http::Request::new(());
            for number in 0..count {
                let value = HeaderValue::try_from(format!("v{number}")).unwrap();
                request.headers_mut().append(T::NAME, value);
            }
            let (head, ()) = request.into_parts();
            let body = crate::request::body::HttpBody::empty();
            let args = crate::request::path_args::PathArgs::default();
            let mut parts = RequestParts::new(head, args, &body);
            let optional = Option::<Header<T>>::from_request_parts(&mut parts).await;
            let plain = Header::<T>::from_request_parts(&mut parts).await;
            assert!(count == 0 || optional.is_ok() == plain.is_ok());
            plain.map(|_| ()).map_err(|error| error.status())
        }
        let refused = Err(StatusCode::BAD_REQUEST);
        for count in 0..4 {
            let expect = if count == 1 { Ok(()) } else { refused };
            assert_eq!(status::<Authorization>(count).await, expect, "{count}");
            assert_eq!(status::<ContentType>(count).await, expect, "{count}");
            assert_eq!(status::<Host>(count).await, expect, "{count}");
            assert_eq!(status::<UserAgent>(count).await, expect, "{count}");
            let expect = if count == 0 { refused } else { Ok(()) };
            assert_eq!(status::<Accept>(count).await, expect, "{count}");
            assert_eq!(status::<Cookie>(count).await, expect, "{count}");
        }
    }

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
