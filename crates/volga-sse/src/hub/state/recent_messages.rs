//! The hub's last messages, in the order of their positions.
//!
//! A subscription of many topics reads them from here. So a message costs the same whether it is
//! one of a thousand in one topic, or the only one in each of a thousand topics.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use bytes::Bytes;

use crate::hub::clock::Moment;
use crate::hub::patterns::pattern_set::PatternSet;
use crate::hub::settings::LogBounds;
use crate::hub::state::recent_sets::RecentSets;
use crate::hub::topic::Topic;
use crate::hub::topic::short_id::ShortId;

/// How many messages are remembered in any case. A subscription that is further behind than the
/// list reaches looks at all of its topics once to find the messages before.
pub(crate) const RECENT_MESSAGES: usize = if cfg!(test) { 256 } else { 128 * 1024 };
/// How many messages are remembered at most, while the logs hold at least half of the oldest block.
/// So the list needs little memory beside that of the messages.
const MAX_RECENT_MESSAGES: usize = if cfg!(test) { 512 } else { 1024 * 1024 };
/// How many messages are forgotten for each new one, while the list is too long.
const FORGOTTEN_PER_MESSAGE: usize = 2;
/// How many messages one step looks at.
const MESSAGES_PER_STEP: usize = 4_096;
/// While topics are removed, each new message checks for this many others whether their topics are
/// among them.
const CHECKS_PER_MESSAGE: usize = 4;
/// How many messages are in one block of memory. The list grows and shrinks by blocks, so that no
/// publisher waits until a long list is copied.
const BLOCK: usize = if cfg!(test) { 16 } else { 256 };
/// A message notes when it was published in units of this many milliseconds, to need little memory.
const TIME_UNIT: u64 = 1_024;

/// The last messages. It is empty until the first subscription needs it.
#[derive(Debug, Default)]
pub(crate) struct RecentMessages {
    blocks: VecDeque<Block>,
    /// The number of the first message of the first block.
    start: u64,
    /// The messages with the numbers from `first` up to `end`, without `end`, are remembered.
    first: u64,
    end: u64,
    /// How many topics had been removed when the current check of all messages began.
    removed: u64,
    /// The next number to check, if a check is under way.
    next_check: Option<u64>,
    /// The patterns that matched the messages.
    sets: RecentSets,
}

/// Consecutive messages.
#[derive(Debug)]
struct Block {
    messages: Vec<RecentMessage>,
    /// How many of them the logs hold.
    held: usize,
}

/// Messages that are not remembered any more. They may be many, so they are freed without a lock.
#[derive(Debug)]
pub(crate) struct ForgottenMessages {
    blocks: VecDeque<Block>,
}

impl ForgottenMessages {
    /// Frees a block. Returns true if there are more.
    pub(crate) fn free_piece(&mut self) -> bool {
        self.blocks.pop_front();
        !self.blocks.is_empty()
    }
}

#[cfg(test)]
impl Drop for RecentMessage {
    fn drop(&mut self) {
        crate::hub::work_counts::note_work(1);
    }
}

/// A message that is remembered.
#[derive(Debug)]
pub(crate) struct RecentMessage {
    /// The message, for as long as its topic's log holds it. Otherwise memory would be held beyond
    /// the bounds of the log. `None` also if there never was one.
    bytes: Option<Bytes>,
    /// `None` once the topic was removed. Otherwise the memory of a client's made-up topics would
    /// be held for as long as their messages are remembered.
    topic: Option<Arc<Topic>>,
    /// The bits of its topic and of the patterns that matched it.
    mask: u64,
    topic_id: ShortId,
    /// See [`PatternSet::short_id`].
    patterns: u32,
    /// When it was published, in units of [`TIME_UNIT`], rounded down.
    at: u32,
}

/// The result of one step of a search.
#[derive(Debug)]
pub(crate) struct RecentMatches {
    /// A single message, which is the common case, needs no allocation.
    first: Option<(u64, Arc<Topic>)>,
    more: Vec<(u64, Arc<Topic>)>,
    /// The step has looked at all messages up to this number.
    pub(crate) through: u64,
}

