//! The `date` field of responses.

use std::cell::RefCell;
use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;

/// Appends the whole line of an HTTP/1 head.
pub(crate) fn push_date(out: &mut Vec<u8>) {
    with_date(|date| {
        for part in [&b"date: "[..], date.as_bytes(), b"\r\n"] {
            out.extend_from_slice(part);
        }
    });
}

/// The current time in the format of the field.
pub(crate) fn date() -> HeaderValue {
    with_date(HeaderValue::clone)
}

/// A second, and its text.
type WrittenSecond = (Range<SystemTime>, HeaderValue);

/// Gives `show` the current time. The text is formatted once per second on each thread.
fn with_date<T>(show: impl FnOnce(&HeaderValue) -> T) -> T {
    thread_local! {
        static WRITTEN: RefCell<Option<WrittenSecond>> = const { RefCell::new(None) };
    }
    let now = SystemTime::now();
    WRITTEN.with_borrow_mut(|written| {
        let (second, value) = written.get_or_insert_with(|| write_second(now));
        if !second.contains(&now) {
            (*second, *value) = write_second(now);
        }
        show(value)
    })
}

#[cold]
fn write_second(now: SystemTime) -> WrittenSecond {
    let second = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let start = UNIX_EPOCH + Duration::from_secs(second);
    (start..start + Duration::from_secs(1), write(second))
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
    fn a_text_holds_for_its_second_and_for_no_other() {
        let start = UNIX_EPOCH + Duration::from_secs(784_111_777);
        for nanos in [0, 1, 999_999_999] {
            let (second, text) = write_second(start + Duration::from_nanos(nanos));
            assert_eq!(text, write(784_111_777));
            assert_eq!(second, start..start + Duration::from_secs(1));
        }
    }

    #[test]
    fn the_date_is_the_current_time() {
        let (before, date, after) = (SystemTime::now(), date(), SystemTime::now());
        let told = httpdate::parse_http_date(date.to_str().expect("text")).expect("a date");
        assert!(told <= after && before <= told + Duration::from_secs(1));
    }
}
