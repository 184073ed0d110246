//! Which replies there are, how many clients each has, and until when it is kept. Pure.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use crate::replies::token::ReplyToken;
use crate::stream::heartbeat::due;

/// What happens to a running reply when its last client leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AbandonPolicy {
    /// The producer is dropped at once. Use it for work that is worth nothing unread.
    Cancel,
    /// The producer is dropped when no client has come for this long. A page that is reloaded
    /// within that time finds the reply running.
    CancelAfter(Duration),
    /// The producer runs to its end, and the reply is kept for clients that come later.
    KeepRunning,
}

/// Replies by their tokens, and the times at which something happens to them.
#[derive(Debug)]
pub(crate) struct Lifecycles<V> {
    lifecycles: HashMap<ReplyToken, Lifecycle<V>>,
    /// Replies that run without a client, by the time at which they are cancelled.
    abandoned: BTreeSet<(Instant, ReplyToken)>,
    /// Replies that have ended, by the time at which they expire.
    kept: BTreeSet<(Instant, ReplyToken)>,
    /// Replies that have expired and are still read.
    overdue: BTreeSet<ReplyToken>,
    running: usize,
}

#[derive(Debug)]
struct Lifecycle<V> {
    value: V,
    clients: usize,
    policy: AbandonPolicy,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Running { cancel_at: Option<Instant> },
    Kept { until: Instant },
    Overdue,
}

/// What is to be done because a time has come or a client has left.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum DueAction<V> {
    /// End the reply: it has no client.
    Cancel(V),
    /// Free the reply's messages: it was removed here.
    Remove(V),
}

impl<V: Clone> Lifecycles<V> {
    pub(crate) fn new() -> Self {
        Self {
            lifecycles: HashMap::new(),
            abandoned: BTreeSet::new(),
            kept: BTreeSet::new(),
            overdue: BTreeSet::new(),
            running: 0,
        }
    }

    /// Adds a reply that starts. Its first client has to come until `first`.
    pub(crate) fn insert(
        &mut self,
        token: ReplyToken,
        value: V,
        policy: AbandonPolicy,
        first: Instant,
    ) {
        let cancel_at = (policy != AbandonPolicy::KeepRunning).then_some(first);
        self.abandoned.extend(cancel_at.map(|at| (at, token)));
        let stage = Stage::Running { cancel_at };
        self.lifecycles.insert(token, Lifecycle { value, clients: 0, policy, stage });
        self.running += 1;
    }

    /// Finds a reply that has not expired.
    pub(crate) fn find(&self, token: &ReplyToken) -> Option<&V> {
        let lifecycle = self.lifecycles.get(token)?;
        (lifecycle.stage != Stage::Overdue).then_some(&lifecycle.value)
    }

    pub(crate) fn attach(&mut self, token: &ReplyToken) {
        let Some(lifecycle) = self.lifecycles.get_mut(token) else { return };
        lifecycle.clients += 1;
        if let Stage::Running { cancel_at } = &mut lifecycle.stage
            && let Some(at) = cancel_at.take()
        {
            self.abandoned.remove(&(at, *token));
        }
    }

    /// Removes a client that was attached.
    pub(crate) fn detach(&mut self, token: &ReplyToken, now: Instant) -> Option<DueAction<V>> {
        // A reply that was removed no longer counts its clients.
        let lifecycle = self.lifecycles.get_mut(token)?;
        lifecycle.clients -= 1;
        if lifecycle.clients > 0 {
            return None;
        }
        match (&mut lifecycle.stage, lifecycle.policy) {
            (Stage::Overdue, _) => self.remove(token).map(DueAction::Remove),
            (Stage::Running { .. }, AbandonPolicy::Cancel) => {
                Some(DueAction::Cancel(lifecycle.value.clone()))
            }
            (Stage::Running { cancel_at }, AbandonPolicy::CancelAfter(grace)) => {
                let at = due(now, grace);
                *cancel_at = Some(at);
                self.abandoned.insert((at, *token));
                None
            }
            (Stage::Running { .. }, AbandonPolicy::KeepRunning) | (Stage::Kept { .. }, _) => None,
        }
    }

    /// Marks a running reply as ended, to be kept until this time.
    pub(crate) fn end(&mut self, token: &ReplyToken, until: Instant) {
        let Some(lifecycle) = self.lifecycles.get_mut(token) else { return };
        if let Stage::Running { cancel_at } = lifecycle.stage {
            self.abandoned.remove(&(cancel_at.unwrap_or(until), *token));
            lifecycle.stage = Stage::Kept { until };
            self.kept.insert((until, *token));
            self.running -= 1;
        }
    }

