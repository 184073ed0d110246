//! The state that only shared hubs need: presence on other nodes, and the end of streams without an
//! engine.

use crate::hub::clock::Moment;
use crate::hub::presence::announcement::{PresenceChange, PresentPair};
use crate::hub::presence::sharing::AnnouncedChanges;
use crate::hub::state::hub_state::HubState;
use crate::hub::state::locked_state::LockedState;

impl HubState {
    /// Takes the changes that another node has announced, a few at a time.
    pub(crate) fn finish_announcement(&self, mut announced: AnnouncedChanges) {
        while self.lock_for_step().announcement_step(&mut announced, &self.settings) {}
    }

    /// Forgets the nodes whose lease has ended, and lets their identities go.
    pub(crate) fn expire_nodes(&self, now: Moment) {
        let grace = self.settings.presence_grace;
        self.lock().with_presence(|presence, _| presence.expire_nodes(now, grace));
        while self
            .lock_for_step()
            .with_presence(|presence, wakers| presence.step_of_nodes(now, wakers))
        {}
    }

    pub(crate) fn extend_leases(&self) {
        let now = self.clock.now();
        self.lock().with_presence(|presence, _| presence.extend_leases(now));
    }

    /// See [`Announcer::take_changes`](crate::hub::presence::announcer::Announcer::take_changes).
    pub(crate) fn take_presence_changes(&self, max_bytes: usize) -> Vec<PresenceChange> {
        let mut locked = self.lock_for_step();
        let nodes = locked.presence.nodes();
        nodes.map_or_else(Vec::new, |nodes| nodes.announcer.take_changes(max_bytes))
    }

    /// See [`Announcer::page`](crate::hub::presence::announcer::Announcer::page).
    pub(crate) fn page_of_announced(
        &self,
        after: Option<&PresentPair>,
        max_bytes: usize,
    ) -> Vec<PresentPair> {
        let mut locked = self.lock_for_step();
        let nodes = locked.presence.nodes();
        nodes.map_or_else(Vec::new, |nodes| nodes.announcer.page(after, max_bytes))
    }

    pub(crate) fn set_presence_ask(&self, locked: &mut LockedState, is_asked: bool) {
        if let Some(nodes) = locked.presence.nodes() {
            nodes.announcer.is_asked = is_asked;
        }
    }

    /// Whether the node has lost its engine for so long that its event streams end.
    pub(crate) fn is_lost_for_too_long(&self) -> bool {
        let (Some(shared), Some(max)) = (&self.shared, self.settings.max_lost_time) else {
            return false;
        };
        shared.lost_at().is_some_and(|lost_at| lost_at.age(self.clock.now()) >= max)
    }

    /// How many pairs of other nodes were not held.
    pub(crate) fn unlisted(&self) -> u64 {
        match &self.shared {
            None => 0,
            Some(_) => self.lock().presence.nodes().map_or(0, |nodes| nodes.others.unlisted),
        }
    }

    /// Reports the identities of a topic that have left and did not return.
    pub(crate) fn sweep_presence(&self, topic: &str) {
        let now = self.clock.now();
        while self.lock().sweep_presence_of(topic, now).is_some_and(|next| next <= now) {}
    }
}
