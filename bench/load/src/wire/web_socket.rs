//! Reads and writes WebSockets by hand, so that the load costs little (pure).

use super::{Event, Malformed, Take};

/// The key of every handshake: that of the example in RFC 6455, section 1.3. A server must derive
/// [`ACCEPT`] from it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// The first bytes of unfragmented frames (RFC 6455, section 5.2).
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;

/// A bit of the second byte of a frame. Clients mask their frames, and servers do not.
const MASKED: u8 = 0x80;

/// The maximum size of a head or of a frame's payload, which is more than any has here.
const MAX_REST: usize = 16 * 1024;

/// The request that opens a WebSocket.
pub(crate) fn handshake(path: &str) -> Vec<u8> {
    format!(
        "GET {path} HTTP/1.1\r\nhost: bench\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {KEY}\r\n\r\n"
    )
    .into_bytes()
}

/// The length of the head that accepts the handshake; `None` until its end has come.
pub(crate) fn accepted(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes);
    let parsed = parsed.map_err(|error| Malformed::new(format!("a response: {error}")))?;
    let httparse::Status::Complete(length) = parsed else { return Ok(None) };
    let accepts = head.headers.iter().any(|header| {
        header.name.eq_ignore_ascii_case("sec-websocket-accept")
            && header.value == ACCEPT.as_bytes()
    });
    if head.code == Some(101) && accepts {
        Ok(Some(length))
    } else {
        Err(Malformed::new(format!("status {} to a handshake", head.code.unwrap_or(0))))
    }
}

/// Writes a text message of a client in place of what `frame` has. Its payload is shorter than 126
/// bytes.
pub(crate) fn write_text(frame: &mut Vec<u8>, payload: &[u8], mask: [u8; 4]) {
    frame.clear();
    frame.extend_from_slice(&[TEXT, MASKED | payload.len() as u8]);
    frame.extend_from_slice(&mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

/// Writes a text message of a server in place of what `frame` has, as [`write_text`] does.
pub(crate) fn write_unmasked_text(frame: &mut Vec<u8>, payload: &[u8]) {
    frame.clear();
    frame.extend_from_slice(&[TEXT, payload.len() as u8]);
    frame.extend_from_slice(payload);
}

/// Reads the text messages of one WebSocket, regardless of how the network cut the bytes.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    is_open: bool,
    /// The beginning of a head or of a frame whose end has not come yet.
    rest: Vec<u8>,
}

impl Messages {
    /// Whether the handshake was accepted.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Passes on the messages of this WebSocket that end within `bytes`. A message is the bare data
    /// of an event, or the JSON object in which a hub sends it.
    pub(crate) fn feed(
        &mut self,
        number: usize,
        bytes: &[u8],
        taker: &mut impl Take,
    ) -> Result<(), Malformed> {
        let used;
        if self.rest.is_empty() {
            used = Self::take(&mut self.is_open, number, bytes, taker)?;
            self.rest.extend_from_slice(&bytes[used..]);
        } else {
            self.rest.extend_from_slice(bytes);
            used = Self::take(&mut self.is_open, number, &self.rest, taker)?;
            self.rest.drain(..used);
        }
        if self.rest.len() > MAX_REST {
            return Err(Malformed::new(format!("a head or frame of more than {MAX_REST} bytes")));
        }
        Ok(())
    }

    /// Passes on complete messages, and returns the number of their bytes.
    fn take(
        is_open: &mut bool,
        number: usize,
        bytes: &[u8],
        taker: &mut impl Take,
    ) -> Result<usize, Malformed> {
        let mut used = 0;
        if !*is_open {
            let Some(length) = accepted(bytes)? else { return Ok(0) };
            used = length;
            *is_open = true;
        }
        while used < bytes.len() {
            used += taker.recognise(number, &bytes[used..]);
            let Some(Frame { kind, length, payload }) = Frame::read(&bytes[used..])? else { break };
            match kind {
                TEXT => {
                    if let Some(data) = data(payload) {
                        taker.take(number, Event::Data(data), &bytes[used..used + length])?;
                    }
                }
                PING | PONG => {}
                _ => return Err(Malformed::new(format!("a frame that begins with {kind:#x}"))),
            }
            used += length;
        }
        Ok(used)
    }
}

/// A frame of a server.
struct Frame<'a> {
    /// Its first byte.
    kind: u8,
    /// The length of the head and the payload.
    length: usize,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the beginning of `bytes`; `None` until all of it has come.
    fn read(bytes: &'a [u8]) -> Result<Option<Self>, Malformed> {
        let [kind, length, ..] = *bytes else { return Ok(None) };
        let (head, length) = match length {
            0..126 => (2, usize::from(length)),
            126 => match *bytes {
                [_, _, high, low, ..] => (4, usize::from(u16::from_be_bytes([high, low]))),
                _ => return Ok(None),
            },
            _ => return Err(Malformed::new("a frame that is masked or too long")),
        };
        let length = head + length;
        Ok(bytes.get(head..length).map(|payload| Self { kind, length, payload }))
    }
}

