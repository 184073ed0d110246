//! `Validators`: what identifies a version of a file: its entity tag and its time of modification
//! (pure).

use std::{
    collections::hash_map::DefaultHasher,
    fs::Metadata,
    hash::{Hash, Hasher},
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
    /// Whether the client is not told the time, because the file may still change without another
    /// time.
    pub(crate) hides_modified: bool,
}

/// The smallest steps in which the times of files grow: those of a kernel's clock (at most 16 ms).
const FINE_STEP: Duration = Duration::from_millis(20);

/// The largest steps, on file systems without fractions of seconds: 2 seconds on FAT.
const COARSE_STEP: Duration = Duration::from_secs(2);

/// The facts that a file system has about one version of a file.
#[derive(Clone, Debug, Hash)]
pub(crate) struct FileVersion {
    modified: SystemTime,
    /// When the content or the metadata were changed. A program cannot set it, unlike `modified`.
    /// Only Unix has it, and the number of the file.
    changed: Option<SystemTime>,
    number: Option<u64>,
    len: u64,
}

impl FileVersion {
    /// `None` if the file system has no times.
    pub(crate) fn new(metadata: &Metadata) -> Option<Self> {
        let (modified, len) = (metadata.modified().ok()?, metadata.len());
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let seconds = u64::try_from(metadata.ctime()).unwrap_or_default();
            let nanos = u32::try_from(metadata.ctime_nsec()).unwrap_or_default();
            let changed = Some(UNIX_EPOCH + Duration::new(seconds, nanos));
            Some(Self { modified, changed, number: Some(metadata.ino()), len })
        }
        #[cfg(not(unix))]
        Some(Self { modified, changed: None, number: None, len })
    }

    /// Whether the next change certainly has another time.
    fn is_settled(&self, now: SystemTime) -> bool {
        let is_old = |time: SystemTime| {
            let is_coarse = since_epoch(time).subsec_nanos() == 0;
            let step = if is_coarse { COARSE_STEP } else { FINE_STEP };
            now.duration_since(time).is_ok_and(|age| age >= step)
        };
        match self.changed {
            Some(changed) => is_old(changed) && (is_old(self.modified) || self.modified > now),
            None => is_old(self.modified),
        }
    }
}

impl Validators {
    /// The validators of a file on disk. The tag is a hash of the times of modification and change
    /// in nanoseconds, the number of the file, and the length.
    ///
    /// Two changes within one step of the clock have the same times, and may have the same length.
    /// So a file gets no tag until the step is over: a client would take the second version for the
    /// first one. A weak tag would not help, because `If-None-Match` ignores weakness. In the same
    /// way, the time of modification is sent only after its second is over.
    pub(crate) fn of_file(version: Option<&FileVersion>, now: SystemTime) -> Self {
        let Some(version) = version else { return Self::default() };
        let is_settled = version.is_settled(now);
        let etag = is_settled.then(|| ETag::strong(hash_of(|hasher| version.hash(hasher))));
        // A time in the future must not be sent (RFC 9110, section 8.8.2.1).
        let modified = whole_seconds(version.modified.min(now));
        let is_second_over = version.modified > now || modified < whole_seconds(now);
        Self {
            etag: etag.and_then(Result::ok),
            modified: Some(modified),
            hides_modified: !(is_settled && is_second_over),
        }
    }

    /// The validators of bytes in memory. The tag is a hash of the bytes.
    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        let etag = ETag::strong(hash_of(|hasher| hasher.write(bytes)));
        Self { etag: etag.ok(), modified: None, hides_modified: false }
    }

    /// Adds the headers to a response.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(etag) = &self.etag {
            headers.insert(header::ETAG, etag.to_value());
        }
        if let Some(modified) = self.modified.filter(|_| !self.hides_modified)
            && let Ok(value) = HeaderValue::try_from(httpdate::fmt_http_date(modified))
        {
            headers.insert(header::LAST_MODIFIED, value);
        }
    }
}

