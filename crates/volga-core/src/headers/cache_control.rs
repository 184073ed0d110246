//! `CacheControl`: the `Cache-Control` header.

use std::{convert::Infallible, fmt, str::FromStr, time::Duration};

use http::{HeaderName, HeaderValue, header};

use crate::headers::typed::TypedHeader;

/// The `Cache-Control` header: which caches may store a response, and for how long (RFC 9111,
/// section 5.2; RFC 5861; RFC 8246). Times are whole seconds.
///
/// Parsing is lenient, as caches are: unknown directives and malformed times are ignored.
///
/// ```
/// use std::time::Duration;
/// use volga_core::headers::CacheControl;
///
/// let hour = CacheControl::new().private().max_age(Duration::from_secs(3600)).must_revalidate();
/// assert_eq!(hour.to_string(), "private, must-revalidate, max-age=3600");
/// assert_eq!(CacheControl::new().no_store().to_string(), "no-store");
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct CacheControl {
    flags: [bool; FLAGS.len()],
    times: [Option<Duration>; TIMES.len()],
}

const FLAGS: [&str; 8] = [
    "no-cache",
    "no-store",
    "no-transform",
    "public",
    "private",
    "must-revalidate",
    "proxy-revalidate",
    "immutable",
];

const TIMES: [&str; 4] = ["max-age", "s-maxage", "stale-while-revalidate", "stale-if-error"];

macro_rules! flags {
    ($($(#[$doc:meta])* $set:ident $has:ident $index:literal;)*) => { $(
        $(#[$doc])*
        #[must_use]
        pub const fn $set(mut self) -> Self {
            self.flags[$index] = true;
            self
        }

        #[doc = concat!("Whether [`", stringify!($set), "`](Self::", stringify!($set), ") is set.")]
        #[must_use]
        pub const fn $has(&self) -> bool {
            self.flags[$index]
        }
    )* };
}

macro_rules! times {
    ($($(#[$doc:meta])* $set:ident $get:ident $index:literal;)*) => { $(
        $(#[$doc])*
        #[must_use]
        pub const fn $set(mut self, time: Duration) -> Self {
            self.times[$index] = Some(Duration::from_secs(time.as_secs()));
            self
        }

        #[doc = concat!("The time given to [`", stringify!($set), "`](Self::", stringify!($set), ").")]
        #[must_use]
        pub const fn $get(&self) -> Option<Duration> {
            self.times[$index]
        }
    )* };
}

impl CacheControl {
    /// Creates a header without directives.
    #[must_use]
    pub const fn new() -> Self {
        Self { flags: [false; FLAGS.len()], times: [None; TIMES.len()] }
    }

    flags! {
        /// A cache may store the response, but must ask the server before each use.
        no_cache is_no_cache 0;
        /// No cache may store the response.
        no_store is_no_store 1;
        /// No proxy or cache may change the response, for example by compressing it.
        no_transform is_no_transform 2;
        /// Shared caches may store the response, too.
        public is_public 3;
        /// Only the client's own cache may store the response.
        private is_private 4;
        /// A cache must not use a stale response without asking the server.
        must_revalidate is_must_revalidate 5;
        /// The same as `must_revalidate`, for shared caches.
        proxy_revalidate is_proxy_revalidate 6;
        /// The response never changes while it is fresh, so a reload need not ask the server.
        immutable is_immutable 7;
    }

    times! {
        /// How long the response is fresh.
        max_age max_age_time 0;
        /// How long the response is fresh for shared caches.
        s_maxage s_maxage_time 1;
        /// How long a stale response may be used while the cache fetches a new one.
        stale_while_revalidate stale_while_revalidate_time 2;
        /// How long a stale response may be used while the server fails.
        stale_if_error stale_if_error_time 3;
    }
}

impl FromStr for CacheControl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut control = Self::new();
        for directive in text.split(',') {
            let (name, value) = match directive.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim().trim_matches('"'))),
                None => (directive.trim(), None),
            };
            let is = |other: &&str| other.eq_ignore_ascii_case(name);
            if let Some(index) = FLAGS.iter().position(is) {
                control.flags[index] = true;
            } else if let Some(index) = TIMES.iter().position(is) {
                let seconds = value.and_then(|value| value.parse().ok());
                control.times[index] = seconds.map(Duration::from_secs);
            }
        }
        Ok(control)
    }
}

impl fmt::Display for CacheControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (name, _) in FLAGS.iter().zip(self.flags).filter(|(_, is_set)| *is_set) {
            write!(f, "{separator}{name}")?;
            separator = ", ";
        }
        for (name, time) in TIMES.iter().zip(self.times) {
            if let Some(time) = time {
                write!(f, "{separator}{name}={}", time.as_secs())?;
                separator = ", ";
            }
        }
        Ok(())
    }
}

impl TypedHeader for CacheControl {
    const NAME: HeaderName = header::CACHE_CONTROL;
    type Error = Infallible;

    fn from_value(value: &HeaderValue) -> Result<Self, Infallible> {
        value.to_str().unwrap_or_default().parse()
    }

    fn to_value(&self) -> HeaderValue {
        // Names and numbers are a valid header value.
        HeaderValue::try_from(self.to_string()).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unknown_and_malformed_directives_are_ignored() {
        let control: CacheControl =
            "No-Cache, max-age=x, s-maxage=\"7\", other=1,,".parse().unwrap();
        let expect = CacheControl::new().no_cache().s_maxage(Duration::from_secs(7));
        assert_eq!(control, expect);
        assert!(control.is_no_cache() && control.max_age_time().is_none());
    }

    proptest! {
        #[test]
        fn a_written_header_is_read_back(
            flags in any::<[bool; FLAGS.len()]>(),
            times in any::<[Option<u32>; TIMES.len()]>(),
        ) {
            let times = times.map(|time| time.map(|time| Duration::from_secs(time.into())));
            let control = CacheControl { flags, times };
            prop_assert_eq!(CacheControl::from_value(&control.to_value()), Ok(control));
        }
    }
}
