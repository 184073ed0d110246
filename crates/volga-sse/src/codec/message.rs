//! `Message`: what an application sends.

use std::{fmt, time::Duration};

#[cfg(feature = "hub")]
use crate::codec::encode::event_name_in;
use crate::codec::encode::{
    EncodedMessage, line_capacity, prefix, push_lines, remove_lines, write_lines,
};
use crate::codec::error::EncodeError;
use crate::codec::field::{check_event_id, check_event_name};
#[cfg(feature = "json")]
use crate::codec::json::{output::Output, write_line};
use crate::codec::position::{Position, PositionText};
use crate::codec::wire::Wire;
#[cfg(feature = "json")]
use crate::pool;

/// A message for a client: data, event name, event ID, reconnection time and comments, each
/// optional.
///
/// The client receives exactly the values that you set, whatever characters they hold, or the
/// message is refused. A client cannot receive:
///
/// - a line break in an event name or event ID,
/// - a control character in an event ID, a blank at its start or end, or an ID of more than
///   [`MAX_EVENT_ID`](crate::MAX_EVENT_ID) bytes,
/// - an empty event name.
///
/// The builder remembers the first such value. You get the error where there is a `Result` anyway:
/// from [`encode`](Self::encode), or as the end of the stream on which the message was sent. In
/// data, CR, LF and CRLF each arrive as one LF, as the format defines it.
///
/// ```
/// use volga_sse::Message;
///
/// let message = Message::new().event("greeting").id("7").data("Hello,\n world!");
/// assert_eq!(
///     message.encode()?.as_bytes(),
///     b"event: greeting\nid: 7\ndata: Hello,\ndata:  world!\n\n",
/// );
/// # Ok::<(), volga_sse::EncodeError>(())
/// ```
///
/// A message with data is an event to the client, even if the data is empty. A message without data
/// is not an event, but its event ID becomes the client's last event ID, and its reconnection time
/// takes effect.
#[derive(Clone)]
#[must_use = "a message does nothing until it is sent or encoded"]
pub struct Message {
    // The fields as they are sent, in the order in which they were set, without the blank line at
    // the end.
    wire: Wire,
    present: FieldSet,
    // Boxed, so that a message without an error moves only eight bytes for it.
    error: Option<Box<EncodeError>>,
}

/// Which fields are in the wire bytes already, one bit for each.
#[derive(Clone, Copy, Default)]
struct FieldSet(u8);

impl FieldSet {
    const DATA: u8 = 1;
    const EVENT: u8 = 2;
    const ID: u8 = 4;
    const RETRY: u8 = 8;

    #[inline]
    fn has(self, field: u8) -> bool {
        self.0 & field != 0
    }

    /// Whether a blank line ends the message.
    ///
    /// A client acts on comments and `retry:` at the end of their line. Some clients take a blank
    /// line after a block without data for an empty event, so a message of only these two has none.
    #[inline]
    fn blank_line(self) -> bool {
        self.has(Self::DATA | Self::EVENT | Self::ID)
    }
}

impl Message {
    /// Makes a message without any field.
    pub const fn new() -> Self {
        Self { wire: Wire::Empty, present: FieldSet(0), error: None }
    }

    /// Makes a message without any field in the memory of `buffer`, whose content is dropped.
    ///
    /// Together with [`into_buffer`](Self::into_buffer), any number of messages can share one
    /// buffer. None of them allocates once the buffer is large enough:
    ///
    /// ```
    /// use volga_sse::Message;
    ///
    /// let mut buffer = Vec::new();
    /// for price in ["7.20", "7.25"] {
    ///     buffer = Message::reusing(buffer).event("price").data(price).into_buffer()?;
    ///     assert_eq!(buffer, format!("event: price\ndata: {price}\n\n").as_bytes());
    /// }
    /// # Ok::<(), volga_sse::EncodeError>(())
    /// ```
    #[inline(always)]
    pub fn reusing(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { wire: Wire::Heap(buffer), ..Self::new() }
    }

