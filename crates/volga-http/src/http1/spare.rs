//! Memory for the header fields of the next request.
//!
//! A map of fields is two allocations. The one of a response whose head was written is kept, one on each thread, for the request that comes next.

use std::cell::Cell;

use http::HeaderMap;

use crate::limits::SPARE_FIELDS;

thread_local! {
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// An empty map, perhaps with room.
pub(crate) fn take() -> HeaderMap {
    SPARE.take().unwrap_or_default()
}

/// Keeps the room of a map, unless it is large.
pub(crate) fn keep(mut headers: HeaderMap) {
    if headers.capacity() <= SPARE_FIELDS {
        headers.clear();
        SPARE.set(Some(headers));
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::AGE;

    use super::*;

    #[test]
    fn room_is_kept_and_nothing_that_was_in_it() {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(AGE, HeaderValue::from_static("1"));
        let room = headers.capacity();
        keep(headers);
        let taken = take();
        assert!(taken.is_empty() && taken.capacity() == room);
        assert_eq!(take().capacity(), 0, "it is kept once");
        keep(HeaderMap::with_capacity(SPARE_FIELDS + 1));
        assert_eq!(take().capacity(), 0, "it was too large");
    }
}
