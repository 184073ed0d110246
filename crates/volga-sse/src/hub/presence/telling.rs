//! Tells the watches of topics which identities have joined and left. Pure.

use std::sync::Arc;

use crate::hub::presence::change_log::WakerLists;
use crate::hub::presence::event::PresenceEvent;
use crate::hub::presence::hub_presence::HubPresence;
use crate::hub::presence::untold_changes::{FilterChange, FilterChangeKind};

/// How many watched topics one step looks at. The hub's lock is released after each step.
pub(crate) const TOPICS_PER_STEP: usize = 32;

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
        if self.watched.is_empty() {
            return;
        }
        let change = FilterChange::new(filter, identity, kind);
        if change.pattern.is_none() {
            if self.watched.log_of(filter).is_none() {
                return;
            }
            if self.untold.is_empty() {
                self.tell_topic(filter, &change, wakers);
                return;
            }
        }
        self.untold.push(change);
    }

    /// Tells the watches of a few topics of the first changes that they have not been told of.
    /// Returns true if there are more.
    pub(crate) fn tell_step(&mut self, wakers: &mut WakerLists) -> bool {
        self.tell_topics(TOPICS_PER_STEP, wakers)
    }

    fn tell_topics(&mut self, max: usize, wakers: &mut WakerLists) -> bool {
        let mut left = max;
        while left > 0
            && let Some(change) = self.untold.first()
        {
            let topics = match &change.pattern {
                None => vec![Arc::clone(&change.filter)],
                Some(pattern) => {
                    let last = self.untold.last_topic.as_deref();
                    self.watched.page(pattern.prefix(), last, left)
                }
            };
            #[cfg(test)]
            crate::hub::work_counts::note_told(topics.len());
            for topic in topics.iter().filter(|topic| change.concerns(topic)) {
                self.tell_topic(topic, change, wakers);
            }
            if change.pattern.is_some() && topics.len() == left {
                self.untold.last_topic = topics.into_iter().next_back();
                return true;
            }
            left -= topics.len().max(1);
            self.untold.pop();
        }
        self.has_untold()
    }

    /// Tells the watches of a topic of a change, unless the identity is present in the topic both
    /// before and after it.
    fn tell_topic(&self, topic: &str, change: &FilterChange, wakers: &mut WakerLists) {
        let Some(log) = self.watched.log_of(topic) else { return };
        let identity = || Arc::clone(&change.identity);
        match change.kind {
            // Each watch sets a timer for when the identity is gone.
            FilterChangeKind::Leaving => log.wake(wakers),
            _ if self.is_present_otherwise(topic, change) => {}
            FilterChangeKind::Came => log.push(PresenceEvent::Joined(identity()), wakers),
            FilterChangeKind::Gone => log.push(PresenceEvent::Left(identity()), wakers),
        }
    }

    /// Whether the identity of a change is present in a topic by other names and patterns than that
    /// of the change. The later changes have already happened, but the watches do not know of them,
    /// so they do not count.
    fn is_present_otherwise(&self, topic: &str, change: &FilterChange) -> bool {
        // The other names and patterns that the identity did not read before the later changes.
        let mut absent: Vec<&Arc<str>> = Vec::new();
        for later in self.untold.later_of(&change.identity) {
            if later.kind == FilterChangeKind::Leaving
                || later.filter == change.filter
                || !later.concerns(topic)
                || absent.contains(&&later.filter)
            {
                continue;
            }
            if later.kind == FilterChangeKind::Gone {
                return true;
            }
            absent.push(&later.filter);
        }
        let mut is_present = false;
        self.visit_stays(topic, &change.identity, |filter, _| {
            is_present |= *filter != change.filter && !absent.contains(&filter);
        });
        is_present
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::hub::clock::Moment;
    use crate::hub::presence::change_log::{LogCursor, SharedLog};
    use crate::hub::presence::filter_presence::SignOutScope;

    const TOPICS: [&str; 6] = ["a", "a.b", "a.c", "a.c.d", "b", "b.c"];
    const FILTERS: [&str; 8] = ["a", "a.b", "a.*", "a.>", "*.c", ">", "b", "b.*"];
    const IDENTITIES: [&str; 2] = ["anna", "ben"];

    #[derive(Clone, Debug)]
    enum Step {
        Join(usize, usize),
        Leave(usize, usize, u64),
        SignOut(usize),
        Sweep(u64),
        SweepTopic(usize, u64),
        Tell(usize),
        /// Watches a topic anew, at a moment at which everything has been told.
        Watch(usize),
        Unwatch(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let (who, filter, topic) = (0..IDENTITIES.len(), 0..FILTERS.len(), 0..TOPICS.len());
        prop_oneof![
            4 => (filter.clone(), who.clone()).prop_map(|(filter, who)| Step::Join(filter, who)),
            4 => (filter, who.clone(), 0..3_u64)
                .prop_map(|(filter, who, grace)| Step::Leave(filter, who, grace)),
            1 => who.prop_map(Step::SignOut),
            1 => (0..3_u64).prop_map(Step::Sweep),
            1 => (topic.clone(), 0..3_u64).prop_map(|(topic, time)| Step::SweepTopic(topic, time)),
            4 => (1..5_usize).prop_map(Step::Tell),
            1 => topic.clone().prop_map(Step::Watch),
            1 => topic.prop_map(Step::Unwatch),
        ]
    }

    /// A watch with what it has been told.
    struct Watch {
        log: SharedLog,
        cursor: LogCursor,
        picture: BTreeSet<Arc<str>>,
    }

    fn present(presence: &HubPresence, topic: &str) -> BTreeSet<Arc<str>> {
        presence.page(topic, None).into_iter().map(|(identity, _)| identity).collect()
    }

    impl Watch {
        fn begin(presence: &mut HubPresence, topic: &str) -> Self {
            let log = presence.watch(&topic.into(), false);
            let mut cursor = LogCursor::default();
            log.skip_to_end(&mut cursor);
            Self { log, cursor, picture: present(presence, topic) }
        }

        /// Each change must be one, whatever is still to be told.
        fn follow(&mut self) -> Result<(), TestCaseError> {
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

    proptest! {
        /// Changes are made faster than they are told.
        #[test]
        fn each_watch_is_told_of_each_change_once_however_slowly_it_is_told(
            steps in vec(step(), 0..80),
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
                        while presence.tell_topics(1, wakers) {}
                        if watches[topic].is_none() {
                            watches[topic] = Some(Watch::begin(&mut presence, TOPICS[topic]));
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
                if let Some(watch) = watch {
                    watch.follow()?;
                    prop_assert_eq!(&watch.picture, &present(&presence, topic), "{}", topic);
                }
            }
        }
    }
}