    /// Sets the data and replaces earlier data. Each CR, LF or CRLF in it arrives as one LF;
    /// everything else arrives as it is.
    #[inline(always)]
    pub fn data(mut self, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        // Data alone is the simplest message. It is written to its block right here, so that the
        // message stays in registers from `new` to `encode`. A reference to the message, or to the
        // bytes inside, would send it to memory.
        let mut heap = match &mut self.wire {
            Wire::Empty => Vec::with_capacity(line_capacity(prefix::DATA, text)),
            Wire::Heap(heap) if !self.present.has(FieldSet::DATA) => std::mem::take(heap),
            _ => return self.set_data(text),
        };
        push_lines(&mut heap, prefix::DATA, text);
        self.wire = Wire::Heap(heap);
        self.present.0 |= FieldSet::DATA;
        self
    }

    /// Adds lines to the data: the client sees a line break between the data so far and `text`.
    /// Without data so far, it is the same as [`data`](Self::data).
    #[inline(always)]
    pub fn append(mut self, text: impl AsRef<str>) -> Self {
        self.append_data(text.as_ref());
        self
    }

    /// Sets the data to a value as JSON and replaces earlier data.
    ///
    /// A value that cannot be serialised, such as a map whose keys are not strings, makes
    /// [`encode`](Self::encode) fail.
    #[cfg(feature = "json")]
    #[inline(always)]
    pub fn json(mut self, value: impl serde::Serialize) -> Self {
        // As in `data`, a message of data alone stays in registers. Sent to memory, it would be
        // read again before the write has completed.
        let heap = match &mut self.wire {
            Wire::Empty => pool::take(),
            Wire::Heap(heap) if !self.present.has(FieldSet::DATA) => std::mem::take(heap),
            _ => return self.set_json(&value),
        };
        self.push_json(heap, &value)
    }

    /// Sets the event name and replaces an earlier one. Without a name the client sees `message`.
    ///
    /// An empty name or one with a line break makes [`encode`](Self::encode) fail.
    #[inline(always)]
    pub fn event(mut self, name: impl AsRef<str>) -> Self {
        self.set_event(name.as_ref());
        self
    }

