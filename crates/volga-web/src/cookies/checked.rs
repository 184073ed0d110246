//! Reads cookies that a key has signed or encrypted.

use crate::cookies::argument::Cookies;
use crate::cookies::keys::CookieKeys;

/// Returns the first value of a cookie that is valid. `decode` returns `None` for a value that is
/// not valid; such values are counted and logged.
///
/// All values with this name are tried: a client sends several if the other servers of its domain
/// have set cookies with this name, and those must not hide the valid one.
pub(super) fn valid_value(
    cookies: &Cookies,
    keys: &CookieKeys,
    kind: &'static str,
    name: &str,
    decode: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let decoded: Vec<Option<String>> =
        cookies.0.values(name).iter().map(|value| decode(value)).collect();
    if decoded.iter().any(Option::is_none) && cookies.0.is_first_count(kind, name) {
        keys.count_invalid();
        #[cfg(feature = "tracing")]
        tracing::debug!(cookie = name, "ignored a {kind} cookie that is not valid");
    }
    decoded.into_iter().flatten().next()
}
