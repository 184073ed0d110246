//! Collects the statistics of a hub.

use std::sync::Arc;

use crate::hub::state::hub_state::Shared;
use crate::hub::stats::{HubStats, TopicStats};
use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;

impl Shared {
    /// A look at every topic; publishing waits only while the list of topics is copied.
    pub(crate) fn stats(&self) -> HubStats {
        self.sweep_all();
        let (topics, gone, evicted, published) = {
            let order = self.order();
            let registry = &order.registry;
            let topics: Vec<Arc<Topic>> = registry.topics().map(Arc::clone).collect();
            (topics, registry.gone_delivered, registry.evicted, order.published)
        };
        let mut all = HubStats {
            topics: topics.len(),
            evicted,
            subscribers: self.counts.subscribers.load(Ordering::Relaxed),
            published,
            delivered: gone + self.counts.late_delivered.load(Ordering::Relaxed),
            gaps: self.counts.gaps.load(Ordering::Relaxed),
            skipped: self.counts.skipped.load(Ordering::Relaxed),
            resumed: self.counts.resumed.load(Ordering::Relaxed),
            ..HubStats::default()
        };
        for topic in topics {
            let one = topic.stats();
            all.delivered += one.delivered;
            all.messages += one.messages;
            all.bytes += one.bytes;
            all.max_lag = all.max_lag.max(one.max_lag);
        }
        all
    }

    pub(crate) fn topic_stats(&self, topic: &str) -> Option<TopicStats> {
        self.sweep_all();
        let topic = self.order().topic(topic)?;
        Some(topic.stats())
    }
}
