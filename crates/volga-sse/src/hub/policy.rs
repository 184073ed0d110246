//! What happens to a subscriber that is slower than its topics.
//!
//! To add a policy, add a variant here. The policy acts where a subscription reads its topics: in
//! `read` (`subscription/reading.rs`), `next_delivery` (`subscription/mod.rs`), `has_ended`
//! (`subscription/fill_frame.rs`), `end` (`subscription/end_watch.rs`), and `max_lag` below. A
//! `Scan` (`topic/scan.rs`) tells the logs what to read, and when the subscriber is too slow.
//! `Subscribe::filters` in `subscription/subscribe.rs` refuses topics that do not fit the policy.
//! `tests/it/hub_close_policy.rs` and `tests/it/hub_keyed.rs` test single policies, and
//! `tests/it/hub_model` compares all of them with an oracle.

use std::num::NonZeroU32;

use crate::hub::settings::LogBounds;

/// What happens to a subscriber that is slower than its topics.
///
/// With any policy, a slow subscriber does not affect others, and it never misses a message
/// silently.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Policy {
    /// The subscriber is told of a gap, and continues with the oldest message that the log still
    /// holds.
    #[default]
    Gap,
    /// The subscriber's stream ends while the log still holds everything that it lacks. So the
    /// client returns and resumes without missing anything.
    ///
    /// A subscriber that is not polled any more is too slow from the same moment. It ends when it
    /// is polled again, and is never told of a gap instead. If the log has moved past it meanwhile,
    /// the client is told of the gap when it resumes. The body of its event stream says that it
    /// [has ended](http_body::Body::is_end_stream) although it is not polled. So a server can end
    /// a stream whose client reads nothing, as Volga's does. For a stream of your own that reads
    /// the subscription, see [`Sse::end_with`](crate::stream::response::Sse::end_with).
    ///
    /// A subscriber that has not caught up since it subscribed is not closed. Otherwise a client
    /// that returns far behind would be closed again and again. If the log drops messages that it
    /// has not read, it is told of a gap.
    ///
    /// A subscriber that has read everything is not closed when one of its topics is
    /// [removed](crate::hub::Hub::remove_topic). If a message is removed that it has not read, it
    /// is closed, and its client is told of the gap when it resumes.
    Close {
        /// How many messages of one topic the subscriber may lag behind. `None` means half of the
        /// log's bound, in messages or bytes.
        max_lag: Option<NonZeroU32>,
    },
    /// A subscriber that falls behind receives only the newest message of each key. For
    /// [keyed](crate::hub::HubBuilder::keyed) topics.
    ///
    /// Messages without a key are all delivered; if the log drops one before that, the subscriber
    /// is told of a gap. If a pattern also matches topics that are not keyed, those are read as
    /// with [`Gap`](Self::Gap).
    Latest,
}

impl Policy {
    /// [`Policy::Close`] at half of the log's bound.
    #[must_use]
    pub const fn close() -> Self {
        Self::Close { max_lag: None }
    }

    /// The policy without its setting, and the setting.
    pub(crate) fn into_parts(self) -> (PolicyKind, Option<NonZeroU32>) {
        match self {
            Self::Gap => (PolicyKind::Gap, None),
            Self::Close { max_lag } => (PolicyKind::Close, max_lag),
            Self::Latest => (PolicyKind::Latest, None),
        }
    }

    /// The messages and bytes of one topic at which a subscription lags too far. `None` if it may
    /// lag without a limit.
    pub(crate) fn max_lag(self, bounds: &LogBounds) -> Option<(usize, u64)> {
        let Self::Close { max_lag } = self else {
            return None;
        };
        Some(match max_lag {
            // A single message is never a lag that closes the subscription.
            None => ((bounds.messages / 2).max(2), (bounds.bytes as u64 / 2).max(1)),
            Some(messages) => (messages.get() as usize, u64::MAX),
        })
    }
}

/// A policy without its setting. A subscription keeps the two apart, so that its flags fit into the
/// padding behind the policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PolicyKind {
    Gap,
    Close,
    Latest,
}

impl PolicyKind {
    pub(crate) fn with(self, max_lag: Option<NonZeroU32>) -> Policy {
        match self {
            Self::Gap => Policy::Gap,
            Self::Close => Policy::Close { max_lag },
            Self::Latest => Policy::Latest,
        }
    }
}
