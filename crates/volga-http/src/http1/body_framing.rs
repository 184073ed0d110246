//! The framing of a response body: how the client finds its end (RFC 9112, section 6). Pure.

use bytes::Bytes;

/// The framing of one body, and how much of the body is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyFraming {
    /// Each frame is a chunk. An empty chunk ends the body.
    Chunked,
    /// The number of bytes that are left.
    Length(u64),
    /// The end of the connection ends the body.
    UntilClose,
}

impl BodyFraming {
    /// Shortens `frame` to what the body may still hold, counts it, and appends the bytes that go
    /// before it.
    pub(crate) fn begin_frame(&mut self, frame: &mut Bytes, out: &mut Vec<u8>) {
        match self {
            Self::Chunked => push_chunk_size(frame.len(), out),
            Self::Length(left) => {
                frame.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= frame.len() as u64;
            }
            Self::UntilClose => {}
        }
    }

    /// The bytes that go after each frame.
    pub(crate) fn frame_end(self) -> &'static [u8] {
        match self {
            Self::Chunked => b"\r\n",
            Self::Length(_) | Self::UntilClose => b"",
        }
    }

    /// The bytes that go after the last frame: its own end and the end of the body.
    pub(crate) fn last_frame_end(self) -> &'static [u8] {
        match self {
            Self::Chunked => b"\r\n0\r\n\r\n",
            Self::Length(_) | Self::UntilClose => b"",
        }
    }

    /// The bytes that end the body.
    pub(crate) fn body_end(self) -> &'static [u8] {
        match self {
            Self::Chunked => b"0\r\n\r\n",
            Self::Length(_) | Self::UntilClose => b"",
        }
    }

    /// Whether the body has as many bytes as it may have.
    pub(crate) fn is_full(self) -> bool {
        self == Self::Length(0)
    }

    /// Whether the body may end here.
    pub(crate) fn may_end(self) -> bool {
        !matches!(self, Self::Length(1..))
    }
}

/// Does what `write!(out, "{size:X}\r\n")` does, without the cost of formatting: it runs for every
/// delivery.
fn push_chunk_size(size: usize, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    out.extend((0..digits).rev().map(|place| DIGITS[(size >> (4 * place)) & 15]));
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames these pieces, and returns the bytes and what is left of the framing.
    fn wire(mut framing: BodyFraming, frames: &[&'static str]) -> (String, BodyFraming) {
        let mut out = Vec::new();
        for frame in frames {
            let mut frame = Bytes::from_static(frame.as_bytes());
            framing.begin_frame(&mut frame, &mut out);
            out.extend_from_slice(&frame);
            out.extend_from_slice(framing.frame_end());
        }
        out.extend_from_slice(framing.body_end());
        (String::from_utf8(out).expect("text"), framing)
    }

    #[test]
    fn chunk_sizes_are_hexadecimal_and_an_empty_chunk_is_the_end() {
        let (text, framing) = wire(BodyFraming::Chunked, &["a", "0123456789abcdef0"]);
        assert_eq!(text, "1\r\na\r\n11\r\n0123456789abcdef0\r\n0\r\n\r\n");
        assert!(framing.may_end() && !framing.is_full());
        assert_eq!(framing.last_frame_end(), [framing.frame_end(), framing.body_end()].concat());
    }

    #[test]
    fn a_chunk_size_is_what_the_standard_library_would_write() {
        let powers = (0..usize::BITS).map(|bit| 1 << bit);
        for size in powers.flat_map(|power: usize| [power - 1, power, power + power / 3]) {
            let mut out = Vec::new();
            push_chunk_size(size, &mut out);
            assert_eq!(out, format!("{size:X}\r\n").as_bytes());
        }
    }

    #[test]
    fn a_body_of_known_length_never_exceeds_it() {
        for frames in [&["abc", "de"][..], &["abcdefg"], &["abcde", "f"]] {
            let (text, framing) = wire(BodyFraming::Length(5), frames);
            assert_eq!(text, "abcde");
            assert!(framing.is_full() && framing.may_end());
        }
    }

    #[test]
    fn a_body_that_is_too_short_may_not_end() {
        let (text, framing) = wire(BodyFraming::Length(5), &["abc"]);
        assert_eq!(text, "abc");
        assert!(!framing.is_full() && !framing.may_end());
    }

    #[test]
    fn a_body_without_framing_ends_with_its_connection() {
        let (text, framing) = wire(BodyFraming::UntilClose, &["abc", "de"]);
        assert_eq!(text, "abcde");
        assert!(!framing.is_full() && framing.may_end());
    }
}
