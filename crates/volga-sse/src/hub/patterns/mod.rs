//! The patterns that are subscribed to. All readers of a pattern share one object, and a topic
//! finds the objects that match its name.
//!
//! | module | content |
//! |---|---|
//! | `tree` | finds the patterns that match a name |
//! | `sleeper_count` | counts the patterns with sleepers in each part of the tree |
//! | `shared_pattern` | a pattern and its readers |
//! | `pattern_set` | the patterns that match a topic |
//! | `unlisted_removals` | topics that were removed and that too many patterns match |
//!
//! So opening a subscription does nothing for the topics that its patterns match. The next message
//! of a topic looks the patterns up again if some came or went since.
//!
//! A name of `n` segments can match more than `2^n` patterns. So if there are many, they are not
//! listed. A publisher searches the tree for those with sleeping readers, and leaves out every part
//! of it that has none. A reader compares the name with its own patterns.

#[cfg(all(test, not(loom)))]
mod many_matches_tests;
pub(crate) mod pattern_set;
pub(crate) mod shared_pattern;
pub(crate) mod sleeper_count;
pub(crate) mod tree;
pub(crate) mod unlisted_removals;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use crate::hub::patterns::pattern_set::PatternSet;
use crate::hub::patterns::shared_pattern::{PatternMembership, RemovedNumbers, SharedPattern};
use crate::hub::patterns::tree::{PatternTree, Search};
use crate::hub::patterns::unlisted_removals::UnlistedRemovals;
use crate::hub::sync::{AtomicU64, Ordering, RwLock, read, write};
use crate::hub::topic::Topic;
use crate::hub::topic::pattern::Pattern;
use crate::hub::topic::subscriber::Subscriber;
use crate::hub::topic::wait_list::WaitList;

/// How many sets of patterns are remembered, so that topics can share them. Topics beyond that have
/// sets of their own.
const MAX_SHARED_SETS: usize = 256;

/// How many patterns are taken from the index before its lock is released and taken again.
const PATTERNS_PER_PAGE: usize = 128;

/// How many places of the tree are looked at for sleeping readers before its lock is released and
/// taken again.
const NODES_PER_PAGE: usize = if cfg!(test) { 3 } else { 256 };

/// The patterns of a hub. Patterns come and go only under the hub's lock.
#[derive(Debug)]
pub(crate) struct Patterns {
    /// Grows with every pattern that comes or goes. Zero means that there never was one.
    version: AtomicU64,
    /// The topics that the hub has removed and forgotten had no greater numbers.
    forgotten: AtomicU64,
    index: RwLock<PatternIndex>,
    unlisted_removals: UnlistedRemovals,
}

#[derive(Debug, Default)]
struct PatternIndex {
    tree: PatternTree<Arc<SharedPattern>>,
    by_id: BTreeMap<u32, Arc<SharedPattern>>,
    next_id: u32,
    last_set_id: u64,
    /// The sets that topics have, by the IDs of their patterns.
    sets: HashMap<Arc<[u32]>, Arc<PatternSet>>,
}

impl Default for Patterns {
    fn default() -> Self {
        Self {
            version: AtomicU64::new(0),
            forgotten: AtomicU64::new(0),
            index: RwLock::new(PatternIndex::default()),
            unlisted_removals: UnlistedRemovals::default(),
        }
    }
}

impl Patterns {
    /// The patterns that match a topic. `None` if none does. The result stays true only while the
    /// hub's lock is held. Without the lock it has at least the patterns of the subscriptions that
    /// the caller knows.
    pub(crate) fn of(&self, topic: &Topic) -> Option<Arc<PatternSet>> {
        let version = self.version.load(Ordering::Acquire);
        if version == 0 {
            return None;
        }
        topic.patterns.at(version).unwrap_or_else(|before| {
            let set = self.find(&topic.name, before);
            topic.patterns.set(version, set.clone());
            set
        })
    }

