//! Takes in what other nodes announce about who subscribes there, and forgets nodes whose lease has
//! ended. Pure, with the time as an argument.

use crate::hub::clock::Moment;
use crate::hub::presence::announcement::{
    Announcement, ChangeKind, ListPart, PresenceChange, PresentPair,
};
use crate::hub::presence::change_log::WakerLists;
use crate::hub::presence::filter_presence::Origin;
use crate::hub::presence::hub_presence::HubPresence;
use crate::hub::presence::other_nodes::{Departure, MAX_OTHER_NODES, OtherNode};

/// How many pairs of a node that is gone depart in one step.
const MAX_DEPARTING: usize = 64;

/// How many changes of an announcement are taken in one step.
pub(crate) const CHANGES_PER_STEP: usize = 64;

/// The longest lease that another node may ask for, in milliseconds.
pub(crate) const MAX_LEASE: u64 = 60_000;

/// The settings of presence on other nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SharingLimits {
    /// How many pairs are held.
    pub(crate) max: usize,
    /// How long a name or pattern may be. A longer pattern matches only names that are longer.
    pub(crate) max_name: usize,
}

/// The changes of an announcement that are still to be taken.
#[derive(Debug)]
pub(crate) struct AnnouncedChanges {
    node: u64,
    changes: std::vec::IntoIter<PresenceChange>,
    /// When an identity that leaves is gone. `None` if it is gone at once.
    gone_at: Option<Moment>,
    /// The announcement is the last part of a list.
    ends_list: bool,
}

impl HubPresence {
    /// Begins to take an announcement that another node made at a moment. Returns its changes,
    /// which the caller takes a few at a time. `None` if they are not for this hub.
    pub(crate) fn begin_announcement(
        &mut self,
        announcement: Announcement,
        at: Moment,
        now: Moment,
        grace: u64,
    ) -> Option<AnnouncedChanges> {
        let Announcement { node: id, lease, from, through, part, changes } = announcement;
        let lease = u64::from(lease).min(MAX_LEASE);
        let others = &mut self.nodes()?.others;
        if !others.nodes.contains_key(&id) {
            if at.after(lease) <= now {
                // This is history: the node has made newer announcements, or is gone.
                return None;
            }
            if others.nodes.len() >= MAX_OTHER_NODES {
                others.unlisted += changes.len() as u64;
                return None;
            }
            // Before its first announcement, nobody was there.
            let node = OtherNode { through: from, is_complete: from == 0, ..OtherNode::default() };
            others.nodes.insert(id, node);
        }
        let node = others.nodes.get_mut(&id)?;
        node.last_at = node.last_at.max(at);
        node.lease = lease;
        let is_new = match part {
            Some(ListPart { index: 0, .. }) => through >= node.through,
            Some(ListPart { index, .. }) => node.list == Some((through, index)),
            None => from >= node.through,
        };
        if !is_new {
            if part.is_some_and(|part| part.index > 0) {
                // A part is missing, so the list is of no use.
                node.is_complete &= node.list.is_none();
                node.list = None;
            }
            return None;
        }
        match part {
            Some(ListPart { index, .. }) => {
                if index == 0 {
                    let before = std::mem::take(&mut node.present);
                    if !before.is_empty() {
                        node.unconfirmed.push(before);
                    }
                    node.through = through;
                }
                node.list = Some((through, index + 1));
            }
            None => {
                if from > node.through {
                    node.is_complete = false;
                    node.list = None;
                }
                node.through = through;
            }
        }
        Some(AnnouncedChanges {
            node: id,
            changes: changes.into_iter(),
            gone_at: (grace > 0).then(|| now.after(grace)),
            ends_list: part.is_some_and(|part| part.is_last),
        })
    }

    /// Takes a few changes of an announcement. Returns true if there are more. Until all of them
    /// are taken, the caller begins with nothing else that other nodes have said.
    pub(crate) fn announcement_step(
        &mut self,
        announced: &mut AnnouncedChanges,
        limits: SharingLimits,
        wakers: &mut WakerLists,
    ) -> bool {
        let (id, gone_at) = (announced.node, announced.gone_at);
        for PresenceChange { pair, kind } in announced.changes.by_ref().take(CHANGES_PER_STEP) {
            #[cfg(test)]
            crate::hub::work_counts::note_work(1);
            match kind {
                ChangeKind::Joined => self.join_elsewhere(id, pair, limits, wakers),
                ChangeKind::Left => self.leave_elsewhere(id, &pair, gone_at, wakers),
                ChangeKind::SignedOut => {
                    self.forget_grace(&pair.0, &pair.1);
                    self.leave_elsewhere(id, &pair, None, wakers);
                }
            }
        }
        if announced.changes.len() > 0 {
            return true;
        }
        if std::mem::take(&mut announced.ends_list) {
            self.finish_list(id, gone_at);
        }
        false
    }

