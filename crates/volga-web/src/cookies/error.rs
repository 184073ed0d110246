//! `CookieError`: why a cookie is not sent.

use crate::cookies::limits::{
    MAX_COOKIE_ATTRIBUTE_BYTES, MAX_COOKIE_BYTES, MAX_RESPONSE_COOKIE_BYTES, MAX_RESPONSE_COOKIES,
};

/// Why a cookie is not sent. The cookie with this error changes nothing.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CookieError {
    /// The name is empty, or has a character that is not allowed.
    #[error(
        "cookie {name:?}: the name is not valid at byte {at}; use letters, digits and some of \
         `!#$%&'*+-.^_|~`"
    )]
    Name {
        /// The name.
        name: String,
        /// The index of the wrong byte.
        at: usize,
    },
    /// The value has a character that is not allowed.
    #[error(
        "cookie {name:?}: the value is not valid at byte {at}: a blank, a comma, a semicolon, a \
         quote, a backslash, a control character or a character beyond ASCII; encode the value, \
         for example as base64, or send it as a private cookie"
    )]
    Value {
        /// The name of the cookie.
        name: String,
        /// The index of the wrong byte.
        at: usize,
    },
    /// Browsers would ignore the cookie because of an attribute.
    #[error("cookie {name:?}: the attribute `{attribute}` is not valid: {reason}")]
    Attribute {
        /// The name of the cookie.
        name: String,
        /// The attribute.
        attribute: &'static str,
        /// The fault, and what to do about it.
        reason: &'static str,
    },
    /// The name and the value together are larger than [`MAX_COOKIE_BYTES`].
    #[error(
        "cookie {name:?}: the name and the value have {size} bytes, and {MAX_COOKIE_BYTES} are \
         allowed; keep the data in the server, and send a key to it"
    )]
    Size {
        /// The name of the cookie.
        name: String,
        /// The size in bytes.
        size: usize,
    },
    /// An attribute is larger than [`MAX_COOKIE_ATTRIBUTE_BYTES`].
    #[error(
        "cookie {name:?}: the attribute `{attribute}` has {size} bytes, and \
         {MAX_COOKIE_ATTRIBUTE_BYTES} are allowed"
    )]
    AttributeSize {
        /// The name of the cookie.
        name: String,
        /// The attribute.
        attribute: &'static str,
        /// The size in bytes.
        size: usize,
    },
    /// The response sets [`MAX_RESPONSE_COOKIES`] cookies already.
    #[error("cookie {name:?}: the response sets {MAX_RESPONSE_COOKIES} cookies, the maximum")]
    TooMany {
        /// The name of the cookie.
        name: String,
    },
    /// All cookies of the response together are larger than [`MAX_RESPONSE_COOKIE_BYTES`].
    #[error(
        "cookie {name:?}: the response would set cookies of {size} bytes, and \
         {MAX_RESPONSE_COOKIE_BYTES} are allowed"
    )]
    TotalSize {
        /// The name of the cookie.
        name: String,
        /// The size of all cookies in bytes.
        size: usize,
    },
    /// The head of the response was sent, so no cookie can be added to it. Code in the stream of a
    /// response runs after that.
    #[error(
        "cookie {name:?}: the head of the response was sent already; add the cookie before the \
         handler returns"
    )]
    HeadSent {
        /// The name of the cookie.
        name: String,
    },
    /// The system gave no random numbers, which a private cookie needs.
    #[error("cookie {name:?}: the system gave no random numbers")]
    Random {
        /// The name of the cookie.
        name: String,
    },
}
