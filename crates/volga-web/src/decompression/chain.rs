//! `Chain`: the decoders of a body, one after the other, and their limits (pure).

use bytes::{Buf, Bytes};
use volga_core::ExtractError;

use crate::content_coding::ContentCoding;
use crate::decompression::decoder::{Decoder, Fault, Progress};

/// How many times larger a body may become by decompression, by default: 100 times. The most that
/// gzip can do is 1,032 times, and zstd and br can do much more.
pub const DEFAULT_MAX_DECOMPRESSION_RATIO: u32 = 100;
/// The number of decompressed bytes for which the ratio does not count: 1 MiB. Small bodies of
/// equal bytes have large ratios, and do no harm.
pub const DECOMPRESSION_RATIO_SLACK: usize = 1024 * 1024;

/// The maximum size of a piece of decompressed bytes.
const MAX_PIECE: usize = 16 * 1024;

/// The limits of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The maximum number of decompressed bytes.
    pub(crate) plain: Option<usize>,
    pub(crate) ratio: u32,
}

/// Decompresses a body.
pub(crate) struct Chain {
    /// The coding that was applied last is read first.
    stages: Vec<Stage>,
    limits: Limits,
    /// The number of compressed bytes so far.
    received: u64,
}

struct Stage {
    coding: ContentCoding,
    decoder: Decoder,
    input: Bytes,
    /// Whether the decoder may have more output without more input.
    has_more: bool,
    written: u64,
}

/// The result of one step of a [`Chain`].
#[derive(Debug)]
pub(crate) enum Step {
    /// Decompressed bytes.
    Plain(Bytes),
    /// The number of bytes that were read, with nothing to show for it yet.
    Worked(usize),
    /// Everything that was given to the chain is read.
    NeedsInput,
}

impl Chain {
    pub(crate) fn new(codings: &[ContentCoding], limits: Limits) -> std::io::Result<Self> {
        let stage = |coding: &ContentCoding| {
            Ok(Stage {
                coding: *coding,
                decoder: Decoder::new(*coding)?,
                input: Bytes::new(),
                has_more: false,
                written: 0,
            })
        };
        let stages = codings.iter().rev().map(stage).collect::<std::io::Result<_>>()?;
        Ok(Self { stages, limits, received: 0 })
    }

    /// Gives compressed bytes to the chain, which must need input.
    pub(crate) fn feed(&mut self, bytes: Bytes) {
        self.received += bytes.len() as u64;
        if let Some(stage) = self.stages.first_mut() {
            stage.input = bytes;
        }
    }

    /// Decompresses a piece.
    pub(crate) fn step(&mut self) -> Result<Step, ExtractError> {
        // The last decoder that has something to do goes first, so no bytes pile up between two.
        let busy = self.stages.iter().rposition(|stage| stage.has_more || !stage.input.is_empty());
        let Some(at) = busy else { return Ok(Step::NeedsInput) };
        let mut out = vec![0; MAX_PIECE];
        let stage = &mut self.stages[at];
        let progress = stage.decoder.decode(&stage.input, &mut out);
        let Progress { taken, written, extra_work } =
            progress.map_err(|fault| malformed(stage.coding, &fault))?;
        stage.input.advance(taken);
        stage.has_more = written == out.len();
        stage.written += written as u64;
        let total = stage.written;
        if taken == 0 && written == 0 && !stage.input.is_empty() && stage.is_stuck() {
            return Err(malformed(stage.coding, &Fault::Malformed));
        }
        let is_last = at + 1 == self.stages.len();
        self.check(total, is_last)?;
        if written == 0 {
            return Ok(Step::Worked(taken + extra_work));
        }
        out.truncate(written);
        // A short piece does not keep the memory of a long one.
        out.shrink_to_fit();
        if is_last {
            return Ok(Step::Plain(out.into()));
        }
        self.stages[at + 1].input = out.into();
        Ok(Step::Worked(taken + extra_work))
    }

    fn check(&self, written: u64, is_last: bool) -> Result<(), ExtractError> {
        if is_last
            && let Some(limit) = self.limits.plain
            && written > limit as u64
        {
            return Err(ExtractError::BodyTooLarge { limit });
        }
        let by_ratio = self.received.saturating_mul(u64::from(self.limits.ratio));
        if written > by_ratio.saturating_add(DECOMPRESSION_RATIO_SLACK as u64) {
            return Err(ExtractError::DecompressionRatio { limit: self.limits.ratio });
        }
        Ok(())
    }

    /// Checks that the body is whole. The chain must need input.
    pub(crate) fn check_end(&self) -> Result<(), ExtractError> {
        for stage in &self.stages {
            stage.decoder.check_end().map_err(|fault| malformed(stage.coding, &fault))?;
        }
        Ok(())
    }
}

impl Stage {
    /// Whether the decoder has refused to read anything. The first two bytes of `deflate` are
    /// looked at before they are read.
    fn is_stuck(&self) -> bool {
        !matches!(self.decoder, Decoder::Deflate { first: Some(_), .. })
    }
}

fn malformed(coding: ContentCoding, fault: &Fault) -> ExtractError {
    ExtractError::Decompression { coding: coding.name(), reason: fault.to_string() }
}
