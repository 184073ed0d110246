//! What was sent, and what a client must have received of it. These are the guarantees of a hub,
//! written without its data structures.

use std::collections::{BTreeMap, BTreeSet};

use volga_sse::hub::{Policy, TopicCreation};

use super::topics::Topics;

/// The bounds of the hub under test. They are small so that they are reached.
pub(crate) const MAX_MESSAGES: usize = 12;
pub(crate) const MAX_BYTES: usize = 600;
pub(crate) const MAX_AGE: u64 = 10_000;
pub(crate) const MAX_TOPICS: usize = 7;
pub(crate) const MAX_KEYS: usize = 3;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    Plain,
    Set(&'static str),
    Remove(&'static str),
}

#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) topic: &'static str,
    pub(crate) change: Change,
    pub(crate) bytes: usize,
    pub(crate) at: u64,
}

/// Everything that was ever sent. The message with number n has the index n - 1.
#[derive(Debug)]
pub(crate) struct Oracle {
    pub(crate) sent: Vec<Sent>,
    pub(crate) now: u64,
    pub(crate) topics: Topics,
}

pub(crate) fn is_keyed(topic: &str) -> bool {
    topic.starts_with("k.")
}

pub(crate) fn matches(filters: &[&str], topic: &str) -> bool {
    fn segments(filter: &[&str], topic: &[&str]) -> bool {
        match (filter, topic) {
            ([], []) => true,
            ([">"], [_, ..]) => true,
            ([own, filter @ ..], [other, topic @ ..]) => {
                (*own == "*" || own == other) && segments(filter, topic)
            }
            _ => false,
        }
    }
    let topic: Vec<_> = topic.split('.').collect();
    filters.iter().any(|filter| segments(&filter.split('.').collect::<Vec<_>>(), &topic))
}

impl Oracle {
    pub(crate) fn new(creation: TopicCreation) -> Self {
        Self { sent: Vec::new(), now: 0, topics: Topics::new(creation) }
    }

    pub(crate) fn last(&self) -> u64 {
        self.sent.len() as u64
    }

    pub(crate) fn get(&self, number: u64) -> &Sent {
        &self.sent[number as usize - 1]
    }

    fn later(&self, number: u64) -> impl Iterator<Item = &Sent> {
        self.sent[number as usize..].iter()
    }

    /// Whether the bounds allow the hub to have dropped the message.
    pub(crate) fn may_be_gone(&self, number: u64) -> bool {
        let sent = self.get(number);
        let later: Vec<_> = self.later(number).filter(|other| other.topic == sent.topic).collect();
        let bytes: usize = later.iter().map(|sent| sent.bytes).sum();
        later.len() >= MAX_MESSAGES
            || bytes + sent.bytes > MAX_BYTES
            || self.now - sent.at > MAX_AGE
            || self.topics.is_removed(sent.topic, number)
    }

