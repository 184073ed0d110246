//! The state that only the handles of a shared hub have in common.

use std::sync::Arc;

use tokio::sync::watch;

use crate::codec::position::Position;
use crate::hub::clock::Moment;
use crate::hub::relay::adapter::Relay;
use crate::hub::relay::epochs::{EpochTable, Place};
use crate::hub::relay::rollbacks::{Rollback, Rollbacks};
use crate::hub::relay::state::RelayState;
use crate::hub::relay::tail_query::TailQuery;
use crate::hub::relay::waiters::Waiters;
use crate::hub::sync::{AtomicU64, Ordering, RwLock, read, write};
use crate::stream::spread::random_seed;

/// The state that the handles of a shared hub have in common. Only the feed changes it.
pub(crate) struct SharedHub {
    pub(crate) relay: Arc<dyn Relay>,
    /// The number of this node among the others.
    pub(crate) node: u64,
    epochs: RwLock<EpochTable>,
    rollbacks: RwLock<Rollbacks>,
    /// Messages up to this number are missing, and may have belonged to any topic.
    lost_by_all: AtomicU64,
    pub(crate) state: watch::Sender<RelayState>,
    /// When the node lost its engine, in milliseconds of the hub's clock. Zero if it has not.
    lost_at: AtomicU64,
    /// Subscriptions that wait for the node to be live.
    pub(crate) until_live: Waiters,
    /// Subscriptions that wait for messages that other nodes have.
    pub(crate) until_news: Waiters,
    pub(crate) tail: TailQuery,
    /// How many messages of the engine this node could not hold.
    pub(crate) unheld: AtomicU64,
    /// How often the feed found that messages are missing that may have belonged to any topic.
    pub(crate) losses: AtomicU64,
}

impl SharedHub {
    pub(crate) fn new(relay: Arc<dyn Relay>) -> Self {
        Self {
            tail: TailQuery::new(Arc::clone(&relay)),
            relay,
            node: random_seed(),
            epochs: RwLock::new(EpochTable::default()),
            rollbacks: RwLock::new(Rollbacks::default()),
            lost_by_all: AtomicU64::new(0),
            lost_at: AtomicU64::new(0),
            state: watch::Sender::new(RelayState::Starting),
            until_live: Waiters::new(),
            until_news: Waiters::new(),
            unheld: AtomicU64::new(0),
            losses: AtomicU64::new(0),
        }
    }

    pub(crate) fn state(&self) -> RelayState {
        *self.state.borrow()
    }

    pub(crate) fn set_lost_at(&self, lost_at: Option<Moment>) {
        self.lost_at.store(lost_at.map_or(0, |at| at.0), Ordering::Relaxed);
    }

    /// When the node lost its engine, if it has lost it.
    pub(crate) fn lost_at(&self) -> Option<Moment> {
        Some(self.lost_at.load(Ordering::Relaxed)).filter(|at| *at > 0).map(Moment)
    }

    pub(crate) fn position(&self, number: u64) -> Position {
        read(&self.epochs).position(number)
    }

    pub(crate) fn number_of(&self, position: Position) -> Option<u64> {
        read(&self.epochs).number_of(position)
    }

    pub(crate) fn place(&self, position: Position, last: u64) -> Place {
        read(&self.epochs).place(position, last)
    }

    pub(crate) fn current_epoch(&self) -> Option<u64> {
        read(&self.epochs).current()
    }

    pub(crate) fn begin_epoch(&self, id: u64, base: u64, kept: u64) {
        write(&self.epochs).begin(id, base, kept);
    }

    /// See [`Rollbacks::push`].
    #[must_use]
    pub(crate) fn add_rollback(&self, rollback: Rollback) -> Vec<Arc<Rollback>> {
        write(&self.rollbacks).push(rollback)
    }

    /// See [`Rollbacks::find`].
    pub(crate) fn find_rollback(
        &self,
        cursor: u64,
        reads: impl Fn(&str) -> bool,
    ) -> Option<(u64, u64)> {
        let rollbacks = read(&self.rollbacks).clone();
        rollbacks.find(cursor, reads)
    }

    pub(crate) fn lost_by_all(&self) -> u64 {
        self.lost_by_all.load(Ordering::Acquire)
    }

    pub(crate) fn unheld(&self) -> u64 {
        self.unheld.load(Ordering::Relaxed)
    }

    pub(crate) fn losses(&self) -> u64 {
        self.losses.load(Ordering::Relaxed)
    }

    /// Must be called before the horizon advances past the number.
    pub(crate) fn set_lost_by_all(&self, number: u64) {
        self.lost_by_all.fetch_max(number, Ordering::Release);
        // This node has not lost the messages that the engine did not hold when the node started.
        if self.state() != RelayState::Starting {
            self.losses.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl std::fmt::Debug for SharedHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedHub").field("state", &self.state()).finish_non_exhaustive()
    }
}
