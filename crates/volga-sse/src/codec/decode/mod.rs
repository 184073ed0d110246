//! `Decoder`: bytes to events, incremental and bounded. Pure, but for `stream`.
//!
//! The format is the one of the HTML standard, sections 9.2.5 ("Parsing an event stream") and 9.2.6
//! ("Interpreting an event stream").

mod assemble;
mod error;
mod head;
mod line;
#[cfg(feature = "body")]
mod reader;
#[cfg(feature = "body")]
mod stream;

pub use error::DecodeError;
#[cfg(feature = "body")]
pub use reader::ReaderBody;
#[cfg(feature = "body")]
pub use stream::{EventStream, ReadError};

use std::{fmt, str, time::Duration};

use crate::codec::event::{Event, EventRef};
use assemble::{Assembly, EventData};

/// The maximum bytes of a line, without its end. The largest payloads in use, images as base64 and
/// results of tools, are lines of a few MiB.
pub const DEFAULT_MAX_LINE: usize = 16 * 1024 * 1024;

/// The maximum bytes of an event's data, as received, with the line breaks between its lines.
pub const DEFAULT_MAX_EVENT: usize = 16 * 1024 * 1024;

/// The maximum bytes of an event ID. The client sends it back in a header, and few servers accept
/// more for all headers together.
pub const DEFAULT_MAX_ID: usize = 16 * 1024;

/// Decodes an event stream, wherever the network cuts it.
///
/// An event comes out as soon as its blank line has arrived, whether LF, CR or CRLF ends that line:
/// a CR at the end of a chunk is not held back for the LF that may follow. The events do not depend
/// on where the chunks end. All bytes are either events or ignored, as the standard says, and
/// invalid UTF-8 becomes U+FFFD. The only errors are the limits. When the stream ends, an event
/// without its blank line does not count: drop the decoder, or [`restart`](Self::restart) it for
/// the next connection.
///
/// The decoder obeys the [HTML
/// standard](https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation),
/// sections 9.2.5 and 9.2.6.
///
/// There are two ways to read. [`feed`](Self::feed) is the simple one, and returns events that
/// last:
///
/// ```
/// use volga_sse::Decoder;
///
/// let mut decoder = Decoder::new();
/// let mut read = Vec::new();
/// for chunk in [&b"event: greeting\nid: 7\nda"[..], b"ta: Hello,\ndata: world!\n", b"\n"] {
///     for event in decoder.feed(chunk)? {
///         read.push((event.event().to_owned(), event.into_data()));
///     }
/// }
/// assert_eq!(read, [("greeting".to_owned(), "Hello,\nworld!".to_owned())]);
/// assert_eq!(decoder.last_event_id(), "7");
/// # Ok::<(), volga_sse::DecodeError>(())
/// ```
///
/// [`next`](Self::next) lends one event at a time, and does not allocate once its buffers have
/// grown to the size of the events.
///
/// The time is linear in the bytes, however small the chunks are. The memory is bounded by the
/// limits: it holds the data of an event, a line that has not ended, an event name, and two IDs.
/// Data of one line that lies in one chunk is not copied at all.
#[derive(Clone)]
pub struct Decoder {
    lines: Assembly,
    /// The data of the lent event, if it was not valid UTF-8.
    repaired: String,
    /// Whether `lines` and `repaired` hold an event that was lent. The next call ends it.
    lent: bool,
    error: Option<DecodeError>,
}

