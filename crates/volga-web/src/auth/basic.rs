//! `Basic`: a name and a password as an argument (RFC 7617).

use std::fmt;

use data_encoding::BASE64;
use http::{StatusCode, header};
use volga_core::{Description, Error, FromRequestParts, OptionalArg, RequestParts};

use crate::auth::challenge::Challenge;
use crate::auth::constant_time::constant_time_eq;
use crate::auth::credentials::Credentials;
use crate::auth::error::AuthError;

const SCHEME: &str = "Basic";

/// The name and the password of a request: `Authorization: Basic <name:password in Base64>`.
///
/// A request without them, or with malformed ones, has status 401 with `WWW-Authenticate`, and the
/// handler is not called. A browser then asks its user. `Option<Basic>` is `None` if the request
/// has no such credentials.
///
/// A name has no colon, and a password may have some. Both are UTF-8 without control characters.
/// Neither is part of the `Debug` output.
///
/// ```
/// use volga_core::{HandlerEndpoint, Router};
/// use volga_web::{AuthError, Basic};
///
/// let mut router = Router::new();
/// router.map(http::Method::GET, "/metrics", HandlerEndpoint::new(async |basic: Basic| {
///     match basic.matches("scraper", "s3cret") {
///         true => Ok("up 1"),
///         false => Err(AuthError::basic()),
///     }
/// }));
/// ```
#[derive(Clone, Eq, PartialEq)]
pub struct Basic {
    name: Box<str>,
    password: Box<str>,
}

impl Basic {
    /// The name of the user.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The password.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether these are the expected name and password, [compared in constant
    /// time](crate::constant_time_eq). It is for a fixed account, such as that of a scraper. For
    /// passwords of users, store hashes and use a crate such as `argon2`.
    #[must_use]
    pub fn matches(&self, name: &str, password: &str) -> bool {
        // Both are compared, so that the time does not say which one was wrong.
        constant_time_eq(&*self.name, name) & constant_time_eq(&*self.password, password)
    }

    /// Reads `name:password` in Base64.
    fn read(encoded: &str) -> Result<Self, &'static str> {
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| "is not Base64")?;
        let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8")?;
        if text.chars().any(|c| c.is_ascii_control()) {
            return Err("has control characters");
        }
        let (name, password) = text.split_once(':').ok_or("has no colon after the name")?;
        Ok(Self { name: name.into(), password: password.into() })
    }
}

impl FromRequestParts for Basic {
    fn describe(description: &mut Description) {
        description.reads_header(header::AUTHORIZATION).responds(StatusCode::UNAUTHORIZED, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let malformed = |message: String| AuthError::basic().with_message(message).into();
        match Credentials::find(&parts.headers, SCHEME) {
            Credentials::Value(encoded) => Self::read(encoded)
                .map_err(|reason| malformed(format!("the value of Basic credentials {reason}"))),
            Credentials::Malformed(reason) => {
                Err(malformed(format!("the field Authorization {reason}")))
            }
            Credentials::Missing => {
                Err(AuthError::missing(Challenge::basic(), "Basic <name:password in Base64>")
                    .into())
            }
        }
    }
}

/// Absent if the request has no name and password. Malformed ones are an error.
impl OptionalArg for Basic {
    fn is_absent(parts: &RequestParts) -> bool {
        Credentials::find(&parts.headers, SCHEME) == Credentials::Missing
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_no_name_and_password_is_refused() {
        for (text, reason) in [
            ("anna", "has no colon after the name"),
            ("anna:\nb", "has control characters"),
            ("\0:b", "has control characters"),
        ] {
            assert_eq!(Basic::read(&BASE64.encode(text.as_bytes())).unwrap_err(), reason);
        }
        assert_eq!(Basic::read(&BASE64.encode(b"a:\xff")).unwrap_err(), "is not UTF-8");
        for text in ["!", "YTpi=", "YTp", "YTpi YTpi", "YTp_"] {
            assert_eq!(Basic::read(text).unwrap_err(), "is not Base64", "{text}");
        }
    }

    proptest! {
        /// Decoding what a client encodes returns it: only the first colon separates.
        #[test]
        fn a_name_and_a_password_come_as_the_client_has_them(
            name in "[^:\\x00-\\x1f\\x7f]{0,20}", password in "[^\\x00-\\x1f\\x7f]{0,20}",
        ) {
            let basic = Basic::read(&BASE64.encode(format!("{name}:{password}").as_bytes())).unwrap();
            prop_assert_eq!((basic.name(), basic.password()), (&*name, &*password));
            prop_assert!(basic.matches(&name, &password));
            let other = password.clone() + "x";
            prop_assert!(!basic.matches(&name, &other));
        }
    }
}
