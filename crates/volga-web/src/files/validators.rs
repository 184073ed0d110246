//! `Validators`: what identifies a version of a file: its entity tag and its time of modification
//! (pure).

use std::{
    collections::hash_map::DefaultHasher,
    hash::Hasher,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, header};
use volga_core::headers::{ETag, TypedHeader};

/// What identifies a version of a file. RFC 9110, section 8.8.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Validators {
    pub(crate) etag: Option<ETag>,
    /// The time of the last modification, in whole seconds.
    pub(crate) modified: Option<SystemTime>,
}

impl Validators {
    /// The validators of a file on disk. The tag is made of the time of modification, in
    /// nanoseconds, and the length.
    ///
    /// A file system without fractions of seconds cannot tell two changes within one second apart.
    /// So a file that it modified in the last second has a weak tag.
    pub(crate) fn of_file(modified: Option<SystemTime>, len: u64, now: SystemTime) -> Self {
        let Some(modified) = modified else { return Self::default() };
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let text = format!("{:x}-{len:x}", since.as_nanos());
        let is_vague = since.subsec_nanos() == 0
            && now.duration_since(modified).is_ok_and(|age| age < Duration::from_secs(1));
        let etag = if is_vague { ETag::weak(text) } else { ETag::strong(text) };
        // A time in the future must not be sent (RFC 9110, section 8.8.2.1).
        Self { etag: etag.ok(), modified: Some(whole_seconds(modified.min(now))) }
    }

    /// The validators of bytes in memory. The tag is a hash of the bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let hash = |seed: u8| {
            let mut hasher = DefaultHasher::new();
            hasher.write_u8(seed);
            hasher.write(bytes);
            hasher.finish()
        };
        Self {
            etag: ETag::strong(format!("{:016x}{:016x}", hash(0), hash(1))).ok(),
            modified: None,
        }
    }

    /// Adds the headers to a response.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(etag) = &self.etag {
            headers.insert(header::ETAG, etag.to_value());
        }
        if let Some(modified) = self.modified
            && let Ok(value) = HeaderValue::try_from(httpdate::fmt_http_date(modified))
        {
            headers.insert(header::LAST_MODIFIED, value);
        }
    }
}

/// Cuts a time to whole seconds, because an HTTP date has no fractions.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_length_or_time_has_another_tag() {
        let at = |nanos| UNIX_EPOCH + Duration::new(1_000_000, nanos);
        let now = at(0) + Duration::from_secs(60);
        let tag = |nanos, len| Validators::of_file(Some(at(nanos)), len, now).etag.unwrap();
        assert_eq!(tag(1, 2), tag(1, 2));
        assert!(!tag(1, 2).is_weak());
        assert_ne!(tag(1, 2), tag(1, 3));
        assert_ne!(tag(1, 2), tag(2, 2));
    }

    #[test]
    fn a_tag_that_may_stand_for_two_versions_is_weak() {
        let modified = UNIX_EPOCH + Duration::from_secs(1_000_000);
        let is_weak = |age| {
            let validators = Validators::of_file(Some(modified), 1, modified + age);
            validators.etag.unwrap().is_weak()
        };
        assert!(is_weak(Duration::from_millis(999)));
        assert!(!is_weak(Duration::from_secs(1)));
    }

    #[test]
    fn a_time_in_the_future_becomes_now() {
        let now = UNIX_EPOCH + Duration::from_millis(1_000_500);
        let validators = Validators::of_file(Some(now + Duration::from_secs(9)), 1, now);
        assert_eq!(validators.modified, Some(UNIX_EPOCH + Duration::from_secs(1000)));
    }
}