/// The data in a text: all of it, or the field `data` of a hub's envelope, if it has one. The data
/// of the load needs no escapes in JSON.
fn data(text: &[u8]) -> Option<&[u8]> {
    if !text.starts_with(b"{") {
        return Some(text);
    }
    let begin = memchr::memmem::find(text, br#""data":""#)? + br#""data":""#.len();
    let length = memchr::memchr(b'"', &text[begin..])?;
    Some(&text[begin..begin + length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(accept: &str) -> Vec<u8> {
        format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n\r\n").into()
    }

    fn read(bytes: &[u8], size: usize) -> Result<Vec<String>, Malformed> {
        let mut texts = Vec::new();
        let mut taker = |_: usize, event: Event<'_>| {
            if let Event::Data(data) = event {
                texts.push(String::from_utf8_lossy(data).into_owned());
            }
            Ok(())
        };
        let mut messages = Messages::default();
        bytes.chunks(size).try_for_each(|part| messages.feed(0, part, &mut taker))?;
        Ok(texts)
    }

    #[test]
    fn messages_are_found_on_any_cut() {
        let mut bytes = head(ACCEPT);
        bytes.extend_from_slice(b"\x81\x02hi\x89\x01p");
        let long = "a".repeat(300);
        bytes.extend_from_slice(&[TEXT, 126, 1, 44]);
        bytes.extend_from_slice(long.as_bytes());
        for envelope in [r#"{"id":"2a-5","data":"in a hub"}"#, r#"{"id":"2a-5"}"#] {
            bytes.extend_from_slice(&[TEXT, envelope.len() as u8]);
            bytes.extend_from_slice(envelope.as_bytes());
        }
        for size in 1..=bytes.len() {
            let texts = read(&bytes, size).expect("messages");
            assert_eq!(texts, ["hi", long.as_str(), "in a hub"], "parts of {size}");
        }
    }

    #[test]
    fn other_bytes_are_malformed() {
        assert!(read(&head("another"), 8).is_err());
        assert!(read(b"HTTP/1.1 200 OK\r\n\r\n", 8).is_err());
        for frame in [&b"\x82\x01b"[..], b"\x01\x01f", b"\x88\x00", b"\x81\x81maskt", b"\x81\x7f"] {
            let bytes = [&head(ACCEPT)[..], frame].concat();
            assert!(read(&bytes, bytes.len()).is_err(), "{}", frame.escape_ascii());
        }
    }

    #[test]
    fn a_message_of_the_client_is_masked() {
        let mut frame = vec![1, 2, 3];
        write_text(&mut frame, b"hello", [1, 2, 3, 4]);
        assert_eq!(&frame[..6], [TEXT, MASKED | 5, 1, 2, 3, 4]);
        let plain: Vec<u8> = frame[6..].iter().zip([1, 2, 3, 4, 1]).map(|(a, b)| a ^ b).collect();
        assert_eq!(plain, b"hello");
    }
}
