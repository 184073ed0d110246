//! The `date` header field, formatted once a second for each thread.

use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
pub(crate) type Date = [u8; 29];

thread_local! {
    static LAST: Cell<(u64, Date)> = const { Cell::new((u64::MAX, [0; 29])) };
}

/// The present date.
pub(crate) fn now() -> Date {
    let second =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since_epoch| since_epoch.as_secs());
    let (last, date) = LAST.get();
    if last == second {
        return date;
    }
    let date = format(second);
    LAST.set((second, date));
    date
}

fn format(second: u64) -> Date {
    let text = HttpDate::from(UNIX_EPOCH + Duration::from_secs(second)).to_string();
    let mut date = [b' '; 29];
    date.copy_from_slice(text.as_bytes());
    date
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_the_form_that_the_standard_prescribes() {
        assert_eq!(&format(784_111_777), b"Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn it_is_the_present_one_on_every_call() {
        for _ in 0..2 {
            let before = format(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
            let date = now();
            let after = format(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs());
            assert!(date == before || date == after);
        }
    }
}
