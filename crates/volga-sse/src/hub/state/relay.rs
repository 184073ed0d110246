//! Publishing to a hub whose positions come from an ordered source outside. Unstable: logs that
//! several nodes share will use it.
//!
//! A relay is a crate of its own, `volga-relay-NAME`, and needs no change here. It makes its hub
//! with `HubBuilder::relay`, reads the source in order, and calls `Hub::publish_at` for each
//! message, or `Hub::skip_to` for messages that the source has lost. `tests/it/hub_relay.rs` is a
//! relay in memory.

use std::sync::Arc;

use crate::codec::message::Message;
use crate::codec::position::Position;
use crate::hub::clock::Moment;
use crate::hub::error::PublishError;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::locked_state::LockedState;
use crate::hub::state::reorder_buffer::{EarlyMessage, OwnedKeyChange};
use crate::hub::topic::Topic;
use crate::hub::topic::key_table::{KeyChange, check_first_key};
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
        check_first_key(key, self.settings.max_keys(topic))?;
        let message = self.prepare(message, position)?;
        let early = EarlyMessage { topic: topic.into(), key: OwnedKeyChange::new(key), message };
        self.append_in_order(0, |locked| {
            if position.number() > locked.last_number {
                locked.reorder_buffer.0.entry(position.number()).or_insert(early);
            }
        })
    }

    pub(crate) fn skip_to(&self, position: Position) -> Result<(), PublishError> {
        self.check_source(position)?;
        self.append_in_order(position.number(), |_| {})
    }

    fn check_source(&self, position: Position) -> Result<(), PublishError> {
        match &self.settings.relay {
            None => Err(PublishError::NotRelayed),
            Some(relay) if relay.epoch != position.epoch() => Err(PublishError::OtherEpoch),
            Some(_) => Ok(()),
        }
    }

    /// Applies `change`, and then appends the waiting messages whose turn it is. Missing messages
    /// up to `skip` are lost, and so are those for which too many later messages wait.
    fn append_in_order(
        &self,
        skip: u64,
        change: impl FnOnce(&mut LockedState),
    ) -> Result<(), PublishError> {
        let now = self.clock.now();
        let mut locked = self.lock();
        if locked.is_closed {
            return Err(PublishError::Closed);
        }
        self.sweep_step(&mut locked, now);
        change(&mut locked);
        let mut changed = Vec::new();
        let mut last_missing = None;
        while let Some(next) = locked.last_number.checked_add(1) {
            let waiting = &locked.reorder_buffer.0;
            match waiting.first_key_value().map(|(first, _)| *first) {
                Some(first) if first == next => match self.append_first(&mut locked, next, now) {
                    Some(topic) => changed.push((topic, next)),
                    None => last_missing = Some(next),
                },
                Some(first) if first <= skip || waiting.len() > self.settings.max_reordered => {
                    last_missing = Some(first - 1);
                }
                _ if next <= skip => last_missing = Some(skip),
                _ => break,
            }
            locked.last_number = locked.last_number.max(last_missing.unwrap_or(0));
        }
        if let Some(last_missing) = last_missing {
            // It is not known to which topics the missing messages belonged. So every topic is
            // woken and reports a gap.
            changed.extend(locked.registry.topics().map(|topic| (Arc::clone(topic), last_missing)));
            locked.note_loss(last_missing);
            self.set_last_missing(last_missing);
        }
        self.advance_horizon(&locked, &changed);
        drop(locked);
        changed.iter().for_each(|(topic, _)| topic.readers.wake());
        self.patterns.all().iter().for_each(|pattern| pattern.readers.wake());
        Ok(())
    }

    /// Appends the first waiting message, whose turn it is. Returns `None` if its topic can't be
    /// created.
    fn append_first(
        &self,
        locked: &mut LockedState,
        number: u64,
        now: Moment,
    ) -> Option<Arc<Topic>> {
        let (_, early) = locked.reorder_buffer.0.pop_first()?;
        locked.last_number = number;
        let key = early.key.as_change();
        let topic = locked.topic_to_publish(&early.topic, key, &self.settings, now).ok()?;
        self.append(locked, &topic, early.message, key, now);
        Some(topic)
    }
}
