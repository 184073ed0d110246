//! Which answers there are, how many clients each has, and until when it stays. Pure.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use tokio::time::Instant;

use crate::replies::Token;
use crate::stream::heartbeat::due;

/// What happens to an answer that runs when its last client leaves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Abandoned {
    /// Its producer is dropped at once: nobody wants what it makes.
    Cancel,
    /// Its producer is dropped when nobody came for so long: a page that is loaded again finds it running.
    CancelAfter(Duration),
    /// Its producer runs on to its end. The answer is kept for those who come later.
    RunOn,
}

/// Answers by their tokens, and the times at which something happens to them.
#[derive(Debug)]
pub(crate) struct Lives<V> {
    lives: HashMap<Token, Life<V>>,
    /// Running without a client, by the time at which they are cancelled.
    abandoned: BTreeSet<(Instant, Token)>,
    /// Ended, by the time at which they expire.
    kept: BTreeSet<(Instant, Token)>,
    /// Past their time, and still read.
    overdue: BTreeSet<Token>,
    running: usize,
}

#[derive(Debug)]
struct Life<V> {
    value: V,
    clients: usize,
    abandoned: Abandoned,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Running { cancel_at: Option<Instant> },
    Kept { until: Instant },
    Overdue,
}

/// What follows from a time that has come, or a client that left.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Due<V> {
    /// End it: nobody reads it.
    Cancel(V),
    /// It is no longer there.
    Removed(V),
}

impl<V: Clone> Lives<V> {
    pub(crate) fn new() -> Self {
        Self {
            lives: HashMap::new(),
            abandoned: BTreeSet::new(),
            kept: BTreeSet::new(),
            overdue: BTreeSet::new(),
            running: 0,
        }
    }

    /// Takes in an answer that starts. Its first client has until `first` to come.
    pub(crate) fn insert(&mut self, token: Token, value: V, abandoned: Abandoned, first: Instant) {
        let cancel_at = (abandoned != Abandoned::RunOn).then_some(first);
        self.abandoned.extend(cancel_at.map(|at| (at, token)));
        let stage = Stage::Running { cancel_at };
        self.lives.insert(token, Life { value, clients: 0, abandoned, stage });
        self.running += 1;
    }

    /// The answer, unless its time is over.
    pub(crate) fn find(&self, token: &Token) -> Option<&V> {
        self.lives.get(token).filter(|life| life.stage != Stage::Overdue).map(|life| &life.value)
    }

    pub(crate) fn attach(&mut self, token: &Token) {
        let Some(life) = self.lives.get_mut(token) else { return };
        life.clients += 1;
        if let Stage::Running { cancel_at } = &mut life.stage
            && let Some(at) = cancel_at.take()
        {
            self.abandoned.remove(&(at, *token));
        }
    }

    /// A client that was attached leaves.
    pub(crate) fn detach(&mut self, token: &Token, now: Instant) -> Option<Due<V>> {
        // An answer that is gone has no clients to count.
        let life = self.lives.get_mut(token)?;
        life.clients -= 1;
        if life.clients > 0 {
            return None;
        }
        match (&mut life.stage, life.abandoned) {
            (Stage::Overdue, _) => self.remove(token).map(Due::Removed),
            (Stage::Running { .. }, Abandoned::Cancel) => Some(Due::Cancel(life.value.clone())),
            (Stage::Running { cancel_at }, Abandoned::CancelAfter(grace)) => {
                let at = due(now, grace);
                *cancel_at = Some(at);
                self.abandoned.insert((at, *token));
                None
            }
            (Stage::Running { .. }, Abandoned::RunOn) | (Stage::Kept { .. }, _) => None,
        }
    }

    /// An answer that ran has ended, and is kept until then.
    pub(crate) fn end(&mut self, token: &Token, until: Instant) {
        let Some(life) = self.lives.get_mut(token) else { return };
        if let Stage::Running { cancel_at } = life.stage {
            self.abandoned.remove(&(cancel_at.unwrap_or(until), *token));
            life.stage = Stage::Kept { until };
            self.kept.insert((until, *token));
            self.running -= 1;
        }
    }