    fn finish_list(&mut self, id: u64, gone_at: Option<Moment>) {
        let Some(nodes) = self.nodes() else { return };
        let Some(node) = nodes.others.nodes.get_mut(&id) else { return };
        node.is_complete = true;
        node.list = None;
        let unconfirmed = std::mem::take(&mut node.unconfirmed).into_iter();
        let departures = unconfirmed.map(|pairs| Departure::new(id, pairs, gone_at));
        nodes.others.departing.extend(departures);
    }

    fn join_elsewhere(
        &mut self,
        id: u64,
        pair: PresentPair,
        limits: SharingLimits,
        wakers: &mut WakerLists,
    ) {
        let Some(nodes) = self.nodes() else { return };
        let others = &mut nodes.others;
        if pair.0.len() > limits.max_name {
            others.unlisted += 1;
            return;
        }
        let Some(node) = others.nodes.get_mut(&id) else { return };
        if node.remove_unconfirmed(&pair) {
            node.present.insert(pair.clone(), ());
        }
        if node.present.get(&pair).is_some() {
            self.note_return(&pair.0, &pair.1);
            return;
        }
        if others.held >= limits.max {
            others.unlisted += 1;
            others.is_truncated = true;
            return;
        }
        others.held += 1;
        node.present.insert(pair.clone(), ());
        let (filter, identity) = pair;
        self.join_from(&filter, &identity, Origin::OtherNode(id), wakers);
    }

    fn leave_elsewhere(
        &mut self,
        id: u64,
        pair: &PresentPair,
        gone_at: Option<Moment>,
        wakers: &mut WakerLists,
    ) {
        let Some(nodes) = self.nodes() else { return };
        let Some(node) = nodes.others.nodes.get_mut(&id) else { return };
        if node.present.remove(pair).is_some() || node.remove_unconfirmed(pair) {
            nodes.others.held -= 1;
            self.leave_from(&pair.0, &pair.1, Origin::OtherNode(id), gone_at, wakers);
        }
    }

    /// Lets a few pairs of nodes that are gone depart. Returns true if there may be more.
    pub(crate) fn step_of_nodes(&mut self, now: Moment, wakers: &mut WakerLists) -> bool {
        for _ in 0..MAX_DEPARTING {
            let Some(nodes) = self.nodes() else { return false };
            let others = &mut nodes.others;
            let Some(departure) = others.departing.front_mut() else { return false };
            let gone_at = departure.gone_at.filter(|gone_at| *gone_at > now);
            let node = departure.node;
            let Some((filter, identity)) = departure.pairs.next() else {
                others.departing.pop_front();
                continue;
            };
            others.held -= 1;
            self.leave_from(&filter, &identity, Origin::OtherNode(node), gone_at, wakers);
        }
        true
    }

    /// Forgets the nodes whose lease has ended. [`sweep`](Self::sweep) lets their identities go.
    pub(crate) fn expire_nodes(&mut self, now: Moment, grace: u64) {
        let Some(nodes) = self.nodes() else { return };
        let others = &mut nodes.others;
        let has_ended = |node: &OtherNode| node.last_at.after(node.lease) <= now;
        let ended: Vec<u64> =
            others.nodes.iter().filter(|(_, node)| has_ended(node)).map(|(id, _)| *id).collect();
        ended.into_iter().for_each(|id| others.remove(id, now, grace));
    }

    /// Gives each node its whole lease from now on, because this node could not hear of them.
    pub(crate) fn extend_leases(&mut self, now: Moment) {
        let Some(nodes) = self.nodes() else { return };
        nodes.others.nodes.values_mut().for_each(|node| node.last_at = now);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_000_000);

    fn take_all(
        presence: &mut HubPresence,
        announcement: Announcement,
        at: Moment,
        limits: SharingLimits,
        wakers: &mut WakerLists,
    ) {
        if let Some(mut announced) = presence.begin_announcement(announcement, at, at, 0) {
            while presence.announcement_step(&mut announced, limits, wakers) {}
        }
    }