/// The text of a tag: a hash of 128 bits, which shows nothing of the file.
fn hash_of(write: impl Fn(&mut DefaultHasher)) -> String {
    let hash = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        write(&mut hasher);
        hasher.finish()
    };
    format!("{:016x}{:016x}", hash(0), hash(1))
}

/// Cuts a time to whole seconds, because an HTTP date has no fractions.
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(since_epoch(time).as_secs())
}

fn since_epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn at(nanos: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000) + Duration::from_nanos(nanos)
    }

    fn of(version: &FileVersion, now: SystemTime) -> Validators {
        Validators::of_file(Some(version), now)
    }

    fn version() -> FileVersion {
        FileVersion { modified: at(1), changed: Some(at(2)), number: Some(3), len: 4 }
    }

    const LATER: u64 = 60_000_000_000;

    #[test]
    fn each_attribute_of_a_file_changes_its_tag() {
        let tag = |change: fn(&mut FileVersion)| {
            let mut version = version();
            change(&mut version);
            of(&version, at(LATER)).etag.unwrap()
        };
        let plain = tag(|_| {});
        assert_eq!(plain, tag(|_| {}));
        assert!(!plain.is_weak());
        let changes: [fn(&mut FileVersion); 6] = [
            |version| version.modified = at(2),
            |version| version.changed = Some(at(3)),
            |version| version.changed = None,
            |version| version.number = Some(4),
            |version| version.number = None,
            |version| version.len = 5,
        ];
        for change in changes {
            assert_ne!(plain, tag(change));
        }
    }

    #[test]
    fn a_time_in_the_future_becomes_now() {
        let version = FileVersion { modified: at(LATER), ..version() };
        let validators = of(&version, at(1_500_000_000));
        assert_eq!(validators.modified, Some(at(1_000_000_000)));
        assert!(validators.etag.is_some());
        // Without another time, a time in the future says nothing about the next change.
        let version = FileVersion { changed: None, ..version };
        assert_eq!(of(&version, at(1_500_000_000)).etag, None);
    }

    /// The clocks of file systems, by their steps in nanoseconds.
    const STEPS: [u64; 7] =
        [1, 100, 1_000_000, 4_000_000, 15_625_000, 1_000_000_000, 2_000_000_000];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        /// A file is written and read at any times. Clients that got the same tag, or the same date
        /// of modification, got the same version. The length is always the same.
        #[test]
        fn the_same_tag_or_date_means_the_same_content(
            step in prop::sample::select(STEPS.to_vec()),
            has_changed in any::<bool>(),
            pauses in prop::collection::vec(
                (prop::sample::select(vec![1, 1_000, 3_000_000, 21_000_000, 700_000_000, 2_100_000_000_u64]), 1..5_u64, any::<bool>()),
                1..40,
            ),
        ) {
            let mut now = 0;
            let mut content = 0;
            let mut written = 0;
            let mut tags = HashMap::new();
            let mut dates = HashMap::new();
            for (pause, times, is_write) in pauses {
                now += pause * times;
                if is_write {
                    content += 1;
                    written = now / step * step;
                    continue;
                }
                let changed = has_changed.then(|| at(written));
                let version = FileVersion { modified: at(written), changed, number: None, len: 1 };
                let validators = of(&version, at(now));
                if let Some(tag) = validators.etag {
                    prop_assert_eq!(*tags.entry(tag.to_string()).or_insert(content), content);
                }
                if !validators.hides_modified {
                    prop_assert_eq!(*dates.entry(validators.modified).or_insert(content), content);
                }
            }
            // Once the file rests, it has both.
            let version = FileVersion {
                modified: at(written), changed: None, number: None, len: 1,
            };
            let validators = of(&version, at(now + 2_000_000_000));
            prop_assert!(validators.etag.is_some() && !validators.hides_modified);
        }
    }
}
