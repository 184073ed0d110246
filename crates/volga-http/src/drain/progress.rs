//! Decides when a draining server is done. Pure.

use std::time::{Duration, Instant};

/// How the drain of a server ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[must_use = "a cut is worth a log line or another exit code"]
pub enum DrainOutcome {
    /// Every connection ended by itself within the deadline.
    Complete,
    /// The deadline passed, and the connections that were still open were aborted.
    Incomplete {
        /// How many connections were aborted.
        connections: usize,
    },
}

/// The phase of the drain, and the number of open connections.
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
    Done(DrainOutcome),
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { phase: DrainPhase::Running, open: 0, is_listening: true }
    }

    /// Counts an accepted connection.
    pub(crate) fn note_opened(&mut self) {
        self.open += 1;
    }

    /// Counts the end of a connection.
    pub(crate) fn note_closed(&mut self) {
        self.open -= 1;
        self.settle();
    }

    /// Begins the drain, which ends `deadline` after `now` at the latest. A second call changes
    /// nothing, so that nothing can postpone the end.
    pub(crate) fn start(&mut self, now: Instant, deadline: Duration) {
        if let DrainPhase::Running = self.phase {
            self.phase = DrainPhase::Draining { until: now + deadline };
        }
    }

    /// Notes that no more connections will be accepted. Until then the drain is not over, because
    /// connections may still wait in a listener's queue.
    pub(crate) fn note_listeners_closed(&mut self) {
        self.is_listening = false;
        self.settle();
    }

    /// Ends the drain if its deadline has passed.
    pub(crate) fn expire(&mut self, now: Instant) {
        if let DrainPhase::Draining { until } = self.phase
            && until <= now
        {
            self.phase = DrainPhase::Done(DrainOutcome::Incomplete { connections: self.open });
        }
    }

    /// Whether the drain has not started.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.phase, DrainPhase::Running)
    }

    /// When to call [`expire`](Self::expire).
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            DrainPhase::Draining { until } => Some(until),
            DrainPhase::Running | DrainPhase::Done(_) => None,
        }
    }

    /// The outcome, once it is decided. It never changes.
    pub(crate) fn outcome(&self) -> Option<DrainOutcome> {
        match self.phase {
            DrainPhase::Done(drained) => Some(drained),
            DrainPhase::Running | DrainPhase::Draining { .. } => None,
        }
    }

    fn settle(&mut self) {
        if self.open == 0 && !self.is_listening && matches!(self.phase, DrainPhase::Draining { .. })
        {
            self.phase = DrainPhase::Done(DrainOutcome::Complete);
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

    /// Applies events, each with its time in seconds since the beginning.
    #[track_caller]
    fn check(steps: &[(u64, DrainEvent)], expect: Option<DrainOutcome>) {
        let zero = Instant::now();
        let mut progress = Progress::new();
        for &(second, step) in steps {
            let now = zero + Duration::from_secs(second);
            match step {
                Opened => progress.note_opened(),
                Closed => progress.note_closed(),
                Start => progress.start(now, DEADLINE),
                Stopped => progress.note_listeners_closed(),
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
        check(&[(0, Start), (0, Stopped)], Some(DrainOutcome::Complete));
        check(&[(0, Opened), (1, Closed), (2, Start), (2, Stopped)], Some(DrainOutcome::Complete));
    }

    #[test]
    fn a_drain_is_not_complete_while_connections_may_still_come() {
        check(&[(0, Start), (1, Opened), (2, Closed)], None);
        check(&[(0, Start), (1, Opened), (2, Closed), (3, Stopped)], Some(DrainOutcome::Complete));
        check(&[(0, Start), (10, Expire)], Some(DrainOutcome::Incomplete { connections: 0 }));
    }

    #[test]
    fn the_last_connection_to_end_completes_the_drain() {
        check(&[(0, Opened), (0, Opened), (1, Start), (1, Stopped), (2, Closed)], None);
        check(
            &[(0, Opened), (0, Opened), (1, Start), (1, Stopped), (2, Closed), (3, Closed)],
            Some(DrainOutcome::Complete),
        );
    }

    #[test]
    fn the_deadline_aborts_open_connections_and_counts_them() {
        check(
            &[(0, Opened), (0, Opened), (0, Opened), (1, Start), (2, Closed), (10, Expire)],
            None,
        );
        check(
            &[(0, Opened), (0, Opened), (0, Opened), (1, Start), (2, Closed), (11, Expire)],
            Some(DrainOutcome::Incomplete { connections: 2 }),
        );
    }

    #[test]
    fn starting_again_does_not_postpone_the_deadline() {
        check(
            &[(0, Opened), (0, Start), (9, Start), (10, Expire)],
            Some(DrainOutcome::Incomplete { connections: 1 }),
        );
    }

    #[test]
    fn the_outcome_stays_when_aborted_connections_report_their_end() {
        let cut = Some(DrainOutcome::Incomplete { connections: 1 });
        check(&[(0, Opened), (0, Start), (10, Expire), (10, Closed), (11, Expire)], cut);
    }

    #[test]
    fn a_drain_starts_once_and_has_a_deadline_only_while_it_runs() {
        let zero = Instant::now();
        let mut progress = Progress::new();
        progress.note_opened();
        assert!(progress.is_running() && progress.deadline().is_none());
        progress.start(zero, DEADLINE);
        assert!(!progress.is_running() && progress.deadline() == Some(zero + DEADLINE));
        progress.note_listeners_closed();
        progress.note_closed();
        assert!(!progress.is_running() && progress.deadline().is_none());
    }
}
