//! Memory that a thread keeps for the next connection that needs it.
//!
//! A connection needs a buffer or a header map only while it runs, and most connections wait most
//! of the time. So the memory belongs to the thread: a connection takes it when its turn begins and
//! puts it back before the turn ends. A slot is empty while its memory is in use, so nothing stays
//! borrowed while a handler or a body runs.

use std::cell::Cell;

use http::HeaderMap;

use crate::limits::{POOLED_BUFFER_MAX, POOLED_FIELDS};

thread_local! {
    static HEADERS: Cell<Option<HeaderMap>> = const { Cell::new(None) };
    static HTTP1_BATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static HTTP2_READ: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    static HTTP2_WRITE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Takes an empty header map, perhaps with capacity.
///
/// A header map is two allocations. The map of a response whose head was written serves the next
/// request of the thread.
pub(crate) fn take_headers() -> HeaderMap {
    HEADERS.take().unwrap_or_default()
}

/// Keeps the capacity of a header map, unless it is large.
pub(crate) fn put_headers(mut headers: HeaderMap) {
    // The capacity is that for different names. The length counts repeated fields as well.
    if headers.capacity() <= POOLED_FIELDS && headers.len() <= POOLED_FIELDS {
        headers.clear();
        HEADERS.set(Some(headers));
    }
}

/// Takes the empty buffer in which an HTTP/1 connection gathers one write.
#[inline]
pub(crate) fn take_batch_buffer() -> Vec<u8> {
    HTTP1_BATCH.take()
}

/// Keeps the capacity of such a buffer, unless it has grown too large.
pub(crate) fn put_batch_buffer(mut buffer: Vec<u8>) {
    buffer.clear();
    if buffer.capacity() <= POOLED_BUFFER_MAX {
        HTTP1_BATCH.set(buffer);
    }
}

/// Takes the empty buffer into which an HTTP/2 connection reads.
pub(crate) fn take_http2_read_buffer() -> Vec<u8> {
    HTTP2_READ.take()
}

/// Keeps an empty read buffer of an HTTP/2 connection, unless it has grown too large.
pub(crate) fn put_http2_read_buffer(buffer: Vec<u8>) {
    if buffer.capacity() <= POOLED_BUFFER_MAX {
        HTTP2_READ.set(buffer);
    }
}

/// Takes the empty buffer in which an HTTP/2 connection gathers its writes.
pub(crate) fn take_http2_write_buffer() -> Vec<u8> {
    HTTP2_WRITE.take()
}

/// Keeps an empty write buffer of an HTTP/2 connection.
pub(crate) fn put_http2_write_buffer(buffer: Vec<u8>) {
    HTTP2_WRITE.set(buffer);
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
        put_headers(headers);
        let taken = take_headers();
        assert!(taken.is_empty() && taken.capacity() == capacity);
        assert_eq!(take_headers().capacity(), 0, "it can be taken once");
        put_headers(HeaderMap::with_capacity(POOLED_FIELDS + 1));
        assert_eq!(take_headers().capacity(), 0, "it was too large");
        let mut headers = HeaderMap::new();
        for _ in 0..=POOLED_FIELDS {
            headers.append(AGE, HeaderValue::from_static("1"));
        }
        put_headers(headers);
        assert_eq!(take_headers().capacity(), 0, "its capacity does not count the repeated fields");
    }

    #[test]
    fn a_batch_buffer_is_kept_unless_it_has_grown_too_large() {
        for (size, is_kept) in [(POOLED_BUFFER_MAX / 2, true), (POOLED_BUFFER_MAX + 1, false)] {
            take_batch_buffer();
            put_batch_buffer(vec![0; size]);
            let buffer = take_batch_buffer();
            assert!(buffer.is_empty());
            assert_eq!(buffer.capacity() > 0, is_kept, "{size} bytes");
        }
    }
}