impl Decoder {
    /// Makes a decoder for the start of a stream, with the default limits.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: Assembly::new(), repaired: String::new(), lent: false, error: None }
    }

    /// Sets the maximum bytes of a line, without its end; [`DEFAULT_MAX_LINE`] by default.
    #[must_use]
    pub const fn with_max_line(mut self, bytes: usize) -> Self {
        self.lines.limits.line = bytes;
        self
    }

    /// Sets the maximum bytes of an event's data; [`DEFAULT_MAX_EVENT`] by default. For data of one
    /// line, the limit of the line has to allow for the field name, too.
    #[must_use]
    pub const fn with_max_event(mut self, bytes: usize) -> Self {
        self.lines.limits.event = bytes;
        self
    }

    /// Sets the maximum bytes of an event ID; [`DEFAULT_MAX_ID`] by default.
    #[must_use]
    pub const fn with_max_id(mut self, bytes: usize) -> Self {
        self.lines.limits.id = bytes;
        self
    }

    /// Sets the last event ID to start with, for a stream that continues an earlier one. It may be
    /// any ID that a server sent, also one that is not a valid [`EventId`](crate::EventId).
    #[must_use]
    pub fn with_last_event_id(mut self, id: impl AsRef<str>) -> Self {
        id.as_ref().clone_into(&mut self.lines.head.id);
        self
    }

    /// The last event ID. Send it as `Last-Event-ID` to continue from here, unless it is empty.
    ///
    /// An ID counts from the blank line of its event on, so an event that was cut short is
    /// requested again. It also counts when the event has no data and is therefore not delivered.
    #[must_use]
    pub fn last_event_id(&self) -> &str {
        &self.lines.head.id
    }

    /// The last reconnection time from the server. It counts from the end of its line on.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.lines.head.retry
    }

    /// Reads the next event from `chunk` and moves `chunk` past it. Returns `None` when the chunk
    /// is used up.
    ///
    /// ```
    /// use volga_sse::Decoder;
    ///
    /// let mut decoder = Decoder::new();
    /// let mut chunk: &[u8] = b"data: one\n\nid: 2\ndata: two\n\ndata: thr";
    /// let mut read = Vec::new();
    /// while let Some(event) = decoder.next(&mut chunk)? {
    ///     read.push(format!("{}{}", event.data(), event.id()));
    /// }
    /// assert_eq!(read, ["one", "two2"]);
    /// # Ok::<(), volga_sse::DecodeError>(())
    /// ```
    ///
    /// Call it until it returns `None`. Events that are left in a chunk are lost when you drop the
    /// chunk.
    ///
    /// # Errors
    ///
    /// Returns the limit that the stream exceeded, after all events before it. From then on each
    /// call returns the same error, until [`restart`](Self::restart).
    pub fn next<'a, 'c: 'a>(
        &'a mut self,
        chunk: &mut &'c [u8],
    ) -> Result<Option<EventRef<'a>>, DecodeError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if self.lent {
            self.take_back();
        }
        match self.lines.find(chunk) {
            Ok(None) => Ok(None),
            Ok(Some(data)) => {
                self.lent = true;
                Ok(Some(self.lend(data)))
            }
            Err(error) => {
                self.error = Some(error);
                Err(error)
            }
        }
    }

    /// Reads the events that are complete with this chunk.
    ///
    /// # Errors
    ///
    /// Returns the limit that the stream exceeded. If events came before it in the same chunk, this
    /// call returns them, and the next call returns the error; an empty chunk is enough for that.
    /// From then on each call returns the same error, until [`restart`](Self::restart).
    pub fn feed(&mut self, mut chunk: &[u8]) -> Result<Vec<Event>, DecodeError> {
        let mut events = Vec::new();
        loop {
            match self.next(&mut chunk) {
                Ok(Some(event)) => events.push(event.to_event()),
                Ok(None) => return Ok(events),
                Err(error) if events.is_empty() => return Err(error),
                Err(_) => return Ok(events),
            }
        }
    }

    /// Prepares for a new connection: drops an unfinished event, and an error. The last event ID,
    /// the reconnection time and the limits stay.
    ///
    /// By the letter of the standard, an event without an ID resets the last event ID if it is the
    /// first one on its connection. Browsers do not do that, and neither does this decoder.
    pub fn restart(&mut self) {
        self.take_back();
        self.lines.restart();
        self.error = None;
    }

    fn lend<'a>(&'a mut self, data: EventData<'a>) -> EventRef<'a> {
        let bytes = match data {
            EventData::InChunk(bytes) => bytes,
            EventData::InBuffer(range) => &self.lines.buffer[range],
        };
        let data = str::from_utf8(bytes).unwrap_or_else(|_| {
            line::set_lossy(&mut self.repaired, bytes);
            &self.repaired
        });
        EventRef::new(&self.lines.head.event, data, &self.lines.head.id)
    }

    /// Ends the loan of the last event.
    fn take_back(&mut self) {
        self.lines.clear();
        // Invalid UTF-8 is rare, so its buffer is freed.
        self.repaired = String::new();
        self.lent = false;
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("last_event_id", &self.last_event_id())
            .field("retry", &self.retry())
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The events must not depend on how the network cut the bytes, so every cut is tried.
    #[track_caller]
    fn check(wire: impl AsRef<[u8]>, expect: &[(&str, &str, &str)]) -> Decoder {
        let wire = wire.as_ref();
        let mut decoder = Decoder::new();
        for size in 1..=wire.len() {
            decoder = Decoder::new();
            let events: Vec<Event> = wire
                .chunks(size)
                .flat_map(|chunk| decoder.feed(chunk).expect("within limits"))
                .collect();
            let events: Vec<_> = events.iter().map(|e| (e.event(), e.data(), e.id())).collect();
            assert_eq!(events, expect, "chunk size {size}");
        }
        decoder
    }

    #[track_caller]
    fn check_data(wire: impl AsRef<[u8]>, expect: &[&str]) {
        let expect: Vec<_> = expect.iter().map(|data| ("message", *data, "")).collect();
        check(wire, &expect);
    }

    /// The events before the limit, and the error, which must not depend on the cuts either.
    #[track_caller]
    fn check_limit(decoder: Decoder, wire: &str, expect: &[&str], error: DecodeError) {
        for size in 1..=wire.len() {
            let mut decoder = decoder.clone();
            let mut data = Vec::new();
            let mut found = None;
            for mut chunk in wire.as_bytes().chunks(size) {
                loop {
                    match decoder.next(&mut chunk) {
                        Ok(Some(event)) => data.push(event.data().to_owned()),
                        Ok(None) => break,
                        Err(error) => {
                            found = Some(error);
                            break;
                        }
                    }
                }
            }
            assert_eq!(data, expect, "chunk size {size}");
            assert_eq!(found, Some(error), "chunk size {size}");
            assert_eq!(decoder.feed(b"\n\ndata: x\n\n"), Err(error), "it stays");
        }
    }

    #[test]
    fn lf_cr_and_crlf_each_end_a_line() {
        check_data("data: a\n\ndata: b\r\rdata: c\r\n\r\n", &["a", "b", "c"]);
        check_data("data: a\r\ndata: b\n\rdata: c\r\r\n\ndata: d\n\r\n", &["a\nb", "c", "d"]);
        check_data("data: a\u{2028}b\u{85}c\u{0b}\u{0c}\n\n", &["a\u{2028}b\u{85}c\u{0b}\u{0c}"]);
    }

    #[test]
    fn an_event_does_not_wait_for_the_lf_of_its_crlf() {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.feed(b"data: a\r\n\r").unwrap().len(), 1);
        assert_eq!(decoder.feed(b"").unwrap().len(), 0);
        assert_eq!(decoder.feed(b"\ndata: b\r\r").unwrap().len(), 1);
        assert_eq!(decoder.feed(b"\ndata: c\n\n").unwrap()[0].data(), "c");
    }

    #[test]
    fn the_examples_of_the_standard() {
        check_data("data: YHOO\ndata: +2\ndata: 10\n\n", &["YHOO\n+2\n10"]);
        let streams = ": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n";
        let decoder =
            check(streams, &[("message", "first event", "1"), ("message", "second event", "")]);
        assert_eq!(decoder.last_event_id(), "");
        check_data("data\n\ndata\ndata\n\ndata:", &["", "\n"]);
        check_data("data:test\n\ndata: test\n\n", &["test", "test"]);
    }

    #[test]
    fn one_leading_space_is_the_formats_and_the_rest_is_data() {
        check_data("data:  a \ndata:\tb\ndata: : c\n\n", &[" a \n\tb\n: c"]);
    }

    #[test]
    fn comments_and_unknown_fields_are_ignored() {
        check_data(
            ": c\n:\ndata: a\n:data: b\nDATA: c\n data: d\nfoo\nfoo: bar\ndata : e\n\n:\n\n",
            &["a"],
        );
    }

    #[test]
    fn a_byte_order_mark_counts_at_the_start_only() {
        check_data(
            "\u{feff}data: a\n\n\u{feff}data: b\n\ndata: \u{feff}c\n\n",
            &["a", "\u{feff}c"],
        );
        check_data("\u{feff}\u{feff}data: a\n\n", &[]);
        check_data("\u{feff}\ndata: a\n\n", &["a"]);
        check_data(b"\xef\xbbdata: a\n\ndata: b\n\n", &["b"]);
        check_data("\n\u{feff}data: a\n\n", &[]);
    }

    #[test]
    fn without_data_there_is_no_event() {
        check_data("\n\n\nevent: a\n\nretry: 1\n\ndata: b\n\n", &["b"]);
    }

    #[test]
    fn an_event_name_lasts_for_its_block() {
        check(
            "event: a\nevent: b\ndata: 1\n\ndata: 2\n\nevent: c\n\ndata: 3\n\nevent: d\nevent\ndata: 4\n\n",
            &[("b", "1", ""), ("message", "2", ""), ("message", "3", ""), ("message", "4", "")],
        );
    }

    #[test]
    fn the_last_event_id_lasts_until_the_next() {
        let decoder = check(
            "data: 1\nid: a\n\ndata: 2\n\nid: b\0\ndata: 3\n\nid: c\n\ndata: 4\n\nid\ndata: 5\n\nid: d\n\nid: e\ndata: 6\n",
            &[
                ("message", "1", "a"),
                ("message", "2", "a"),
                ("message", "3", "a"),
                ("message", "4", "c"),
                ("message", "5", ""),
            ],
        );
        assert_eq!(decoder.last_event_id(), "d", "the blank line of `e` never came");
    }

    #[test]
    fn a_reconnection_time_counts_at_once_and_needs_no_event() {
        let decoder = check("retry: 10\nretry: 1x\nretry\nretry: -1\n", &[]);
        assert_eq!(decoder.retry(), Some(Duration::from_millis(10)));
        assert_eq!(check("retry: 5", &[]).retry(), None, "the line has no end");
    }

    #[test]
    fn invalid_utf_8_is_replaced_as_in_the_whole_stream() {
        let wire = b"data: \xf0\x9f\x92\ndata: \xe2\x82\xac\xe2\x82\n\nevent: \xff\nid: \xc3\ndata: \xed\xa0\x80\n\n";
        check(
            wire,
            &[
                ("message", "\u{fffd}\n€\u{fffd}", ""),
                ("\u{fffd}", "\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}"),
            ],
        );
        check_data(
            b"data: a\n\nda\xffta: b\n\ndata: \xffc\ndata: d\n\ndata: e\n\n",
            &["a", "\u{fffd}c\nd", "e"],
        );
    }

    #[test]
    fn an_event_of_one_line_is_lent_from_the_chunk() {
        let wire = b"id: 1\ndata: abc\n\n".to_vec();
        let mut decoder = Decoder::new();
        let mut chunk = &wire[..];
        let data = decoder.next(&mut chunk).unwrap().expect("an event").data();
        assert_eq!(data.as_ptr(), wire[12..].as_ptr());
    }

    #[test]
    fn each_limit_is_reached_and_not_before() {
        let limited = || Decoder::new().with_max_line(11).with_max_event(7).with_max_id(2);
        let line = DecodeError::LineTooLong { max: 11 };
        check_limit(limited(), "data: a\n\n: 123456789\n: 1234567890\n", &["a"], line);
        check_limit(limited(), "data: a\n\ndata: b\n: 1234567890", &["a"], line);
        let event = DecodeError::EventTooLong { max: 7 };
        check_limit(
            limited(),
            "data: 12345\ndata: 7\n\ndata: 12345\ndata: 78\n\n",
            &["12345\n7"],
            event,
        );
        check_limit(limited(), "data:123456\n\ndata\ndata:123456\ndata\n\n", &["123456"], event);
        check_limit(
            Decoder::new().with_max_event(2),
            "data: 12\n\ndata: 123\n\n",
            &["12"],
            DecodeError::EventTooLong { max: 2 },
        );
        let id = DecodeError::IdTooLong { max: 2 };
        check_limit(limited(), "id: 12\ndata: a\n\nid: 123\n", &["a"], id);
        assert_eq!(
            id.to_string(),
            "an event ID exceeds 2 bytes; raise the limit with `Decoder::with_max_id`"
        );
    }

    #[test]
    fn what_came_before_the_limit_is_not_lost() {
        let mut decoder = Decoder::new().with_max_line(10);
        let events = decoder.feed(b"data: a\n\ndata: 123456\n\n").unwrap();
        assert_eq!(events[0].data(), "a");
        assert_eq!(decoder.feed(b""), Err(DecodeError::LineTooLong { max: 10 }));
    }

    #[test]
    fn a_new_connection_keeps_what_belongs_to_the_stream() {
        let mut decoder = Decoder::new().with_max_line(20).with_last_event_id("0");
        assert_eq!(decoder.last_event_id(), "0");
        decoder.feed(b"retry: 7\nid: 1\ndata: a\n\nid: 2\nevent: e\ndata: b\nda\r").unwrap();
        assert!(decoder.feed(&[b'x'; 21]).is_err());

        decoder.restart();
        assert_eq!(
            (decoder.last_event_id(), decoder.retry()),
            ("1", Some(Duration::from_millis(7)))
        );
        let events = decoder.feed("\u{feff}data: c\n\n".as_bytes()).unwrap();
        assert_eq!((events[0].event(), events[0].data(), events[0].id()), ("message", "c", "1"));
        assert!(decoder.feed(&[b'x'; 21]).is_err(), "the limits stay");
    }

    #[test]
    fn a_large_event_does_not_hold_its_memory_for_ever() {
        let mut decoder = Decoder::new();
        let large = format!("data: {}\n\n", "x".repeat(1_000_000));
        for chunk in large.as_bytes().chunks(1000) {
            decoder.feed(chunk).unwrap();
        }
        assert!(decoder.lines.buffer.capacity() >= 1_000_000);
        decoder.feed(b"data: a\n\ndata: b\n\ndata: c\n\n").unwrap();
        assert!(decoder.lines.buffer.capacity() <= assemble::KEPT_CAPACITY);
    }
}
