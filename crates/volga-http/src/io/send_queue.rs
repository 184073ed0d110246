//! The limit of the bytes that the kernel holds for a client and has not sent yet.
//!
//! Without a limit Linux takes up to 4 MiB for each client that reads nothing, and those bytes are
//! old once the client reads again. The kernel counts what it has sent apart from what waits, so
//! the limit does not slow down a network with a long round trip. `SO_SNDBUF` would.

use std::num::NonZeroU32;

#[cfg(any(target_os = "linux", target_os = "android"))]
use socket2::SockRef;
use tokio::net::TcpStream;

/// A transport with a queue of unsent bytes in the kernel.
pub(crate) trait SendQueue {
    /// Limits the unsent bytes. While there are as many, a write has to wait. `None` brings the
    /// limit of the system back.
    ///
    /// A transport without such a limit keeps the default, which does nothing.
    fn limit_unsent(&self, _bytes: Option<NonZeroU32>) {}

    /// Whether the client has accepted bytes since this was last called, although a write or a
    /// flush still waits.
    ///
    /// A transport whose writes return as soon as some bytes have left keeps the default.
    fn has_sent(&self) -> bool {
        false
    }
}

impl SendQueue for TcpStream {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn limit_unsent(&self, bytes: Option<NonZeroU32>) {
        // Zero stands for the system's limit, `net.ipv4.tcp_notsent_lowat`. If this fails, the
        // client has disconnected.
        let _ = SockRef::from(self).set_tcp_notsent_lowat(bytes.map_or(0, NonZeroU32::get));
    }
}

/// A Unix-domain socket has no unsent bytes: each is in the other end's queue at once, and the
/// system keeps that queue short.
#[cfg(unix)]
impl SendQueue for tokio::net::UnixStream {}

#[cfg(any(test, fuzzing))]
impl SendQueue for tokio::io::DuplexStream {}
