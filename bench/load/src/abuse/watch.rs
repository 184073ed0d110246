//! Runs an attack with an innocent client beside it, and reads the server's memory meanwhile.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{
    innocent::{Innocent, ask_over_http2},
    waits::WaitTimes,
};
use crate::{failure::Failure, server::Server};

/// The time between two readings of the server's memory.
const SAMPLE: Duration = Duration::from_millis(50);

/// How far an attack has come. Its threads share it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    is_all_sent: AtomicBool,
    is_finished: AtomicBool,
}

impl Progress {
    /// Whether the attackers have sent everything.
    pub(crate) fn is_all_sent(&self) -> bool {
        self.is_all_sent.load(Ordering::Relaxed)
    }

    /// Records that the attackers have sent everything. The innocent client then sends its last
    /// request.
    pub(crate) fn all_sent(&self) {
        self.is_all_sent.store(true, Ordering::Relaxed);
    }

    /// Whether the measurement is over, so that the attackers may close their connections.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Relaxed)
    }

    /// Records that the measurement is over.
    pub(crate) fn finish(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
    }
}

/// The effect of an attack on the innocent client and on the server's memory.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    /// The waits of the innocent client.
    pub(crate) waits: WaitTimes,
    /// The peak of the server's user memory minus the memory before the attack, in bytes.
    pub(crate) growth: f64,
    /// The server's CPU time during the attack, in nanoseconds.
    pub(crate) cpu: f64,
    /// The attackers' own totals.
    pub(crate) attackers: T,
}

/// Runs and measures an attack. `attack` returns once [`Progress::is_finished`].
///
/// # Errors
///
/// Fails when the server ends, when it gives the innocent client a wrong response, or when the
/// attackers fail.
pub(crate) fn watch<T: Send>(
    server: &Server,
    attack: impl FnOnce(&Progress) -> Result<T, Failure> + Send,
) -> Result<Outcome<T>, Failure> {
    // The client connects before the memory is read, because its connection is not a cost of the
    // attack.
    let innocent = Innocent::connect(server.address)?;
    ask_over_http2(server.address)?;
    server.rest()?;
    let before = server.private_memory()?;
    let cpu = server.cpu()?;
    let progress = &Progress::default();
    thread::scope(|scope| {
        let attackers = scope.spawn(move || {
            let end = attack(progress);
            // If the attackers failed, the innocent client must not wait for them.
            progress.all_sent();
            end
        });
        let innocent = scope.spawn(|| innocent.ask_during(progress));
        let mut peak: Result<u64, Failure> = Ok(before);
        while !innocent.is_finished() {
            thread::sleep(SAMPLE);
            // A failure is returned below, because the threads must first be told to end.
            peak = match (peak, server.private_memory()) {
                (Ok(peak), Ok(memory)) => Ok(memory.max(peak)),
                (Err(failure), _) | (_, Err(failure)) => Err(failure),
            };
        }
        let used = server.cpu();
        progress.finish();
        let attackers = attackers.join().unwrap_or_else(|_| Err(panicked()))?;
        let waits = innocent.join().unwrap_or_else(|_| Err(panicked()))?;
        Ok(Outcome {
            waits,
            growth: peak? as f64 - before as f64,
            cpu: used?.saturating_sub(cpu) as f64,
            attackers,
        })
    })
}

fn panicked() -> Failure {
    Failure::new("a thread of the load panicked")
}
