//! Decodes the body of a request from the bytes that follow its head (RFC 9112, sections 6 and 7).
//! Pure.

use http::{HeaderMap, HeaderName, HeaderValue};
use httparse::Status;

use super::request_head::BodyLength;
use crate::exchange::body_channel::FramingError;
use crate::limits::{MAX_CHUNK_EXTENSION_BYTES, MAX_HEAD_BYTES, MAX_HEAD_FIELDS};

/// Decodes one body, piece by piece.
#[derive(Debug)]
pub(crate) enum Decoder {
    Length(u64),
    Chunked(Chunks),
}

impl Decoder {
    pub(crate) fn new(length: BodyLength) -> Self {
        match length {
            BodyLength::Known(length) => Self::Length(length),
            BodyLength::Chunked => Self::Chunked(Chunks::default()),
        }
    }

    /// Appends the content in `input` to `out`, and returns how many bytes of `input` belong to the
    /// body and its framing.
    ///
    /// That is all of `input`, unless the body ends within it.
    pub(crate) fn decode(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<usize, FramingError> {
        match self {
            Self::Length(left) => {
                let taken = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                out.extend_from_slice(&input[..taken]);
                *left -= taken as u64;
                Ok(taken)
            }
            Self::Chunked(chunks) => chunks.decode(input, out),
        }
    }

    pub(crate) fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.state == ChunkState::Done,
        }
    }

    /// The trailers, once the body is complete.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        match self {
            Self::Length(_) => None,
            Self::Chunked(chunks) => chunks.trailers.take(),
        }
    }
}

/// A body in the chunked transfer coding.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    state: ChunkState,
    /// How many bytes of extensions, blanks and leading zeros the whole body had so far.
    ignored: usize,
    /// The trailer lines as they arrived.
    lines: Vec<u8>,
    trailers: Option<HeaderMap>,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum ChunkState {
    /// Before the first digit of a size.
    #[default]
    Start,
    /// The size so far, and its number of digits.
    Size(u64, u8),
    /// After a size: blanks, which only an extension may follow.
    Blank(u64),
    Extension(u64),
    SizeLf(u64),
    /// The bytes of a chunk that are left.
    Data(u64),
    DataCr,
    DataLf,
    /// After the last chunk.
    Trailers,
    Done,
}

/// How many digits a size may have after its leading zeros.
const SIZE_DIGITS: u8 = 16;

impl Chunks {
    fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, FramingError> {
        let mut at = 0;
        while at < input.len() && self.state != ChunkState::Done {
            if let ChunkState::Data(left) = self.state {
                let rest = &input[at..];
                let taken = rest.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                out.extend_from_slice(&rest[..taken]);
                at += taken;
                let left = left - taken as u64;
                self.state = if left == 0 { ChunkState::DataCr } else { ChunkState::Data(left) };
            } else {
                self.state = self.step(input[at])?;
                at += 1;
            }
        }
        Ok(at)
    }

    /// Returns the state after one byte of the framing.
    fn step(&mut self, byte: u8) -> Result<ChunkState, FramingError> {
        match (self.state, byte) {
            (ChunkState::Start, _) => match digit(byte) {
                Some(digit) => Ok(ChunkState::Size(digit, 1)),
                None => Err(FramingError("a chunk has no size")),
            },
            (ChunkState::Size(size, _) | ChunkState::Blank(size), b' ' | b'\t') => {
                self.ignore()?;
                Ok(ChunkState::Blank(size))
            }
            (ChunkState::Size(size, _) | ChunkState::Blank(size), b';') => {
                Ok(ChunkState::Extension(size))
            }
            (ChunkState::Size(size, _) | ChunkState::Extension(size), b'\r') => {
                Ok(ChunkState::SizeLf(size))
            }
            (ChunkState::Size(size, digits), _) => match digit(byte) {
                // RFC 9112, section 7.1, sets no limit on leading zeros. They count against the
                // limit of the extensions.
                Some(digit) if size == 0 => {
                    self.ignore()?;
                    Ok(ChunkState::Size(digit, 1))
                }
                Some(digit) if digits < SIZE_DIGITS => {
                    Ok(ChunkState::Size(size << 4 | digit, digits + 1))
                }
                _ => Err(FramingError("the size of a chunk is not a number, or too large")),
            },
            (ChunkState::Extension(_), b'\n') => {
                Err(FramingError("a chunk-size line does not end with CR and LF"))
            }
            // Only an extension may follow blanks (RFC 9112, section 7.1.1).
            (ChunkState::Blank(_), _) => Err(FramingError("a blank follows the size of a chunk")),
            (ChunkState::Extension(size), _) => {
                self.ignore()?;
                Ok(ChunkState::Extension(size))
            }
            (ChunkState::SizeLf(0), b'\n') => Ok(ChunkState::Trailers),
            (ChunkState::SizeLf(size), b'\n') => Ok(ChunkState::Data(size)),
            (ChunkState::DataCr, b'\r') => Ok(ChunkState::DataLf),
            (ChunkState::DataLf, b'\n') => Ok(ChunkState::Start),
            (ChunkState::Trailers, _) => self.trailer(byte),
            (ChunkState::SizeLf(_) | ChunkState::DataCr | ChunkState::DataLf, _) => {
                Err(FramingError("a chunk does not end where its size says"))
            }
            (ChunkState::Data(_) | ChunkState::Done, _) => Ok(self.state),
        }
    }

