//! Collects the statistics of a hub.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::hub::patterns::shared_pattern::SharedPattern;
use crate::hub::state::hub_state::HubState;
use crate::hub::stats::{HubStats, TopicStats};
use crate::hub::sync::Ordering;
use crate::hub::topic::subscriber::Subscriber;
use crate::hub::topic::wait_list::WaitList;

impl HubState {
    /// Reads the numbers of every topic. The lock is held for a few topics at a time.
    pub(crate) fn stats(&self) -> HubStats {
        self.sweep_all();
        let (gone, evicted, published) = {
            let locked = self.lock();
            (locked.registry.removed_delivered, locked.registry.evicted, locked.published)
        };
        let mut all = HubStats {
            evicted,
            subscribers: self.counters.subscribers.load(Ordering::Relaxed),
            published,
            delivered: gone + self.counters.late_delivered.load(Ordering::Relaxed),
            gaps: self.counters.gaps.load(Ordering::Relaxed),
            skipped: self.counters.skipped.load(Ordering::Relaxed),
            unheld: self.shared.as_ref().map_or(0, |shared| shared.unheld()),
            losses: self.shared.as_ref().map_or(0, |shared| shared.losses()),
            unlisted: self.unlisted(),
            resumed: self.counters.resumed.load(Ordering::Relaxed),
            ..HubStats::default()
        };
        let mut of_patterns = HashMap::new();
        self.walk_all(|topic| {
            let mut slowest = slowest(&topic.readers);
            let note_pattern = |pattern: &Arc<SharedPattern>| {
                let of_pattern = of_patterns
                    .entry(pattern.id)
                    .or_insert_with(|| self::slowest(&pattern.readers));
                slowest = slowest.into_iter().chain(*of_pattern).min();
            };
            if let Some(patterns) = self.patterns.of(topic) {
                self.patterns.for_each(&patterns, note_pattern);
            }
            let one = topic.stats(0, slowest, self.delivered_to_several(topic));
            all.topics += 1;
            all.delivered += one.delivered;
            all.messages += one.messages;
            all.bytes += one.bytes;
            all.max_lag = all.max_lag.max(one.max_lag);
        });
        // A topic that was removed meanwhile may be missing in the sum. A count never goes back.
        let before = self.counters.reported_delivered.fetch_max(all.delivered, Ordering::Relaxed);
        all.delivered = all.delivered.max(before);
        all
    }

    pub(crate) fn topic_stats(&self, topic: &str) -> Option<TopicStats> {
        self.sweep_all();
        let topic = self.lock().topic(topic)?;
        // A subscription counts once, even if it names the topic and has patterns that match it.
        let mut readers = BTreeSet::new();
        let mut slowest = None;
        let mut count = |subscriber: &Arc<Subscriber>| {
            readers.insert(Arc::as_ptr(subscriber));
            slowest = slowest.into_iter().chain([subscriber.cursor()]).min();
        };
        topic.readers.for_each(&mut count);
        if let Some(patterns) = self.patterns.of(&topic) {
            self.patterns.for_each(&patterns, |pattern| pattern.readers.for_each(&mut count));
        }
        Some(topic.stats(readers.len(), slowest, self.delivered_to_several(&topic)))
    }
}

/// The cursor of the slowest reader.
fn slowest(readers: &WaitList) -> Option<u64> {
    let mut slowest = None;
    readers.for_each(|subscriber| {
        slowest = slowest.into_iter().chain([subscriber.cursor()]).min();
    });
    slowest
}
