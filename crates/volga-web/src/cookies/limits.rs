//! The limits of cookies.

/// The largest number of cookies in a request. A request with more has status 431.
pub const MAX_REQUEST_COOKIES: usize = 256;

/// The largest number of cookies that one response sets.
pub const MAX_RESPONSE_COOKIES: usize = 50;

/// The largest size of all `Set-Cookie` values of one response together, in bytes. Proxies refuse
/// responses with a larger head, some of them much smaller ones.
pub const MAX_RESPONSE_COOKIE_BYTES: usize = 32 * 1024;

/// The largest size of a cookie's name and value together, in bytes. Browsers ignore larger cookies
/// (RFC 6265bis, section 5.6).
pub const MAX_COOKIE_BYTES: usize = 4096;

/// The largest size of the path or the domain of a cookie, in bytes. Browsers ignore larger
/// attributes (RFC 6265bis, section 5.6).
pub const MAX_COOKIE_ATTRIBUTE_BYTES: usize = 1024;
