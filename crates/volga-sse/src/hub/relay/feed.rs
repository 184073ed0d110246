//! `Feed`: the way from an engine into a shared hub.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::codec::position::Position;
use crate::hub::clock::{Moment, milliseconds};
use crate::hub::relay::adapter::Append;
use crate::hub::relay::announcing::Announcing;
use crate::hub::relay::control::{CONTROL_TOPIC, Control};
use crate::hub::relay::incoming::{Incoming, SnapshotEntry};
use crate::hub::relay::payload;
use crate::hub::relay::shared_hub::SharedHub;
use crate::hub::relay::state::RelayState;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::relay::{EpochStart, SnapshotOutcome, TAKEN_AT_ONCE};
use crate::hub::state::reorder_buffer::{EarlyMessage, OwnedKeyChange};
use crate::hub::sync::Ordering;
use crate::hub::topic::key_table::KeyChange;
use crate::hub::topic::name::check_name;

/// How often an adapter asks its feed for [announcements](Feed::announcements).
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_millis(250);

/// The way from an engine into a shared hub, from
/// [`HubBuilder::build_shared`](crate::hub::HubBuilder::build_shared). The adapter's one task that
/// reads the engine owns it. Dropping it says that the engine is [lost](RelayState::Lost).
///
/// A node that starts tells the hub of the engine's epochs with [`begin`](Self::begin), and with
/// [`lost`](Self::lost) of what the engine does not hold any more. It hands in the
/// [snapshots](Self::snapshot) of keyed topics and everything that the engine holds, with
/// [`take`](Self::take). Then it calls [`set_state`](Self::set_state) with
/// [`RelayState::Live`], and from there on clients may resume.
///
/// Nothing that comes in is an error. A message that this node cannot hold is missing in its topic
/// alone: its readers are told of a gap, and [`HubStats::unheld`](crate::hub::HubStats::unheld)
/// counts it.
pub struct Feed {
    hub: Arc<HubState>,
    shared: Arc<SharedHub>,
    /// A time of the engine's clock, and the same time by the hub's clock.
    clock: (SystemTime, Moment),
    /// The time of the last message. Messages do not get younger in the order of the log.
    last_at: Moment,
    /// The changes that take effect with the next call, so that snapshots can be passed in before.
    pending: Option<Pending>,
    /// The topics whose values another snapshot has changed since an epoch is about to begin. Their
    /// readers are told with the start of the epoch.
    changed_topics: Vec<Arc<str>>,
    announcing: Announcing,
}

enum Pending {
    Begin(EpochStart),
    Lost(u64),
}

impl Feed {
    pub(crate) fn new(hub: Arc<HubState>, shared: Arc<SharedHub>) -> Self {
        let now = hub.clock.now();
        let clock = (SystemTime::now(), now);
        Self {
            announcing: Announcing::new(shared.node),
            hub,
            shared,
            clock,
            last_at: Moment::default(),
            pending: None,
            changed_topics: Vec::new(),
        }
    }

    /// Begins an epoch: a new life of the engine, in which messages are numbered from 1 again.
    /// `ended_at` is the last position of the epochs before that the engine still has in its
    /// history, even if it holds the messages no more.
    ///
    /// An ID up to that position resumes without a gap. A client that has an ID after it has
    /// received messages that the engine lost, and is told of a gap after that position. Without
    /// `ended_at`, everything may be missing that this node has not received, and every client is
    /// told so.
    ///
    /// A later epoch must have a greater ID, otherwise the call changes nothing. So you can call
    /// this for every epoch that you find. A message of a later epoch that did not begin begins it
    /// without `ended_at`.
    ///
    /// This takes effect at the next call of `begin`, [`take`](Self::take), [`lost`](Self::lost) or
    /// [`set_state`](Self::set_state). Before that, hand in the [snapshots](Self::snapshot) of
    /// [`keyed_topics`](Self::keyed_topics), because their values may have been lost.
    pub fn begin(&mut self, epoch: u64, ended_at: Option<Position>) {
        self.apply_pending();
        self.pending = Some(Pending::Begin(EpochStart { epoch, ended_at }));
    }

