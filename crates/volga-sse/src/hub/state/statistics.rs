//! Collects the statistics of a hub.

use std::sync::Arc;

use crate::hub::state::hub_state::HubState;
use crate::hub::stats::{HubStats, TopicStats};
use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;

impl HubState {
    /// Reads the numbers of every topic. The lock is held only while the list of topics is copied.
    pub(crate) fn stats(&self) -> HubStats {
        self.sweep_all();
        let (topics, gone, evicted, published) = {
            let locked = self.lock();
            let registry = &locked.registry;
            let topics: Vec<Arc<Topic>> = registry.topics().map(Arc::clone).collect();
            (topics, registry.removed_delivered, registry.evicted, locked.published)
        };
        let mut all = HubStats {
            topics: topics.len(),
            evicted,
            subscribers: self.counters.subscribers.load(Ordering::Relaxed),
            published,
            delivered: gone + self.counters.late_delivered.load(Ordering::Relaxed),
            gaps: self.counters.gaps.load(Ordering::Relaxed),
            skipped: self.counters.skipped.load(Ordering::Relaxed),
            resumed: self.counters.resumed.load(Ordering::Relaxed),
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
        let topic = self.lock().topic(topic)?;
        Some(topic.stats())
    }
}
