//! `Challenge`: says which credentials a client needs (RFC 9110, section 11.6.1; pure).

use std::borrow::Cow;
use std::fmt::{self, Write};

use http::header::InvalidHeaderValue;
use http::{HeaderValue, StatusCode};

use crate::auth::realm::Realm;

/// The realm of a Basic challenge that no [`Realm`] names, because RFC 7617 demands one.
const DEFAULT_REALM: &str = "Restricted";

/// Says which credentials a client needs: one `WWW-Authenticate` of an
/// [`AuthError`](crate::AuthError).
///
/// ```
/// use volga_web::{Challenge, Realm};
///
/// let challenge = Challenge::bearer().with_realm(Realm::from_static("orders"));
/// assert_eq!(challenge.to_string(), r#"Bearer realm="orders""#);
/// let own = Challenge::new("ApiKey").with_param("in", "header");
/// assert_eq!(own.to_string(), r#"ApiKey in="header""#);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a challenge does nothing until an `AuthError` has it"]
pub struct Challenge {
    scheme: Cow<'static, str>,
    realm: Option<Realm>,
    params: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    status: StatusCode,
}

impl Challenge {
    /// Creates a challenge of any scheme.
    pub fn new(scheme: impl Into<Cow<'static, str>>) -> Self {
        let status = StatusCode::UNAUTHORIZED;
        Self { scheme: scheme.into(), realm: None, params: Vec::new(), status }
    }

    /// Asks for a name and a password in UTF-8 (RFC 7617). A browser shows a dialogue.
    pub fn basic() -> Self {
        Self::new("Basic").with_param("charset", "UTF-8")
    }

    /// Asks for a bearer token (RFC 6750).
    pub fn bearer() -> Self {
        Self::new("Bearer")
    }

    /// Sets the realm. A challenge without one has that of the middleware [`Realm`].
    pub fn with_realm(mut self, realm: Realm) -> Self {
        self.realm = Some(realm);
        self
    }

    /// Adds a parameter.
    pub fn with_param(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// Says that the token is expired, revoked, malformed or unknown: `error="invalid_token"`.
    pub(crate) fn with_invalid_token(self, description: &str) -> Self {
        // The section allows a part of ASCII only, and no quotes.
        let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        let description: String = description.chars().filter(|c| allowed(*c)).collect();
        let challenge = self.with_param("error", "invalid_token");
        match description.is_empty() {
            true => challenge,
            false => challenge.with_param("error_description", description),
        }
    }

    /// Says that the token does not permit the request: status 403.
    pub(crate) fn with_insufficient_scope(mut self, scope: Cow<'static, str>) -> Self {
        self.status = StatusCode::FORBIDDEN;
        self.with_param("error", "insufficient_scope").with_param("scope", scope)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn has_realm(&self) -> bool {
        self.realm.is_some()
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        let needs_realm = self.scheme.eq_ignore_ascii_case("Basic");
        let realm = self.realm.as_ref().map(Realm::as_str);
        let realm = realm.or(needs_realm.then_some(DEFAULT_REALM)).map(|realm| ("realm", realm));
        let params = self.params.iter().map(|(name, value)| (&**name, &**value));
        for (index, (name, value)) in realm.into_iter().chain(params).enumerate() {
            f.write_str(if index == 0 { " " } else { ", " })?;
            write!(f, "{name}={}", Quoted(value))?;
        }
        Ok(())
    }
}

/// A text as a `quoted-string`.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

impl TryFrom<&Challenge> for HeaderValue {
    type Error = InvalidHeaderValue;

    fn try_from(challenge: &Challenge) -> Result<Self, InvalidHeaderValue> {
        // `HeaderValue` allows bytes beyond ASCII, which clients read differently.
        let text = challenge.to_string();
        if text.is_ascii() { Self::try_from(text) } else { Self::from_bytes(b"\0") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_quoted_and_a_basic_challenge_has_a_realm() {
        assert_eq!(Challenge::basic().to_string(), r#"Basic realm="Restricted", charset="UTF-8""#);
        let realm = Realm::try_from(r#"a "b" \c"#.to_owned()).expect("a realm");
        let challenge = Challenge::bearer().with_realm(realm);
        assert_eq!(challenge.to_string(), r#"Bearer realm="a \"b\" \\c""#);
        assert_eq!(Challenge::bearer().to_string(), "Bearer");
    }

    #[test]
    fn a_description_has_only_what_the_rfc_allows() {
        for (text, expect) in [
            ("has expired", r#"Bearer error="invalid_token", error_description="has expired""#),
            ("a\"b\\\r\nü c", r#"Bearer error="invalid_token", error_description="ab c""#),
            ("\u{1f980}", r#"Bearer error="invalid_token""#),
        ] {
            let challenge = Challenge::bearer().with_invalid_token(text);
            assert_eq!(challenge.to_string(), expect);
        }
    }

    #[test]
    fn a_parameter_that_no_field_may_hold_is_an_error() {
        for value in ["a\nb", "ü", "\0"] {
            let challenge = Challenge::bearer().with_param("scope", value);
            assert!(HeaderValue::try_from(&challenge).is_err(), "{value:?}");
        }
    }
}
