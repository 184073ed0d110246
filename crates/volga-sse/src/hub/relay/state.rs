//! Whether a node can serve clients.

use tokio::sync::watch;

/// Whether a hub has what the engine behind it has.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RelayState {
    /// The node has just started, and reads what the engine holds. Clients that subscribe wait.
    #[default]
    Starting,
    /// The node holds what the engine held when it connected, and receives what follows. A hub
    /// without a relay is always in this state.
    Live,
    /// The node has lost its engine. Subscriptions stay open and get what the node has. What was
    /// published meanwhile follows when the engine is back.
    Lost,
}

/// Watches the [state](RelayState) of a hub, from
/// [`Hub::watch_relay`](crate::hub::Hub::watch_relay).
#[derive(Clone, Debug)]
pub struct RelayWatch(pub(crate) watch::Receiver<RelayState>);

impl RelayWatch {
    /// The state now.
    #[must_use]
    pub fn state(&self) -> RelayState {
        *self.0.borrow()
    }

    /// Waits until the state is another one than that of the last call, and returns it. If several
    /// changes were not waited for, only the last one is returned. `None` means that the state does
    /// not change any more: the hub has no relay, or its feed was dropped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses no change.
    pub async fn changed(&mut self) -> Option<RelayState> {
        self.0.changed().await.ok()?;
        Some(*self.0.borrow_and_update())
    }
}