    /// Sets the event ID and replaces an earlier one. When the client reconnects, it sends the last
    /// ID that it received as `Last-Event-ID`. An empty ID makes the client forget the last one.
    ///
    /// The client returns the ID in a header. So an ID with a control character, with a blank at
    /// its start or end, or with more than [`MAX_EVENT_ID`](crate::MAX_EVENT_ID) bytes makes
    /// [`encode`](Self::encode) fail.
    #[inline(always)]
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        self.set_id(id.as_ref());
        self
    }

    /// Sets the reconnection time and replaces an earlier one: how long the client waits before it
    /// reconnects, in whole milliseconds, rounded up.
    ///
    /// More than 2⁶⁴ − 1 milliseconds make [`encode`](Self::encode) fail.
    pub fn retry(mut self, time: Duration) -> Self {
        let Ok(milliseconds) = u64::try_from(time.as_nanos().div_ceil(1_000_000)) else {
            self.refuse(EncodeError::RetryTooLong);
            return self;
        };
        if self.present.has(FieldSet::RETRY) {
            remove_lines(&mut self.wire, prefix::RETRY);
        }
        self.present.0 |= FieldSet::RETRY;
        let mut digits = [0; 20];
        self.wire.push_line(prefix::RETRY, decimal(milliseconds, &mut digits).as_bytes());
        self
    }

    /// Adds a comment, one line for each line of the text. Clients ignore comments; people who
    /// watch the stream can read them.
    pub fn comment(mut self, text: impl AsRef<str>) -> Self {
        write_lines(&mut self.wire, prefix::COMMENT, text.as_ref());
        self
    }

    /// Encodes the message, to be sent on any number of streams.
    ///
    /// # Errors
    ///
    /// Returns the first value that a client could not receive as it was set.
    #[inline(always)]
    pub fn encode(self) -> Result<EncodedMessage, EncodeError> {
        self.into_buffer().map(EncodedMessage::new)
    }

    /// Encodes the message for a position in a log. The [`Position`] is its event ID and replaces
    /// an earlier one.
    ///
    /// # Errors
    ///
    /// The same as [`encode`](Self::encode).
    pub fn encode_at(self, position: Position) -> Result<EncodedMessage, EncodeError> {
        Ok(self.without_id(position)?.at(position))
    }

    /// Encodes the message without its event ID, in a block that has room for an ID as long as
    /// `expected`. A log does this before it assigns the position, so that nothing is copied while
    /// it holds its lock.
    pub(crate) fn without_id(
        mut self,
        expected: Position,
    ) -> Result<MessageWithoutId, EncodeError> {
        if let Some(error) = self.error {
            return Err(*error);
        }
        if self.present.has(FieldSet::ID) {
            remove_lines(&mut self.wire, prefix::ID);
        }
        let mut wire = self.wire.into_heap();
        let more = line_capacity(prefix::ID, PositionText::new(expected).as_str());
        wire.reserve_exact(more);
        wire.shrink_to(wire.len() + more);
        Ok(MessageWithoutId { wire })
    }

    /// Encodes the message in the memory in which it was built; see [`reusing`](Self::reusing).
    ///
    /// # Errors
    ///
    /// The same as [`encode`](Self::encode). The memory is then freed.
    #[inline(always)]
    pub fn into_buffer(self) -> Result<Vec<u8>, EncodeError> {
        if let Some(error) = self.error {
            return Err(*error);
        }
        let mut buffer = self.wire.into_heap();
        if self.present.blank_line() {
            buffer.push(b'\n');
        }
        Ok(buffer)
    }

    /// Writes the message to the end of `out`.
    ///
    /// # Errors
    ///
    /// The same as [`encode`](Self::encode). `out` is then as it was.
    #[inline]
    pub fn encode_into(self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(error) = self.error {
            return Err(*error);
        }
        out.extend_from_slice(self.wire.as_slice());
        if self.present.blank_line() {
            out.push(b'\n');
        }
        #[cfg(feature = "json")]
        if let Wire::Heap(block) = self.wire {
            pool::keep(block);
        }
        Ok(())
    }

    /// The event name, or `None` for a message without a name.
    #[cfg(feature = "hub")]
    pub(crate) fn event_name(&self) -> Option<&[u8]> {
        if !self.present.has(FieldSet::EVENT) {
            return None;
        }
        event_name_in(self.wire.as_slice())
    }

    // The work of the builder's methods is in functions of its own. The methods are inlined into
    // the caller, so that a message is built in place.

    // By value, because `data` must not take a reference.
    #[inline(never)]
    fn set_data(mut self, text: &str) -> Self {
        self.clear_data();
        self.append_data(text);
        self
    }

    #[cfg(feature = "json")]
    #[inline(never)]
    fn set_json(mut self, value: &impl serde::Serialize) -> Self {
        self.clear_data();
        let heap = self.wire.take_pooled();
        self.push_json(heap, value)
    }

    /// Adds a value to the end of the message's bytes, which the caller has taken out.
    #[cfg(feature = "json")]
    #[inline(always)]
    fn push_json(mut self, heap: Vec<u8>, value: &impl serde::Serialize) -> Self {
        let start = heap.len();
        let mut out = Output::new(heap);
        match write_line(&mut out, prefix::DATA, value) {
            Ok(true) => {
                self.wire = Wire::Heap(out.bytes);
                self.present.0 |= FieldSet::DATA;
                self
            }
            written => self.unusual_json(out.bytes, start, written),
        }
    }

    /// Handles a value that did not become one line: it became several lines, or an error. `start`
    /// is the index of its prefix.
    #[cfg(feature = "json")]
    #[cold]
    fn unusual_json(
        mut self,
        mut heap: Vec<u8>,
        start: usize,
        written: serde_json::Result<bool>,
    ) -> Self {
        let json = start + prefix::DATA.len();
        // JSON is UTF-8, so this conversion changes nothing.
        let lines = String::from_utf8_lossy(&heap[json..]).into_owned();
        heap.truncate(start);
        self.wire = Wire::Heap(heap);
        match written {
            // Raw JSON within the value may be laid out in lines.
            Ok(_) => self.append_data(&lines),
            Err(error) => self.refuse(EncodeError::Json(error.into())),
        }
        self
    }

    #[inline]
    fn append_data(&mut self, text: &str) {
        write_lines(&mut self.wire, prefix::DATA, text);
        self.present.0 |= FieldSet::DATA;
    }

    #[inline]
    fn clear_data(&mut self) {
        if self.present.has(FieldSet::DATA) {
            remove_lines(&mut self.wire, prefix::DATA);
            self.present.0 &= !FieldSet::DATA;
        }
    }

    fn set_event(&mut self, name: &str) {
        if let Err(error) = check_event_name(name) {
            return self.refuse(error);
        }
        if self.present.has(FieldSet::EVENT) {
            remove_lines(&mut self.wire, prefix::EVENT);
        }
        self.present.0 |= FieldSet::EVENT;
        self.wire.push_line(prefix::EVENT, name.as_bytes());
    }

    fn set_id(&mut self, id: &str) {
        if let Err(error) = check_event_id(id) {
            return self.refuse(error);
        }
        if self.present.has(FieldSet::ID) {
            remove_lines(&mut self.wire, prefix::ID);
        }
        self.present.0 |= FieldSet::ID;
        self.wire.push_line(prefix::ID, id.as_bytes());
    }

    #[cold]
    fn refuse(&mut self, error: EncodeError) {
        self.error.get_or_insert_with(|| Box::new(error));
    }
}