    /// Returns whether one of these patterns matches a topic. `ids` are their IDs, which are
    /// sorted. Also returns the [short ID](PatternSet::short_id) of a set of patterns that matched
    /// the topic in this version or later, or zero if none did.
    ///
    /// The hub has had the patterns with these IDs since this version. Other patterns may have come
    /// or gone since then.
    pub(crate) fn check<'a>(
        &self,
        topic: &Topic,
        ids: &[u32],
        patterns: impl Iterator<Item = &'a Pattern> + Clone,
        version: u64,
    ) -> (u32, bool) {
        let check = |set: &Option<Arc<PatternSet>>| {
            let has_any = |set: &Arc<PatternSet>| set.has_any_of(ids, patterns.clone());
            set.as_ref().map_or((0, false), |set| (set.short_id(), has_any(set)))
        };
        let known = topic.patterns.since(version, check);
        known.unwrap_or_else(|| check(&self.of(topic)))
    }

    /// Finds the patterns that match a name. `before` has those of another version.
    fn find(&self, name: &Arc<str>, before: Option<Arc<PatternSet>>) -> Option<Arc<PatternSet>> {
        let index = read(&self.index);
        let Some(mut patterns) = index.tree.list(name) else {
            let is_same = |set: &Arc<PatternSet>| set.name_of_too_many().is_some();
            return before.filter(is_same).or_else(|| Some(PatternSet::too_many(name).into()));
        };
        if patterns.is_empty() {
            return None;
        }
        patterns.sort_unstable_by_key(|pattern| pattern.id);
        // Most patterns that come or go do not match this topic. Then the topic keeps its set,
        // which its readers know.
        let is_same = |set: &Arc<PatternSet>| {
            let ids = patterns.iter().map(|pattern| pattern.id);
            set.ids().is_some_and(|known| known.iter().copied().eq(ids))
        };
        if let Some(set) = before.filter(is_same) {
            return Some(set);
        }
        let ids: Vec<u32> = patterns.iter().map(|pattern| pattern.id).collect();
        if let Some(set) = index.sets.get(&*ids) {
            return Some(Arc::clone(set));
        }
        let patterns = patterns.into_iter().map(Arc::clone).collect();
        drop(index);
        let mut index = write(&self.index);
        index.last_set_id += 1;
        let set = Arc::new(PatternSet::new(index.last_set_id, patterns));
        if index.sets.len() < MAX_SHARED_SETS {
            index.sets.insert(ids.into(), Arc::clone(&set));
        }
        Some(set)
    }

    /// Wakes the readers of patterns for a new message.
    pub(crate) fn wake(&self, patterns: &PatternSet) {
        match patterns.name_of_too_many() {
            None => patterns.listed().iter().for_each(WaitList::wake),
            Some(name) => self.wake_matching(name),
        }
    }

    /// Wakes the readers of all patterns that match a name. Looks only at patterns with sleeping
    /// readers, and at those on the way to them.
    fn wake_matching(&self, name: &str) {
        let has_sleeper = |pattern: &Arc<SharedPattern>| {
            pattern.readers.published.add_one();
            WaitList::take_sleepers(&**pattern)
        };
        self.search(name, Search::for_sleepers(), has_sleeper, WaitList::wake_taken);
    }

    /// Visits every pattern of a set.
    pub(crate) fn for_each(&self, set: &PatternSet, visit: impl FnMut(&Arc<SharedPattern>)) {
        let Some(name) = set.name_of_too_many() else {
            return set.listed().iter().for_each(visit);
        };
        self.search(name, Search::default(), |_| true, visit);
    }

    /// Passes the patterns that match a name to a filter, and then those that it selects to another
    /// function. The filter is called under the lock of the index, which is held for a page at a
    /// time, because opening a subscription waits for it.
    fn search(
        &self,
        name: &str,
        mut search: Search,
        mut filter: impl FnMut(&Arc<SharedPattern>) -> bool,
        mut visit: impl FnMut(&Arc<SharedPattern>),
    ) {
        loop {
            let mut page = Vec::new();
            let mut select = |pattern: &Arc<SharedPattern>| {
                if filter(pattern) {
                    page.push(Arc::clone(pattern));
                }
            };
            let is_last = {
                let index = read(&self.index);
                index.tree.find_page(name, &mut search, NODES_PER_PAGE, &mut select)
            };
            page.iter().for_each(&mut visit);
            if is_last {
                return;
            }
        }
    }

    /// Adds a subscription to the readers of a pattern, which is given as text. `last` is the last
    /// number that the hub has assigned. Returns true if the pattern is new.
    pub(crate) fn join(
        &self,
        pattern: &str,
        subscriber: &Arc<Subscriber>,
        tag: u32,
        last: u64,
    ) -> (PatternMembership, bool) {
        let join = |shared| PatternMembership::join(shared, subscriber, tag);
        // No other thread adds or removes the pattern meanwhile.
        if let Some(shared) = read(&self.index).tree.get(pattern) {
            return (join(Arc::clone(shared)), false);
        }
        let pattern = Pattern::new(pattern);
        let mut index = write(&self.index);
        let id = index.next_id;
        let forgotten = self.forgotten.load(Ordering::Relaxed);
        let version = self.version.load(Ordering::Relaxed) + 1;
        let shared = SharedPattern::new(id, pattern.clone(), last, version, forgotten);
        let (entry, sleepers) = index.tree.counted_entry(&pattern);
        let shared = Arc::new(shared.counted_by(sleepers));
        *entry = Some(Arc::clone(&shared));
        index.by_id.insert(id, Arc::clone(&shared));
        // IDs are used again only after 2^32 patterns, when the old one is long gone.
        index.next_id = id.wrapping_add(1);
        self.change(&mut index);
        (join(shared), true)
    }

    /// Removes a subscription from the readers of a pattern. Returns the pattern if it has no more
    /// readers and was removed.
    pub(crate) fn leave(&self, membership: PatternMembership) -> Option<Arc<SharedPattern>> {
        let (pattern, was_last) = membership.leave();
        if !was_last {
            return None;
        }
        let mut index = write(&self.index);
        index.tree.remove(&pattern.pattern);
        index.by_id.remove(&pattern.id);
        self.change(&mut index);
        Some(pattern)
    }

    /// Sets a number that is at least as great as those of the topics that the hub has removed and
    /// forgotten. Called only under the hub's lock.
    pub(crate) fn set_forgotten(&self, number: u64) {
        self.forgotten.store(number, Ordering::Relaxed);
    }

    /// Tells the patterns that match a topic that it was removed, or earlier topics of its name.
    pub(crate) fn note_removed(&self, topic: &Topic) {
        match self.of(topic) {
            None => {}
            Some(set) if set.name_of_too_many().is_some() => {
                self.unlisted_removals.note(&topic.name, topic.numbers_to_remove());
            }
            Some(set) => {
                let numbers = topic.numbers_to_remove();
                set.listed().iter().for_each(|pattern| pattern.note_removed(numbers));
            }
        }
    }

    /// Tells the patterns that match a name of a removed topic, because the hub forgets the topic.
    pub(crate) fn note_forgotten(&self, name: &Arc<str>, numbers: RemovedNumbers) {
        if self.version.load(Ordering::Acquire) > 0 {
            match read(&self.index).tree.list(name) {
                None => self.unlisted_removals.note(name, numbers),
                Some(patterns) => {
                    patterns.iter().for_each(|pattern| pattern.note_removed(numbers));
                }
            }
        }
    }

    /// The greatest numbers of topics that these patterns match and that were removed since the
    /// patterns came. Topics that were removed earlier may be included.
    pub(crate) fn removed_since<'a>(
        &self,
        patterns: impl Iterator<Item = &'a SharedPattern> + Clone,
    ) -> RemovedNumbers {
        let unlisted = self.unlisted_removals.of(patterns.clone().map(|shared| &shared.pattern));
        patterns.map(SharedPattern::removed_since).fold(unlisted, RemovedNumbers::max)
    }

    /// Visits every pattern. Each pattern that is there from the start to the end is visited once.
    /// The lock is not held meanwhile, because opening a subscription waits for it.
    pub(crate) fn walk(&self, mut visit: impl FnMut(&Arc<SharedPattern>)) {
        let mut start = Bound::Unbounded;
        loop {
            let page: Vec<_> = {
                let index = read(&self.index);
                let page = index.by_id.range((start, Bound::Unbounded)).take(PATTERNS_PER_PAGE);
                page.map(|(_, pattern)| Arc::clone(pattern)).collect()
            };
            page.iter().for_each(&mut visit);
            match page.last() {
                Some(last) => start = Bound::Excluded(last.id),
                None => return,
            }
        }
    }

    fn change(&self, index: &mut PatternIndex) {
        index.sets.clear();
        self.version.fetch_add(1, Ordering::Release);
    }
}
