//! `Json<T>`: a JSON value in a request or a response.

use std::ops::{Deref, DerefMut};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::error::Category;

use crate::extract::FromRequest;
use crate::extract::body::read_all;
use crate::extract::error::ExtractError;
use crate::extract::optional::OptionalArg;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::error::Error;
use crate::response::into_response::{HttpResult, IntoResponse, with_content_type};
use crate::response::json_text::to_json;

const CONTENT_TYPE: &str = "application/json";

/// A JSON value in a request or a response. It dereferences to the value.
///
/// As the last argument of a handler it reads the body. The status is
///
/// - 415 if `Content-Type` is neither `application/json` nor `application/…+json`,
/// - 400 if the body is not JSON,
/// - 422 if the JSON does not fit `T`. The message has the path, such as `items[2].price`.
///
/// `Option<Json<T>>` is `None` if the request has neither a body nor a content type. A byte order
/// mark of UTF-8 before the JSON is ignored.
///
/// As the result of a handler it is sent as `application/json`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use volga_core::{HandlerEndpoint, Json, Router};
///
/// #[derive(Deserialize, Serialize)]
/// struct User { name: String }
///
/// let mut router = Router::new();
/// router.map(http::Method::POST, "/users", HandlerEndpoint::new(async |Json(user): Json<User>| {
///     Json(User { name: user.name.to_uppercase() })
/// }));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Json<T>(pub T);

impl<T> Json<T> {
    /// Returns the value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Json<T> {
    fn describe(description: &mut Description) {
        description
            .reads_body(&[CONTENT_TYPE])
            .responds(StatusCode::BAD_REQUEST, &[])
            .responds(StatusCode::PAYLOAD_TOO_LARGE, &[])
            .responds(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[])
            .responds(StatusCode::UNPROCESSABLE_ENTITY, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        check_content_type(&parts.headers)?;
        let body = read_all(&parts, body).await?;
        Ok(Self(read(without_bom(body.bytes())?)?))
    }
}

/// Absent if the request has neither a body nor a content type. A body of unknown length that turns
/// out to be empty is no body.
impl<T> OptionalArg for Json<T> {
    fn is_absent(parts: &RequestParts) -> bool {
        !parts.has_body() && !parts.headers.contains_key(header::CONTENT_TYPE)
    }

    fn is_absent_without_content(parts: &RequestParts) -> bool {
        !parts.headers.contains_key(header::CONTENT_TYPE)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn describe(description: &mut Description) {
        description.responds(StatusCode::OK, &[CONTENT_TYPE]);
    }

    fn into_response(self) -> HttpResult {
        let body = to_json(&self.0).map_err(Error::server_error)?;
        const VALUE: HeaderValue = HeaderValue::from_static(CONTENT_TYPE);
        with_content_type(VALUE, body)
    }
}

impl<T> From<T> for Json<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Json<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Json<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ExtractError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        let found = "but the request names no content type".to_owned();
        return Err(ExtractError::ContentType { expected: CONTENT_TYPE, found });
    };
    if value.to_str().is_ok_and(is_json) {
        return Ok(());
    }
    let found = format!("not `{}`", String::from_utf8_lossy(value.as_bytes()));
    Err(ExtractError::ContentType { expected: CONTENT_TYPE, found })
}

/// Whether this is `application/json` or `application/…+json`, in upper or lower case, with any
/// parameters.
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let (kind, subtype) = essence.split_once('/').unwrap_or_default();
    let suffix = subtype.rsplit_once('+').map_or(subtype, |(_, suffix)| suffix);
    kind.eq_ignore_ascii_case("application") && suffix.eq_ignore_ascii_case("json")
}

