//! Walks over the topics that patterns match, a few at a time, so that no publisher waits for a
//! whole walk.

use std::sync::Arc;

use crate::hub::patterns::shared_pattern::{RemovedNumbers, SharedPattern};
use crate::hub::state::hub_state::{HubState, TOPICS_AT_ONCE};
use crate::hub::topic::Topic;
use crate::hub::topic::pattern::Pattern;
use crate::hub::topic::wait_list::WaitList;

/// How many topics are looked at before the lock is released and taken again. Looking at a topic
/// takes a small part of the time that changing one does.
pub(crate) const TOPICS_PER_PAGE: usize = 32;

impl HubState {
    /// Visits every topic whose name begins as the names do that one of the patterns matches. The
    /// lock is not held meanwhile. Each topic that is there from the start to the end is visited
    /// once.
    pub(crate) fn walk<'a>(
        &self,
        patterns: impl Iterator<Item = &'a Pattern>,
        mut visit: impl FnMut(&Arc<Topic>),
    ) {
        let mut prefixes: Vec<&str> = patterns.map(Pattern::prefix).collect();
        prefixes.sort_unstable();
        // The shorter one of two prefixes comes first, and includes what the longer one does.
        prefixes.dedup_by(|longer, shorter| longer.starts_with(*shorter));
        for prefix in prefixes {
            self.walk_names(prefix, &mut visit);
        }
    }

    /// Visits every topic whose name begins like this, as [`walk`](Self::walk) does.
    fn walk_names(&self, prefix: &str, mut visit: impl FnMut(&Arc<Topic>)) {
        let mut last: Option<Arc<str>> = None;
        loop {
            let page = self.lock_for_step().registry.page(prefix, last.as_deref(), TOPICS_PER_PAGE);
            page.iter().for_each(&mut visit);
            match page.last() {
                Some(topic) if page.len() == TOPICS_PER_PAGE => {
                    last = Some(Arc::clone(&topic.name));
                }
                _ => break,
            }
        }
    }

    /// Wakes every subscription that sleeps, so that it looks at the state of its node. The caller
    /// has changed that state. A subscription that begins meanwhile looks at it before it sleeps.
    pub(crate) fn wake_all_readers(&self) {
        self.walk_all(WaitList::wake);
        self.patterns.walk(WaitList::wake);
    }

    /// Visits every topic, as [`walk`](Self::walk) does.
    pub(crate) fn walk_all(&self, visit: impl FnMut(&Arc<Topic>)) {
        self.walk_names("", visit);
    }

    /// The greatest numbers greater than `after` of topics that were removed before these patterns
    /// came, and whose names they match. Other numbers are included if the hub has forgotten whose
    /// they are.
    pub(crate) fn removed_before(
        &self,
        after: u64,
        patterns: &[&SharedPattern],
        may_have_keys: impl FnOnce() -> bool,
    ) -> RemovedNumbers {
        let forgotten = patterns.iter().map(|own| own.forgotten()).max().unwrap_or(0);
        let last_of_keyed = if forgotten > after && may_have_keys() { forgotten } else { 0 };
        let mut removed = RemovedNumbers { last: forgotten, last_of_keyed, message: 0 };
        // Everything that was removed later had messages after the pattern came, or is known to it.
        let since = patterns.iter().map(|own| own.since).max().unwrap_or(0);
        let mut end = since.saturating_add(1);
        while end > after {
            let page = self.lock_for_step().registry.page_of_removed(after, end, TOPICS_PER_PAGE);
            for (number, name) in &page {
                if patterns.iter().any(|own| own.pattern.matches(name)) {
                    removed.last = removed.last.max(*number);
                    if self.settings.max_keys(name).is_some() {
                        removed.last_of_keyed = removed.last_of_keyed.max(*number);
                    }
                }
            }
            match page.last() {
                Some((number, _)) if page.len() == TOPICS_PER_PAGE => end = *number,
                _ => break,
            }
        }
        removed
    }

    /// Decides anew what happens to topics of which a pattern has become a reader.
    pub(crate) fn note_new_patterns(&self, mut topics: Vec<Arc<Topic>>) {
        // Sorted by their last messages, so that the registry lists them in the order in which they
        // should make room.
        topics.sort_by_cached_key(|topic| topic.last_number());
        let now = self.clock.now();
        for some in topics.chunks(TOPICS_AT_ONCE) {
            self.lock_for_step().note_new_readers(some, &self.settings, now);
        }
    }

    /// Tells the registry of topics whose last subscription, or last subscription by name, has
    /// ended. The lock is released after every few topics, because a subscription may have had
    /// many.
    pub(crate) fn note_left(&self, mut topics: Vec<Arc<Topic>>) {
        if topics.is_empty() {
            return;
        }
        topics.sort_by_cached_key(|topic| topic.last_number());
        let now = self.clock.now();
        for some in topics.chunks(TOPICS_AT_ONCE) {
            self.lock_for_step().note_left(some, &self.settings, now);
        }
    }

    /// Returns the topics that nothing but the readers of these patterns, which have left, may have
    /// kept.
    pub(crate) fn topics_left_by<'a>(
        &self,
        patterns: impl Iterator<Item = &'a Pattern>,
    ) -> Vec<Arc<Topic>> {
        let mut left = Vec::new();
        self.walk(patterns, |topic| {
            if topic.readers.is_empty() && self.patterns.of(topic).is_none() {
                left.push(Arc::clone(topic));
            }
        });
        left
    }
}
