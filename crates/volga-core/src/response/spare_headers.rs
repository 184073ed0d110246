//! The header map of a request, which a thread keeps for its next response.
//!
//! A header map is two allocations. Once its arguments are extracted, a handler no longer needs the
//! header map of the request, and soon creates the one of the response.

use std::cell::Cell;

use http::HeaderMap;

/// The largest header map that a thread keeps, in fields.
const MAX_FIELDS: usize = 64;

thread_local! {
    static SPARE: Cell<Option<HeaderMap>> = const { Cell::new(None) };
}

/// Takes an empty header map, perhaps with capacity.
#[inline]
pub(crate) fn take() -> HeaderMap {
    SPARE.take().unwrap_or_default()
}

/// Keeps the capacity of a header map, unless it is large.
pub(crate) fn keep(mut headers: HeaderMap) {
    // The capacity is that for different names. The length counts repeated fields as well.
    if (1..=MAX_FIELDS).contains(&headers.capacity()) && headers.len() <= MAX_FIELDS {
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
    fn a_header_map_keeps_its_capacity_and_loses_its_fields() {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(AGE, HeaderValue::from_static("1"));
        let capacity = headers.capacity();
        keep(headers);
        keep(HeaderMap::new());
        let taken = take();
        assert!(taken.is_empty() && taken.capacity() == capacity);
        assert_eq!(take().capacity(), 0, "it can be taken once");
        keep(HeaderMap::with_capacity(MAX_FIELDS + 1));
        assert_eq!(take().capacity(), 0, "it was too large");
        let mut headers = HeaderMap::new();
        for _ in 0..=MAX_FIELDS {
            headers.append(AGE, HeaderValue::from_static("1"));
        }
        keep(headers);
        assert_eq!(take().capacity(), 0, "its capacity does not count the repeated fields");
    }
}
