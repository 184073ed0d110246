//! `Bearer`: a token as an argument (RFC 6750).

use std::fmt;

use http::{StatusCode, header};
use volga_core::{Description, Error, FromRequestParts, OptionalArg, RequestParts};

use crate::auth::challenge::Challenge;
use crate::auth::constant_time::constant_time_eq;
use crate::auth::credentials::Credentials;
use crate::auth::error::AuthError;

const SCHEME: &str = "Bearer";

/// The bearer token of a request: `Authorization: Bearer <token>`.
///
/// A request without a token, or with a malformed one, has status 401 with `WWW-Authenticate`, and
/// the handler is not called. `Option<Bearer>` is `None` if the request has no bearer token, so a
/// route can take other credentials, too. Volga does not know which tokens are valid: your handler
/// or an extractor of your own decides, and returns an [`AuthError`].
///
/// The token is not part of the `Debug` output.
///
/// ```
/// use volga_core::{HandlerEndpoint, Router};
/// use volga_web::{AuthError, Bearer};
///
/// let mut router = Router::new();
/// router.map(http::Method::GET, "/report", HandlerEndpoint::new(async |bearer: Bearer| {
///     match bearer.matches("s3cret") {
///         true => Ok("the report"),
///         false => Err(AuthError::invalid_token("the token is unknown")),
///     }
/// }));
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Bearer(Box<str>);

impl Bearer {
    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.0
    }

    /// Whether this is the expected token, [compared in constant
    /// time](crate::constant_time_eq).
    #[must_use]
    pub fn matches(&self, expected: &str) -> bool {
        constant_time_eq(&*self.0, expected)
    }
}

impl FromRequestParts for Bearer {
    fn describe(description: &mut Description) {
        description.reads_header(header::AUTHORIZATION).responds(StatusCode::UNAUTHORIZED, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        match Credentials::find(&parts.headers, SCHEME) {
            Credentials::Value(token) if is_token(token) => Ok(Self(token.into())),
            Credentials::Value(_) => {
                Err(AuthError::invalid_token("the token has a character that no token may have")
                    .into())
            }
            Credentials::Malformed(reason) => {
                Err(AuthError::invalid_token(format!("the field Authorization {reason}")).into())
            }
            Credentials::Missing => {
                Err(AuthError::missing(Challenge::bearer(), "Bearer <token>").into())
            }
        }
    }
}

/// Absent if the request has no bearer token. A malformed one is an error.
impl OptionalArg for Bearer {
    fn is_absent(parts: &RequestParts) -> bool {
        Credentials::find(&parts.headers, SCHEME) == Credentials::Missing
    }
}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer").finish_non_exhaustive()
    }
}

/// Whether this is a `b64token` (RFC 6750, section 2.1). It is not empty.
fn is_token(text: &str) -> bool {
    let token = text.trim_end_matches('=');
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !token.is_empty() && token.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_characters_of_the_rfc() {
        for token in ["a", "abc.DEF-1_2~3+4/5==", "0", "a="] {
            assert!(is_token(token), "{token}");
        }
        for text in ["", "=", "a b", "a=b", "a,b", "\"a\"", "a\u{fc}", "a\t"] {
            assert!(!is_token(text), "{text}");
        }
    }
}