    /// The number of the newest value of each key of a topic, up to some number.
    pub(crate) fn values(&self, topic: &str, through: u64) -> Vec<(&'static str, u64)> {
        let mut values: Vec<(&'static str, u64)> = Vec::new();
        for (number, sent) in (1..=through).zip(&self.sent) {
            if let (true, Change::Set(key) | Change::Remove(key)) =
                (sent.topic == topic && !self.topics.is_removed(topic, number), sent.change)
            {
                values.retain(|(other, _)| *other != key);
                if sent.change == Change::Set(key) {
                    values.push((key, number));
                }
            }
        }
        values
    }

    /// Whether a later message changes the same key, or the value was removed together with its
    /// topic.
    pub(crate) fn is_replaced(&self, number: u64) -> bool {
        let sent = self.get(number);
        let Change::Set(key) = sent.change else {
            return false;
        };
        self.topics.is_removed(sent.topic, number)
            || self.later(number).any(|other| {
                other.topic == sent.topic
                    && matches!(other.change, Change::Set(k) | Change::Remove(k) if k == key)
            })
    }
}

/// What one client knows, over all of its connections since it was new.
#[derive(Debug)]
pub(crate) struct Knowledge {
    pub(crate) filters: Vec<&'static str>,
    pub(crate) policy: Policy,
    /// Everything after this number is owed to it.
    pub(crate) start: u64,
    /// What it gets from before it subscribed: how many messages, and which values.
    pub(crate) came: u64,
    pub(crate) history: usize,
    pub(crate) snapshot: Vec<u64>,
    pub(crate) received: BTreeSet<u64>,
    pub(crate) gaps: Vec<(u64, u64)>,
    /// The values that a page shows, by topic and key. The page forgets them at a gap that says
    /// that a snapshot follows.
    pub(crate) page: BTreeMap<(&'static str, &'static str), u64>,
    /// Up to here the newest values of keys have replaced the messages of keyed topics.
    pub(crate) snapshot_through: u64,
    /// It may see nothing before this number.
    pub(crate) oldest: Option<u64>,
    /// It resumed with an ID that the hub did not know, so it gets a gap without a beginning.
    pub(crate) is_gap_owed: bool,
}

impl Knowledge {
    pub(crate) fn new(
        oracle: &Oracle,
        filters: Vec<&'static str>,
        policy: Policy,
        history: usize,
        oldest: Option<u64>,
        topics: &[&'static str],
    ) -> Self {
        let mut knowledge = Self {
            filters,
            policy,
            start: 0,
            came: 0,
            history,
            snapshot: Vec::new(),
            received: BTreeSet::new(),
            gaps: Vec::new(),
            page: BTreeMap::new(),
            snapshot_through: 0,
            oldest,
            is_gap_owed: false,
        };
        knowledge.begin(oracle, topics);
        knowledge
    }

    /// Begins as a new client does.
    pub(crate) fn begin(&mut self, oracle: &Oracle, topics: &[&'static str]) {
        let last = oracle.last();
        let keyed = topics.iter().filter(|topic| is_keyed(topic) && matches(&self.filters, topic));
        let values = keyed.flat_map(|topic| oracle.values(topic, last));
        let numbers = values.map(|(_, number)| number);
        self.snapshot = numbers.filter(|number| self.may_see(*number)).collect();
        (self.start, self.came) = (last, last);
        self.received.clear();
        self.gaps.clear();
        self.page.clear();
        self.snapshot_through = 0;
    }

    fn may_see(&self, number: u64) -> bool {
        self.oldest.is_none_or(|oldest| oldest <= number)
    }

    fn is_owed(&self, oracle: &Oracle, number: u64) -> bool {
        matches(&self.filters, oracle.get(number).topic)
    }

    fn is_covered(&self, number: u64) -> bool {
        self.gaps.iter().any(|(after, through)| (after + 1..=*through).contains(&number))
    }

    pub(crate) fn receive(&mut self, oracle: &Oracle, number: u64) {
        assert!(self.is_owed(oracle, number), "{number} was not subscribed to");
        assert!(self.received.insert(number), "{number} came twice");
        assert!(self.may_see(number), "{number} is older than {:?}", self.oldest);
        self.show(oracle, number);
        if number <= self.start {
            let from_history = self.history > 0 && !is_keyed(oracle.get(number).topic);
            assert!(
                self.snapshot.contains(&number) || from_history,
                "{number} is older than the subscription, from {}",
                self.start
            );
        }
    }

    /// A value comes again, as a part of a snapshot.
    pub(crate) fn repeat(&mut self, oracle: &Oracle, number: u64) {
        assert!(self.is_owed(oracle, number), "{number} was not subscribed to");
        assert!(self.may_see(number), "{number} is older than {:?}", self.oldest);
        assert!(matches!(oracle.get(number).change, Change::Set(_)), "{number} is no value");
        self.show(oracle, number);
    }

    /// Does what a page does with a message.
    fn show(&mut self, oracle: &Oracle, number: u64) {
        let sent = oracle.get(number);
        match sent.change {
            Change::Set(key) => {
                let old = self.page.insert((sent.topic, key), number);
                assert!(old.is_none_or(|old| old < number), "{number} goes back from {old:?}");
            }
            Change::Remove(key) => _ = self.page.remove(&(sent.topic, key)),
            Change::Plain => {}
        }
    }

    /// A client that has read everything shows the value of each key that it may see.
    fn check_page(&self, oracle: &Oracle) {
        let mut expect = BTreeMap::new();
        for topic in ["k.1", "k.2", "k.3"] {
            if matches(&self.filters, topic) {
                let values = oracle.values(topic, oracle.last()).into_iter();
                let seen = values.filter(|(_, number)| self.may_see(*number));
                expect.extend(seen.map(|(key, number)| ((topic, key), number)));
            }
        }
        assert_eq!(self.page, expect, "{:?} of {:?}", self.policy, self.filters);
    }

    /// Records a gap, which needs a reason: a message within it was sent, has not arrived, and may
    /// have been dropped.
    pub(crate) fn miss(&mut self, oracle: &Oracle, after: Option<u64>, through: u64) {
        self.gaps.push((after.unwrap_or(0), through));
        let Some(after) = after else {
            return;
        };
        assert!(after < through && through <= oracle.last(), "{after}..{through}");
        let is_reason = |number: &u64| {
            let sent = oracle.get(*number);
            let conflated = self.policy == Policy::Latest
                && is_keyed(sent.topic)
                && matches!(sent.change, Change::Set(_))
                && !oracle.topics.is_removed(sent.topic, *number);
            self.is_owed(oracle, *number)
                && !self.received.contains(number)
                && (oracle.may_be_gone(*number) || !self.may_see(*number))
                && !conflated
        };
        assert!((after + 1..=through).any(|number| is_reason(&number)), "{after}..{through}: why?");
    }

    /// The client has read everything.
    pub(crate) fn check(&self, oracle: &Oracle) {
        let mut values = BTreeSet::new();
        for number in self.start + 1..=oracle.last() {
            if !self.is_owed(oracle, number) || self.received.contains(&number) {
                continue;
            }
            let sent = oracle.get(number);
            let replaced = oracle.is_replaced(number);
            if self.policy == Policy::Latest && is_keyed(sent.topic) && replaced {
                continue;
            }
            assert!(self.is_covered(number), "{number} is missing without a word: {sent:?}");
            let has_value = matches!(sent.change, Change::Set(_)) && !replaced;
            let is_in_snapshot = number <= self.snapshot_through && is_keyed(sent.topic);
            if !self.may_see(number) || is_in_snapshot && !has_value {
                continue;
            }
            assert!(oracle.may_be_gone(number), "{number} is missing and must not be: {sent:?}");
            if matches!(sent.change, Change::Set(_)) && !replaced {
                values.insert(number);
            }
        }
        assert!(values.is_empty(), "the newest values of keys are missing: {values:?}");
        for number in &self.snapshot {
            let arrived = self.received.contains(number) || oracle.is_replaced(*number);
            assert!(arrived, "{number} was the newest value of its key");
        }
        self.check_history(oracle);
        self.check_page(oracle);
    }

    fn check_history(&self, oracle: &Oracle) {
        let plain =
            |number: &u64| self.is_owed(oracle, *number) && !is_keyed(oracle.get(*number).topic);
        let count = self.received.range(..=self.start).filter(|number| plain(number)).count();
        assert!(count <= self.history, "{count} messages of {}", self.history);
        for number in (1..=self.came).rev().filter(plain).take(self.history) {
            assert!(
                self.received.contains(&number)
                    || oracle.may_be_gone(number)
                    || !self.may_see(number),
                "{number} belongs to the history"
            );
        }
    }
}
