//! `Decoder`: decompresses bytes of one of the codings (pure).

use std::fmt;

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{self as zstd_raw, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

use crate::content_coding::ContentCoding;

/// The logarithm of the largest window of zstd that is read: 8 MiB, as RFC 9659 says.
const MAX_ZSTD_WINDOW_LOG: u32 = 23;
/// The logarithm of the largest window of gzip and deflate.
const MAX_FLATE_WINDOW_LOG: u8 = 15;
/// How many bytes of work the start of a member of gzip counts for, because it needs a new decoder.
const WORK_OF_A_MEMBER: usize = 16 * 1024;

/// Why compressed bytes cannot be read.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Fault {
    Malformed,
    /// Bytes come after the end.
    Trailing,
    /// The end is missing.
    Truncated,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "it is malformed",
            Self::Trailing => "there are bytes after its end",
            Self::Truncated => "its end is missing",
        })
    }
}

/// The result of one call of [`Decoder::decode`].
pub(crate) struct Progress {
    /// The number of bytes that were read.
    pub(crate) taken: usize,
    /// The number of bytes that were written.
    pub(crate) written: usize,
    /// The work, in bytes, beside the bytes that were read.
    pub(crate) extra_work: usize,
}

type BrotliDecoder = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

/// Decompresses bytes.
pub(crate) enum Decoder {
    Gzip {
        decoder: Decompress,
        place: Place,
    },
    /// The name `deflate` means the zlib format, but some clients send the bytes without it. The
    /// first two bytes tell which one it is.
    Deflate {
        decoder: Option<Decompress>,
        first: Option<u8>,
        place: Place,
    },
    Brotli {
        decoder: Box<BrotliDecoder>,
        place: Place,
    },
    Zstd {
        decoder: zstd_raw::Decoder<'static>,
        place: Place,
    },
}

/// Where a decoder is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    Start,
    Inside,
    End,
}

impl Decoder {
    /// # Errors
    ///
    /// Returns the error of the allocation.
    pub(crate) fn new(coding: ContentCoding) -> std::io::Result<Self> {
        let place = Place::Start;
        Ok(match coding {
            ContentCoding::Gzip => {
                Self::Gzip { decoder: Decompress::new_gzip(MAX_FLATE_WINDOW_LOG), place }
            }
            ContentCoding::Deflate => Self::Deflate { decoder: None, first: None, place },
            ContentCoding::Brotli => {
                let alloc = StandardAlloc::default;
                // `new` would allow windows of a gigabyte.
                let decoder = BrotliState::new_strict(alloc(), alloc(), alloc());
                Self::Brotli { decoder: Box::new(decoder), place }
            }
            ContentCoding::Zstd => {
                let mut decoder = zstd_raw::Decoder::new()?;
                decoder.set_parameter(DParameter::WindowLogMax(MAX_ZSTD_WINDOW_LOG))?;
                Self::Zstd { decoder, place }
            }
        })
    }