/// A new message for the list.
pub(crate) struct NewMessage<'a> {
    pub(crate) topic: &'a Arc<Topic>,
    /// The patterns that match its topic.
    pub(crate) patterns: Option<&'a PatternSet>,
    /// The message as the log of the topic holds it, and when it was published. `None` for a
    /// number without a message.
    pub(crate) held: Option<(Bytes, Moment)>,
}

impl RecentMessages {
    /// The bit of a topic. Other topics and patterns have it as well.
    pub(crate) fn topic_bit(topic: &Topic) -> u64 {
        1 << (topic.id % u64::from(u64::BITS))
    }

    /// Remembers the message with this number. If the number does not follow the last one,
    /// everything before is forgotten and returned. `removed` is the number of topics that were
    /// ever removed.
    pub(crate) fn note(
        &mut self,
        number: u64,
        message: NewMessage<'_>,
        removed: u64,
    ) -> Option<ForgottenMessages> {
        let forgotten = (number != self.end).then(|| {
            let forgotten = self.clear();
            (self.start, self.first, self.end) = (number, number, number);
            forgotten
        });
        self.forget_removed(removed);
        for _ in 0..FORGOTTEN_PER_MESSAGE {
            if self.is_too_long() {
                self.forget_first();
            }
        }
        let NewMessage { topic, patterns, held } = message;
        let (bytes, at) = held.unzip();
        let of_patterns = patterns.map_or(0, PatternSet::mask);
        patterns.iter().for_each(|patterns| self.sets.note(patterns));
        let message = RecentMessage {
            bytes,
            topic: Some(Arc::clone(topic)),
            mask: of_patterns | Self::topic_bit(topic),
            topic_id: topic.short_id(),
            patterns: patterns.map_or(0, PatternSet::short_id),
            at: at.map_or(0, |at| u32::try_from(at.0 / TIME_UNIT).unwrap_or(u32::MAX)),
        };
        if self.blocks.back().is_none_or(|block| block.messages.len() == BLOCK) {
            self.blocks.push_back(Block { messages: Vec::with_capacity(BLOCK), held: 0 });
        }
        if let Some(block) = self.blocks.back_mut() {
            block.held += usize::from(message.bytes.is_some());
            block.messages.push(message);
        }
        self.end = number + 1;
        forgotten
    }

    /// Frees the messages with these numbers, because the logs of their topics do not hold them any
    /// more. It is still known which topics had them.
    pub(crate) fn free(&mut self, numbers: &[u64]) {
        for number in numbers {
            self.free_one(*number);
        }
    }

    /// Forgets all messages, and returns them. A subscription that has not read them looks at all
    /// of its topics once.
    #[must_use]
    pub(crate) fn clear(&mut self) -> ForgottenMessages {
        (self.start, self.first) = (self.end, self.end);
        ForgottenMessages { blocks: std::mem::take(&mut self.blocks) }
    }

    fn len(&self) -> usize {
        (self.end - self.first) as usize
    }

    /// Whether the first message is to be forgotten before another one comes.
    fn is_too_long(&self) -> bool {
        let is_mostly_held = || self.blocks.front().is_some_and(|block| block.held >= BLOCK / 2);
        self.len() >= RECENT_MESSAGES && (self.len() >= MAX_RECENT_MESSAGES || !is_mostly_held())
    }

    fn free_one(&mut self, number: u64) {
        if let Some((block, index)) = self.place(number)
            && let Some(block) = self.blocks.get_mut(block)
            && block.messages[index].bytes.take().is_some()
        {
            block.held -= 1;
        }
    }

    /// Forgets the first message. The memory is freed once the whole block is forgotten, and the
    /// block then counts as one of which nothing is held.
    fn forget_first(&mut self) {
        self.free_one(self.first);
        if let Some(message) = self.get_mut(self.first) {
            message.topic = None;
        }
        self.first += 1;
        if self.first - self.start == BLOCK as u64 {
            self.blocks.pop_front();
            self.start = self.first;
        }
    }

