//! `Message`: what the application says.

use std::{fmt, time::Duration};

use crate::{
    EncodeError, EncodedMessage,
    encode::{prefix, remove_lines, write_line, write_lines},
    field::{check_event_id, check_event_name},
    wire::Wire,
};

/// A message for a client: data, event name, event ID, reconnection time and comments, each optional.
///
/// The client receives just the values that were set, whatever characters they hold, or the message is refused. What a
/// client cannot receive is:
///
/// - a line break in an event name or event ID,
/// - a NUL in an event ID,
/// - an empty event name.
///
/// The builder remembers the first such value. The error comes where a `Result` already is: from [`encode`](Self::encode), or as the end of the
/// stream that the message was sent on. In data, CR, LF and CRLF each arrive as one LF, as the format has it.
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
/// A message with data is an event to the client, even when the data is empty. One without data is none, but its event ID
/// becomes the client's last event ID and its reconnection time is taken.
#[derive(Clone)]
#[must_use = "a message does nothing until it is sent or encoded"]
pub struct Message {
    // The fields in their final form, in the order in which they were set, without the blank line at the end.
    wire: Wire,
    present: Present,
    // Boxed, so that the happy path moves eight bytes.
    error: Option<Box<EncodeError>>,
}

/// Which fields are on the wire already.
#[derive(Clone, Copy, Default)]
struct Present {
    data: bool,
    event: bool,
    id: bool,
    retry: bool,
}

impl Message {
    /// A message without any field.
    pub const fn new() -> Self {
        Self {
            wire: Wire::new(),
            present: Present { data: false, event: false, id: false, retry: false },
            error: None,
        }
    }

    /// Sets the data, in place of any set before. Each CR, LF or CRLF in it arrives as one LF; everything else arrives as it is.
    pub fn data(mut self, text: impl AsRef<str>) -> Self {
        self.clear_data();
        self.append(text)
    }

    /// Adds lines to the data: the client sees a line break between what was there and `text`. Without data so far, the same as
    /// [`data`](Self::data).
    pub fn append(mut self, text: impl AsRef<str>) -> Self {
        write_lines(&mut self.wire, prefix::DATA, text.as_ref());
        self.present.data = true;
        self
    }

    /// Sets the data to a value as JSON, in place of any set before.
    ///
    /// A value that cannot be serialised, such as a map with keys that are no strings, makes
    /// [`encode`](Self::encode) fail.
    #[cfg(feature = "json")]
    pub fn json(mut self, value: impl serde::Serialize) -> Self {
        self.clear_data();
        let start = self.wire.len();
        self.wire.extend(prefix::DATA);
        if let Err(error) = serde_json::to_writer(&mut self.wire, &value) {
            self.wire.truncate(start);
            return self.refuse(EncodeError::Json(error.into()));
        }
        self.present.data = true;

        let json = &self.wire.as_slice()[start + prefix::DATA.len()..];
        if memchr::memchr2(b'\n', b'\r', json).is_none() {
            self.wire.extend(b"\n");
            return self;
        }
        // JSON within JSON may be laid out in lines. JSON is UTF-8, and so this conversion changes nothing.
        let json = String::from_utf8_lossy(json).into_owned();
        self.wire.truncate(start);
        self.append(json)
    }

    /// Sets the event name, in place of any set before. Without one the client sees `message`.
    ///
    /// An empty name or one with a line break makes [`encode`](Self::encode) fail.
    pub fn event(mut self, name: impl AsRef<str>) -> Self {
        let name = name.as_ref();
        if let Err(error) = check_event_name(name) {
            return self.refuse(error);
        }
        if self.present.event {
            remove_lines(&mut self.wire, prefix::EVENT);
        }
        self.present.event = true;
        write_line(&mut self.wire, prefix::EVENT, name);
        self
    }

    /// Sets the event ID, in place of any set before. The client sends the last one that it saw as `Last-Event-ID` when it returns. An empty
    /// ID makes it forget the last one.
    ///
    /// An ID with a line break or a NUL makes [`encode`](Self::encode) fail.
    pub fn id(mut self, id: impl AsRef<str>) -> Self {
        let id = id.as_ref();
        if let Err(error) = check_event_id(id) {
            return self.refuse(error);
        }
        if self.present.id {
            remove_lines(&mut self.wire, prefix::ID);
        }
        self.present.id = true;
        write_line(&mut self.wire, prefix::ID, id);
        self
    }

    /// Sets the reconnection time, in place of any set before: how long the client waits before it returns, in whole
    /// milliseconds, rounded up.
    ///
    /// More than 2⁶⁴ − 1 milliseconds make [`encode`](Self::encode) fail.
    pub fn retry(mut self, time: Duration) -> Self {
        let Ok(milliseconds) = u64::try_from(time.as_nanos().div_ceil(1_000_000)) else {
            return self.refuse(EncodeError::RetryTooLong);
        };
        if self.present.retry {
            remove_lines(&mut self.wire, prefix::RETRY);
        }
        self.present.retry = true;
        let mut digits = [0; 20];
        write_line(&mut self.wire, prefix::RETRY, decimal(milliseconds, &mut digits));
        self
    }

    /// Adds a comment, a line for each line of the text. Clients ignore comments; people who watch the stream read them.
    pub fn comment(mut self, text: impl AsRef<str>) -> Self {
        write_lines(&mut self.wire, prefix::COMMENT, text.as_ref());
        self
    }

    /// The message as its bytes on the wire, to be sent on any number of streams.
    ///
    /// # Errors
    ///
    /// The first value that a client could not have received as it was given.
    pub fn encode(mut self) -> Result<EncodedMessage, EncodeError> {
        if let Some(error) = self.error {
            return Err(*error);
        }
        self.wire.extend(self.present.blank_line());
        Ok(EncodedMessage::new(self.wire))
    }

    /// Writes the message to the end of `out`.
    ///
    /// # Errors
    ///
    /// As [`encode`](Self::encode); `out` is then as it was.
    pub fn encode_into(self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if let Some(error) = self.error {
            return Err(*error);
        }
        out.extend_from_slice(self.wire.as_slice());
        out.extend_from_slice(self.present.blank_line());
        Ok(())
    }

    fn clear_data(&mut self) {
        if self.present.data {
            remove_lines(&mut self.wire, prefix::DATA);
            self.present.data = false;
        }
    }

    fn refuse(mut self, error: EncodeError) -> Self {
        self.error.get_or_insert_with(|| Box::new(error));
        self
    }
}

impl Present {
    /// What ends the message. A client acts on comments and `retry:` at the end of their line, and some clients take a blank
    /// line that follows no data for an empty event; so those two do without.
    fn blank_line(self) -> &'static [u8] {
        if self.data || self.event || self.id { b"\n" } else { b"" }
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

/// Writes a number in decimal, without the formatting machinery.
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
            twice(twice(Message::new()).comment("c")),
            ": c\nevent: e\nid: 1\nretry: 1000\ndata: a\ndata: b\n\n",
        );
        let long = "x".repeat(1000);
        check(Message::new().data(&long).data("short"), "data: short\n\n");
        check(Message::new().id("").data(""), "id: \ndata: \n\n");
    }

    #[test]
    fn appended_data_follows_on_lines_of_its_own() {
        check(Message::new().append("a").append("").append("b"), "data: a\ndata: \ndata: b\n\n");
        check(Message::new().data("a").id("1").append("b"), "data: a\nid: 1\ndata: b\n\n");
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
    fn a_message_is_two_cache_lines() {
        assert!(size_of::<Message>() <= 128, "{}", size_of::<Message>());
    }
}
