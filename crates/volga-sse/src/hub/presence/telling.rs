//! Tells the watches of topics which identities have joined and left. Pure.

use std::sync::Arc;

use crate::hub::patterns::tree::MAX_LISTED;
use crate::hub::presence::change_log::WakerLists;
use crate::hub::presence::event::PresenceEvent;
use crate::hub::presence::filter_presence::FilterPresence;
use crate::hub::presence::hub_presence::HubPresence;
use crate::hub::presence::present_in_topic::note_looks;
use crate::hub::presence::untold_changes::{FilterChange, FilterChangeKind};
use crate::hub::topic::pattern::is_match;

/// How many watched topics one step looks at. The hub's lock is released after each step.
pub(crate) const TOPICS_PER_STEP: usize = 32;

/// How many stays and changes one step looks at before it begins with no other topic.
const LOOKS_PER_STEP: usize = if cfg!(test) { 16 } else { 256 };

/// If an identity has at most this many names and patterns, each of them is looked at to find it in
/// a topic. Otherwise those that match the topic are looked at, unless they are too many as well.
const MAX_OWN_FILTERS: usize = if cfg!(test) { 3 } else { 64 };

impl HubPresence {
    /// Whether the watches of some topics are still to be told of a change.
    pub(crate) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    /// Tells the watches of a change, now or in the [steps](Self::tell_step) that follow.
    pub(super) fn tell(
        &mut self,
        filter: &Arc<str>,
        identity: &Arc<str>,
        kind: FilterChangeKind,
        wakers: &mut WakerLists,
    ) {
        if self.untold.is_empty() && self.watched.is_empty() {
            return;
        }
        let change = FilterChange::new(filter, identity, kind);
        // If earlier changes are untold, a watch that begins before they are told needs this one as
        // well, whether or not its topic is watched now.
        if self.untold.is_empty() && change.pattern.is_none() {
            let last = self.tell_topic(filter, &change, &mut { LOOKS_PER_STEP }, wakers);
            let Some(last) = last else { return };
            self.untold.looked_at = Some((Arc::clone(filter), last));
        }
        self.untold.push(change);
    }

    /// Tells the watches of a few topics of the first changes that they have not been told of.
    /// Returns true if there are more.
    pub(crate) fn tell_step(&mut self, wakers: &mut WakerLists) -> bool {
        self.tell_topics(TOPICS_PER_STEP, wakers)
    }

    fn tell_topics(&mut self, max: usize, wakers: &mut WakerLists) -> bool {
        let (mut left, mut looks) = (max, LOOKS_PER_STEP);
        while left > 0
            && looks > 0
            && let Some(change) = self.untold.first()
        {
            let topics = match &change.pattern {
                None => vec![Arc::clone(&change.filter)],
                Some(pattern) => {
                    let last = self.untold.last_topic.as_deref();
                    self.watched.page(pattern.prefix(), last, left)
                }
            };
            let mut told = 0;
            let mut looked_at = None;
            while looks > 0
                && looked_at.is_none()
                && let Some(topic) = topics.get(told)
            {
                if change.concerns(topic) {
                    let last = self.tell_topic(topic, change, &mut looks, wakers);
                    looked_at = last.map(|last| (Arc::clone(topic), last));
                }
                told += usize::from(looked_at.is_none());
            }
            #[cfg(test)]
            crate::hub::work_counts::note_told(told);
            let is_told = told == topics.len() && (change.pattern.is_none() || told < left);
            self.untold.looked_at = looked_at;
            if !is_told {
                if let Some(last) = told.checked_sub(1) {
                    self.untold.last_topic = Some(Arc::clone(&topics[last]));
                }
                return true;
            }
            left -= told.max(1);
            self.untold.pop();
        }
        self.has_untold()
    }