    /// Takes messages in. A message that came before is ignored. A message that comes before the
    /// one it follows waits, while at most
    /// [`max_reordered`](crate::hub::HubBuilder::max_reordered) messages wait. With one more, the
    /// missing messages are lost.
    ///
    /// Hand in everything that the engine returned at once. Readers are then woken once for all of
    /// it.
    pub fn take<'a>(&mut self, batch: impl IntoIterator<Item = Incoming<'a>>) {
        self.apply_pending();
        let mut early = Vec::new();
        for incoming in batch {
            let epoch = incoming.position.epoch();
            if self.shared.current_epoch().is_none_or(|current| current < epoch) {
                self.put(&mut early);
                self.begin(epoch, None);
                self.apply_pending();
            }
            if self.shared.current_epoch() == Some(epoch) {
                early.extend(self.prepare(&incoming));
            }
            if early.len() == TAKEN_AT_ONCE {
                self.put(&mut early);
            }
        }
        self.put(&mut early);
    }

    /// Declares that messages up to a position are missing, because the engine has dropped or lost
    /// them. With a topic, only the message at this position is missing, and it belonged to the
    /// topic. Without one, all messages up to it that did not come are missing, and may have
    /// belonged to any topic.
    ///
    /// Without a topic, this takes effect at the next call, as in [`begin`](Self::begin). Hand in
    /// the [snapshots](Self::snapshot) of [`keyed_topics`](Self::keyed_topics) before.
    pub fn lost(&mut self, through: Position, topic: Option<&str>) {
        self.apply_pending();
        let Some(number) = self.shared.number_of(through) else {
            if self.shared.current_epoch().is_none_or(|current| current < through.epoch()) {
                self.begin(through.epoch(), None);
                self.lost(through, topic);
            }
            return;
        };
        match topic {
            None => self.pending = Some(Pending::Lost(number)),
            Some(topic) => {
                self.shared.unheld.fetch_add(1, Ordering::Relaxed);
                let mut early = vec![EarlyMessage {
                    number,
                    after: number.saturating_sub(1),
                    at: self.hub.clock.now(),
                    topic: topic.into(),
                    key: OwnedKeyChange::None,
                    message: None,
                    control: None,
                }];
                self.put(&mut early);
            }
        }
    }

    /// Hands in the newest message of each key of a keyed topic, as the engine had it at `through`.
    /// It must include everything that this node has taken of the topic. Otherwise the call returns
    /// false and changes nothing: read the snapshot again.
    ///
    /// A node that starts does this before it is [live](RelayState::Live). So its clients get the
    /// newest message of each key, even if the log has dropped it.
    pub fn snapshot<'a>(
        &mut self,
        topic: &str,
        through: Position,
        entries: impl IntoIterator<Item = SnapshotEntry<'a>>,
    ) -> bool {
        let settings = &self.hub.settings;
        if check_name(topic, settings.max_topic_name).is_err() || settings.max_keys(topic).is_none()
        {
            // This node has no table for the topic, so its clients miss nothing.
            return true;
        }
        let mut prepared = Vec::new();
        let is_reserved = |name: &[u8]| settings.reserved_event(name).is_some();
        for SnapshotEntry { key, position, payload } in entries {
            // A message of an epoch that has not begun comes later by the feed.
            let number = self.shared.number_of(position).unwrap_or(u64::MAX);
            let message = payload::decode(payload, position, is_reserved)
                .filter(|message| message.len() <= settings.max_message_bytes)
                .filter(|_| key.len() <= settings.max_key);
            match message {
                Some(message) => prepared.push((key, number, message.at(position).into_bytes())),
                None => _ = self.shared.unheld.fetch_add(1, Ordering::Relaxed),
            }
        }
        let skipped = self.skipped();
        match self.hub.take_snapshot(&self.shared, topic, through, prepared, skipped) {
            SnapshotOutcome::TooOld => return false,
            SnapshotOutcome::Changed if matches!(self.pending, Some(Pending::Begin(_))) => {
                self.changed_topics.push(topic.into());
            }
            SnapshotOutcome::Changed | SnapshotOutcome::Same => {}
        }
        true
    }

    /// The keyed topics of this node. Their snapshots are needed after [`begin`](Self::begin) and
    /// [`lost`](Self::lost).
    #[must_use]
    pub fn keyed_topics(&self) -> Vec<Arc<str>> {
        self.hub.keyed_topics()
    }

    /// Says whether the node holds what the engine holds.
    pub fn set_state(&mut self, state: RelayState) {
        self.apply_pending();
        let has_changed = self.shared.state.send_if_modified(|old| {
            let has_changed = *old != state;
            *old = state;
            has_changed
        });
        if has_changed {
            let lost_at = (state == RelayState::Lost).then(|| self.hub.clock.now());
            self.shared.set_lost_at(lost_at);
        }
        if has_changed && state == RelayState::Live {
            self.hub.extend_leases();
        }
        if has_changed {
            self.shared.until_live.wake();
            self.shared.until_news.wake();
        }
        if has_changed && self.hub.settings.relay_event.is_some() {
            self.hub.wake_all_readers();
        }
    }

    /// Returns what this node tells the others about who subscribes on it. Append it to the
    /// engine's log, in this order, as the messages of
    /// [`Relay::append`](crate::hub::Relay::append). The results do not matter: the others notice
    /// if they have missed something, and ask.
    ///
    /// Call this every [`ANNOUNCE_INTERVAL`] while the node is [live](RelayState::Live). A change
    /// is told at the next call, so a call less often makes presence later. The call also lets the
    /// identities of nodes go that were not heard of for their
    /// [lease](crate::hub::HubBuilder::presence_lease). An adapter that never calls it leaves
    /// presence to each node.
    ///
    /// A call returns a bounded number of messages, and none while the node is not live.
    pub fn announcements(&mut self) -> Vec<Append> {
        if self.shared.state() != RelayState::Live {
            return Vec::new();
        }
        let now = self.hub.clock.now();
        self.hub.expire_nodes(now);
        self.announcing.next_messages(&self.hub, now)
    }

    /// Tells the time of the engine's clock. Without it, the clock of this machine counts. Messages
    /// are held for as long as on other nodes even if the clocks differ.
    pub fn set_clock(&mut self, engine: SystemTime) {
        self.clock = (engine, self.hub.clock.now());
    }

    /// Whether no handle of the hub and no subscription is left, so that nobody gets what the feed
    /// takes. The adapter's task can end.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.hub) == 1
    }

    /// The position of the last message that was taken.
    #[must_use]
    pub fn position(&self) -> Position {
        self.hub.position(self.hub.horizon())
    }

    /// Whether [`Hub::close`](crate::hub::Hub::close) was called. Then the adapter's task can end,
    /// because the hub takes nothing in any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.hub.lock().is_closed
    }

    fn put(&self, early: &mut Vec<EarlyMessage>) {
        if !early.is_empty() {
            self.hub.take_in(&self.shared, std::mem::take(early), 0);
            self.shared.until_news.wake();
        }
    }

    fn apply_pending(&mut self) {
        match self.pending.take() {
            None => return,
            Some(Pending::Begin(start)) => {
                let changed = std::mem::take(&mut self.changed_topics);
                self.hub.begin_epoch(&self.shared, start, &changed);
            }
            Some(Pending::Lost(number)) => self.hub.take_in(&self.shared, Vec::new(), number),
        }
        self.shared.until_news.wake();
    }

    /// Messages up to this number do not come, once what is pending takes effect.
    fn skipped(&self) -> u64 {
        match &self.pending {
            None => 0,
            Some(Pending::Lost(number)) => *number,
            Some(Pending::Begin(start)) => {
                start.ended_at.and_then(|ended_at| self.shared.number_of(ended_at)).unwrap_or(0)
            }
        }
    }

    /// Reads a message of the current epoch. One that this node cannot hold has no content.
    fn prepare(&mut self, incoming: &Incoming<'_>) -> Option<EarlyMessage> {
        let Incoming { position, after, at, topic, key, payload } = *incoming;
        let settings = &self.hub.settings;
        let number = self.shared.number_of(position)?;
        let after = after.and_then(|after| self.shared.number_of(after));
        let topic = String::from_utf8_lossy(topic);
        let is_control = topic == CONTROL_TOPIC;
        let control = is_control.then(|| Control::decode(payload).map(Box::new)).flatten();
        let is_valid =
            check_name(&topic, settings.max_topic_name).is_ok() && self.hub.check_key(key).is_ok();
        // A topic that is keyed on other nodes alone is an ordinary topic here.
        let key = if settings.max_keys(&topic).is_some() { key } else { KeyChange::None };
        let is_reserved = |name: &[u8]| settings.reserved_event(name).is_some();
        let message = payload::decode(payload, position, is_reserved)
            .filter(|message| is_valid && message.len() <= settings.max_message_bytes);
        if message.is_none() && control.is_none() {
            self.shared.unheld.fetch_add(1, Ordering::Relaxed);
        }
        let now = self.hub.clock.now();
        let at = at.map_or(now, |at| self.moment(at)).min(now).max(self.last_at);
        self.last_at = at;
        Some(EarlyMessage {
            number,
            after: after.unwrap_or(number.saturating_sub(1)),
            at,
            topic: topic.into(),
            key: OwnedKeyChange::new(key),
            message,
            control,
        })
    }

    /// A time of the engine's clock by the hub's clock.
    fn moment(&self, at: SystemTime) -> Moment {
        let (engine, hub) = self.clock;
        match at.duration_since(engine) {
            Ok(later) => hub.after(milliseconds(later)),
            Err(earlier) => Moment(hub.0.saturating_sub(milliseconds(earlier.duration()))),
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.set_state(RelayState::Lost);
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("position", &self.position()).finish_non_exhaustive()
    }
}
