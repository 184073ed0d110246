//! Capsules on the stream of a session (RFC 9297, section 3.2). Pure.

use bytes::{Buf, Bytes};

use super::close_info::WebTransportCloseInfo;
use crate::limits::MAX_WEBTRANSPORT_CLOSE_REASON;
use crate::varint;

const CLOSE_SESSION: u64 = 0x2843;
const DRAIN_SESSION: u64 = 0x78ae;

/// The largest header of a capsule: its type and its length.
const HEADER_MAX: usize = 16;
/// A close has a code of four bytes, and its reason.
const CLOSE_MAX: usize = 4 + MAX_WEBTRANSPORT_CLOSE_REASON;

/// A capsule that has a meaning here.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Capsule {
    Close(WebTransportCloseInfo),
    Drain,
}

/// A capsule breaks the rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct MalformedCapsule;

/// Finds the capsules in the bytes of a session's stream.
///
/// A close is collected, up to its limit. Capsules of unknown types are skipped without being kept,
/// whatever their length.
#[derive(Debug, Default)]
pub(crate) struct CapsuleReader {
    received: Bytes,
    /// An incomplete header, or the beginning of a payload.
    collected: Vec<u8>,
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Header,
    Close {
        length: usize,
    },
    Skip {
        left: u64,
    },
}

impl CapsuleReader {
    /// Adds the bytes that came next. Call [`next`](Self::next) until it returns `None` before.
    pub(crate) fn feed(&mut self, bytes: Bytes) {
        debug_assert!(self.received.is_empty(), "the bytes before were not used");
        self.received = bytes;
    }

    /// Returns the next capsule. `None` if more bytes are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Capsule>, MalformedCapsule> {
        loop {
            match self.state {
                State::Header => {
                    let Some((kind, length)) = self.read_header() else { return Ok(None) };
                    match kind {
                        DRAIN_SESSION if length == 0 => return Ok(Some(Capsule::Drain)),
                        DRAIN_SESSION => return Err(MalformedCapsule),
                        CLOSE_SESSION => {
                            let length = usize::try_from(length).unwrap_or(usize::MAX);
                            if !(4..=CLOSE_MAX).contains(&length) {
                                return Err(MalformedCapsule);
                            }
                            self.state = State::Close { length };
                        }
                        _ => self.state = State::Skip { left: length },
                    }
                }
                State::Skip { left: 0 } => self.state = State::Header,
                State::Skip { left } => {
                    if self.received.is_empty() {
                        return Ok(None);
                    }
                    let part = (self.received.len() as u64).min(left);
                    // It is not more than the length of what was received.
                    self.received.advance(part as usize);
                    self.state = State::Skip { left: left - part };
                }
                State::Close { length } => {
                    let part = self.received.len().min(length - self.collected.len());
                    self.collected.extend_from_slice(&self.received.split_to(part));
                    if self.collected.len() < length {
                        return Ok(None);
                    }
                    self.state = State::Header;
                    return close(&std::mem::take(&mut self.collected)).map(Some);
                }
            }
        }
    }

    /// Whether the stream may end here: not in the middle of a capsule.
    pub(crate) fn is_between_capsules(&self) -> bool {
        matches!(self.state, State::Header | State::Skip { left: 0 }) && self.collected.is_empty()
    }

    fn read_header(&mut self) -> Option<(u64, u64)> {
        let before = self.collected.len();
        let part = self.received.len().min(HEADER_MAX - before);
        self.collected.extend_from_slice(&self.received[..part]);
        let header = varint::read(&self.collected).and_then(|(kind, first)| {
            let (length, second) = varint::read(&self.collected[first..])?;
            Some((kind, length, first + second))
        });
        let Some((kind, length, size)) = header else {
            self.received.advance(part);
            return None;
        };
        self.received.advance(size - before);
        self.collected.clear();
        Some((kind, length))
    }
}

fn close(payload: &[u8]) -> Result<Capsule, MalformedCapsule> {
    let (code, reason) = payload.split_first_chunk().ok_or(MalformedCapsule)?;
    let reason = std::str::from_utf8(reason).map_err(|_| MalformedCapsule)?;
    Ok(Capsule::Close(WebTransportCloseInfo::new(u32::from_be_bytes(*code), reason)))
}