/// A message that waits for its position in a log.
pub(crate) struct MessageWithoutId {
    wire: Vec<u8>,
}

impl MessageWithoutId {
    /// Writes the event ID after the rest. Copies nothing if the ID has the expected length.
    pub(crate) fn at(mut self, position: Position) -> EncodedMessage {
        push_lines(&mut self.wire, prefix::ID, PositionText::new(position).as_str());
        self.wire.push(b'\n');
        EncodedMessage::new(self.wire).at(position)
    }

    /// Makes a message of the lines of one, and keeps room for the ID of a position.
    #[cfg(feature = "hub")]
    pub(crate) fn from_lines(lines: &[u8], expected: Position) -> Self {
        let more = line_capacity(prefix::ID, PositionText::new(expected).as_str());
        let mut wire = Vec::with_capacity(lines.len() + more);
        wire.extend_from_slice(lines);
        Self { wire }
    }

    /// The lines, apart from the ID and the blank line.
    #[cfg(feature = "hub")]
    pub(crate) fn lines(&self) -> &[u8] {
        &self.wire
    }

    /// The bytes that are sent once it has an ID of the expected length.
    #[cfg(feature = "hub")]
    pub(crate) fn len(&self) -> usize {
        self.wire.capacity()
    }

    /// The bytes that are sent apart from the ID and the blank line.
    #[cfg(feature = "hub")]
    pub(crate) fn len_without_id(&self) -> usize {
        self.wire.len()
    }

    /// The bytes that are sent once it has this position as its ID.
    #[cfg(feature = "hub")]
    pub(crate) fn len_at(&self, position: Position) -> usize {
        let id = PositionText::new(position).as_str().len();
        self.wire.len() + prefix::ID.len() + id + "\n\n".len()
    }
}

impl Default for Message {
    fn default() -> Self {
        Self::new()
    }
}

impl TryFrom<Message> for EncodedMessage {
    type Error = EncodeError;

    fn try_from(message: Message) -> Result<Self, EncodeError> {
        message.encode()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("wire", &String::from_utf8_lossy(self.wire.as_slice()))
            .field("error", &self.error)
            .finish()
    }
}

