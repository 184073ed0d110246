//! What happens to a subscriber that is slower than its topics.

use std::num::NonZeroU32;

/// What happens to a subscriber that is slower than its topics.
///
/// Whatever it is, a slow subscriber costs nobody else anything, and what it misses is never silent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// It is told of a gap, and goes on with the oldest message that is held.
    #[default]
    Gap,
    /// Its stream ends while what it lacks is still held, so that the client returns and resumes without a loss.
    ///
    /// A subscriber that has not caught up yet since it came is left alone: else one that returns far behind would be sent away for ever. If the
    /// log moves past it then, it is told of a gap.
    Close {
        /// How many messages of one topic it may lag behind; `None` for half of what the log may hold, in messages or bytes.
        max_lag: Option<NonZeroU32>,
    },
    /// Of each key it gets the newest message only, whenever it has fallen behind. For [keyed](crate::hub::HubBuilder::keyed) topics.
    ///
    /// Messages without a key are all delivered; if the log lets go of one before that, this is a gap. A topic without keys that
    /// a pattern matches is read as by [`Gap`](Self::Gap).
    Latest,
}

impl Policy {
    /// [`Policy::Close`] at half of the log.
    #[must_use]
    pub const fn close() -> Self {
        Self::Close { max_lag: None }
    }
}
