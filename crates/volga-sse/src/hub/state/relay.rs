//! A hub whose positions come from one ordered source outside: what a log that several nodes share
//! will feed. Unstable.

use std::sync::Arc;

use crate::codec::message::Message;
use crate::codec::position::Position;
use crate::hub::clock::Moment;
use crate::hub::error::PublishError;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::locked::LockedState;
use crate::hub::state::reorder_buffer::{EarlyMessage, OwnedKeyChange};
use crate::hub::topic::Topic;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::name::check_name;

impl HubState {
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
        let early = EarlyMessage { topic: topic.into(), key: OwnedKeyChange::new(key), message };
        self.take_in(0, |locked| {
            if position.number() > locked.last {
                locked.reordered.0.entry(position.number()).or_insert(early);
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
    fn take_in(
        &self,
        skip: u64,
        change: impl FnOnce(&mut LockedState),
    ) -> Result<(), PublishError> {
        let now = self.clock.now();
        let mut locked = self.lock();
        if locked.closed {
            return Err(PublishError::Closed);
        }
        locked.sweep(&self.settings, now);
        change(&mut locked);
        let mut changed = Vec::new();
        let mut last_missing = None;
        while let Some(next) = locked.last.checked_add(1) {
            let waiting = &locked.reordered.0;
            match waiting.first_key_value().map(|(first, _)| *first) {
                Some(first) if first == next => match self.place(&mut locked, next, now) {
                    Some(topic) => changed.push((topic, next)),
                    None => last_missing = Some(next),
                },
                Some(first) if first <= skip || waiting.len() > self.settings.max_reordered => {
                    last_missing = Some(first - 1);
                }
                _ if next <= skip => last_missing = Some(skip),
                _ => break,
            }
            locked.last = locked.last.max(last_missing.unwrap_or(0));
        }
        if let Some(last_missing) = last_missing {
            // Nobody knows whose messages they were. So every topic has news: a gap.
            changed.extend(locked.registry.topics().map(|topic| (Arc::clone(topic), last_missing)));
            locked.lose(last_missing);
            self.set_last_missing(last_missing);
        }
        self.advance_horizon(&locked, &changed);
        drop(locked);
        changed.iter().for_each(|(topic, _)| topic.wake());
        Ok(())
    }

    /// Appends the first message that waits, whose turn it is; `None` if its topic has no room for
    /// it or may not be created.
    fn place(&self, locked: &mut LockedState, number: u64, now: Moment) -> Option<Arc<Topic>> {
        let (_, early) = locked.reordered.0.pop_first()?;
        locked.last = number;
        let key = early.key.as_change();
        let topic = locked.topic_to_publish(&early.topic, key, &self.settings, now).ok()?;
        self.append(locked, &topic, early.message, key, now);
        Some(topic)
    }
}
