//! The announcements of a node about its subscribers, and their times.

use crate::hub::clock::Moment;
use crate::hub::presence::announcement::{
    Announcement, ChangeKind, ListPart, PresenceChange, PresentPair,
};
use crate::hub::relay::adapter::Append;
use crate::hub::relay::control::Control;
use crate::hub::state::hub_state::HubState;

/// How many messages one call returns at most.
const MESSAGES_PER_CALL: usize = 16;
/// About how many bytes of topics and identities a message has.
const BYTES_PER_MESSAGE: usize = 16 * 1024;

/// The announcements of a node, with their times.
#[derive(Debug)]
pub(crate) struct Announcing {
    node: u64,
    /// How many changes the others were told.
    told: u64,
    last_told: Moment,
    /// The list that is being told.
    list: Option<List>,
    last_list: Option<Moment>,
    last_ask: Option<Moment>,
}

/// A list of everybody, which may need several messages.
#[derive(Debug)]
struct List {
    told: u64,
    part: u32,
    after: Option<PresentPair>,
}

impl Announcing {
    pub(crate) fn new(node: u64) -> Self {
        Self {
            node,
            told: 0,
            last_told: Moment::default(),
            list: None,
            last_list: None,
            last_ask: None,
        }
    }

    /// The messages to append now.
    pub(crate) fn next_messages(&mut self, hub: &HubState, now: Moment) -> Vec<Append> {
        let lease = hub.settings.presence_lease;
        let mut messages = Vec::new();
        let (is_asked, is_incomplete, has_told_nobody) = {
            let mut locked = hub.lock();
            let Some(nodes) = locked.presence.nodes() else { return messages };
            let is_incomplete = nodes.others.is_incomplete(hub.settings.max_shared_presence);
            (nodes.announcer.is_asked, is_incomplete, nodes.announcer.has_told_nobody())
        };
        let since = |last: Option<Moment>| last.map_or(u64::MAX, |last| last.age(now));
        if is_incomplete && since(self.last_ask) >= lease / 2 {
            self.last_ask = Some(now);
            messages.push(Append::of_control(&Control::AskPresence(self.node)));
        }
        while messages.len() < MESSAGES_PER_CALL {
            let changes = hub.take_presence_changes(BYTES_PER_MESSAGE);
            if changes.is_empty() {
                break;
            }
            let from = self.told;
            self.told += changes.len() as u64;
            if has_told_nobody {
                // The others have forgotten this node, so they get a list.
                self.list = Some(List { told: self.told, part: 0, after: None });
            } else {
                messages.push(self.message((from, self.told), None, changes, lease, now));
            }
        }
        if is_asked && has_told_nobody {
            // Nobody is here, or a list is on its way.
            hub.set_presence_ask(&mut hub.lock(), false);
        } else if self.list.is_none() && is_asked && since(self.last_list) >= lease / 4 {
            self.list = Some(List { told: self.told, part: 0, after: None });
        }
        while messages.len() < MESSAGES_PER_CALL
            && let Some(List { told, part, after }) = self.list.take()
        {
            if part == 0 {
                hub.set_presence_ask(&mut hub.lock(), false);
                self.last_list = Some(now);
            }
            let page = hub.page_of_announced(after.as_ref(), BYTES_PER_MESSAGE);
            let last = page.last().cloned();
            let is_last = last.is_none() || hub.page_of_announced(last.as_ref(), 1).is_empty();
            if !is_last {
                self.list = Some(List { told, part: part + 1, after: last });
            }
            let joined = |pair| PresenceChange { pair, kind: ChangeKind::Joined };
            let changes = page.into_iter().map(joined);
            let part = ListPart { index: part, is_last };
            let changes = changes.collect();
            messages.push(self.message((told, told), Some(part), changes, lease, now));
        }
        if messages.is_empty() && !has_told_nobody && self.last_told.age(now) >= lease / 4 {
            messages.push(self.message((self.told, self.told), None, Vec::new(), lease, now));
        }
        messages
    }

    /// A message with the changes after one number and up to another.
    fn message(
        &mut self,
        (from, through): (u64, u64),
        part: Option<ListPart>,
        changes: Vec<PresenceChange>,
        lease: u64,
        now: Moment,
    ) -> Append {
        self.last_told = now;
        let lease = u32::try_from(lease).unwrap_or(u32::MAX);
        let node = self.node;
        let announcement = Announcement { node, lease, from, through, part, changes };
        Append::of_control(&Control::Presence(announcement))
    }
}
