//! When a server is done: the decisions of a drain. Pure.

use std::time::{Duration, Instant};

/// How a server ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a cut is worth a log line or another exit code"]
pub enum Drained {
    /// Every connection ended by itself within the deadline.
    Complete,
    /// The deadline passed, and this many connections that were still open were cut.
    Cut {
        /// How many connections.
        connections: usize,
    },
}

/// What a server knows of its own end: the phase, and the connections that are open.
#[derive(Debug)]
pub(crate) struct Progress {
    phase: DrainPhase,
    open: usize,
    is_listening: bool,
}

#[derive(Debug)]
enum DrainPhase {
    Running,
    Draining { until: Instant },
    Done(Drained),
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { phase: DrainPhase::Running, open: 0, is_listening: true }
    }

    /// Counts an accepted connection.
    pub(crate) fn opened(&mut self) {
        self.open += 1;
    }

    /// Counts the end of a connection.
    pub(crate) fn closed(&mut self) {
        self.open -= 1;
        self.settle();
    }

    /// Begins the drain, to be over `deadline` after `now`. A second call changes nothing, so
    /// nobody can put off the end.
    pub(crate) fn start(&mut self, now: Instant, deadline: Duration) {
        if let DrainPhase::Running = self.phase {
            self.phase = DrainPhase::Draining { until: now + deadline };
        }
    }

    /// No more connections come. Until then a drain is not over, for those that have come are still
    /// to be accepted.
    pub(crate) fn stopped_listening(&mut self) {
        self.is_listening = false;
        self.settle();
    }

    /// Ends the drain if its time is up.
    pub(crate) fn expire(&mut self, now: Instant) {
        if let DrainPhase::Draining { until } = self.phase
            && until <= now
        {
            self.phase = DrainPhase::Done(Drained::Cut { connections: self.open });
        }
    }

    /// Whether the drain is still to begin.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, DrainPhase::Running)
    }

    /// When to call [`expire`](Self::expire).
    pub(crate) fn until(&self) -> Option<Instant> {
        match self.phase {
            DrainPhase::Draining { until } => Some(until),
            DrainPhase::Running | DrainPhase::Done(_) => None,
        }
    }

    /// The result, once there is one. It never changes.
    pub(crate) fn outcome(&self) -> Option<Drained> {
        match self.phase {
            DrainPhase::Done(drained) => Some(drained),
            DrainPhase::Running | DrainPhase::Draining { .. } => None,
        }
    }

    fn settle(&mut self) {
        if self.open == 0 && !self.is_listening && matches!(self.phase, DrainPhase::Draining { .. })
        {
            self.phase = DrainPhase::Done(Drained::Complete);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEADLINE: Duration = Duration::from_secs(10);

    #[derive(Clone, Copy)]
    enum DrainEvent {
        Opened,
        Closed,
        Start,
        Stopped,
        Expire,
    }
    use DrainEvent::{Closed, Expire, Opened, Start, Stopped};

    /// Applies steps, each with the seconds since the beginning at which it happens.
    #[track_caller]
    fn check(steps: &[(u64, DrainEvent)], expect: Option<Drained>) {
        let zero = Instant::now();
        let mut progress = Progress::new();
        for &(second, step) in steps {
            let now = zero + Duration::from_secs(second);
            match step {
                Opened => progress.opened(),
                Closed => progress.closed(),
                Start => progress.start(now, DEADLINE),
                Stopped => progress.stopped_listening(),
                Expire => progress.expire(now),
            }
        }
        assert_eq!(progress.outcome(), expect);
    }

    #[test]
    fn a_server_that_nobody_stops_is_never_done() {
        check(&[], None);
        check(&[(0, Opened), (1, Closed), (100, Expire)], None);
    }

    #[test]
    fn without_connections_a_drain_is_complete_at_once() {
        check(&[(0, Start), (0, Stopped)], Some(Drained::Complete));
        check(&[(0, Opened), (1, Closed), (2, Start), (2, Stopped)], Some(Drained::Complete));
    }

    #[test]
    fn a_drain_is_not_complete_while_connections_may_still_come() {
        check(&[(0, Start), (1, Opened), (2, Closed)], None);
        check(&[(0, Start), (1, Opened), (2, Closed), (3, Stopped)], Some(Drained::Complete));
        check(&[(0, Start), (10, Expire)], Some(Drained::Cut { connections: 0 }));
    }

    #[test]
    fn the_last_connection_to_end_completes_the_drain() {
        check(&[(0, Opened), (0, Opened), (1, Start), (1, Stopped), (2, Closed)], None);
        check(
            &[(0, Opened), (0, Opened), (1, Start), (1, Stopped), (2, Closed), (3, Closed)],
            Some(Drained::Complete),
        );
    }

    #[test]
    fn the_deadline_cuts_what_is_open_and_counts_it() {
        check(
            &[(0, Opened), (0, Opened), (0, Opened), (1, Start), (2, Closed), (10, Expire)],
            None,
        );
        check(
            &[(0, Opened), (0, Opened), (0, Opened), (1, Start), (2, Closed), (11, Expire)],
            Some(Drained::Cut { connections: 2 }),
        );
    }

    #[test]
    fn starting_again_does_not_put_off_the_deadline() {
        check(
            &[(0, Opened), (0, Start), (9, Start), (10, Expire)],
            Some(Drained::Cut { connections: 1 }),
        );
    }

    #[test]
    fn the_outcome_stays_when_cut_connections_report_their_end() {
        let cut = Some(Drained::Cut { connections: 1 });
        check(&[(0, Opened), (0, Start), (10, Expire), (10, Closed), (11, Expire)], cut);
    }

    #[test]
    fn a_drain_begins_once_and_only_a_draining_one_has_a_deadline() {
        let zero = Instant::now();
        let mut progress = Progress::new();
        progress.opened();
        assert!(progress.is_running() && progress.until().is_none());
        progress.start(zero, DEADLINE);
        assert!(!progress.is_running() && progress.until() == Some(zero + DEADLINE));
        progress.stopped_listening();
        progress.closed();
        assert!(!progress.is_running() && progress.until().is_none());
    }
}
