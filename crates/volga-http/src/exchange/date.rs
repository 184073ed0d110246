//! The `date` field of responses.

use std::cell::RefCell;
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

/// Gives `show` the current time. The text is formatted once per second on each thread.
fn with_date<T>(show: impl FnOnce(&HeaderValue) -> T) -> T {
    thread_local! {
        static WRITTEN: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
    }
    let second = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    WRITTEN.with_borrow_mut(|written| {
        let (then, value) = written.get_or_insert_with(|| (second, write(second)));
        if *then != second {
            (*then, *value) = (second, write(second));
        }
        show(value)
    })
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
    fn the_date_is_the_current_time() {
        let (before, date, after) = (SystemTime::now(), date(), SystemTime::now());
        let told = httpdate::parse_http_date(date.to_str().expect("text")).expect("a date");
        assert!(told <= after && before <= told + Duration::from_secs(1));
    }
}
