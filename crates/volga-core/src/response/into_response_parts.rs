//! `IntoResponseParts`: the status and the headers before the body in a tuple.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, header::Entry, response};

use crate::handler::description::{DescribedResponse, Description};
use crate::headers::typed::{IntoHeader, TypedHeader};
use crate::response::error::Error;
use crate::response::into_response::{HttpResponse, HttpResult, IntoResponse};

/// A value that a handler may put before the body in a tuple:
/// `(StatusCode::CREATED, [("x-id", "7")], "text")`.
///
/// The body becomes the response first. Then the parts change it, from left to right. A header
/// replaces a default header with the same name. If a list has a name twice, both headers are sent.
///
/// ```
/// use http::StatusCode;
/// use volga_core::{IntoResponse, headers::ETag};
///
/// let headers = [("content-type", "text/csv"), ("x-rows", "2")];
/// let tag = ETag::weak("2").unwrap();
/// let response = (StatusCode::ACCEPTED, headers, tag, "a\nb\n").into_response().unwrap();
/// assert_eq!(response.status(), 202);
/// assert_eq!(response.headers()["content-type"], "text/csv");
/// assert_eq!(response.headers()["etag"], "W/\"2\"");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be put before the body of a response",
    label = "neither a status nor headers",
    note = "a tuple has the status, the headers, and the body as its last part: `(StatusCode::CREATED, [(\"x-id\", \"7\")], body)`",
    note = "headers are a list of pairs, a `HeaderMap`, or a type that implements `TypedHeader`"
)]
pub trait IntoResponseParts {
    /// Changes the head of the response.
    ///
    /// # Errors
    ///
    /// Returns an error if the head cannot be changed, such as for an invalid header. The error
    /// then becomes the response.
    fn into_response_parts(self, head: &mut response::Parts) -> Result<(), Error>;

    /// Changes the description of the body's response. The default says that the status and the
    /// media type may change to any.
    fn describe(response: &mut DescribedResponse)
    where
        Self: Sized,
    {
        (response.status, response.media_types) = (None, vec!["*/*"]);
    }
}

impl IntoResponseParts for StatusCode {
    fn into_response_parts(self, head: &mut response::Parts) -> Result<(), Error> {
        head.status = self;
        Ok(())
    }

    fn describe(response: &mut DescribedResponse) {
        response.status = None;
    }
}

impl IntoResponseParts for HeaderMap {
    fn into_response_parts(self, head: &mut response::Parts) -> Result<(), Error> {
        let mut named = Vec::new();
        let mut last = None;
        for (name, value) in self {
            // The iterator gives the name with the first of several values only.
            last = name.or(last);
            if let Some(name) = &last {
                put(&mut head.headers, &mut named, name.clone(), value);
            }
        }
        Ok(())
    }

    fn describe(response: &mut DescribedResponse) {
        // A `content-type` may be among them.
        response.media_types = vec!["*/*"];
    }
}

impl<H: IntoHeader, const N: usize> IntoResponseParts for [H; N] {
    fn into_response_parts(self, head: &mut response::Parts) -> Result<(), Error> {
        put_all(&mut head.headers, self)
    }

    fn describe(response: &mut DescribedResponse) {
        // A `content-type` may be among them.
        response.media_types = vec!["*/*"];
    }
}

impl<H: IntoHeader> IntoResponseParts for Vec<H> {
    fn into_response_parts(self, head: &mut response::Parts) -> Result<(), Error> {
        put_all(&mut head.headers, self)
    }

    fn describe(response: &mut DescribedResponse) {
        // A `content-type` may be among them.
        response.media_types = vec!["*/*"];
    }
}

#[diagnostic::do_not_recommend]
impl<T: TypedHeader> IntoResponseParts for T {
    fn into_response_parts(self, head: &mut response::Parts) -> Result<(), Error> {
        put_all(&mut head.headers, [self])
    }

    fn describe(response: &mut DescribedResponse) {
        if T::NAME == header::CONTENT_TYPE {
            response.media_types = vec!["*/*"];
        }
    }
}

/// `None` changes nothing.
impl<T: IntoResponseParts> IntoResponseParts for Option<T> {
    fn into_response_parts(self, head: &mut response::Parts) -> Result<(), Error> {
        self.map_or(Ok(()), |part| part.into_response_parts(head))
    }

    fn describe(response: &mut DescribedResponse) {
        T::describe(response);
    }
}

