//! Reads cookies that a key has signed or encrypted.

use volga_core::{Dc, Description, Error, FromRequestParts, RequestParts};

use crate::cookies::argument::Cookies;
use crate::cookies::keys::CookieKeys;

/// The cookies of a request, and the keys that check their values.
#[derive(Clone, Debug)]
pub(super) struct CheckedCookies {
    pub(super) cookies: Cookies,
    pub(super) keys: Dc<CookieKeys>,
}

impl CheckedCookies {
    /// Returns the first value of a cookie that is valid. `decode` returns `None` for a value that
    /// is not valid; such values are counted and logged.
    ///
    /// All values with this name are tried: a client sends several if the other servers of its
    /// domain have set cookies with this name, and those must not hide the valid one.
    pub(super) fn value(
        &self,
        kind: &'static str,
        name: &str,
        decode: impl Fn(&CookieKeys, &str) -> Option<String>,
    ) -> Option<String> {
        let Self { cookies, keys } = self;
        let values = cookies.0.values(name);
        let decoded: Vec<Option<String>> = values.iter().map(|value| decode(keys, value)).collect();
        if decoded.iter().any(Option::is_none) && cookies.0.is_first_count(kind, name) {
            keys.count_invalid();
            #[cfg(feature = "tracing")]
            tracing::debug!(cookie = name, "ignored a {kind} cookie that is not valid");
        }
        decoded.into_iter().flatten().next()
    }
}

impl FromRequestParts for CheckedCookies {
    fn describe(description: &mut Description) {
        Cookies::describe(description);
        description.uses_service::<CookieKeys>();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let cookies = Cookies::from_request_parts(parts).await?;
        let keys = Dc::from_request_parts(parts).await?;
        Ok(Self { cookies, keys })
    }
}
