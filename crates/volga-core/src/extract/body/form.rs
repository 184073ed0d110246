//! `Form<T>`: the fields of an HTML form in a request or a response.

use std::ops::{Deref, DerefMut};

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::{Serialize, de::DeserializeOwned};

use crate::extract::FromRequest;
use crate::extract::body::form_text::write;
use crate::extract::body::{check_charset, read_all};
use crate::extract::error::ExtractError;
use crate::extract::fields::form_fields::error_of_form;
use crate::extract::fields::pairs::{NotUtf8, count, pairs, read};
use crate::extract::optional::OptionalArg;
use crate::extract::query;
use crate::handler::description::Description;
use crate::request::body::HttpBody;
use crate::request::parts::RequestParts;
use crate::response::error::Error;
use crate::response::into_response::{HttpResult, IntoResponse, with_content_type};

const CONTENT_TYPE: &str = "application/x-www-form-urlencoded";

/// The maximum number of fields in a form: 4,096. A field needs more memory than its bytes in the
/// body, so the limit of the body alone would not be enough.
pub const MAX_FORM_FIELDS: usize = 4096;

/// The fields of an HTML form, in a request or a response. It dereferences to the value.
///
/// As the last argument of a handler it reads the body, or for GET and HEAD the query, because that
/// is where a browser puts the fields of a form with `method="get"`. The fields fill the type as
/// those of a [`Query`](crate::Query) do: repeated names, names with brackets, `flatten` and enums
/// included. The status is
///
/// - 415 if `Content-Type` is not `application/x-www-form-urlencoded`, or names a charset other
///   than UTF-8,
/// - 400 if a name or a text is not UTF-8 after percent-decoding,
/// - 413 if the body exceeds its limit, or has more than [`MAX_FORM_FIELDS`] fields,
/// - 422 if a field is missing, cannot be parsed, or occurs more often than the type takes it. The
///   message has the path of the field, such as `address[city]`.
///
/// For GET and HEAD, errors are those of a query, with status 400. `Option<Form<T>>` is `None` if
/// the request has neither a body nor a content type, or for GET and HEAD no query. An empty text
/// is a text; with [`NonEmptyFields`](crate::NonEmptyFields), such a field counts as absent.
///
/// As the result of a handler it is sent as `application/x-www-form-urlencoded`.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use volga_core::{Form, HandlerEndpoint, Router};
///
/// #[derive(Deserialize, Serialize)]
/// struct User { name: String, #[serde(default)] tag: Vec<String> }
///
/// let mut router = Router::new();
/// router.map(http::Method::POST, "/users", HandlerEndpoint::new(async |Form(user): Form<User>| {
///     format!("{} has {} tags", user.name, user.tag.len())
/// }));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Form<T>(pub T);

impl<T> Form<T> {
    /// Returns the value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: DeserializeOwned> FromRequest for Form<T> {
    fn describe(description: &mut Description) {
        description
            .reads_query()
            .reads_body(&[CONTENT_TYPE])
            .responds(StatusCode::BAD_REQUEST, &[])
            .responds(StatusCode::PAYLOAD_TOO_LARGE, &[])
            .responds(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[])
            .responds(StatusCode::UNPROCESSABLE_ENTITY, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        if is_in_query(&parts.method) {
            return Ok(Self(query::of_text(parts.uri.query().unwrap_or_default())?));
        }
        check_content_type(&parts.headers)?;
        let body = read_all(&parts, body).await?;
        Ok(Self(of_body(body.bytes())?))
    }
}

/// Absent if the request has neither a body nor a content type, or for GET and HEAD no query.
impl<T> OptionalArg for Form<T> {
    fn is_absent(parts: &RequestParts) -> bool {
        if is_in_query(&parts.method) {
            return parts.uri.query().is_none_or(str::is_empty);
        }
        !parts.has_body() && !parts.headers.contains_key(header::CONTENT_TYPE)
    }

    fn is_absent_without_content(parts: &RequestParts) -> bool {
        !is_in_query(&parts.method) && !parts.headers.contains_key(header::CONTENT_TYPE)
    }
}

impl<T: Serialize> IntoResponse for Form<T> {
    fn describe(description: &mut Description) {
        description.responds(StatusCode::OK, &[CONTENT_TYPE]);
    }