    /// Reads a part of `bytes`, and writes to `out`. If it fills `out`, it may have more to write
    /// without reading more.
    pub(crate) fn decode(&mut self, bytes: &[u8], out: &mut [u8]) -> Result<Progress, Fault> {
        match self {
            Self::Gzip { decoder, place } => {
                let mut extra_work = 0;
                if *place == Place::End && !bytes.is_empty() {
                    // A body may have several members, one after the other (RFC 1952, section 2.2).
                    *decoder = Decompress::new_gzip(MAX_FLATE_WINDOW_LOG);
                    extra_work = WORK_OF_A_MEMBER;
                }
                let progress = inflate(decoder, place, bytes, out)?;
                Ok(Progress { extra_work, ..progress })
            }
            Self::Deflate { decoder, first, place } => {
                if *place == Place::End {
                    return if bytes.is_empty() {
                        Ok(Progress::NONE)
                    } else {
                        Err(Fault::Trailing)
                    };
                }
                let Some(decoder) = decoder else {
                    return Self::recognize(decoder, first, place, bytes);
                };
                if let Some(byte) = first.take() {
                    inflate(decoder, place, &[byte], out)?;
                }
                inflate(decoder, place, bytes, out)
            }
            Self::Brotli { decoder, place } => {
                if *place == Place::End {
                    return if bytes.is_empty() {
                        Ok(Progress::NONE)
                    } else {
                        Err(Fault::Trailing)
                    };
                }
                if *place == Place::Start && bytes.is_empty() {
                    return Ok(Progress::NONE);
                }
                *place = Place::Inside;
                let (mut left, mut taken) = (bytes.len(), 0);
                let (mut room, mut written, mut total) = (out.len(), 0, 0);
                let result = BrotliDecompressStream(
                    &mut left,
                    &mut taken,
                    bytes,
                    &mut room,
                    &mut written,
                    out,
                    &mut total,
                    decoder,
                );
                match result {
                    BrotliResult::ResultFailure => return Err(Fault::Malformed),
                    BrotliResult::ResultSuccess => *place = Place::End,
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
                }
                Ok(Progress { taken, written, extra_work: 0 })
            }
            Self::Zstd { decoder, place } => {
                if *place != Place::Inside && bytes.is_empty() {
                    return Ok(Progress::NONE);
                }
                let mut input = InBuffer::around(bytes);
                let mut output = OutBuffer::around(out);
                let wanted = decoder.run(&mut input, &mut output).map_err(|_| Fault::Malformed)?;
                // 0 means that a frame is over. Another one may follow (RFC 8878, section 3).
                *place = if wanted == 0 { Place::End } else { Place::Inside };
                Ok(Progress { taken: input.pos(), written: output.pos(), extra_work: 0 })
            }
        }
    }

    /// Finds out whether the first two bytes are the header of zlib (RFC 1950, section 2.2).
    fn recognize(
        decoder: &mut Option<Decompress>,
        first: &mut Option<u8>,
        place: &mut Place,
        bytes: &[u8],
    ) -> Result<Progress, Fault> {
        let Some(&byte) = bytes.first() else { return Ok(Progress::NONE) };
        *place = Place::Inside;
        let Some(before) = *first else {
            *first = Some(byte);
            return Ok(Progress { taken: 1, ..Progress::NONE });
        };
        let is_zlib = before & 0x0f == 8 && (u16::from(before) << 8 | u16::from(byte)) % 31 == 0;
        *decoder = Some(Decompress::new_with_window_bits(is_zlib, MAX_FLATE_WINDOW_LOG));
        Ok(Progress::NONE)
    }

    /// Checks that the bytes so far are whole. No bytes at all are whole, too: some clients name a
    /// coding for an empty body.
    pub(crate) fn check_end(&self) -> Result<(), Fault> {
        let (Self::Gzip { place, .. }
        | Self::Deflate { place, .. }
        | Self::Brotli { place, .. }
        | Self::Zstd { place, .. }) = self;
        if *place == Place::Inside { Err(Fault::Truncated) } else { Ok(()) }
    }
}

impl Progress {
    const NONE: Self = Self { taken: 0, written: 0, extra_work: 0 };
}

fn inflate(
    decoder: &mut Decompress,
    place: &mut Place,
    bytes: &[u8],
    out: &mut [u8],
) -> Result<Progress, Fault> {
    if bytes.is_empty() && *place != Place::Inside {
        return Ok(Progress::NONE);
    }
    let (read, written) = (decoder.total_in(), decoder.total_out());
    let status =
        decoder.decompress(bytes, out, FlushDecompress::None).map_err(|_| Fault::Malformed)?;
    *place = if status == Status::StreamEnd { Place::End } else { Place::Inside };
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Ok(Progress {
        taken: count(decoder.total_in() - read),
        written: count(decoder.total_out() - written),
        extra_work: 0,
    })
}
