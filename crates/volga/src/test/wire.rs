//! How a request looks when it is sent, over a socket or in process (pure).

use http::{HeaderMap, HeaderValue, Method, Uri, header};
use http_body::Body;
use volga_core::{HttpBody, HttpRequest};

/// Parses the target of a request.
///
/// # Errors
///
/// Returns what to write instead, if no client would send this target.
pub(super) fn target(method: &Method, text: &str) -> Result<Uri, String> {
    if text == "*" && *method != Method::OPTIONS {
        return Err("the path \"*\" is for OPTIONS alone: write \"/\"".to_owned());
    }
    let is_path = text.starts_with('/') || text == "*";
    let uri = text.parse::<Uri>();
    let is_whole = uri.as_ref().is_ok_and(|uri| uri.scheme().is_some());
    // CONNECT asks for an authority, such as `example.org:443`.
    let is_authority = *method == Method::CONNECT && uri.is_ok();
    if !is_path && !is_whole && !is_authority && !text.contains("://") {
        let hint = if text.is_empty() || text.starts_with('?') {
            String::new()
        } else {
            format!(", or a whole URL, \"http://{text}\"")
        };
        return Err(format!(
            "the path {text:?} does not begin with a slash: write {:?}{hint}",
            format!("/{text}")
        ));
    }
    if let Some(authority) = uri.as_ref().ok().and_then(Uri::authority)
        && authority.as_str().contains('@')
    {
        return Err(format!(
            "the URL {text:?} has user information, which clients do not send: leave it out, and \
             set the header \"authorization\""
        ));
    }
    uri.map_err(|error| {
        format!(
            "the path {text:?} is not valid: {error}; percent-encode what a URL cannot have, such \
             as a blank as %20"
        )
    })
}

/// Adds the headers that a client adds to every request: the host, and how long the body is.
///
/// # Errors
///
/// Returns what to write instead, if the length in the headers is not the length of the body.
pub(super) fn complete(request: &mut HttpRequest, server: &str) -> Result<(), String> {
    let host = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => server,
    };
    let host = HeaderValue::from_str(host).map_err(|error| error.to_string())?;
    let length = request.body().size_hint().exact();
    if length == Some(0) {
        *request.body_mut() = HttpBody::empty();
    }
    let announces_empty = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        || is_query(request);
    let headers = request.headers_mut();
    headers.entry(header::HOST).or_insert(host);
    trim(headers);
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    match (headers.get(header::CONTENT_LENGTH), length) {
        (Some(said), Some(length)) if said.as_bytes() != length.to_string().as_bytes() => {
            Err(format!(
                "the header content-length is {said:?}, but the body has {length} bytes: leave \
                 the header out"
            ))
        }
        (None, None) => {
            headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            Ok(())
        }
        (None, Some(length)) if length > 0 || announces_empty => {
            headers.insert(header::CONTENT_LENGTH, length.into());
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_query(request: &HttpRequest) -> bool {
    request.method().as_str() == "QUERY"
}

/// Removes the blanks around values. They are not a part of a value when it is sent (RFC 9110,
/// section 5.5).
fn trim(headers: &mut HeaderMap) {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    for value in headers.values_mut() {
        let bytes = value.as_bytes();
        if bytes.first().is_some_and(is_blank) || bytes.last().is_some_and(is_blank) {
            // A part of a valid value is valid.
            if let Ok(trimmed) = HeaderValue::from_bytes(bytes.trim_ascii()) {
                *value = trimmed;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(method: Method, text: &str, advice: &str) {
        let error = target(&method, text).unwrap_err();
        assert!(error.contains(&format!("{text:?}")) && error.contains(advice), "{error}");
    }

    #[test]
    fn a_target_that_no_client_sends_is_refused_with_advice() {
        for text in
            ["hello", "hello/x", "", "?a=1", "example.org:80", "example.org:80/x", "ü", "a b"]
        {
            refused(Method::GET, text, &format!("write {:?}", format!("/{text}")));
        }
        refused(Method::GET, "*", "OPTIONS");
        refused(Method::GET, "http://user@example.org/", "authorization");
        for text in ["/a b", "/a\nb", "/{id}\u{0}", "http://a b/"] {
            refused(Method::GET, text, "percent-encode");
        }
    }

    #[test]
    fn a_path_or_a_whole_url_is_a_target() {
        for text in ["/", "//", "/a%20b?c=d", "/?", "http://example.org", "https://a:1/b?c"] {
            assert!(target(&Method::GET, text).is_ok(), "{text}");
        }
        assert!(target(&Method::OPTIONS, "*").is_ok());
        for text in ["example.org:443", "/chat"] {
            assert!(target(&Method::CONNECT, text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_length_that_is_not_the_length_of_the_body_is_refused() {
        for (said, body, is_right) in [("3", "abc", true), ("4", "abc", false), ("1", "", false)] {
            let request = http::Request::post("/").header("content-length", said);
            let mut request = request.body(HttpBody::from(body)).unwrap();
            assert_eq!(complete(&mut request, "a").is_ok(), is_right, "{said} {body:?}");
        }
    }
}
