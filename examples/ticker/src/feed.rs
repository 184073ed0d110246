//! `Feed`: publishes the prices, so many updates a second.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};
use volga::http::sse::{Hub, Message, PublishError};

use crate::walk::{Update, Walk};

/// The topic of all prices; the symbol is the key.
pub(crate) const TOPIC: &str = "prices";
/// The updates a second until somebody asks for another number.
pub(crate) const DEFAULT_RATE: u32 = 2_000;
/// The most that can be asked for.
pub(crate) const MAX_RATE: u32 = 20_000;

/// How often the feed publishes what is due.
const TICK: Duration = Duration::from_millis(10);
/// A machine that slept does not make up for it.
const MAX_DUE: Duration = Duration::from_secs(1);

/// What to publish.
#[derive(Deserialize)]
pub(crate) struct NewRate {
    pub(crate) per_second: u32,
}

/// What is published, and how much was so far.
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
    /// The part of an update that was due last time and could not be published.
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

    /// Sets how much is published from now on. At zero, what it returns was all.
    pub(crate) fn set_rate(&self, per_second: u32) -> Rate {
        let mut state = self.state();
        state.per_second = per_second;
        state.rate()
    }

    /// Publishes for ever, or until the hub takes no more.
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

    /// Publishes what is due after this time.
    pub(crate) fn publish_due(&self, time: Duration) -> Result<(), PublishError> {
        // Under the lock, so that nothing is published any more when somebody has set the rate to zero.
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
