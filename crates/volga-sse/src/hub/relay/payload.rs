//! A message as an engine holds it: a version, and the lines of the event without its ID. Pure.
//!
//! So a node neither decodes nor encodes what comes in: it appends the ID. But other programs can
//! write to the engine as well. A payload that could end its event early, or set an ID of its own,
//! is not accepted.

use memchr::memchr;

use crate::codec::encode::prefix;
use crate::codec::message::MessageWithoutId;
use crate::codec::position::Position;

/// The first byte of a payload.
const VERSION: u8 = 1;

/// Makes the payload of a message.
pub(crate) fn encode(message: &MessageWithoutId) -> Vec<u8> {
    let mut payload = Vec::with_capacity(message.len_without_id() + 1);
    payload.push(VERSION);
    payload.extend_from_slice(message.lines());
    payload
}

/// Reads a payload, which will get this position. `None` if it has another version, or is not the
/// lines of one event whose name is not reserved.
pub(crate) fn decode(
    payload: &[u8],
    position: Position,
    is_reserved: impl Fn(&[u8]) -> bool,
) -> Option<MessageWithoutId> {
    let (&VERSION, lines) = payload.split_first()? else { return None };
    let is_safe = str::from_utf8(lines).is_ok()
        && memchr(b'\r', lines).is_none()
        && lines.split_inclusive(|byte| *byte == b'\n').all(|line| is_field(line, &is_reserved));
    is_safe.then(|| MessageWithoutId::from_lines(lines, position))
}

/// Whether this is a line that a message of ours can have.
fn is_field(line: &[u8], is_reserved: impl Fn(&[u8]) -> bool) -> bool {
    let Some(line) = line.strip_suffix(b"\n") else { return false };
    if let Some(name) = line.strip_prefix(prefix::EVENT) {
        return !name.is_empty() && !is_reserved(name);
    }
    if let Some(time) = line.strip_prefix(prefix::RETRY) {
        return !time.is_empty() && time.iter().all(u8::is_ascii_digit);
    }
    line.starts_with(prefix::DATA) || line.starts_with(prefix::COMMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::message::Message;

    const AT: Position = Position::new(0x2a, 7);

    #[test]
    fn a_message_comes_back_as_it_was_published() {
        for message in [
            Message::new(),
            Message::new().data("x"),
            Message::new().data("x\n\ny").event("name").id("own"),
            Message::new().comment("hello\nworld").data(""),
            Message::new().retry(std::time::Duration::from_secs(3)).data(" x"),
        ] {
            let expect = message.clone().without_id(AT).expect("valid").at(AT);
            let payload = encode(&message.without_id(AT).expect("valid"));
            let decoded = decode(&payload, AT, |_| false).expect("a payload");
            assert_eq!(decoded.len(), decoded.len_at(AT));
            assert_eq!(decoded.at(AT).as_bytes(), expect.as_bytes());
        }
    }

    #[test]
    fn what_could_forge_an_event_is_refused() {
        for payload in [
            &b""[..],
            b"\x02data: x\n",
            b"data: x\n",
            b"\x01data: x",
            b"\x01data: x\n\n",
            b"\x01data: x\n\ndata: y\n",
            b"\x01id: 1-1\n",
            b"\x01id\n",
            b"\x01data: x\rid: 1-1\n",
            b"\x01event: gap\n",
            b"\x01event: \n",
            b"\x01retry: x\n",
            b"\x01data: \xff\n",
            b"\x01anything\n",
        ] {
            assert!(decode(payload, AT, |name| name == b"gap").is_none(), "{payload:?}");
        }
    }
}
