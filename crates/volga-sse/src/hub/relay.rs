//! A hub whose positions come from one ordered source outside: what a log that several nodes share
//! will feed. Unstable.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    PublishError,
    clock::Moment,
    name::check_name,
    order::Order,
    shared::Shared,
    topic::{KeyChange, Topic},
};
use crate::codec::message::{Message, MessageWithoutId};
use crate::codec::position::Position;

/// The messages that a hub holds back because one before them has not come yet.
pub const DEFAULT_MAX_REORDERED: usize = 1_024;

/// Messages that came before their turn.
#[derive(Debug, Default)]
pub(crate) struct Reordered(BTreeMap<u64, Early>);

/// A message that has its position and waits for those before it.
struct Early {
    topic: Box<str>,
    key: OwnedKey,
    message: MessageWithoutId,
}

impl std::fmt::Debug for Early {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Early").field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A [`KeyChange`] that waits.
enum OwnedKey {
    None,
    Set(Box<str>),
    Remove(Box<str>),
}

impl OwnedKey {
    fn new(key: KeyChange<'_>) -> Self {
        match key {
            KeyChange::None => Self::None,
            KeyChange::Set(key) => Self::Set(key.into()),
            KeyChange::Remove(key) => Self::Remove(key.into()),
        }
    }

    fn as_change(&self) -> KeyChange<'_> {
        match self {
            Self::None => KeyChange::None,
            Self::Set(key) => KeyChange::Set(key),
            Self::Remove(key) => KeyChange::Remove(key),
        }
    }
}

impl Shared {
    pub(crate) fn publish_at(
        &self,
        position: Position,
        topic: &str,
        message: Message,
        key: KeyChange<'_>,
    ) -> Result<(), PublishError> {
        self.check_source(position)?;
        check_name(topic, self.settings.max_topic_name)?;
        self.check_key(key)?;
        let message = self.prepare(message, position)?;
        let early = Early { topic: topic.into(), key: OwnedKey::new(key), message };
        self.take_in(0, |order| {
            if position.number() > order.last {
                order.reordered.0.entry(position.number()).or_insert(early);
            }
        })
    }

    pub(crate) fn skip_to(&self, position: Position) -> Result<(), PublishError> {
        self.check_source(position)?;
        self.take_in(position.number(), |_| {})
    }

    fn check_source(&self, position: Position) -> Result<(), PublishError> {
        match &self.settings.relay {
            None => Err(PublishError::NotRelayed),
            Some(relay) if relay.epoch != position.epoch() => Err(PublishError::OtherEpoch),
            Some(_) => Ok(()),
        }
    }

    /// Appends what has its turn, once what `change` adds is there. What is missing up to `skip`,
    /// or when too much waits behind it, is lost.
    fn take_in(&self, skip: u64, change: impl FnOnce(&mut Order)) -> Result<(), PublishError> {
        let now = self.clock.now();
        let mut order = self.order();
        if order.closed {
            return Err(PublishError::Closed);
        }
        order.sweep(&self.settings, now);
        change(&mut order);
        let mut changed = Vec::new();
        let mut hole = None;
        while let Some(next) = order.last.checked_add(1) {
            let waiting = &order.reordered.0;
            match waiting.first_key_value().map(|(first, _)| *first) {
                Some(first) if first == next => match self.place(&mut order, next, now) {
                    Some(topic) => changed.push((topic, next)),
                    None => hole = Some(next),
                },
                Some(first) if first <= skip || waiting.len() > self.settings.max_reordered => {
                    hole = Some(first - 1);
                }
                _ if next <= skip => hole = Some(skip),
                _ => break,
            }
            order.last = order.last.max(hole.unwrap_or(0));
        }
        if let Some(hole) = hole {
            // Nobody knows whose messages they were. So every topic has news: a gap.
            changed.extend(order.registry.topics().map(|topic| (Arc::clone(topic), hole)));
            order.lose(hole);
            self.set_hole(hole);
        }
        self.show(&order, &changed);
        drop(order);
        changed.iter().for_each(|(topic, _)| topic.wake());
        Ok(())
    }

    /// Appends the first message that waits, whose turn it is; `None` if its topic has no room for
    /// it or may not be created.
    fn place(&self, order: &mut Order, number: u64, now: Moment) -> Option<Arc<Topic>> {
        let (_, early) = order.reordered.0.pop_first()?;
        order.last = number;
        let key = early.key.as_change();
        let topic = order.topic_to_publish(&early.topic, key, &self.settings, now).ok()?;
        self.append(order, &topic, early.message, key, now);
        Some(topic)
    }
}
