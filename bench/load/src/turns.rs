//! Lets two servers take turns under the same load, so that a slow moment of the machine slows both
//! of them.
//!
//! Each server has a thread that runs the row. Only the thread whose turn it is works: it first
//! opens the connections and warms its server up, and then each of its windows is a turn. The last
//! part of a row, such as closing the connections, waits until both servers have had all turns.

use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How many turns each server has in a round. Two turns that follow each other, one of each server,
/// are a pair.
pub(crate) const TURNS: usize = 12;

/// How long a turn lasts. It is short, so that a pair sees the same machine.
pub(crate) const TURN: Duration = Duration::from_millis(50);

/// The result of a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Turn {
    /// The server's CPU time for each thing that was counted, in nanoseconds.
    pub(crate) cpu: f64,
    /// The count per second.
    pub(crate) rate: f64,
}

impl Turn {
    pub(crate) fn cpu(self) -> f64 {
        self.cpu
    }

    pub(crate) fn per_cpu_second(self) -> f64 {
        1e9 / self.cpu
    }

    pub(crate) fn rate(self) -> f64 {
        self.rate
    }
}

/// Which of the two servers has the turn with this number. The pairs are in alternating order, so
/// that no server is always the first of a pair.
fn server_of(turn: usize) -> usize {
    let (pair, place) = (turn / 2, turn % 2);
    (pair + place) % 2
}

/// The turns of two servers.
pub(crate) struct Turns(Arc<Shared>);

/// One server's side of the turns. A server whose value is dropped takes no more turns.
#[derive(Debug)]
pub(crate) struct TurnTaker {
    shared: Arc<Shared>,
    server: usize,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The number of the current turn. Each server warms up in its first turn.
    turn: usize,
    has_left: [bool; 2],
    results: [Vec<Turn>; 2],
}

impl Turns {
    /// The turns, and the sides of both servers. The first server begins.
    pub(crate) fn of_two() -> (Self, [TurnTaker; 2]) {
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() });
        let takers = [0, 1].map(|server| TurnTaker { shared: Arc::clone(&shared), server });
        (Self(shared), takers)
    }

    /// The results of both servers, of as many turns as both have had.
    pub(crate) fn results(self) -> [Vec<Turn>; 2] {
        let mut results = std::mem::take(&mut self.0.lock().results);
        let pairs = results[0].len().min(results[1].len());
        results.iter_mut().for_each(|turns| turns.truncate(pairs));
        results
    }
}

impl TurnTaker {
    /// Waits for this server's turn. If the other server has left, this server continues alone.
    pub(crate) fn wait(&self) {
        self.wait_while(|state| server_of(state.turn) != self.server);
    }

    /// Ends the turn in which this server warmed up, and waits for the next one.
    pub(crate) fn end_warm_up(&self) {
        self.shared.lock().turn += 1;
        self.shared.changed.notify_all();
        self.wait();
    }

    /// Ends a turn with its result.
    pub(crate) fn end(&self, result: Turn) {
        let mut state = self.shared.lock();
        state.turn += 1;
        state.results[self.server].push(result);
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Waits until the other server has had all of its turns.
    pub(crate) fn wait_for_the_other(&self) {
        self.wait_while(|state| state.results[self.other()].len() < TURNS);
    }

    /// Waits while the condition holds, but not for a server that has left.
    fn wait_while(&self, holds: impl Fn(&State) -> bool) {
        let mut state = self.shared.lock();
        while holds(&state) && !state.has_left[self.other()] {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn other(&self) -> usize {
        1 - self.server
    }
}

impl Drop for TurnTaker {
    fn drop(&mut self) {
        self.shared.lock().has_left[self.server] = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// A server that takes this number of turns, and notes when it works.
    fn take(taker: &TurnTaker, turns: usize, log: &Mutex<Vec<usize>>) {
        let note = || log.lock().expect("no panic").push(taker.server);
        taker.wait();
        note();
        taker.end_warm_up();
        for turn in 0..turns {
            taker.wait();
            note();
            taker.end(Turn { cpu: turn as f64, rate: taker.server as f64 });
        }
    }

    #[test]
    fn the_first_of_a_pair_alternates() {
        let servers: Vec<usize> = (0..8).map(server_of).collect();
        assert_eq!(servers, [0, 1, 1, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn only_one_server_works_at_a_time_and_none_ends_before_the_other() {
        let (turns, takers) = Turns::of_two();
        let log = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for taker in takers {
                let log = &log;
                scope.spawn(move || {
                    take(&taker, TURNS, log);
                    taker.wait_for_the_other();
                    log.lock().expect("no panic").push(9);
                });
            }
        });
        let log = log.into_inner().expect("no panic");
        let expected: Vec<usize> = (0..2 * (TURNS + 1)).map(server_of).chain([9, 9]).collect();
        assert_eq!(log, expected);
        for (server, results) in turns.results().into_iter().enumerate() {
            let expected = (0..TURNS).map(|turn| Turn { cpu: turn as f64, rate: server as f64 });
            assert_eq!(results, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_server_continues_alone_after_the_other_has_failed() {
        let (turns, [first, second]) = Turns::of_two();
        let log = Mutex::new(Vec::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                take(&first, TURNS, &log);
                first.wait_for_the_other();
            });
            let log = &log;
            scope.spawn(move || {
                take(&second, 3, log);
                drop(second);
            });
        });
        let [first, second] = turns.results();
        assert_eq!((first.len(), second.len()), (3, 3));
        assert_eq!(log.into_inner().expect("no panic").len(), TURNS + 3 + 2);
    }
}