/// Removes a byte order mark of UTF-8. A reader of JSON may ignore it (RFC 8259, section 8.1), and
/// some clients send it.
pub(in crate::extract) fn without_bom(body: &[u8]) -> Result<&[u8], ExtractError> {
    if body.starts_with(b"\xfe\xff") || body.starts_with(b"\xff\xfe") {
        let reason = "it starts with a byte order mark of UTF-16; send UTF-8".to_owned();
        return Err(ExtractError::JsonSyntax { reason });
    }
    Ok(body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ExtractError> {
    read_with(body, serde_json::Error::to_string)
}

/// Reads the value of one line of `NdJson`. Errors have a column; the caller adds the number of the
/// line.
pub(in crate::extract) fn read_line<T: DeserializeOwned>(line: &[u8]) -> Result<T, ExtractError> {
    read_with(line, |error| {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        match text.strip_suffix(&format!(" at line {line} column {column}")) {
            Some(reason) => format!("{reason} at column {column}"),
            None => text,
        }
    })
}

fn read_with<T: DeserializeOwned>(
    body: &[u8],
    message: impl Fn(&serde_json::Error) -> String,
) -> Result<T, ExtractError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let at = error.path().to_string();
        let inner = error.into_inner();
        let reason = message(&inner);
        match inner.classify() {
            Category::Data => ExtractError::JsonShape { at, reason },
            Category::Io | Category::Syntax | Category::Eof => ExtractError::JsonSyntax { reason },
        }
    })?;
    json.end().map_err(|error| ExtractError::JsonSyntax { reason: message(&error) })?;
    Ok(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Item {
        price: u32,
    }

    #[track_caller]
    fn check(body: &str, status: u16, message: &str) {
        let error = read::<Order>(body.as_bytes()).unwrap_err();
        assert_eq!((error.status().as_u16(), &*error.to_string()), (status, message));
    }

    #[test]
    fn malformed_json_and_json_that_does_not_fit_have_different_statuses() {
        check("", 400, "malformed JSON: EOF while parsing a value at line 1 column 0");
        check("{", 400, "malformed JSON: EOF while parsing an object at line 1 column 1");
        check("{\"items\":[]} x", 400, "malformed JSON: trailing characters at line 1 column 14");
        check(
            r#"{"items":[{"price":1},{"price":"x"}]}"#,
            422,
            "the JSON does not fit at `items[1].price`: invalid type: string \"x\", expected u32 at line 1 column 34",
        );
        check("{}", 422, "the JSON does not fit at `.`: missing field `items` at line 1 column 2");
        check(
            r#"{"items":[{}]}"#,
            422,
            "the JSON does not fit at `items[0]`: missing field `price` at line 1 column 12",
        );
        assert_eq!(read::<Order>(b" {\"items\":[]}\n").unwrap(), Order { items: Vec::new() });
    }

    #[test]
    fn a_byte_order_mark_is_ignored_or_named() {
        let json = br#"{"items":[]}"#;
        for (mark, is_taken) in
            [(&b""[..], true), (b"\xef\xbb\xbf", true), (b"\xfe\xff", false), (b"\xff\xfe", false)]
        {
            let body = [mark, json].concat();
            let result = without_bom(&body).and_then(read::<Order>);
            assert_eq!(result.is_ok(), is_taken, "{mark:?}");
            if let Err(error) = result {
                assert_eq!(error.status(), 400);
                assert!(error.to_string().contains("send UTF-8"), "{error}");
            }
        }
        // Only at the start, and only once.
        assert!(without_bom(b"\xef\xbb\xbf\xef\xbb\xbf1").and_then(read::<u8>).is_err());
        assert!(without_bom(b" \xef\xbb\xbf1").and_then(read::<u8>).is_err());
    }

    #[test]
    fn json_has_several_content_types() {
        for text in ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"] {
            assert!(is_json(text), "{text}");
        }
        for text in
            ["", "json", "text/json", "application/jsonp", "application/x-www-form-urlencoded"]
        {
            assert!(!is_json(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_body_is_a_value_or_a_client_error(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Err(error) = read::<Order>(&body) {
                prop_assert!(error.status().is_client_error());
            }
        }

        #[test]
        fn well_formed_json_fits_or_is_422(text in r#"(\{"items":)?(\[(\{"price":)?(1|-1|"x"|null|\[\])\}?\]|1)\}?"#) {
            let malformed = serde_json::from_str::<serde_json::Value>(&text).is_err();
            match read::<Order>(text.as_bytes()) {
                Ok(_) => prop_assert!(!malformed),
                // A value that does not fit may come before the syntax error.
                Err(error) if malformed => prop_assert!([400, 422].contains(&error.status().as_u16())),
                Err(error) => prop_assert_eq!(error.status().as_u16(), 422),
            }
        }
    }
}