    /// Something whose time has come, one at a time. What is to be cancelled stays due until it is [ended](Self::end).
    pub(crate) fn next_due(&mut self, now: Instant) -> Option<Due<V>> {
        if let Some((_, token)) = self.abandoned.first().filter(|(at, _)| *at <= now) {
            return self.lives.get(token).map(|life| Due::Cancel(life.value.clone()));
        }
        while let Some((until, token)) = self.kept.first().copied().filter(|(at, _)| *at <= now) {
            match self.lives.get_mut(&token) {
                Some(life) if life.clients > 0 => {
                    // Those who read it read on; nobody else comes to it, and it goes with the last of them.
                    life.stage = Stage::Overdue;
                    self.kept.remove(&(until, token));
                    self.overdue.insert(token);
                }
                _ => return self.remove(&token).map(Due::Removed),
            }
        }
        None
    }

    /// When something is due next.
    pub(crate) fn next_time(&self) -> Option<Instant> {
        let times = [self.abandoned.first(), self.kept.first()];
        times.into_iter().flatten().map(|(at, _)| *at).min()
    }

    /// Gives up an answer for the room that it takes: of those that have ended and that nobody reads, the one that ended first; else one that is past
    /// its time. Never one that runs.
    pub(crate) fn evict(&mut self) -> Option<V> {
        let unread = |token: &Token| self.lives.get(token).is_some_and(|life| life.clients == 0);
        let kept = self.kept.iter().map(|(_, token)| token).find(|token| unread(token));
        let token = *kept.or(self.overdue.first())?;
        self.remove(&token)
    }