/// Writes a number in decimal, without the machinery of `format!`.
fn decimal(mut number: u64, digits: &mut [u8; 20]) -> &str {
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            // Digits are ASCII.
            return std::str::from_utf8(&digits[at..]).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: Message, expect: &str) {
        let mut out = b"before".to_vec();
        message.clone().encode_into(&mut out).expect("a valid message");
        assert_eq!(message.clone().into_buffer().expect("a valid message"), expect.as_bytes());
        let wire = message.encode().expect("a valid message");
        assert_eq!(std::str::from_utf8(wire.as_bytes()), Ok(expect));
        assert_eq!(out, [b"before", wire.as_bytes()].concat());
    }

    #[test]
    fn fields_stand_in_the_order_in_which_they_were_set() {
        check(Message::new().data("x"), "data: x\n\n");
        check(
            Message::new().data("x").id("7").comment("c").event("e").retry(Duration::from_secs(3)),
            "data: x\nid: 7\n: c\nevent: e\nretry: 3000\n\n",
        );
    }

    #[test]
    fn a_field_set_again_replaces_the_first() {
        let twice = |m: Message| m.event("e").id("1").retry(Duration::from_secs(1)).data("a\nb");
        check(
            twice(twice(Message::new()).comment("c").comment("d")),
            ": c\n: d\nevent: e\nid: 1\nretry: 1000\ndata: a\ndata: b\n\n",
        );
        let long = "x".repeat(1000);
        check(Message::new().data(&long).data("short"), "data: short\n\n");
        check(Message::new().id("").data(""), "id: \ndata: \n\n");
    }

    #[test]
    fn appended_data_follows_on_lines_of_its_own() {
        check(Message::new().append("a").append("").append("b"), "data: a\ndata: \ndata: b\n\n");
        check(Message::new().data("a").id("1").append("b"), "data: a\nid: 1\ndata: b\n\n");
        check(Message::new().id("1").append("a\nb"), "id: 1\ndata: a\ndata: b\n\n");
    }

    #[test]
    fn only_what_needs_a_blank_line_has_one() {
        check(Message::new(), "");
        check(Message::new().comment("a\rb"), ": a\n: b\n");
        check(Message::new().retry(Duration::ZERO), "retry: 0\n");
        check(Message::new().id("1"), "id: 1\n\n");
        check(Message::new().event("e"), "event: e\n\n");
    }

    #[test]
    fn a_place_in_a_log_is_the_event_id() {
        let position = Position::new(u64::MAX, 0);
        let wire = Message::new().id("mine").data("x").encode_at(position).unwrap();
        assert_eq!(wire.as_bytes(), b"data: x\nid: ffffffffffffffff-0\n\n");
        assert_eq!(wire.clone().position(), Some(position));
        assert_eq!(Message::new().encode().unwrap().position(), None);
        assert!(Message::new().event("").encode_at(position).is_err());
    }

    #[test]
    fn the_reconnection_time_is_rounded_up() {
        check(Message::new().retry(Duration::from_nanos(1)), "retry: 1\n");
        check(Message::new().retry(Duration::from_micros(1_500)), "retry: 2\n");
        check(
            Message::new().retry(Duration::from_millis(u64::MAX)),
            "retry: 18446744073709551615\n",
        );
        let error = Message::new().retry(Duration::MAX).encode().unwrap_err();
        assert!(matches!(error, EncodeError::RetryTooLong));
    }

    #[test]
    fn messages_that_share_a_buffer_stay_in_it() {
        let buffer = Vec::with_capacity(100);
        let place = buffer.as_ptr();
        let long = Message::reusing(buffer).event("e").id("1").data("a\nb").into_buffer().unwrap();
        assert_eq!(long, b"event: e\nid: 1\ndata: a\ndata: b\n\n");
        let short = Message::reusing(long).data("c").into_buffer().unwrap();
        assert_eq!((short.as_slice(), short.as_ptr()), (&b"data: c\n\n"[..], place));
        check(Message::reusing(short).comment("d"), ": d\n");
    }

    #[test]
    fn the_first_refused_value_is_the_one_reported() {
        let message = Message::new().event("a\nb").id("\0").data("x");
        let mut out = b"before".to_vec();
        assert!(message.clone().encode_into(&mut out).is_err());
        assert_eq!(out, b"before");
        let error = message.encode().unwrap_err().to_string();
        assert!(error.starts_with("the event name holds a line break at byte 1"), "{error}");
    }

    #[cfg(feature = "json")]
    #[test]
    fn json_is_data_whatever_its_layout() {
        check(Message::new().json("a\nb"), "data: \"a\\nb\"\n\n");
        check(Message::new().data("old").json([1, 2]), "data: [1,2]\n\n");
        let raw = serde_json::value::RawValue::from_string("{\n\"a\":\r\n1}".to_owned()).unwrap();
        check(Message::new().json(&raw).id("1"), "data: {\ndata: \"a\":\ndata: 1}\nid: 1\n\n");
        let long = vec![7; 500];
        let expect = format!("data: {}\n\n", serde_json::to_string(&long).unwrap());
        check(Message::new().json(&long), &expect);
    }

    #[cfg(feature = "json")]
    #[test]
    fn a_value_that_is_no_json_is_refused_and_leaves_no_trace() {
        let no_json = std::collections::HashMap::from([(vec![1], 2)]);
        let message = Message::new().event("e").json(&no_json);
        assert_eq!(message.wire.as_slice(), b"event: e\n");
        let error = message.encode().unwrap_err();
        assert!(matches!(error, EncodeError::Json(_)));
        assert!(std::error::Error::source(&error).is_some());
    }

    #[test]
    fn a_message_is_one_cache_line() {
        assert!(size_of::<Message>() <= 64, "{}", size_of::<Message>());
    }
}
