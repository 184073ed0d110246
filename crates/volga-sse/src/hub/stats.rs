//! Facts for operators: what a hub does and holds.

use crate::hub::sync::{AtomicU64, Ordering};

/// What a hub does and holds, from [`Hub::stats`](crate::hub::Hub::stats). The counts of what happened
/// begin with the hub.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct HubStats {
    /// The topics that there are.
    pub topics: usize,
    /// The topics that made room for a new one while they held messages. Often, a larger
    /// [`max_topics`](crate::hub::HubBuilder::max_topics) helps; if not, clients make up names.
    pub evicted: u64,
    /// The subscriptions that are open.
    pub subscribers: u64,
    /// The messages that were published.
    pub published: u64,
    /// The messages that were delivered, each as often as to a subscription.
    pub delivered: u64,
    /// The gaps that subscriptions were told of.
    pub gaps: u64,
    /// The positions that those gaps covered: at least as many as messages were missed. Gaps with
    /// an unknown start count as none.
    pub skipped: u64,
    /// The subscriptions that went on from a last event ID which this hub knew.
    pub resumed: u64,
    /// The messages in the logs.
    pub messages: usize,
    /// The bytes of these, and of the values of keyed topics that are in no log any more.
    pub bytes: u64,
    /// How many messages the slowest subscription of any topic is behind that topic.
    pub max_lag: usize,
}

/// What a topic does and holds, from [`Hub::topic_stats`](crate::hub::Hub::topic_stats). The counts of
/// what happened begin with the topic.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TopicStats {
    /// The subscriptions that are open, those by pattern included.
    pub subscribers: usize,
    /// The messages that were published.
    pub published: u64,
    /// The messages that were delivered, each as often as to a subscription.
    pub delivered: u64,
    /// The messages in the log.
    pub messages: usize,
    /// The bytes of these, and of the values of keys that are not in the log any more.
    pub bytes: u64,
    /// The keys that have a value.
    pub keys: usize,
    /// How many messages the slowest subscription is behind.
    pub max_lag: usize,
}

/// What is counted as it happens.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) subscribers: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) skipped: AtomicU64,
    /// Messages that were delivered after their topic was removed.
    pub(crate) late_delivered: AtomicU64,
}

impl Counters {
    pub(crate) fn count_gap(&self, positions: u64) {
        self.gaps.fetch_add(1, Ordering::Relaxed);
        self.skipped.fetch_add(positions, Ordering::Relaxed);
    }
}

#[cfg(feature = "metrics")]
impl HubStats {
    /// Hands the numbers to the recorder of the `metrics` crate, as `volga_hub_…` with these
    /// labels: counters for what happened, gauges for what is. Call it as often as they are to be
    /// read.
    pub fn record(&self, labels: &[(&'static str, &'static str)]) {
        for (name, value) in [
            ("volga_hub_published_total", self.published),
            ("volga_hub_delivered_total", self.delivered),
            ("volga_hub_evicted_total", self.evicted),
            ("volga_hub_gaps_total", self.gaps),
            ("volga_hub_skipped_total", self.skipped),
            ("volga_hub_resumed_total", self.resumed),
        ] {
            metrics::counter!(name, labels).absolute(value);
        }
        for (name, value) in [
            ("volga_hub_topics", self.topics as u64),
            ("volga_hub_subscribers", self.subscribers),
            ("volga_hub_messages", self.messages as u64),
            ("volga_hub_bytes", self.bytes),
            ("volga_hub_max_lag", self.max_lag as u64),
        ] {
            // Exact up to 2^53.
            metrics::gauge!(name, labels).set(value as f64);
        }
    }
}