    fn ignore(&mut self) -> Result<(), FramingError> {
        self.ignored += 1;
        if self.ignored > MAX_CHUNK_EXTENSION_BYTES {
            return Err(FramingError("the chunk extensions are too long"));
        }
        Ok(())
    }

    /// Takes one byte of the trailer section, which ends with an empty line.
    fn trailer(&mut self, byte: u8) -> Result<ChunkState, FramingError> {
        // A line ends with CR and LF, and neither may stand anywhere else.
        if (self.lines.last() == Some(&b'\r')) != (byte == b'\n') {
            return Err(FramingError("a trailer does not end with CR and LF"));
        }
        self.lines.push(byte);
        if self.lines.len() > MAX_HEAD_BYTES as usize {
            return Err(FramingError("the trailers are too long"));
        }
        if self.lines == b"\r\n" {
            return Ok(ChunkState::Done);
        }
        if self.lines.ends_with(b"\r\n\r\n") {
            self.trailers = Some(fields(&self.lines)?);
            return Ok(ChunkState::Done);
        }
        Ok(ChunkState::Trailers)
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

/// Parses the trailer section.
fn fields(lines: &[u8]) -> Result<HeaderMap, FramingError> {
    const MALFORMED: FramingError = FramingError("a trailer is not a valid field");
    let mut fields = [httparse::EMPTY_HEADER; MAX_HEAD_FIELDS];
    let Ok(Status::Complete((_, fields))) = httparse::parse_headers(lines, &mut fields) else {
        return Err(MALFORMED);
    };
    let mut trailers = HeaderMap::with_capacity(fields.len());
    for field in fields {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| MALFORMED)?;
        let value = HeaderValue::from_bytes(field.value).map_err(|_| MALFORMED)?;
        trailers.append(name, value);
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes a body that arrives in pieces of `size` bytes: its content, its trailers, and how
    /// many bytes of the wire belong to it.
    fn decode(
        length: BodyLength,
        wire: &[u8],
        size: usize,
    ) -> Result<(Vec<u8>, Option<HeaderMap>, usize), FramingError> {
        let (mut decoder, mut out, mut taken) = (Decoder::new(length), Vec::new(), 0);
        for piece in wire.chunks(size) {
            if decoder.is_done() {
                break;
            }
            let own = decoder.decode(piece, &mut out)?;
            assert!(own == piece.len() || decoder.is_done(), "all is taken until it is done");
            taken += own;
        }
        assert!(decoder.is_done(), "{:?}", String::from_utf8_lossy(wire));
        Ok((out, decoder.take_trailers(), taken))
    }

    #[track_caller]
    fn check(length: BodyLength, wire: &str, body: &str, trailers: &[(&str, &str)]) {
        let all = format!("{wire}GET /next");
        for size in 1..=all.len() {
            let (out, fields, taken) = decode(length, all.as_bytes(), size).expect(wire);
            assert_eq!(out, body.as_bytes(), "{wire:?} by {size}");
            assert_eq!(taken, wire.len(), "{wire:?} by {size}");
            let fields = fields.unwrap_or_default();
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().expect("text")))
                .collect();
            assert_eq!(fields, trailers, "{wire:?} by {size}");
        }
    }

