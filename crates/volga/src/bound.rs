//! The addresses at which an app listens.

use std::{fmt, net::SocketAddr};

#[cfg(unix)]
use std::path::PathBuf;

use tokio::sync::watch;
use volga_http::Listener;

use crate::https::settings::AppListeners;

/// An address at which an app listens. It prints as [`App::bind`](crate::App::bind) accepts it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// let listening = volga::App::new().bind("127.0.0.1:0").listen().await?;
/// let port = listening.addresses()[0].tcp().map(|address| address.port());
/// assert!(port.is_some_and(|port| port != 0));
/// # Ok(())
/// # }
/// ```
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BoundAddress {
    /// A TCP address. The port is the real one, also if the app was bound to port 0.
    Tcp(SocketAddr),
    /// The path of a Unix-domain socket.
    #[cfg(unix)]
    Unix(PathBuf),
    /// A [listener of your own](Listener::custom), or a socket without a path.
    Other(String),
}

impl BoundAddress {
    /// The TCP address, or `None` if this is another kind of listener.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            _ => None,
        }
    }

    pub(crate) fn of_all(listeners: &AppListeners) -> Vec<Self> {
        listeners.all().map(|(_, listener)| Self::from(listener)).collect()
    }
}

impl From<&Listener> for BoundAddress {
    fn from(listener: &Listener) -> Self {
        if let Some(address) = listener.tcp_addr() {
            return Self::Tcp(address);
        }
        #[cfg(unix)]
        if let Some(path) = listener.unix_path() {
            return Self::Unix(path);
        }
        Self::Other(listener.to_string())
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Other(name) => f.write_str(name),
        }
    }
}

/// The addresses at which an app listens, while it runs. [`App::bound_addresses`] returns it.
/// Clones belong to the same app.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// use volga::App;
///
/// let (app, shutdown) = App::new().bind("127.0.0.1:0").with_shutdown();
/// let addresses = app.bound_addresses();
/// let server = tokio::spawn(app.run());
///
/// let address = addresses.listening().await.expect("a free port")[0].tcp().expect("TCP");
/// assert_ne!(address.port(), 0);
/// # shutdown.shutdown();
/// # server.await.expect("no panic")
/// # }
/// ```
///
/// [`App::bound_addresses`]: crate::App::bound_addresses
#[derive(Clone, Debug)]
pub struct BoundAddresses(watch::Receiver<Vec<BoundAddress>>);

impl BoundAddresses {
    /// Creates the addresses of an app that does not listen yet, and the sender that sets them.
    pub(crate) fn new() -> (watch::Sender<Vec<BoundAddress>>, Self) {
        let (sender, receiver) = watch::channel(Vec::new());
        (sender, Self(receiver))
    }

    /// Returns the addresses. Empty before the app listens. They stay after the app has ended.
    #[must_use]
    pub fn get(&self) -> Vec<BoundAddress> {
        self.0.borrow().clone()
    }

    /// Waits until the app listens, and returns its addresses. `None` means that the app will never
    /// listen: it could not start, or was dropped.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn listening(&self) -> Option<Vec<BoundAddress>> {
        let mut receiver = self.0.clone();
        let found = receiver.wait_for(|addresses| !addresses.is_empty()).await;
        found.ok().map(|addresses| addresses.clone())
    }
}