    /// Tells the watches of a topic of a change, unless the identity is present in the topic both
    /// before and after it. If that takes more steps, returns the number of the stay that was
    /// looked at last.
    fn tell_topic(
        &self,
        topic: &str,
        change: &FilterChange,
        looks: &mut usize,
        wakers: &mut WakerLists,
    ) -> Option<u64> {
        let log = self.watched.log_of(topic)?;
        let identity = || Arc::clone(&change.identity);
        if change.kind == FilterChangeKind::Leaving {
            // Each watch sets a timer for when the identity is gone.
            log.wake(wakers);
            return None;
        }
        match self.is_present_otherwise(topic, change, looks) {
            Err(last_stay) => return Some(last_stay),
            Ok(true) => {}
            Ok(false) if change.kind == FilterChangeKind::Came => {
                log.push(PresenceEvent::Joined(identity()), wakers);
            }
            Ok(false) => log.push(PresenceEvent::Left(identity()), wakers),
        }
        None
    }

    /// Whether the identity of a change is present in a topic by other names and patterns than that
    /// of the change. The later changes have already happened, but the watches do not know of them,
    /// so they do not count.
    ///
    /// # Errors
    ///
    /// Returns the number of the stay that it has looked at last, if it needs more looks.
    fn is_present_otherwise(
        &self,
        topic: &str,
        change: &FilterChange,
        looks: &mut usize,
    ) -> Result<bool, u64> {
        // The other names and patterns that the identity did not read before the later changes.
        let mut absent: Vec<&Arc<str>> = Vec::new();
        for later in self.untold.later_of(&change.identity) {
            look(looks);
            if later.kind == FilterChangeKind::Leaving
                || later.filter == change.filter
                || !later.concerns(topic)
                || absent.contains(&&later.filter)
            {
                continue;
            }
            if later.kind == FilterChangeKind::Gone {
                return Ok(true);
            }
            absent.push(&later.filter);
        }
        let is_other = |filter: &Arc<str>| *filter != change.filter && !absent.contains(&filter);
        let looked_at = self.untold.looked_at.as_ref().filter(|(of, _)| **of == *topic);
        let has_many = || self.stays_of(&change.identity, 0).nth(MAX_OWN_FILTERS).is_some();
        if looked_at.is_none() && has_many() {
            // To find them takes as long as that many looks.
            *looks = looks.saturating_sub(MAX_LISTED);
            if let Some(matching) = self.matching(topic) {
                note_looks(matching.len());
                let is_present = |presence: &FilterPresence| presence.is_present(&change.identity);
                let mut others = matching.into_iter().filter(|(filter, _)| is_other(filter));
                return Ok(others.any(|(_, presence)| is_present(presence)));
            }
        }
        // If stays have begun or ended since the last step, these are later changes. So it is
        // enough to look at the stays with greater numbers.
        let mut last = looked_at.map_or(0, |(_, last)| *last);
        for (looked, (number, filter)) in self.stays_of(&change.identity, last).enumerate() {
            if *looks == 0 && looked > 0 {
                return Err(last);
            }
            look(looks);
            last = number;
            if is_match(filter, topic) && is_other(filter) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn look(looks: &mut usize) {
    *looks = looks.saturating_sub(1);
    note_looks(1);
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::{BTreeSet, VecDeque};

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::hub::clock::Moment;
    use crate::hub::presence::change_log::{LogCursor, SharedLog};
    use crate::hub::presence::filter_presence::SignOutScope;
    use crate::hub::presence::present_in_topic::{PresentCount, StayPlace};

    const TOPICS: [&str; 6] = ["a", "a.b", "a.c", "a.c.d", "b", "b.c"];
    /// In this build, those that match `a.c` are too many to list them.
    const FILTERS: [&str; 11] =
        ["a", "a.b", "a.*", "a.>", "*.c", ">", "b", "b.*", "*.>", "*.*", "a.c.*"];
    const IDENTITIES: [&str; 2] = ["anna", "ben"];

    #[derive(Clone, Debug)]
    enum Step {
        Join(usize, usize),
        Leave(usize, usize, u64),
        /// Joins the first and leaves the second.
        Move(usize, usize, usize),
        SignOut(usize),
        Sweep(u64),
        SweepTopic(usize, u64),
        Tell(usize),
        Watch(usize),
        /// If the watch still lists who is present, it continues its list for so many steps.
        List(usize, usize),
        Unwatch(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (who, filter, topic) = (0..IDENTITIES.len(), 0..FILTERS.len(), 0..TOPICS.len());
        let anyhow = (filter.clone(), filter.clone(), who.clone());
        prop_oneof![
            4 => (filter.clone(), who.clone()).prop_map(|(filter, who)| Step::Join(filter, who)),
            3 => (filter, who.clone(), 0..3_u64)
                .prop_map(|(filter, who, grace)| Step::Leave(filter, who, grace)),
            4 => anyhow.prop_map(|(to, from, who)| Step::Move(to, from, who)),
            1 => who.prop_map(Step::SignOut),
            1 => (0..3_u64).prop_map(Step::Sweep),
            1 => (topic.clone(), 0..3_u64).prop_map(|(topic, time)| Step::SweepTopic(topic, time)),
            4 => (1..5_usize).prop_map(Step::Tell),
            2 => topic.clone().prop_map(Step::Watch),
            4 => (topic.clone(), 1..4_usize).prop_map(|(topic, steps)| Step::List(topic, steps)),
            1 => topic.prop_map(Step::Unwatch),
        ]
    }

    /// A watch with what it knows.
    struct Watch {
        log: SharedLog,
        cursor: LogCursor,
        /// `None` once the list of who is present is complete.
        list: Option<List>,
        picture: BTreeSet<Arc<str>>,
    }

    #[derive(Default)]
    struct List {
        end: Option<StayPlace>,
        is_last: bool,
        counts: VecDeque<(Arc<str>, PresentCount)>,
    }

    impl Watch {
        fn begin(presence: &mut HubPresence, topic: &str) -> Self {
            let log = presence.watch(&topic.into(), false);
            let mut cursor = LogCursor::default();
            log.skip_to_end(&mut cursor);
            Self { log, cursor, list: Some(List::default()), picture: BTreeSet::new() }
        }

        /// Continues the list of who is present by one step. A hub would hold its lock meanwhile.
        fn list(&mut self, topic: &str, presence: &mut HubPresence, wakers: &mut WakerLists) {
            let Some(list) = &mut self.list else { return };
            if let Some((identity, count)) = list.counts.front_mut()
                && !count.is_complete()
            {
                presence.count_on(topic, identity, count);
            } else if let Some((identity, count)) = list.counts.pop_front() {
                self.picture.extend(count.total().map(|_| identity));
            } else if !list.is_last {
                let page = presence.page(topic, list.end.as_ref());
                list.counts = page.identities.into();
                list.end = page.end;
                list.is_last = list.end.is_none();
            } else {
                while presence.tell_topics(1, wakers) {}
                self.list = None;
                for event in self.log.take_changes(&mut self.cursor).expect("few changes") {
                    match event {
                        PresenceEvent::Joined(identity) => _ = self.picture.insert(identity),
                        PresenceEvent::Left(identity) => _ = self.picture.remove(&identity),
                        PresenceEvent::Present(_) => {}
                    }
                }
            }
        }

        /// Each change must be one, whatever is still to be told.
        fn follow(&mut self) -> Result<(), TestCaseError> {
            if self.list.is_some() {
                return Ok(());
            }
            for event in self.log.take_changes(&mut self.cursor).expect("few changes") {
                let is_new = match &event {
                    PresenceEvent::Joined(identity) => self.picture.insert(Arc::clone(identity)),
                    PresenceEvent::Left(identity) => self.picture.remove(identity),
                    PresenceEvent::Present(_) => false,
                };
                prop_assert!(is_new, "{event:?}");
            }
            Ok(())
        }
    }

    /// Anna reads thousands of patterns that match no watched topic, and Ben reads few or too many
    /// to list them that match each.
    #[test]
    fn a_change_of_an_identity_with_thousands_of_patterns_is_told_in_small_steps() {
        const WATCHED: usize = 20;
        let [anna, ben] = ["anna", "ben"].map(Arc::<str>::from);
        let all = Arc::from(">");
        for (of_anna, of_ben) in [(1, 0), (1, 8), (3_000, 0), (3_000, 8)] {
            let mut presence = HubPresence::default();
            let wakers = &mut WakerLists::default();
            let others = (0..of_anna).map(|n| (Arc::from(format!("other.{n}.*")), &anna));
            let matching = ["*.*.*", "a.*.*", "*.b.*", "a.b.*", "a.>", "*.>", "*.*.>", "a.*.>"];
            let matching = matching.iter().take(of_ben).map(|text| (Arc::from(*text), &ben));
            others.chain(matching).for_each(|(filter, who)| presence.join(&filter, who, wakers));
            let topics: Vec<_> = (0..WATCHED).map(|n| Arc::from(format!("a.b.{n}"))).collect();
            let logs: Vec<_> = topics.iter().map(|topic| presence.watch(topic, false)).collect();
            presence.join(&all, &anna, wakers);
            presence.leave(&all, &anna, None, wakers);
            let mut is_told = false;
            while !is_told {
                let (has_more, work) = crate::hub::work_counts::work(|| presence.tell_step(wakers));
                assert!(work <= 60, "{of_anna} and {of_ben} patterns: {work} pieces of work");
                is_told = !has_more;
            }
            for log in logs {
                let expect =
                    [PresenceEvent::Joined, PresenceEvent::Left].map(|of| of(anna.clone()));
                assert_eq!(log.take_changes(&mut LogCursor::default()), Some(expect.to_vec()));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        /// Changes come faster than the watches are told of them, also while a watch makes its
        /// list.
        #[test]
        fn each_watch_is_told_of_each_change_once_however_slowly_it_is_told(
            steps in vec(step(), 0..120),
        ) {
            let mut presence = HubPresence::default();
            let wakers = &mut WakerLists::default();
            let mut watches: [Option<Watch>; TOPICS.len()] = Default::default();
            let filters = FILTERS.map(Arc::<str>::from);
            let identities = IDENTITIES.map(Arc::<str>::from);
            let mut now = Moment(1);
            for step in steps {
                match step {
                    Step::Join(filter, who) => {
                        presence.join(&filters[filter], &identities[who], wakers);
                    }
                    Step::Leave(filter, who, grace) => {
                        let gone_at = (grace > 0).then(|| now.after(grace));
                        presence.leave(&filters[filter], &identities[who], gone_at, wakers);
                    }
                    Step::Move(to, from, who) => {
                        presence.join(&filters[to], &identities[who], wakers);
                        presence.leave(&filters[from], &identities[who], None, wakers);
                    }
                    Step::SignOut(who) => {
                        let scope = SignOutScope::ThisNode;
                        let sign_out = presence.begin_sign_out(&identities[who], scope);
                        if let Some(mut sign_out) = sign_out {
                            while presence.sign_out_step(&mut sign_out, wakers) {}
                        }
                    }
                    Step::Sweep(time) => {
                        now = now.after(time);
                        presence.sweep(now, wakers);
                    }
                    Step::SweepTopic(topic, time) => {
                        now = now.after(time);
                        presence.sweep_topic(TOPICS[topic], now, wakers);
                    }
                    Step::Tell(max) => _ = presence.tell_topics(max, wakers),
                    Step::Watch(topic) => {
                        if watches[topic].is_none() {
                            watches[topic] = Some(Watch::begin(&mut presence, TOPICS[topic]));
                        }
                    }
                    Step::List(topic, steps) => {
                        if let Some(watch) = &mut watches[topic] {
                            let name = TOPICS[topic];
                            (0..steps).for_each(|_| watch.list(name, &mut presence, wakers));
                        }
                    }
                    Step::Unwatch(topic) => {
                        if watches[topic].take().is_some() {
                            presence.unwatch(TOPICS[topic]);
                        }
                    }
                }
                watches.iter_mut().flatten().try_for_each(Watch::follow)?;
            }
            while presence.tell_topics(1, wakers) {}
            for (topic, watch) in TOPICS.iter().zip(&mut watches) {
                let Some(watch) = watch else { continue };
                while watch.list.is_some() {
                    watch.list(topic, &mut presence, wakers);
                }
                watch.follow()?;
                let is_present = |identity: &Arc<str>| {
                    filters.iter().any(|filter| {
                        let all = presence.filters.get(filter);
                        is_match(filter, topic) && all.is_some_and(|all| all.is_present(identity))
                    })
                };
                let present = identities.iter().filter(|one| is_present(one)).cloned();
                prop_assert_eq!(&watch.picture, &present.collect::<BTreeSet<_>>(), "{}", topic);
            }
        }
    }
}