/// The bytes of a capsule.
pub(crate) fn encode(capsule: &Capsule) -> Bytes {
    let mut out = Vec::new();
    match capsule {
        Capsule::Drain => {
            varint::write(DRAIN_SESSION, &mut out);
            varint::write(0, &mut out);
        }
        Capsule::Close(info) => {
            varint::write(CLOSE_SESSION, &mut out);
            varint::write((4 + info.reason().len()) as u64, &mut out);
            out.extend_from_slice(&info.code().to_be_bytes());
            out.extend_from_slice(info.reason().as_bytes());
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn capsule(kind: u64, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        varint::write(kind, &mut out);
        varint::write(payload.len() as u64, &mut out);
        out.extend_from_slice(payload);
        out
    }

    /// The capsules in these bytes, in chunks of a size, and whether the stream may end then.
    fn read(bytes: &[u8], size: usize) -> (Result<Vec<Capsule>, MalformedCapsule>, bool) {
        let mut reader = CapsuleReader::default();
        let mut found = Vec::new();
        for chunk in bytes.chunks(size) {
            reader.feed(Bytes::copy_from_slice(chunk));
            loop {
                match reader.next() {
                    Ok(None) => break,
                    Ok(Some(capsule)) => found.push(capsule),
                    Err(error) => return (Err(error), false),
                }
            }
        }
        (Ok(found), reader.is_between_capsules())
    }

    #[test]
    fn capsules_do_not_depend_on_how_the_network_cut_them() {
        let info = WebTransportCloseInfo::new(0x0102_0304, "bye €");
        let close = Capsule::Close(info);
        let parts = [
            capsule(0x17, &[7; 300]),
            encode(&Capsule::Drain).to_vec(),
            capsule(0x3fff_ffff_ffff, b""),
            encode(&close).to_vec(),
        ];
        let bytes = parts.concat();
        for size in 1..=bytes.len() {
            let expect = (Ok(vec![Capsule::Drain, close.clone()]), true);
            assert_eq!(read(&bytes, size), expect, "chunks of {size}");
        }
        let mut ends: Vec<usize> = vec![0];
        for part in &parts {
            ends.push(ends[ends.len() - 1] + part.len());
        }
        for end in 0..bytes.len() {
            assert_eq!(read(&bytes[..end], 7).1, ends.contains(&end), "after {end} bytes");
        }
    }

    #[test]
    fn a_close_or_a_drain_of_another_size_is_malformed() {
        let longest = [&[0; 4][..], &[b'x'; MAX_WEBTRANSPORT_CLOSE_REASON]].concat();
        assert!(read(&capsule(CLOSE_SESSION, &longest), 100).0.is_ok());
        let too_long = [&longest[..], b"x"].concat();
        for payload in [&b""[..], b"123", &too_long, b"1234\xff"] {
            let bytes = capsule(CLOSE_SESSION, payload);
            assert_eq!(read(&bytes, 100).0, Err(MalformedCapsule), "{} bytes", payload.len());
        }
        assert_eq!(read(&capsule(DRAIN_SESSION, b"x"), 100).0, Err(MalformedCapsule));
    }

    #[test]
    fn an_unknown_capsule_of_any_announced_length_holds_no_memory() {
        let mut reader = CapsuleReader::default();
        let mut header = Vec::new();
        varint::write(0x17, &mut header);
        varint::write(varint::MAX, &mut header);
        reader.feed(header.into());
        assert_eq!(reader.next(), Ok(None));
        for _ in 0..1_000 {
            reader.feed(Bytes::from_static(&[0; 1024]));
            assert_eq!(reader.next(), Ok(None));
            assert!(reader.received.is_empty() && reader.collected.is_empty());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_the_same_capsules_in_any_chunks(
            bytes in prop::collection::vec(prop_oneof![
                Just(capsule(DRAIN_SESSION, b"")),
                Just(capsule(CLOSE_SESSION, b"\0\0\0\x07seven")),
                prop::collection::vec(any::<u8>(), 0..20),
            ], 0..10),
            size in 1_usize..50,
        ) {
            let bytes = bytes.concat();
            prop_assert_eq!(read(&bytes, size), read(&bytes, 1));
        }
    }
}