    #[test]
    fn a_body_of_known_length_ends_with_it() {
        check(BodyLength::Known(5), "hello", "hello", &[]);
    }

    #[test]
    fn chunks_are_joined_and_their_framing_is_removed() {
        check(BodyLength::Chunked, "0\r\n\r\n", "", &[]);
        check(
            BodyLength::Chunked,
            "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "abc0123456789",
            &[],
        );
        check(BodyLength::Chunked, "0003;a=\"b\";c\r\nabc\r\n00\r\n\r\n", "abc", &[]);
        check(BodyLength::Chunked, "3 \t;y\r\nabc\r\n0 ;x\r\n\r\n", "abc", &[]);
        check(BodyLength::Chunked, "2\r\n\r\n\r\n0\r\n\r\n", "\r\n", &[]);
    }

    #[test]
    fn trailers_are_the_fields_after_the_last_chunk() {
        check(
            BodyLength::Chunked,
            "1\r\na\r\n0\r\nX-Sum: 1\r\nx-other:\r\n\r\n",
            "a",
            &[("x-sum", "1"), ("x-other", "")],
        );
    }

    #[test]
    fn a_malformed_body_is_an_error_however_it_is_cut() {
        for wire in [
            "x\r\n",
            "\r\n",
            " 1\r\n",
            "0x5\r\n",
            "+5\r\n",
            "-5\r\n",
            "5 5\r\n",
            "5 \r\n",
            "5\t\r\n",
            "0 \t\r\n",
            "5\n",
            "5\rx",
            "5;a\nb\r\n",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "5\r\nhello\rx",
            "fffffffffffffffff\r\n",
            "0\r\nx\r\n\r\n",
            "0\r\nx: \0\r\n\r\n",
            "0\r\nx: 1\n\r\n",
            "0\r\nx: 1\rx",
            "0\r\n\n",
            "0\r\nx : 1\r\n\r\n",
            "0\r\nx: 1\r\n y\r\n\r\n",
        ] {
            for size in 1..=wire.len() {
                let (mut decoder, mut out) = (Decoder::new(BodyLength::Chunked), Vec::new());
                let mut pieces = wire.as_bytes().chunks(size);
                assert!(
                    pieces.any(|piece| decoder.decode(piece, &mut out).is_err()),
                    "{wire:?} by {size}"
                );
            }
        }
    }

    #[test]
    fn extensions_and_trailers_are_limited() {
        let ends = |wire: String| decode(BodyLength::Chunked, wire.as_bytes(), 1000).map(|_| ());
        let extension = |bytes: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "x".repeat(bytes));
        assert_eq!(ends(extension(MAX_CHUNK_EXTENSION_BYTES)), Ok(()));
        assert!(ends(extension(MAX_CHUNK_EXTENSION_BYTES + 1)).is_err());
        let zeros = |zeros: usize| format!("{}1\r\na\r\n0\r\n\r\n", "0".repeat(zeros));
        assert_eq!(ends(zeros(MAX_CHUNK_EXTENSION_BYTES)), Ok(()));
        assert!(ends(zeros(MAX_CHUNK_EXTENSION_BYTES + 1)).is_err());
        assert_eq!(
            ends("0000000000000000001;x\r\na\r\n00000000000000000000\r\n\r\n".into()),
            Ok(())
        );
        let trailers = |bytes: usize| format!("0\r\nx: {}\r\n\r\n", "x".repeat(bytes - 7));
        assert_eq!(ends(trailers(MAX_HEAD_BYTES as usize)), Ok(()));
        assert!(ends(trailers(MAX_HEAD_BYTES as usize + 1)).is_err());
        let fields = |count: usize| format!("0\r\n{}\r\n", "x: y\r\n".repeat(count));
        assert_eq!(ends(fields(MAX_HEAD_FIELDS)), Ok(()));
        assert!(ends(fields(MAX_HEAD_FIELDS + 1)).is_err());
    }
}