    /// Forgets topics that were removed, a few at a time.
    fn forget_removed(&mut self, removed: u64) {
        if self.next_check.is_none() {
            if self.removed == removed {
                return;
            }
            (self.removed, self.next_check) = (removed, Some(self.first));
        }
        for _ in 0..CHECKS_PER_MESSAGE {
            let Some(number) = self.next_check else { break };
            let number = number.max(self.first);
            let message = self.get_mut(number);
            let is_there = message.is_some();
            if message.is_some_and(|message| {
                message.topic.take_if(|topic| topic.is_removed());
                message.topic.is_none()
            }) {
                self.free_one(number);
            }
            self.next_check = is_there.then_some(number + 1);
        }
        while self.get(self.first).is_some_and(|message| message.topic.is_none()) {
            self.forget_first();
        }
    }

    fn place(&self, number: u64) -> Option<(usize, usize)> {
        if !(self.first..self.end).contains(&number) {
            return None;
        }
        let index = (number - self.start) as usize;
        Some((index / BLOCK, index % BLOCK))
    }

    fn get(&self, number: u64) -> Option<&RecentMessage> {
        let (block, index) = self.place(number)?;
        self.blocks.get(block)?.messages.get(index)
    }

    fn get_mut(&mut self, number: u64) -> Option<&mut RecentMessage> {
        let (block, index) = self.place(number)?;
        self.blocks.get_mut(block)?.messages.get_mut(index)
    }

    /// The numbers of the messages whose bytes are held.
    #[cfg(test)]
    pub(crate) fn held(&self) -> Vec<u64> {
        let is_held =
            |number: &u64| self.get(*number).is_some_and(|message| message.bytes.is_some());
        (self.first..self.end).filter(is_held).collect()
    }

    /// The first number that is remembered.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Visits the messages after one number and up to another until `visit` breaks. `None` if not
    /// all of these messages are remembered. Otherwise returns the last number before the message
    /// at which it broke, or the last one that it visited.
    ///
    /// One call visits a bounded number of messages.
    pub(crate) fn visit(
        &self,
        after: u64,
        through: u64,
        mut visit: impl FnMut(u64, &RecentMessage, &RecentSets) -> ControlFlow<()>,
    ) -> Option<u64> {
        let first = after + 1;
        if first < self.first || through >= self.end {
            return None;
        }
        let last = through.min(after + MESSAGES_PER_STEP as u64);
        let mut number = first;
        while number <= last {
            let (block, index) = self.place(number)?;
            let block = &self.blocks.get(block)?.messages[index..];
            let count = block.len().min((last + 1 - number) as usize);
            for message in &block[..count] {
                if visit(number, message, &self.sets).is_break() {
                    return Some(number - 1);
                }
                number += 1;
            }
        }
        Some(last)
    }

    /// Finds messages after one number and up to another whose topics or patterns have one of these
    /// bits. `None` if not all of these messages are remembered.
    ///
    /// One step looks at a bounded number of messages, and returns at most `max` of them, which is
    /// at least one.
    pub(crate) fn find(
        &self,
        after: u64,
        through: u64,
        mask: u64,
        max: usize,
    ) -> Option<RecentMatches> {
        if max > 1 {
            self.visit(after, through.min(after + max as u64), |_, message, _| {
                message.topic.iter().for_each(Topic::preload);
                ControlFlow::Continue(())
            })?;
        }
        let mut found = RecentMatches { first: None, more: Vec::new(), through: after };
        found.through = self.visit(after, through, |number, message, _| {
            if message.mask & mask == 0 {
                return ControlFlow::Continue(());
            }
            let Some(topic) = message.topic.as_ref().filter(|_| found.len() < max) else {
                return ControlFlow::Break(());
            };
            let message = (number, Arc::clone(topic));
            match &mut found.first {
                None => found.first = Some(message),
                Some(_) => {
                    if found.more.is_empty() {
                        found.more.reserve_exact(max - 1);
                    }
                    found.more.push(message);
                }
            }
            ControlFlow::Continue(())
        })?;
        (found.through > after).then_some(found)
    }
}