    fn into_response(self) -> HttpResult {
        const VALUE: HeaderValue = HeaderValue::from_static(CONTENT_TYPE);
        with_content_type(VALUE, write(&self.0).map_err(Error::server_error)?)
    }
}

impl<T> From<T> for Form<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> Deref for Form<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Form<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Whether the fields of a form with this method are in the query.
fn is_in_query(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ExtractError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        let found = "but the request names no content type".to_owned();
        return Err(ExtractError::ContentType { expected: CONTENT_TYPE, found });
    };
    let text = String::from_utf8_lossy(value.as_bytes());
    let essence = text.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case(CONTENT_TYPE) {
        let found = format!("not `{text}`");
        return Err(ExtractError::ContentType { expected: CONTENT_TYPE, found });
    }
    check_charset(headers)
}

fn of_body<T: DeserializeOwned>(body: &[u8]) -> Result<T, ExtractError> {
    let not_utf8 = |at| ExtractError::FormSyntax { at, reason: NotUtf8::REASON.to_owned() };
    let text = match std::str::from_utf8(body) {
        Ok(text) => text,
        Err(error) => {
            let valid =
                String::from_utf8_lossy(body.get(..error.valid_up_to()).unwrap_or_default());
            let field = valid.rsplit('&').next().unwrap_or_default();
            return Err(not_utf8(field.split('=').next().unwrap_or_default().to_owned()));
        }
    };
    if count(text) > MAX_FORM_FIELDS {
        return Err(ExtractError::TooManyFormFields { limit: MAX_FORM_FIELDS });
    }
    let pairs = pairs(text).map_err(|NotUtf8(at)| not_utf8(at))?;
    read(&pairs).map_err(error_of_form)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Deserialize, PartialEq, Serialize)]
    struct User {
        name: String,
        age: u8,
        #[serde(default)]
        tag: Vec<String>,
    }

    #[track_caller]
    fn check(body: &[u8], status: u16, message: &str) {
        let error = of_body::<User>(body).unwrap_err();
        assert_eq!((error.status().as_u16(), &*error.to_string()), (status, message));
    }

    #[test]
    fn each_fault_has_its_status_and_names_its_field() {
        check(b"", 422, "form field `name` is missing");
        check(b"name=a", 422, "form field `age` is missing");
        check(b"name=a&age=x", 422, "form field `age`: invalid digit found in string");
        check(b"name=a&age=300", 422, "form field `age`: number too large to fit in target type");
        check(
            b"name=a&age=1&age=2",
            422,
            "form field `age`: given 2 times, but it takes one value",
        );
        check(b"name=%FF&age=1", 400, "form field `name`: it is not UTF-8 after percent-decoding");
        check(b"age=1&name=\xff", 400, "form field `name`: it is not UTF-8 after percent-decoding");
        let error = of_body::<u8>(b"a=1").unwrap_err();
        assert!(error.to_string().starts_with("form: invalid type"), "{error}");
        let user = User { name: "é +".to_owned(), age: 1, tag: vec!["x".into(), String::new()] };
        assert_eq!(of_body::<User>("&age=1&name=é+%2B&tag=x&tag=&".as_bytes()).unwrap(), user);
    }

    #[test]
    fn the_number_of_fields_is_limited() {
        let body = |count: usize| "a=1&".repeat(count);
        let read = |count: usize| of_body::<Vec<(String, u8)>>(body(count).as_bytes());
        assert_eq!(read(MAX_FORM_FIELDS).unwrap().len(), MAX_FORM_FIELDS);
        let error = read(MAX_FORM_FIELDS + 1).unwrap_err();
        assert_eq!(error.status(), 413);
        assert_eq!(error.to_string(), "the form has more than 4096 fields");
    }

    #[test]
    fn a_form_has_one_content_type() {
        for (content_type, is_taken) in [
            ("application/x-www-form-urlencoded", true),
            ("Application/X-WWW-Form-Urlencoded; charset=UTF-8", true),
            ("application/x-www-form-urlencoded;charset=iso-8859-1", false),
            ("application/x-www-form", false),
            ("multipart/form-data; boundary=x", false),
            ("text/plain", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", HeaderValue::from_static(content_type));
            let result = check_content_type(&headers);
            assert_eq!(result.is_ok(), is_taken, "{content_type}");
        }
        let error = check_content_type(&HeaderMap::new()).unwrap_err();
        assert!(error.to_string().contains("`application/x-www-form-urlencoded`"), "{error}");
    }

    proptest! {
        #[test]
        fn every_body_is_a_value_or_a_client_error(body in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Err(error) = of_body::<User>(&body) {
                prop_assert!(error.status().is_client_error());
            }
        }

        #[test]
        fn a_written_form_is_read_back(name in ".{0,8}", age: u8, tag in prop::collection::vec(".{0,4}", 0..4)) {
            let user = User { name, age, tag };
            let form = write(&user).unwrap();
            prop_assert_eq!(of_body::<User>(form.as_bytes()).unwrap(), user);
        }
    }
}
