//! An attack, an innocent client beside it, and the server's memory meanwhile.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use super::{innocent::Innocent, waits::Waits};
use crate::{failure::Failure, server::Server};

/// How often the server's memory is read.
const SAMPLE: Duration = Duration::from_millis(50);

/// How far an attack has come. Its threads share it.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    is_all_sent: AtomicBool,
    is_finished: AtomicBool,
}

impl Progress {
    /// Whether the attackers send no more.
    pub(crate) fn is_all_sent(&self) -> bool {
        self.is_all_sent.load(Ordering::Relaxed)
    }

    /// The attackers send no more: the innocent client asks for the last time.
    pub(crate) fn all_sent(&self) {
        self.is_all_sent.store(true, Ordering::Relaxed);
    }

    /// Whether nobody watches any more, so that the attackers may leave.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_finished.load(Ordering::Relaxed)
    }

    /// Lets the attackers leave.
    pub(crate) fn finish(&self) {
        self.is_finished.store(true, Ordering::Relaxed);
    }
}

/// The effect of an attack on the innocent client and on the server's memory.
#[derive(Debug)]
pub(crate) struct Outcome<T> {
    /// The waits of the innocent client.
    pub(crate) waits: Waits,
    /// The server's user memory at its peak, less that before the attack, in bytes.
    pub(crate) growth: f64,
    /// The attackers' own totals.
    pub(crate) attackers: T,
}

/// Watches an attack, which stays until [`Progress::is_finished`].
///
/// # Errors
///
/// When the server ends, when it fails the innocent client, and when the attackers fail.
pub(crate) fn watch<T: Send>(
    server: &Server,
    attack: impl FnOnce(&Progress) -> Result<T, Failure> + Send,
) -> Result<Outcome<T>, Failure> {
    // Before the memory is read, because its connection is nothing that the attack costs.
    let innocent = Innocent::connect(server.address)?;
    server.rest()?;
    let before = server.private_memory()?;
    let progress = &Progress::default();
    thread::scope(|scope| {
        let attackers = scope.spawn(move || {
            let end = attack(progress);
            // Without attackers there is nothing to wait for.
            progress.all_sent();
            end
        });
        let innocent = scope.spawn(|| innocent.ask_during(progress));
        let mut peak: Result<u64, Failure> = Ok(before);
        while !innocent.is_finished() {
            thread::sleep(SAMPLE);
            // A failure is returned below: the threads must first be told that it is over.
            peak = match (peak, server.private_memory()) {
                (Ok(peak), Ok(memory)) => Ok(memory.max(peak)),
                (Err(failure), _) | (_, Err(failure)) => Err(failure),
            };
        }
        progress.finish();
        let attackers = attackers.join().unwrap_or_else(|_| Err(panicked()))?;
        let waits = innocent.join().unwrap_or_else(|_| Err(panicked()))?;
        Ok(Outcome { waits, growth: peak? as f64 - before as f64, attackers })
    })
}

fn panicked() -> Failure {
    Failure::new("a thread of the load panicked")
}