    /// Returns one action whose time has come. A reply that is to be cancelled stays due until it
    /// is [ended](Self::end).
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<DueAction<V>> {
        if let Some((_, token)) = self.abandoned.first().filter(|(at, _)| *at <= now) {
            return self
                .lifecycles
                .get(token)
                .map(|lifecycle| DueAction::Cancel(lifecycle.value.clone()));
        }
        while let Some((until, token)) = self.kept.first().copied().filter(|(at, _)| *at <= now) {
            match self.lifecycles.get_mut(&token) {
                Some(lifecycle) if lifecycle.clients > 0 => {
                    // Its clients read on, no further client finds it, and it is removed with the
                    // last of them.
                    lifecycle.stage = Stage::Overdue;
                    self.kept.remove(&(until, token));
                    self.overdue.insert(token);
                }
                _ => return self.remove(&token).map(DueAction::Remove),
            }
        }
        None
    }

    /// The time at which something is due next.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        let times = [self.abandoned.first(), self.kept.first()];
        times.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Removes a reply to make room: the one that ended first among those that no client reads, or
    /// else one that has expired. A reply that runs is never removed.
    pub(crate) fn evict(&mut self) -> Option<V> {
        let is_unread = |token: &ReplyToken| {
            self.lifecycles.get(token).is_some_and(|lifecycle| lifecycle.clients == 0)
        };
        let kept = self.kept.iter().map(|(_, token)| token).find(|token| is_unread(token));
        let token = *kept.or(self.overdue.first())?;
        self.remove(&token)
    }