macro_rules! tuples {
    ($(($($part:ident)*))*) => { $(
        impl<$($part: IntoResponseParts,)* R: IntoResponse> IntoResponse for ($($part,)* R) {
            #[expect(non_snake_case, reason = "the parts are named by their types")]
            fn into_response(self) -> HttpResult {
                let ($($part,)* response) = self;
                let (mut head, body) = response.into_response()?.into_parts();
                $( $part.into_response_parts(&mut head)?; )*
                Ok(http::Response::from_parts(head, body))
            }

            #[expect(non_snake_case, reason = "the parts are named by their types")]
            fn into_error_result(self) -> HttpResult {
                let ($($part,)* response) = self;
                let (response, error) = match response.into_error_result() {
                    Ok(response) => (response, None),
                    Err(error) => (HttpResponse::default(), Some(error)),
                };
                let (mut head, body) = response.into_parts();
                $( $part.into_response_parts(&mut head)?; )*
                match error {
                    None => Ok(http::Response::from_parts(head, body)),
                    Some(error) => Err(error.with_head(head)),
                }
            }

            fn describe(description: &mut Description) {
                description.map_responses(R::describe, |response| {
                    $( $part::describe(response); )*
                });
            }
        }
    )* };
}

tuples! { (A) (A B) (A B C) (A B C D) }

fn put_all(
    headers: &mut HeaderMap,
    list: impl IntoIterator<Item: IntoHeader>,
) -> Result<(), Error> {
    let mut named = Vec::new();
    list.into_iter().try_for_each(|header| set_header(headers, &mut named, header))
}

/// Sets a header of a response macro's header list. It replaces a default header, and is added to
/// an earlier header of the same list with the same name.
///
/// `named` are the names that the list has set so far.
///
/// # Errors
///
/// Returns a server error if HTTP does not allow the name or the value.
#[doc(hidden)]
pub fn set_header(
    headers: &mut HeaderMap,
    named: &mut Vec<HeaderName>,
    header: impl IntoHeader,
) -> Result<(), Error> {
    let (name, value) = header.into_header().map_err(Error::server_error)?;
    put(headers, named, name, value);
    Ok(())
}

fn put(headers: &mut HeaderMap, named: &mut Vec<HeaderName>, name: HeaderName, value: HeaderValue) {
    let is_named = named.contains(&name);
    if !is_named {
        named.push(name.clone());
    }
    match headers.entry(name) {
        Entry::Occupied(mut entry) if is_named => entry.append(value),
        Entry::Occupied(mut entry) => drop(entry.insert_mult(value)),
        Entry::Vacant(entry) => drop(entry.insert(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::cache_control::CacheControl;
    use crate::headers::etag::ETag;

    fn headers(response: impl IntoResponse) -> Vec<(String, String)> {
        let response = response.into_response().unwrap();
        let pair = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.to_string(), value.to_str().unwrap().to_owned())
        };
        let mut headers: Vec<_> = response.headers().iter().map(pair).collect();
        headers.sort();
        headers
    }

    #[track_caller]
    fn check(response: impl IntoResponse, expect: &[(&str, &str)]) {
        let expect: Vec<_> =
            expect.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(headers(response), expect);
    }

    const TEXT: (&str, &str) = ("content-type", "text/plain; charset=utf-8");

    #[test]
    fn a_header_replaces_the_default_and_a_repeated_one_is_added() {
        check(([("Content-Type", "a/b")], "x"), &[("content-type", "a/b")]);
        check(([("x-a", "1"), ("x-a", "2")], "x"), &[TEXT, ("x-a", "1"), ("x-a", "2")]);
        check((vec![("x-a", "1".to_owned())], "x"), &[TEXT, ("x-a", "1")]);
        check(([("x-a", "1")], [("x-a", "2")], "x"), &[TEXT, ("x-a", "2")]);
        let mut map = HeaderMap::new();
        map.append("content-type", HeaderValue::from_static("a/b"));
        map.append("set-cookie", HeaderValue::from_static("a=1"));
        map.append("set-cookie", HeaderValue::from_static("b=2"));
        check((map, "x"), &[("content-type", "a/b"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]);
    }

    #[test]
    fn typed_headers_and_options_are_parts() {
        let tag = ETag::strong("1").unwrap();
        check(
            (StatusCode::OK, CacheControl::new().no_store(), tag.clone(), ()),
            &[("cache-control", "no-store"), ("etag", "\"1\"")],
        );
        check((Some([tag]), None::<HeaderMap>, ()), &[("etag", "\"1\"")]);
    }

    #[test]
    fn an_invalid_header_is_a_server_error() {
        for header in [("x-b", "a\nb"), ("x b", "a"), ("", "a")] {
            assert_eq!(([header], "x").into_response().unwrap_err().status(), 500);
        }
    }
}
