//! The statistics of a hub, for operators.

use crate::hub::sync::{AtomicU64, Ordering};

/// The statistics of a hub, from [`Hub::stats`](crate::hub::Hub::stats). Counts of events start at
/// zero when the hub is created.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct HubStats {
    /// The number of topics.
    pub topics: usize,
    /// How many topics were removed to make room for a new one while they held messages. If this
    /// grows often, raise [`max_topics`](crate::hub::HubBuilder::max_topics). If that does not
    /// help, clients make up topic names.
    pub evicted: u64,
    /// The number of open subscriptions.
    pub subscribers: u64,
    /// How many messages were published.
    pub published: u64,
    /// How many messages were delivered. A message counts once for each subscription that received
    /// it.
    pub delivered: u64,
    /// How many gaps subscriptions were told of.
    pub gaps: u64,
    /// How many positions those gaps covered, which is at least the number of missed messages. A
    /// gap with an unknown start counts as zero.
    pub skipped: u64,
    /// How many subscriptions resumed from a last event ID that this hub knew.
    pub resumed: u64,
    /// How many messages of the engine behind a shared hub this node could not hold. The readers of
    /// their topics were told. If this grows, another node or another program writes what this node
    /// does not accept: a longer message or name, more topics or keys, or another version.
    pub unheld: u64,
    /// How often a shared hub found that messages are missing whose topics are not known, for
    /// example because the engine dropped them while this node could not reach it.
    pub losses: u64,
    /// How many identities of other nodes a shared hub did not list, because it listed
    /// [`max_shared_presence`](crate::hub::HubBuilder::max_shared_presence) of them, or knew of
    /// [`MAX_OTHER_NODES`](crate::hub::MAX_OTHER_NODES) nodes, or because the name or pattern that
    /// they read is longer than [`max_topic_name`](crate::hub::HubBuilder::max_topic_name) of this
    /// node.
    pub unlisted: u64,
    /// The number of messages in the logs.
    pub messages: usize,
    /// The bytes of these messages, and of values of keyed topics whose messages have left the log.
    pub bytes: u64,
    /// How many messages the slowest subscription of any topic lags behind that topic.
    pub max_lag: usize,
}

/// The statistics of a topic, from [`Hub::topic_stats`](crate::hub::Hub::topic_stats). Counts of
/// events start at zero when the topic is created.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct TopicStats {
    /// The number of open subscriptions, including those by pattern.
    pub subscribers: usize,
    /// How many messages were published.
    pub published: u64,
    /// How many messages were delivered. A message counts once for each subscription that received
    /// it.
    pub delivered: u64,
    /// The number of messages in the log.
    pub messages: usize,
    /// The bytes of these messages, and of values of keys whose messages have left the log.
    pub bytes: u64,
    /// The number of keys that have a value.
    pub keys: usize,
    /// How many messages the slowest subscription lags behind.
    pub max_lag: usize,
}

/// Counters that are updated as things happen.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) subscribers: AtomicU64,
    pub(crate) resumed: AtomicU64,
    pub(crate) gaps: AtomicU64,
    pub(crate) skipped: AtomicU64,
    /// Messages that were delivered after their topic was removed.
    pub(crate) late_delivered: AtomicU64,
    /// The greatest sum of deliveries that the statistics have reported.
    pub(crate) reported_delivered: AtomicU64,
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
    /// labels. Counts of events become counters and current values become gauges. Call it as often
    /// as the metrics are scraped.
    pub fn record(&self, labels: &[(&'static str, &'static str)]) {
        for (name, value) in [
            ("volga_hub_published_total", self.published),
            ("volga_hub_delivered_total", self.delivered),
            ("volga_hub_evicted_total", self.evicted),
            ("volga_hub_gaps_total", self.gaps),
            ("volga_hub_skipped_total", self.skipped),
            ("volga_hub_resumed_total", self.resumed),
            ("volga_hub_unheld_total", self.unheld),
            ("volga_hub_losses_total", self.losses),
            ("volga_hub_unlisted_total", self.unlisted),
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
            // A float is exact up to 2^53.
            metrics::gauge!(name, labels).set(value as f64);
        }
    }
}