    fn remove(&mut self, token: &Token) -> Option<V> {
        let life = self.lives.remove(token)?;
        match life.stage {
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
        Some(life.value)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.lives.values().map(|life| &life.value)
    }

    pub(crate) fn len(&self) -> usize {
        self.lives.len()
    }

    pub(crate) fn running(&self) -> usize {
        self.running
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token(n: u8) -> Token {
        Token::of([n; 18])
    }

    /// A clock of whole seconds.
    struct Clock(Instant);

    impl Clock {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }
    }

    fn start(abandoned: Abandoned) -> (Lives<u8>, Clock) {
        let clock = Clock(Instant::now());
        let mut lives = Lives::new();
        lives.insert(token(1), 1, abandoned, clock.at(30));
        (lives, clock)
    }

    fn cancel() -> Option<Due<u8>> {
        Some(Due::Cancel(1))
    }

    const GRACE: Abandoned = Abandoned::CancelAfter(Duration::from_secs(5));

    #[test]
    fn an_answer_that_nobody_comes_for_is_cancelled_unless_it_runs_on() {
        for policy in [Abandoned::Cancel, GRACE] {
            let (mut lives, clock) = start(policy);
            assert_eq!(lives.next_due(clock.at(29)), None);
            assert_eq!(lives.next_time(), Some(clock.at(30)));
            assert_eq!(lives.next_due(clock.at(30)), cancel());
        }
        let (mut lives, clock) = start(Abandoned::RunOn);
        assert_eq!(lives.next_time(), None);
        assert_eq!(lives.next_due(clock.at(1_000)), None);
    }

    #[test]
    fn the_last_client_that_leaves_decides() {
        for (policy, left, later) in [
            (Abandoned::Cancel, cancel(), None),
            (GRACE, None, cancel()),
            (Abandoned::RunOn, None, None),
        ] {
            let (mut lives, clock) = start(policy);
            lives.attach(&token(1));
            lives.attach(&token(1));
            assert_eq!(lives.next_due(clock.at(100)), None, "a client is there");
            assert_eq!(lives.detach(&token(1), clock.at(100)), None, "another one is there");
            assert_eq!(lives.detach(&token(1), clock.at(100)), left);
            if left.is_none() {
                assert_eq!(lives.next_due(clock.at(104)), None);
                assert_eq!(lives.next_due(clock.at(105)), later);
            }
        }
    }

    #[test]
    fn who_comes_back_in_time_stops_the_clock() {
        let (mut lives, clock) = start(GRACE);
        lives.attach(&token(1));
        lives.detach(&token(1), clock.at(10));
        lives.attach(&token(1));
        assert_eq!(lives.next_due(clock.at(100)), None);
        lives.detach(&token(1), clock.at(100));
        assert_eq!(lives.next_time(), Some(clock.at(105)));
    }

    #[test]
    fn a_kept_answer_goes_at_its_time_and_one_that_is_read_goes_with_its_last_client() {
        for readers in 0..3 {
            let (mut lives, clock) = start(GRACE);
            (0..readers).for_each(|_| lives.attach(&token(1)));
            lives.end(&token(1), clock.at(60));
            assert_eq!((lives.running(), lives.len()), (0, 1));
            assert_eq!(lives.next_due(clock.at(59)), None);
            let removed = || Some(Due::Removed(1));
            if readers == 0 {
                assert_eq!(lives.next_due(clock.at(60)), removed());
            } else {
                assert_eq!(lives.next_due(clock.at(60)), None);
                assert_eq!(lives.find(&token(1)), None, "nobody else comes to it");
                for left in 1..=readers {
                    let last = if left == readers { removed() } else { None };
                    assert_eq!(lives.detach(&token(1), clock.at(61)), last);
                }
            }
            assert_eq!((lives.len(), lives.next_time()), (0, None));
        }
    }

    #[test]
    fn room_is_made_by_what_ended_first_and_never_by_what_runs() {
        let clock = Clock(Instant::now());
        let mut lives = Lives::new();
        for n in 1..=5 {
            lives.insert(token(n), n, GRACE, clock.at(1_000));
        }
        lives.attach(&token(1));
        lives.attach(&token(4));
        for (n, until) in [(1, 10), (2, 30), (3, 20), (4, 100)] {
            lives.end(&token(n), clock.at(until));
        }
        assert_eq!(lives.next_due(clock.at(10)), None);
        assert_eq!(lives.evict(), Some(3));
        assert_eq!(lives.evict(), Some(2));
        assert_eq!(lives.evict(), Some(1), "past its time, though it is read");
        assert_eq!(lives.evict(), None, "4 is read in its time, 5 runs");
        assert_eq!(lives.detach(&token(1), clock.at(11)), None, "its client leaves later");
    }

    proptest! {
        /// Whatever happens in whatever order, the sets agree with the map, and all of it goes in the end.
        #[test]
        fn the_times_agree_with_the_answers(steps in proptest::collection::vec((0..6_u8, 0..4_u8, 0..20_u64), 0..200)) {
            let clock = Clock(Instant::now());
            let mut lives = Lives::new();
            let (mut clients, mut now) = ([0_usize; 4], 0);
            for (step, n, seconds) in steps {
                let id = token(n);
                let is_new = !lives.lives.contains_key(&id);
                match step {
                    0 if is_new => {
                        let policy = [Abandoned::Cancel, GRACE, Abandoned::RunOn][n as usize % 3];
                        lives.insert(id, n, policy, clock.at(now + 30));
                        clients[n as usize] = 0;
                    }
                    1 if lives.find(&id).is_some() => {
                        lives.attach(&id);
                        clients[n as usize] += 1;
                    }
                    2 if clients[n as usize] > 0 => {
                        clients[n as usize] -= 1;
                        if let Some(Due::Cancel(..)) = lives.detach(&id, clock.at(now)) {
                            lives.end(&id, clock.at(now + 10));
                        }
                    }
                    3 => lives.end(&id, clock.at(now + 10)),
                    4 => {
                        if let Some(gone) = lives.evict() {
                            clients[gone as usize] = 0;
                        }
                    }
                    _ => now += seconds,
                }
                while let Some(due) = lives.next_due(clock.at(now)) {
                    match due {
                        Due::Cancel(n) => {
                            prop_assert_eq!(clients[n as usize], 0);
                            lives.end(&token(n), clock.at(now + 10));
                        }
                        Due::Removed(n) => prop_assert_eq!(clients[n as usize], 0),
                    }
                }
                let stages = |is: fn(&Stage) -> bool| lives.lives.values().filter(|life| is(&life.stage)).count();
                prop_assert_eq!(stages(|stage| matches!(stage, Stage::Running { .. })), lives.running());
                prop_assert_eq!(stages(|stage| matches!(stage, Stage::Running { cancel_at: Some(_) })), lives.abandoned.len());
                prop_assert_eq!(stages(|stage| matches!(stage, Stage::Kept { .. })), lives.kept.len());
                prop_assert_eq!(stages(|stage| *stage == Stage::Overdue), lives.overdue.len());
                for (id, life) in &lives.lives {
                    prop_assert_eq!(life.clients, clients[life.value as usize], "{:?}", id);
                }
                prop_assert!(lives.next_time().is_none_or(|at| at > clock.at(now)));
            }
        }
    }
}
