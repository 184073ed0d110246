//! The `date` field of responses.

use std::cell::RefCell;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use tokio::time::Instant;

/// Appends the whole line of an HTTP/1 head. `now` is the current time.
pub(crate) fn push_date(now: Instant, out: &mut Vec<u8>) {
    with_date(now, |date| {
        for part in [&b"date: "[..], date.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    });
}

/// The current time in the format of the field.
pub(crate) fn date() -> HeaderValue {
    with_date(Instant::now(), HeaderValue::clone)
}

/// A time in which a text is right, and the text. It is a time of the monotonic clock, which the
/// caller reads for its timers anyway. If the system's time is set, the text is wrong for at most a
/// second.
type WrittenSecond = (Range<Instant>, HeaderValue);

/// Gives `show` the current time. The text is formatted once per second on each thread.
fn with_date<T>(now: Instant, show: impl FnOnce(&HeaderValue) -> T) -> T {
    thread_local! {
        static WRITTEN: RefCell<Option<WrittenSecond>> = const { RefCell::new(None) };
    }
    WRITTEN.with_borrow_mut(|written| {
        let write = || write_second(now, SystemTime::now());
        let (second, value) = written.get_or_insert_with(write);
        if !second.contains(&now) {
            (*second, *value) = write();
        }
        show(value)
    })
}

#[cold]
fn write_second(now: Instant, time: SystemTime) -> WrittenSecond {
    let time = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = Duration::from_secs(1) - Duration::from_nanos(time.subsec_nanos().into());
    (now..now + left, write(time.as_secs()))
}

fn write(second: u64) -> HeaderValue {
    let text = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(second));
    HeaderValue::try_from(text).expect("a date is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_has_the_format_of_http() {
        assert_eq!(write(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn a_text_holds_to_the_end_of_its_second_and_from_no_earlier_time() {
        let now = Instant::now();
        for nanos in [0, 1, 999_999_999] {
            let time = UNIX_EPOCH + Duration::new(784_111_777, nanos);
            let (second, text) = write_second(now, time);
            assert_eq!(text, write(784_111_777));
            let left = Duration::from_secs(1) - Duration::from_nanos(nanos.into());
            assert_eq!(second, now..now + left);
        }
    }

    #[test]
    fn the_date_is_the_current_time() {
        let (before, date, after) = (SystemTime::now(), date(), SystemTime::now());
        let told = httpdate::parse_http_date(date.to_str().expect("text")).expect("a date");
        assert!(told <= after && before <= told + Duration::from_secs(1));
    }
}
