//! `Feed` publishes a given number of price updates per second.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use volga::http::sse::{Hub, Message, PublishError};

use crate::walk::{Update, Walk};

/// The topic of all prices. The symbol is the key.
pub(crate) const TOPIC: &str = "prices";
/// The number of updates per second until a client sets another one.
pub(crate) const DEFAULT_RATE: u32 = 2_000;
/// The largest number of updates per second that a client can set.
pub(crate) const MAX_RATE: u32 = 20_000;

/// The time between two batches of updates.
const TICK: Duration = Duration::from_millis(10);
/// The longest time for which updates are made up. After a machine has slept, the rest is left out.
const MAX_DUE: Duration = Duration::from_secs(1);

/// The rate that a client sets.
#[derive(Deserialize)]
pub(crate) struct NewRate {
    pub(crate) per_second: u32,
}

/// The current rate, and the number of updates so far.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    pub(crate) published: u64,
}

pub(crate) struct Feed {
    hub: Hub,
    state: Mutex<State>,
}

struct State {
    walk: Walk,
    per_second: u32,
    /// The fraction of an update that was left over last time.
    rest: f64,
}

impl Feed {
    /// Publishes the first price of each symbol.
    pub(crate) fn new(hub: Hub, seed: u64) -> Result<Arc<Self>, PublishError> {
        let mut walk = Walk::new(seed);
        for update in walk.first() {
            publish(&hub, &update)?;
        }
        let state = Mutex::new(State { walk, per_second: DEFAULT_RATE, rest: 0.0 });
        Ok(Arc::new(Self { hub, state }))
    }

    pub(crate) fn rate(&self) -> Rate {
        self.state().rate()
    }

    /// Sets the rate from now on. With a rate of zero, the returned number of updates is final.
    pub(crate) fn set_rate(&self, per_second: u32) -> Rate {
        let mut state = self.state();
        state.per_second = per_second;
        state.rate()
    }

    /// Publishes until the hub fails to take a message.
    pub(crate) async fn run(self: Arc<Self>) -> Result<(), PublishError> {
        let mut ticks = tokio::time::interval(TICK);
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            let now = Instant::now();
            self.publish_due(now - last)?;
            last = now;
        }
    }

    /// Publishes the updates that are due after this time.
    pub(crate) fn publish_due(&self, time: Duration) -> Result<(), PublishError> {
        // The lock is held while publishing, so that nothing is published after a client has set
        // the rate to zero.
        let mut state = self.state();
        let due = state.rest + time.min(MAX_DUE).as_secs_f64() * f64::from(state.per_second);
        state.rest = due.fract();
        for _ in 0..due as u64 {
            publish(&self.hub, &state.walk.step())?;
        }
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn rate(&self) -> Rate {
        Rate { per_second: self.per_second, published: self.walk.updates() }
    }
}

fn publish(hub: &Hub, update: &Update) -> Result<(), PublishError> {
    hub.publish_keyed(TOPIC, update.symbol, Message::new().json(update)).map(drop)
}