    fn remove(&mut self, token: &ReplyToken) -> Option<V> {
        let lifecycle = self.lifecycles.remove(token)?;
        match lifecycle.stage {
            Stage::Running { cancel_at } => {
                self.running -= 1;
                if let Some(at) = cancel_at {
                    self.abandoned.remove(&(at, *token));
                }
            }
            Stage::Kept { until } => {
                self.kept.remove(&(until, *token));
            }
            Stage::Overdue => {
                self.overdue.remove(token);
            }
        }
        Some(lifecycle.value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.lifecycles.values().map(|lifecycle| &lifecycle.value)
    }

    pub(crate) fn len(&self) -> usize {
        self.lifecycles.len()
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(n: u8) -> ReplyToken {
        ReplyToken::of([n; 18])
    }

    /// A clock of whole seconds.
    struct TestClock(Instant);

    impl TestClock {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }
    }

    fn start(policy: AbandonPolicy) -> (Lifecycles<u8>, TestClock) {
        let clock = TestClock(Instant::now());
        let mut lifecycles = Lifecycles::new();
        lifecycles.insert(token(1), 1, policy, clock.at(30));
        (lifecycles, clock)
    }

    fn cancel() -> Option<DueAction<u8>> {
        Some(DueAction::Cancel(1))
    }

    const GRACE: AbandonPolicy = AbandonPolicy::CancelAfter(Duration::from_secs(5));

    #[test]
    fn a_reply_that_nobody_comes_for_is_cancelled_unless_it_keeps_running() {
        for policy in [AbandonPolicy::Cancel, GRACE] {
            let (mut lifecycles, clock) = start(policy);
            assert_eq!(lifecycles.next_due(clock.at(29)), None);
            assert_eq!(lifecycles.next_time(), Some(clock.at(30)));
            assert_eq!(lifecycles.next_due(clock.at(30)), cancel());
        }
        let (mut lifecycles, clock) = start(AbandonPolicy::KeepRunning);
        assert_eq!(lifecycles.next_time(), None);
        assert_eq!(lifecycles.next_due(clock.at(1_000)), None);
    }

    #[test]
    fn the_last_client_that_leaves_decides() {
        for (policy, left, later) in [
            (AbandonPolicy::Cancel, cancel(), None),
            (GRACE, None, cancel()),
            (AbandonPolicy::KeepRunning, None, None),
        ] {
            let (mut lifecycles, clock) = start(policy);
            lifecycles.attach(&token(1));
            lifecycles.attach(&token(1));
            assert_eq!(lifecycles.next_due(clock.at(100)), None, "a client is there");
            assert_eq!(lifecycles.detach(&token(1), clock.at(100)), None, "another one is there");
            assert_eq!(lifecycles.detach(&token(1), clock.at(100)), left);
            if left.is_none() {
                assert_eq!(lifecycles.next_due(clock.at(104)), None);
                assert_eq!(lifecycles.next_due(clock.at(105)), later);
            }
        }
    }

    #[test]
    fn a_client_that_returns_in_time_stops_the_clock() {
        let (mut lifecycles, clock) = start(GRACE);
        lifecycles.attach(&token(1));
        lifecycles.detach(&token(1), clock.at(10));
        lifecycles.attach(&token(1));
        assert_eq!(lifecycles.next_due(clock.at(100)), None);
        lifecycles.detach(&token(1), clock.at(100));
        assert_eq!(lifecycles.next_time(), Some(clock.at(105)));
    }

    #[test]
    fn a_kept_reply_goes_at_its_time_and_one_that_is_read_goes_with_its_last_client() {
        for readers in 0..3 {
            let (mut lifecycles, clock) = start(GRACE);
            (0..readers).for_each(|_| lifecycles.attach(&token(1)));
            lifecycles.end(&token(1), clock.at(60));
            assert_eq!((lifecycles.running(), lifecycles.len()), (0, 1));
            assert_eq!(lifecycles.next_due(clock.at(59)), None);
            let removed = || Some(DueAction::Remove(1));
            if readers == 0 {
                assert_eq!(lifecycles.next_due(clock.at(60)), removed());
            } else {
                assert_eq!(lifecycles.next_due(clock.at(60)), None);
                assert_eq!(lifecycles.find(&token(1)), None, "no further client finds it");
                for left in 1..=readers {
                    let last = if left == readers { removed() } else { None };
                    assert_eq!(lifecycles.detach(&token(1), clock.at(61)), last);
                }
            }
            assert_eq!((lifecycles.len(), lifecycles.next_time()), (0, None));
        }
    }

    #[test]
    fn room_is_made_by_what_ended_first_and_never_by_what_runs() {
        let clock = TestClock(Instant::now());
        let mut lifecycles = Lifecycles::new();
        for n in 1..=5 {
            lifecycles.insert(token(n), n, GRACE, clock.at(1_000));
        }
        lifecycles.attach(&token(1));
        lifecycles.attach(&token(4));
        for (n, until) in [(1, 10), (2, 30), (3, 20), (4, 100)] {
            lifecycles.end(&token(n), clock.at(until));
        }
        assert_eq!(lifecycles.next_due(clock.at(10)), None);
        assert_eq!(lifecycles.evict(), Some(3));
        assert_eq!(lifecycles.evict(), Some(2));
        assert_eq!(lifecycles.evict(), Some(1), "past its time, though it is read");
        assert_eq!(lifecycles.evict(), None, "4 is read in its time, 5 runs");
        assert_eq!(lifecycles.detach(&token(1), clock.at(11)), None, "its client leaves later");
    }

    proptest! {
        /// After any steps in any order, the sets of times agree with the map, and nothing that is
        /// due is left.
        #[test]
        fn the_times_agree_with_the_replies(
            steps in proptest::collection::vec((0..6_u8, 0..4_u8, 0..20_u64), 0..200)) {
            let clock = TestClock(Instant::now());
            let mut lifecycles = Lifecycles::new();
            let (mut clients, mut now) = ([0_usize; 4], 0);
            for (step, n, seconds) in steps {
                let id = token(n);
                let is_new = !lifecycles.lifecycles.contains_key(&id);
                match step {
                    0 if is_new => {
                        let policy = [AbandonPolicy::Cancel, GRACE, AbandonPolicy::KeepRunning][n as usize % 3];
                        lifecycles.insert(id, n, policy, clock.at(now + 30));
                        clients[n as usize] = 0;
                    }
                    1 if lifecycles.find(&id).is_some() => {
                        lifecycles.attach(&id);
                        clients[n as usize] += 1;
                    }
                    2 if clients[n as usize] > 0 => {
                        clients[n as usize] -= 1;
                        if let Some(DueAction::Cancel(..)) = lifecycles.detach(&id, clock.at(now)) {
                            lifecycles.end(&id, clock.at(now + 10));
                        }
                    }
                    3 => lifecycles.end(&id, clock.at(now + 10)),
                    4 => {
                        if let Some(gone) = lifecycles.evict() {
                            clients[gone as usize] = 0;
                        }
                    }
                    _ => now += seconds,
                }
                while let Some(due) = lifecycles.next_due(clock.at(now)) {
                    match due {
                        DueAction::Cancel(n) => {
                            prop_assert_eq!(clients[n as usize], 0);
                            lifecycles.end(&token(n), clock.at(now + 10));
                        }
                        DueAction::Remove(n) => prop_assert_eq!(clients[n as usize], 0),
                    }
                }
                let stages = |is: fn(&Stage) -> bool| lifecycles.lifecycles.values().filter(|lifecycle| is(&lifecycle.stage)).count();
                prop_assert_eq!(stages(|stage| matches!(stage, Stage::Running { .. })), lifecycles.running());
                prop_assert_eq!(stages(|stage| matches!(stage, Stage::Running { cancel_at: Some(_) })), lifecycles.abandoned.len());
                prop_assert_eq!(stages(|stage| matches!(stage, Stage::Kept { .. })), lifecycles.kept.len());
                prop_assert_eq!(stages(|stage| *stage == Stage::Overdue), lifecycles.overdue.len());
                for (id, lifecycle) in &lifecycles.lifecycles {
                    prop_assert_eq!(lifecycle.clients, clients[lifecycle.value as usize], "{:?}", id);
                }
                prop_assert!(lifecycles.next_time().is_none_or(|at| at > clock.at(now)));
            }
        }
    }
}