impl RecentMessage {
    /// The message, if its topic's log holds it.
    pub(crate) fn bytes(&self) -> Option<&Bytes> {
        self.bytes.as_ref()
    }

    /// Its topic, unless the topic was removed.
    pub(crate) fn topic(&self) -> Option<&Arc<Topic>> {
        self.topic.as_ref()
    }

    pub(crate) fn topic_id(&self) -> ShortId {
        self.topic_id
    }

    pub(crate) fn has_any(&self, mask: u64) -> bool {
        self.mask & mask != 0
    }

    /// The [short ID](PatternSet::short_id) of the patterns that matched it, or zero if none did.
    pub(crate) fn patterns(&self) -> u32 {
        self.patterns
    }

    /// Whether it may be too old. False for a message that certainly is not.
    pub(crate) fn may_have_expired(&self, now: Moment, bounds: &LogBounds) -> bool {
        Moment(u64::from(self.at) * TIME_UNIT).age(now) > bounds.age
    }
}

impl RecentMatches {
    fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// The numbers and topics of the messages, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &(u64, Arc<Topic>)> {
        self.first.iter().chain(&self.more)
    }

    /// The same without a copy of each topic.
    pub(crate) fn into_messages(self) -> impl Iterator<Item = (u64, Arc<Topic>)> {
        self.first.into_iter().chain(self.more)
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::hub::topic::EarlierNumbers;

    const TEXT: Bytes = Bytes::from_static(b"x");

    fn note(recent: &mut RecentMessages, number: u64, topic: &Arc<Topic>, removed: u64) {
        let held = Some((TEXT, Moment(number * TIME_UNIT)));
        drop(recent.note(number, NewMessage { topic, patterns: None, held }, removed));
    }

    proptest! {
        #[test]
        fn a_search_finds_the_messages_that_were_noted(
            // Whether numbers are skipped before the message, its topic, whether that topic is then
            // removed, and which of the messages before it is freed.
            steps in vec((0..800_u16, 0..100_usize, 0..100_u8, 0..900_u64), 0..900),
            ends in (0..1_000_u64, 0..1_000_u64),
            mask: u64,
            max in 1..100_usize,
            removes: bool,
            frees in 0..4_u64,
        ) {
            let topic = |id| Arc::new(Topic::new(id, 0, "a".into(), EarlierNumbers::default(), None));
            let mut topics: Vec<_> = (0..100).map(topic).collect();
            let mut recent = RecentMessages::default();
            let mut all: Vec<(u64, Arc<Topic>, u64, bool)> = Vec::new();
            let (mut number, mut first, mut removed) = (0, 1, 0);
            for (skip, index, removal, freed) in steps {
                number += 1 + u64::from(skip == 0);
                first = if skip == 0 { number } else { first };
                let bit = RecentMessages::topic_bit(&topics[index]);
                note(&mut recent, number, &topics[index], removed);
                all.push((number, Arc::clone(&topics[index]), bit, true));
                if removes && removal == 0 {
                    topics[index].set_removed();
                    removed += 1;
                    topics[index] = topic(100 * removed + index as u64);
                }
                for age in 0..frees {
                    let freed = number.saturating_sub(freed + age * 50);
                    recent.free(&[freed]);
                    all.iter_mut().filter(|(n, ..)| *n == freed).for_each(|(.., held)| *held = false);
                }
            }
            let is_held = |n: u64| all.iter().any(|(other, .., held)| *other == n && *held);
            let held = recent.blocks.iter().flat_map(|block| &block.messages);
            let held = held.filter(|message| message.bytes.is_some()).count();
            prop_assert_eq!(held, recent.blocks.iter().map(|block| block.held).sum::<usize>());
            prop_assert!(recent.len() <= MAX_RECENT_MESSAGES + 1);
            let least = first.max(number.saturating_sub(RECENT_MESSAGES as u64 - 1));
            prop_assert!(removes || recent.first <= least);
            let (after, through) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let range = || all.iter().filter(|(n, ..)| (after + 1..=through).contains(n));
            let has_removed = range().any(|(_, topic, ..)| topic.is_removed());
            let is_known = after + 1 >= least && through <= number && !has_removed;
            let (mut found, mut at) = (Vec::new(), after);
            while at < through {
                let Some(step) = recent.find(at, through, mask, max) else {
                    prop_assert!(!is_known);
                    break;
                };
                prop_assert!(at < step.through && step.through <= through);
                prop_assert!(step.messages().count() <= max);
                at = step.through;
                found.extend(step.messages().map(|(number, topic)| (*number, topic.id)));
            }
            let expect: Vec<_> = range()
                .filter(|(number, _, bit, _)| *number <= at && bit & mask != 0)
                .map(|(number, topic, ..)| (*number, topic.id))
                .collect();
            prop_assert_eq!(found, expect);
            let mut wrong = Vec::new();
            recent.visit(after, through, |number, message, _| {
                // Those of removed topics may be freed before.
                let is_right = message.bytes().is_some() == is_held(number);
                if !(is_right || removes && message.bytes().is_none()) {
                    wrong.push(number);
                }
                ControlFlow::Continue(())
            });
            prop_assert!(wrong.is_empty(), "{:?}", wrong);
        }
    }

    /// A list whose logs hold little needs no more memory than it must.
    #[test]
    fn the_list_is_longer_while_the_logs_hold_its_messages() {
        for (held_of_ten, expect) in
            [(0, RECENT_MESSAGES), (3, RECENT_MESSAGES), (10, MAX_RECENT_MESSAGES)]
        {
            let topic = Arc::new(Topic::new(0, 0, "a".into(), EarlierNumbers::default(), None));
            let mut recent = RecentMessages::default();
            for number in 1..2_000 {
                note(&mut recent, number, &topic, 0);
                if number % 10 >= held_of_ten {
                    recent.free(&[number]);
                }
            }
            assert!(recent.len().abs_diff(expect) <= BLOCK, "{}", recent.len());
        }
    }

    #[test]
    fn a_message_that_certainly_is_not_too_old_is_known_to_be_young() {
        let topic = Arc::new(Topic::new(0, 0, "a".into(), EarlierNumbers::default(), None));
        let bounds = LogBounds { messages: 1, bytes: 1, age: 10_000 };
        for (published, now, expect) in [
            (0, 10_000, false),
            (0, 10_001, true),
            (5_000, 10_000, false),
            (5_000, 15_001, true),
            (5_000, 13_000, false),
            (1 << 41, (1 << 41) + 10_000, false),
            (1 << 41, (1 << 41) + 12_000, true),
        ] {
            let mut recent = RecentMessages::default();
            let held = Some((TEXT, Moment(published)));
            drop(recent.note(1, NewMessage { topic: &topic, patterns: None, held }, 0));
            let message = recent.get(1).expect("remembered");
            assert_eq!(message.may_have_expired(Moment(now), &bounds), expect, "{published} {now}");
        }
    }

    #[test]
    fn topics_that_were_removed_are_not_held() {
        let mut recent = RecentMessages::default();
        let kept = Arc::new(Topic::new(0, 0, "kept".into(), EarlierNumbers::default(), None));
        note(&mut recent, 1, &kept, 0);
        let mut all = Vec::new();
        for number in 2..200_u64 {
            let topic =
                Arc::new(Topic::new(number, 0, "made up".into(), EarlierNumbers::default(), None));
            topic.set_removed();
            all.push(Arc::downgrade(&topic));
            note(&mut recent, number, &topic, number - 1);
        }
        let held = all.iter().filter(|topic| topic.strong_count() > 0).count();
        assert!(held < 80, "{held}");
        // Without the first one, nothing keeps the messages of the others.
        kept.set_removed();
        (200..400).for_each(|number| note(&mut recent, number, &kept, number));
        assert!(recent.len() < 80, "{}", recent.len());
        assert!(recent.blocks.len() <= 80 / BLOCK + 1, "{}", recent.blocks.len());
    }
}