    fn announcement(node: u64, identity: &str) -> Announcement {
        let pair = ("a".into(), identity.into());
        let changes = vec![PresenceChange { pair, kind: ChangeKind::Joined }];
        Announcement { node, lease: 8_000, from: 0, through: 1, part: None, changes }
    }

    #[test]
    fn the_number_of_nodes_is_bounded_and_a_lease_makes_room() {
        let mut presence = HubPresence::default();
        presence.share();
        let limits = SharingLimits { max: usize::MAX, max_name: 255 };
        let mut wakers = WakerLists::default();
        let mut take = |presence: &mut HubPresence, node: u64, at: Moment| {
            let announcement = announcement(node, &node.to_string());
            take_all(presence, announcement, at, limits, &mut wakers);
        };
        for node in 0..=MAX_OTHER_NODES as u64 {
            take(&mut presence, node, NOW);
        }
        assert!(presence.subscriptions_of("a", "0").is_some());
        let last = MAX_OTHER_NODES.to_string();
        assert_eq!(presence.subscriptions_of("a", &last), None);
        assert_eq!(presence.nodes().expect("shared").others.unlisted, 1);
        let later = NOW.after(8_000);
        presence.expire_nodes(later, 0);
        take(&mut presence, MAX_OTHER_NODES as u64, later);
        assert_eq!(presence.subscriptions_of("a", &last), Some(1));
        let mut wakers = WakerLists::default();
        while presence.step_of_nodes(later, &mut wakers) {}
        assert_eq!(presence.subscriptions_of("a", "0"), None);
        assert_eq!(presence.nodes().expect("shared").others.held, 1);
    }

    #[test]
    fn a_name_or_pattern_that_is_too_long_here_is_not_listed() {
        let mut presence = HubPresence::default();
        presence.share();
        let limits = SharingLimits { max: usize::MAX, max_name: 5 };
        let mut wakers = WakerLists::default();
        let names = ["a.b", "a.bcd", "a.bcde", "a.*.*", "a.*.*.*", ">"];
        let change = |name: &&str| PresenceChange {
            pair: ((*name).into(), "anna".into()),
            kind: ChangeKind::Joined,
        };
        let changes: Vec<_> = names.iter().map(change).collect();
        let leaves = changes.iter().cloned();
        let leaves: Vec<_> =
            leaves.map(|change| PresenceChange { kind: ChangeKind::Left, ..change }).collect();
        let first = Announcement { changes, ..announcement(3, "anna") };
        take_all(&mut presence, first, NOW, limits, &mut wakers);
        let others = |presence: &mut HubPresence| {
            let others = &presence.nodes().expect("shared").others;
            (others.held, others.unlisted, others.is_incomplete(usize::MAX))
        };
        assert_eq!(others(&mut presence), (4, 2, false));
        assert_eq!(presence.entries(), 2 * 4);
        let last = Announcement { from: 1, through: 2, changes: leaves, ..announcement(3, "anna") };
        take_all(&mut presence, last, NOW, limits, &mut wakers);
        assert_eq!(others(&mut presence), (0, 2, false));
        assert_eq!(presence.entries(), 0);
    }

    #[test]
    fn a_list_without_one_of_its_parts_is_asked_for_again() {
        let mut presence = HubPresence::default();
        presence.share();
        let limits = SharingLimits { max: usize::MAX, max_name: 255 };
        let mut wakers = WakerLists::default();
        let mut take = |presence: &mut HubPresence, index: u32, is_last: bool| {
            let part = Some(ListPart { index, is_last });
            let from = 7;
            let list = announcement(3, &index.to_string());
            let list = Announcement { from, through: from, part, ..list };
            take_all(presence, list, NOW, limits, &mut wakers);
            presence.nodes().expect("shared").others.is_incomplete(usize::MAX)
        };
        assert!(take(&mut presence, 0, false));
        assert!(take(&mut presence, 2, true), "a part is missing");
        assert!(take(&mut presence, 0, false));
        assert!(!take(&mut presence, 1, true));
        assert!(!take(&mut presence, 0, true));
        let mut wakers = WakerLists::default();
        while presence.step_of_nodes(NOW, &mut wakers) {}
        assert_eq!(presence.subscriptions_of("a", "1"), None, "the last list counts");
        assert_eq!(presence.subscriptions_of("a", "0"), Some(1));
    }
}
