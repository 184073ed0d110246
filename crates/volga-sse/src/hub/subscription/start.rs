//! Where a subscription starts, and how that becomes a cursor.

use std::sync::Arc;

use crate::codec::position::Position;
use crate::hub::clock::Moment;
use crate::hub::relay::epochs::Place;
use crate::hub::state::hub_state::HubState;
use crate::hub::subscription::opening::Opening;
use crate::hub::subscription::topics::{SubscribedTopics, TopicSet};
use crate::hub::sync::Ordering;
use crate::hub::topic::Topic;
use crate::hub::topic::scan::Start;

/// Where a client says that it continues.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ResumePoint {
    /// The client is new.
    Newcomer,
    From(Position),
    /// The client returns, but its ID is not one of this hub.
    Unknown,
}

/// The start that a client asks for when it subscribes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartRequest {
    pub(crate) resume: ResumePoint,
    pub(crate) history: usize,
    pub(crate) oldest: Option<Position>,
}

/// How a subscription starts.
pub(crate) struct StartPoint {
    pub(crate) cursor: u64,
    /// The steps before the cursor advances normally.
    pub(crate) opening: Option<Opening>,
    /// The client may not see messages up to this number.
    pub(crate) floor: u64,
}

/// A [`ResumePoint`] in the numbers of a hub.
enum ResumePlace {
    Newcomer,
    After(u64),
    RolledBack { kept: u64, lost: u64 },
    Unknown,
}

impl StartRequest {
    /// Finds how the subscription starts when the hub has assigned numbers up to `last`. The caller
    /// does not hold the hub's lock, so greater numbers may come meanwhile.
    pub(crate) fn find_start(
        &self,
        hub: &HubState,
        topics: &SubscribedTopics,
        last: u64,
        now: Moment,
    ) -> StartPoint {
        let place = self.place(hub, last);
        let floor = self.floor(hub, last);
        let mut matching = Vec::new();
        if let SubscribedTopics::Several(set) = topics
            && set.has_patterns()
            && self.needs_topics(hub, &place, floor)
        {
            self.add_matching(hub, set, &mut matching);
        }
        let named = topics.named().iter().map(|membership| &membership.topic);
        let all = named.chain(&matching);
        all.clone().for_each(|topic| hub.expire(topic, now));
        let before = all.clone().map(|topic| topic.earlier.bound).max().unwrap_or(0);
        let (cursor, opening) = self.opening(hub, &place, last, floor, before, all);
        StartPoint { cursor, opening, floor }
    }

    fn place(&self, hub: &HubState, last: u64) -> ResumePlace {
        match self.resume {
            ResumePoint::Newcomer => ResumePlace::Newcomer,
            ResumePoint::Unknown => ResumePlace::Unknown,
            ResumePoint::From(position) => match hub.place(position, last) {
                Place::Known(number) => ResumePlace::After(number),
                Place::RolledBack { kept, lost } => ResumePlace::RolledBack { kept, lost },
                Place::Ahead | Place::Unknown => ResumePlace::Unknown,
            },
        }
    }

    /// The number up to which the client may not see messages.
    fn floor(&self, hub: &HubState, last: u64) -> u64 {
        let Some(oldest) = self.oldest else { return 0 };
        match hub.place(oldest, last.saturating_add(1)) {
            Place::Known(number) => number.saturating_sub(1),
            Place::RolledBack { kept, .. } => kept,
            Place::Ahead | Place::Unknown => last,
        }
    }

    /// Whether how the subscription begins depends on the topics that its patterns match. A client
    /// that begins with what comes next, or resumes, reads its topics later.
    fn needs_topics(&self, hub: &HubState, place: &ResumePlace, floor: u64) -> bool {
        match place {
            ResumePlace::After(after) => floor > *after,
            ResumePlace::RolledBack { lost, .. } => floor > *lost,
            ResumePlace::Newcomer | ResumePlace::Unknown => {
                self.history > 0 || !hub.settings.keyed.is_empty()
            }
        }
    }

    fn add_matching(&self, hub: &HubState, set: &TopicSet, all: &mut Vec<Arc<Topic>>) {
        set.walk(hub, |topic| {
            if !set.names(topic) {
                all.push(Arc::clone(topic));
            }
        });
    }

    /// Returns the cursor, and what the subscription does before the cursor advances normally. The
    /// client sees nothing up to `floor`. `before` is an upper bound of the numbers that removed
    /// topics of these names had.
    fn opening<'a>(
        &self,
        hub: &HubState,
        place: &ResumePlace,
        last: u64,
        floor: u64,
        before: u64,
        mut topics: impl Iterator<Item = &'a Arc<Topic>> + Clone,
    ) -> (u64, Option<Opening>) {
        // The last number that the client has, and the number after which it reads on.
        let resumed = match *place {
            ResumePlace::After(after) => Some((after, after)),
            ResumePlace::RolledBack { kept, lost } => Some((kept, lost)),
            ResumePlace::Newcomer | ResumePlace::Unknown => None,
        };
        if let Some((after, through)) = resumed {
            hub.counters.resumed.fetch_add(1, Ordering::Relaxed);
            let unseen = topics.map(|topic| topic.last_through(floor)).max().unwrap_or(0);
            let lost = before.max(through).max(if floor > through { unseen } else { 0 });
            let opening = (lost > after).then_some(Opening::Returning { after, lost });
            return (through.max(floor), opening);
        }
        let unkeyed_after = self.history_start(last, topics.clone()).max(floor);
        let has_keys = topics.any(|topic| topic.is_keyed());
        let start = has_keys.then_some(Start { through: last, unkeyed_after });
        let cursor = if has_keys { floor } else { unkeyed_after };
        let opening = if self.resume == ResumePoint::Newcomer {
            start.map(Opening::Newcomer)
        } else {
            let lost = before.max(if has_keys { last } else { unkeyed_after });
            Some(Opening::Unknown { lost, start })
        };
        (cursor, opening)
    }

    /// Returns the number after which the requested history starts.
    fn history_start<'a>(&self, last: u64, topics: impl Iterator<Item = &'a Arc<Topic>>) -> u64 {
        if self.history == 0 {
            return last;
        }
        let plain = topics.filter(|topic| !topic.is_keyed());
        let mut numbers: Vec<u64> =
            plain.flat_map(|topic| topic.last_numbers(self.history, last)).collect();
        numbers.sort_unstable();
        let first = numbers.len().saturating_sub(self.history);
        numbers.get(first).map_or(last, |number| number - 1)
    }
}
