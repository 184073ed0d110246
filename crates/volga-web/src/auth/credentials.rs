//! Reads the credentials in the field `Authorization` (RFC 9110, section 11.4; pure).

use http::{HeaderMap, header};

/// The credentials of a request for one scheme.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Credentials<'a> {
    /// There are none for this scheme.
    Missing,
    /// The text after the name of the scheme.
    Value(&'a str),
    /// The field cannot be read. The reason is the rest of a sentence about the field.
    Malformed(&'static str),
}

impl<'a> Credentials<'a> {
    /// Finds the credentials of a scheme. The name of a scheme is case-insensitive.
    pub(super) fn find(headers: &'a HeaderMap, scheme: &str) -> Self {
        let mut fields = headers.get_all(header::AUTHORIZATION).iter();
        let Some(field) = fields.next() else { return Self::Missing };
        if fields.next().is_some() {
            // Another server on the way may have looked at the other one.
            return Self::Malformed("is sent several times, but it takes one value");
        }
        let field = field.as_bytes().trim_ascii();
        let end = field.iter().position(|byte| *byte == b' ').unwrap_or(field.len());
        let (name, rest) = field.split_at(end);
        if !name.eq_ignore_ascii_case(scheme.as_bytes()) {
            return Self::Missing;
        }
        match std::str::from_utf8(rest.trim_ascii_start()) {
            Ok("") => Self::Malformed("has no credentials after the name of the scheme"),
            Ok(value) => Self::Value(value),
            Err(_) => Self::Malformed("has bytes that are not ASCII"),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[track_caller]
    fn check(fields: &[&[u8]], expect: &Credentials<'_>) {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(header::AUTHORIZATION, HeaderValue::from_bytes(field).expect("a value"));
        }
        assert_eq!(Credentials::find(&headers, "Bearer"), *expect, "{fields:?}");
    }

    #[test]
    fn the_credentials_are_those_of_the_scheme() {
        check(&[], &Credentials::Missing);
        for other in ["Basic YTpi", "Bearers abc", "Bearer\tabc", "abc", ""] {
            check(&[other.as_bytes()], &Credentials::Missing);
        }
        for scheme in ["Bearer abc", "bearer abc", "BEARER   abc ", " BeArEr abc"] {
            check(&[scheme.as_bytes()], &Credentials::Value("abc"));
        }
    }

    #[test]
    fn a_field_that_cannot_be_read_is_malformed() {
        for empty in ["Bearer", "bearer ", "Bearer   "] {
            let reason = "has no credentials after the name of the scheme";
            check(&[empty.as_bytes()], &Credentials::Malformed(reason));
        }
        check(&[b"Bearer \xff"], &Credentials::Malformed("has bytes that are not ASCII"));
        for fields in [[b"Bearer a", b"Bearer a"], [b"Bearer a", b"Basic YT"]] {
            let fields = fields.map(|field| &field[..]);
            let reason = "is sent several times, but it takes one value";
            check(&fields, &Credentials::Malformed(reason));
        }
    }
}
