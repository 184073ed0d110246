//! How much a stream that is to end still sends, and for how long. Pure.

use tokio::time::Instant;

use crate::stream::close::EndReason;
use crate::stream::heartbeat::due;
use crate::stream::settings::ClosingLimits;

/// A stream that is to end, with what is left of its bounds.
#[derive(Debug)]
pub(crate) struct ClosingStream {
    pub(crate) reason: EndReason,
    bytes: usize,
    until: Instant,
    /// No turn has sent anything yet. One frame is always sent.
    is_new: bool,
    was_asked: bool,
}

impl ClosingStream {
    pub(crate) fn new(reason: EndReason, limits: ClosingLimits, now: Instant) -> Self {
        let until = match reason {
            // Only one frame is sent after a deadline, because the client's permission may end with
            // it.
            EndReason::Deadline => now,
            _ => due(now, limits.time),
        };
        Self { reason, bytes: limits.bytes, until, is_new: true, was_asked: false }
    }

    /// Counts the bytes of a frame.
    pub(crate) fn note_turn(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_sub(bytes);
        self.is_new = self.is_new && bytes == 0;
    }

    pub(crate) fn is_new(&self) -> bool {
        self.is_new
    }

    /// Whether a bound is reached.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        !self.is_new && (self.bytes == 0 || self.until <= now)
    }

    /// Returns true the first time.
    pub(crate) fn ask_again(&mut self) -> bool {
        !std::mem::replace(&mut self.was_asked, true)
    }
}
