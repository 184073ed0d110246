//! `Encoder`: compresses bytes with one of the codings (pure).
//!
//! The encoders of `async-compression` and of tower-http are not used: they flush only when the
//! body under them has nothing ready, so an event stream that is always ready would be cut at any
//! byte, and their windows cannot be chosen.

use std::io::{self, Write};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::{Compress, Compression as Level, FlushCompress, Status};
use zstd::stream::raw::{self as zstd_raw, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::CParameter;

use crate::content_coding::ContentCoding;

/// The kind of data that an encoder compresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Workload {
    /// A body with an end, such as a file or JSON.
    Document,
    /// An event stream. Its encoder lives as long as its client, so the encoder must be small.
    EventStream,
}

/// Whether [`Encoder::encode`] may keep bytes back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Flush {
    /// The encoder may keep bytes back to compress them with later ones.
    No,
    /// Everything so far must be decodable from the output so far.
    Yes,
}

/// The settings of one coding for one workload.
struct Tuning {
    level: i32,
    /// The logarithm of the size of the window.
    window_log: i32,
}

/// An event stream has an encoder of its own, so the settings for event streams need little memory.
/// Measured with 200 encoders and 500 events of 99 bytes each: the memory of one encoder, and the
/// bytes and the time for an event.
///
/// | coding | memory | bytes | time | with the settings for documents |
/// |---|---|---|---|---|
/// | gzip, deflate | 200 KiB | 35 | 3 µs | 313 KiB, 30 bytes |
/// | zstd | 103 KiB | 35 | 4 µs | 860 KiB, 35 bytes |
/// | br | 342 KiB | 41 | 19 µs | 1.2 MiB, 29 bytes (level 5) |
const fn tuning(coding: ContentCoding, workload: Workload) -> Tuning {
    use ContentCoding::{Brotli, Deflate, Gzip, Zstd};
    let (level, window_log) = match (workload, coding) {
        (Workload::Document, Gzip | Deflate) => (6, 15),
        (Workload::Document, Brotli) => (4, 20),
        (Workload::Document, Zstd) => (3, 20),
        (Workload::EventStream, Gzip | Deflate) => (1, 12),
        (Workload::EventStream, Brotli) => (3, 16),
        (Workload::EventStream, Zstd) => (1, 14),
    };
    Tuning { level, window_log }
}

/// The size of the buffer in which the encoder of Brotli hands out its output.
const BROTLI_BUFFER: usize = 1024;
/// How much the output grows when an encoder wants more space.
const OUTPUT_STEP: usize = 1024;

/// Compresses bytes.
pub(crate) enum Encoder {
    Flate(Compress),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd_raw::Encoder<'static>),
}

impl Encoder {
    pub(crate) fn new(coding: ContentCoding, workload: Workload) -> io::Result<Self> {
        let Tuning { level, window_log } = tuning(coding, workload);
        let (flate_level, window_bits) = (Level::new(level.unsigned_abs()), window_log as u8);
        Ok(match coding {
            ContentCoding::Gzip => Self::Flate(Compress::new_gzip(flate_level, window_bits)),
            ContentCoding::Deflate => {
                Self::Flate(Compress::new_with_window_bits(flate_level, true, window_bits))
            }
            ContentCoding::Brotli => {
                let params = BrotliEncoderParams {
                    quality: level,
                    lgwin: window_log,
                    ..BrotliEncoderParams::default()
                };
                let writer = CompressorWriter::with_params(Vec::new(), BROTLI_BUFFER, &params);
                Self::Brotli(Box::new(writer))
            }
            ContentCoding::Zstd => {
                let mut encoder = zstd_raw::Encoder::new(level)?;
                encoder.set_parameter(CParameter::WindowLog(window_log.unsigned_abs()))?;
                if workload == Workload::EventStream {
                    let table_log = window_log.unsigned_abs() - 1;
                    encoder.set_parameter(CParameter::HashLog(table_log))?;
                    encoder.set_parameter(CParameter::ChainLog(table_log))?;
                }
                Self::Zstd(encoder)
            }
        })
    }

    /// Compresses bytes, and appends the output.
    pub(crate) fn encode(
        &mut self,
        bytes: &[u8],
        flush: Flush,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        match self {
            Self::Flate(encoder) => {
                let flush = match flush {
                    Flush::No => FlushCompress::None,
                    Flush::Yes => FlushCompress::Sync,
                };
                deflate(encoder, bytes, flush, out)
            }
            Self::Brotli(writer) => {
                writer.write_all(bytes)?;
                if flush == Flush::Yes {
                    writer.flush()?;
                }
                out.append(writer.get_mut());
                Ok(())
            }
            Self::Zstd(encoder) => {
                let mut input = InBuffer::around(bytes);
                while input.pos() < bytes.len() {
                    with_space(out, |out| encoder.run(&mut input, out).map(drop))?;
                }
                if flush == Flush::Yes {
                    while with_space(out, |out| encoder.flush(out))? > 0 {}
                }
                Ok(())
            }
        }
    }

    /// Appends the end of the compressed body.
    pub(crate) fn finish(self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Flate(mut encoder) => deflate(&mut encoder, &[], FlushCompress::Finish, out),
            Self::Brotli(writer) => {
                out.append(&mut writer.into_inner());
                Ok(())
            }
            Self::Zstd(mut encoder) => {
                while with_space(out, |out| encoder.finish(out, true))? > 0 {}
                Ok(())
            }
        }
    }
}

fn deflate(
    encoder: &mut Compress,
    mut bytes: &[u8],
    flush: FlushCompress,
    out: &mut Vec<u8>,
) -> io::Result<()> {
    loop {
        out.reserve(OUTPUT_STEP);
        let before = encoder.total_in();
        let status = encoder.compress_vec(bytes, out, flush)?;
        let taken = usize::try_from(encoder.total_in() - before).unwrap_or(bytes.len());
        bytes = &bytes[taken..];
        let is_done = match flush {
            FlushCompress::Finish => status == Status::StreamEnd,
            // A flush is over when it leaves space in the output.
            _ => bytes.is_empty() && out.len() < out.capacity(),
        };
        if is_done {
            return Ok(());
        }
    }
}

/// Calls a function with space after the output so far.
fn with_space<T>(
    out: &mut Vec<u8>,
    run: impl FnOnce(&mut OutBuffer<'_, Vec<u8>>) -> io::Result<T>,
) -> io::Result<T> {
    out.reserve(OUTPUT_STEP);
    let end = out.len();
    run(&mut OutBuffer::around_pos(out, end))
}
