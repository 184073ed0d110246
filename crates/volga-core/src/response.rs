//! The response, and what can become one.

use std::{borrow::Cow, convert::Infallible, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body::Body;

use crate::{BoxError, Error, HttpBody};

/// A response as an application makes it.
pub type HttpResponse = Response<HttpBody>;

/// What the response macros give: a response, or the error that becomes one.
pub type HttpResult = Result<HttpResponse, Error>;

/// What a handler may return.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot become a response",
    label = "this is what the handler returns",
    note = "a handler returns text, bytes, a number, `()`, a `StatusCode`, an `http::Response`, an `Option` or `Result` of one of them, or what `ok!`, `status!` and `sse!` give"
)]
pub trait IntoResponse {
    /// Makes the response.
    ///
    /// # Errors
    ///
    /// What kept the response from being made. It becomes a response of its own, with the error's status.
    fn into_response(self) -> HttpResult;
}

impl<B> IntoResponse for Response<B>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn into_response(self) -> HttpResult {
        Ok(self.map(HttpBody::new))
    }
}

impl IntoResponse for HttpBody {
    fn into_response(self) -> HttpResult {
        Ok(Response::new(self))
    }
}

impl IntoResponse for () {
    fn into_response(self) -> HttpResult {
        HttpBody::empty().into_response()
    }
}

impl IntoResponse for Infallible {
    fn into_response(self) -> HttpResult {
        match self {}
    }
}

impl IntoResponse for StatusCode {
    fn into_response(self) -> HttpResult {
        let mut response = Response::new(HttpBody::empty());
        *response.status_mut() = self;
        Ok(response)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> HttpResult {
        Err(self)
    }
}

/// `None` is 404.
impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> HttpResult {
        match self {
            Some(value) => value.into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        }
    }
}

impl<T: IntoResponse, E: Into<Error>> IntoResponse for Result<T, E> {
    fn into_response(self) -> HttpResult {
        self.map_err(Into::into)?.into_response()
    }
}

impl<T: IntoResponse> IntoResponse for (StatusCode, T) {
    fn into_response(self) -> HttpResult {
        let mut response = self.1.into_response()?;
        *response.status_mut() = self.0;
        Ok(response)
    }
}

fn with_content_type(content_type: &'static str, body: impl Into<HttpBody>) -> HttpResult {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}

macro_rules! text {
    ($($type:ty),*) => { $(
        impl IntoResponse for $type {
            fn into_response(self) -> HttpResult {
                with_content_type("text/plain; charset=utf-8", self)
            }
        }
    )* };
}

macro_rules! text_of {
    ($($type:ty),*) => { $(
        impl IntoResponse for $type {
            fn into_response(self) -> HttpResult {
                self.to_string().into_response()
            }
        }
    )* };
}

macro_rules! bytes {
    ($($type:ty),*) => { $(
        impl IntoResponse for $type {
            fn into_response(self) -> HttpResult {
                with_content_type("application/octet-stream", self)
            }
        }
    )* };
}

text!(&'static str, String);
text_of!(bool, char, f32, f64, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
bytes!(&'static [u8], Vec<u8>, Bytes);

impl IntoResponse for Cow<'static, str> {
    fn into_response(self) -> HttpResult {
        match self {
            Cow::Borrowed(text) => text.into_response(),
            Cow::Owned(text) => text.into_response(),
        }
    }
}

impl IntoResponse for Box<str> {
    fn into_response(self) -> HttpResult {
        String::from(self).into_response()
    }
}

/// Sets a header that the application names, in place of what was set by default; a second one of the same name is added to the first.
///
/// `named` are the names that the application set so far. This is what the header list of the response macros does.
///
/// # Errors
///
/// A name or value that HTTP does not allow, as an error of the server.
pub fn set_header<N, V>(
    headers: &mut HeaderMap,
    named: &mut Vec<HeaderName>,
    name: N,
    value: V,
) -> Result<(), Error>
where
    N: TryInto<HeaderName, Error: Into<BoxError>>,
    V: TryInto<HeaderValue, Error: Into<BoxError>>,
{
    let name = name.try_into().map_err(Error::server_error)?;
    let value = value.try_into().map_err(Error::server_error)?;
    if named.contains(&name) {
        headers.append(name, value);
    } else {
        named.push(name.clone());
        headers.insert(name, value);
    }
    Ok(())
}

/// The response that an error becomes. The error itself rides along in the extensions, for whoever logs it.
pub(crate) fn error_response(error: Error) -> HttpResponse {
    let mut response = Response::new(HttpBody::full(error.public_message()));
    *response.status_mut() = error.status();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response.extensions_mut().insert(Arc::new(error));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: impl IntoResponse, status: u16, content_type: Option<&str>, length: u64) {
        let response = value.into_response().unwrap();
        assert_eq!(response.status().as_u16(), status);
        let found = response.headers().get("content-type").map(|value| value.to_str().unwrap());
        assert_eq!(found, content_type);
        assert_eq!(response.body().size_hint().exact(), Some(length));
    }

    #[test]
    fn values_become_responses_of_their_kind() {
        const TEXT: Option<&str> = Some("text/plain; charset=utf-8");
        check("text", 200, TEXT, 4);
        check(String::from("text"), 200, TEXT, 4);
        check(Cow::Borrowed("text"), 200, TEXT, 4);
        check(-42, 200, TEXT, 3);
        check(true, 200, TEXT, 4);
        check(vec![1_u8, 2], 200, Some("application/octet-stream"), 2);
        check((), 200, None, 0);
        check(StatusCode::ACCEPTED, 202, None, 0);
        check((StatusCode::CREATED, "text"), 201, TEXT, 4);
        check(None::<&str>, 404, None, 0);
        check(Ok::<_, Infallible>("text"), 200, TEXT, 4);
    }

    #[test]
    fn an_error_stays_one() {
        let error = "x".parse::<u8>().map(|_| ()).into_response().unwrap_err();
        assert_eq!(error.status(), 500);
    }

    #[test]
    fn a_named_header_replaces_the_default_and_joins_its_like() {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("text/plain"));
        let mut named = Vec::new();
        set_header(&mut headers, &mut named, "Content-Type", "a/b").unwrap();
        set_header(&mut headers, &mut named, "x-a", "1").unwrap();
        set_header(&mut headers, &mut named, "x-a", "2").unwrap();
        assert_eq!(headers["content-type"], "a/b");
        assert_eq!(headers.get_all("x-a").iter().count(), 2);
        assert!(set_header(&mut headers, &mut named, "x-b", "a\nb").is_err());
        assert!(set_header(&mut headers, &mut named, "x b", "a").is_err());
    }
}
