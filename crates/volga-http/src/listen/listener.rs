//! `Listener`: a socket that connections come from, whatever its kind.

use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::listen::handover;
use crate::listen::tcp_keepalive::Probes;
#[cfg(unix)]
use crate::listen::unix_socket::SocketFile;

/// A socket that a server accepts connections on: one of [`bind`](crate::bind()), or made of a listener of tokio's.
///
/// Dropped, it does not listen any more. A Unix-domain socket that [`bind`](crate::bind()) made takes its file along.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    /// How those who connect meanwhile fare when it closes.
    succession: Succession,
}

#[derive(Debug)]
enum Kind {
    Tcp {
        listener: TcpListener,
        /// What every connection has for its own end; `None` where each may have another.
        address: Option<SocketAddr>,
    },
    #[cfg(unix)]
    Unix { listener: UnixListener, _file: Option<SocketFile> },
}

/// Who has the connections that come when a listener closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Succession {
    /// Nobody: it is the only one of its address.
    None,
    /// Another socket of the same port.
    SharedPort,
    /// Whoever else has this very socket, with all that waits in it.
    SharedSocket,
}

/// A connection as it comes from its listener.
#[derive(Debug)]
pub(crate) enum Accepted {
    Tcp {
        stream: TcpStream,
        peer: SocketAddr,
        /// The address of this end, where the listener knows it.
        local: Option<SocketAddr>,
    },
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listener {
    /// The address that it listens on; `None` for a Unix-domain socket.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            Kind::Tcp { listener, .. } => listener.local_addr().ok(),
            #[cfg(unix)]
            Kind::Unix { .. } => None,
        }
    }

    pub(crate) fn sharing_port(listener: TcpListener) -> Self {
        Self { succession: Succession::SharedPort, ..Self::from(listener) }
    }

    #[cfg(unix)]
    pub(crate) fn inherited(listener: impl Into<Self>) -> Self {
        Self { succession: Succession::SharedSocket, ..listener.into() }
    }

    #[cfg(unix)]
    pub(crate) fn with_file(listener: UnixListener, file: SocketFile) -> Self {
        let kind = Kind::Unix { listener, _file: Some(file) };
        Self { kind, succession: Succession::None }
    }

    /// Sets what the connections of this listener inherit: that the kernel looks after their clients, and that it sends what it is given at once.
    pub(crate) fn prepare(&self, probes: Probes) {
        match &self.kind {
            Kind::Tcp { listener, .. } => {
                probes.set(SockRef::from(listener));
                // Where it cannot be set here, it is not, and what is accepted is only slower.
                let _ = SockRef::from(listener).set_tcp_nodelay(true);
            }
            // The kernel knows at once when the other end is gone.
            #[cfg(unix)]
            Kind::Unix { .. } => {}
        }
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Accepted>> {
        match &self.kind {
            Kind::Tcp { listener, address } => listener.poll_accept(cx).map(|accepted| {
                accepted.map(|(stream, peer)| Accepted::Tcp { stream, peer, local: *address })
            }),
            #[cfg(unix)]
            Kind::Unix { listener, .. } => listener
                .poll_accept(cx)
                .map(|accepted| accepted.map(|(stream, _)| Accepted::Unix(stream))),
        }
    }

    /// Accepts what has come already, whether or not the runtime knows of it.
    pub(crate) fn accept_now(&self) -> io::Result<Accepted> {
        let accept = |listener: SockRef<'_>| {
            let (socket, peer) = listener.accept()?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>((socket, peer))
        };
        match &self.kind {
            Kind::Tcp { listener, address } => {
                let (socket, peer) = accept(SockRef::from(listener))?;
                let peer = peer.as_socket().ok_or(io::ErrorKind::NotConnected)?;
                let stream = TcpStream::from_std(net::TcpStream::from(socket))?;
                Ok(Accepted::Tcp { stream, peer, local: *address })
            }
            #[cfg(unix)]
            Kind::Unix { listener, .. } => {
                let (socket, _) = accept(SockRef::from(listener))?;
                let stream = std::os::unix::net::UnixStream::from(socket);
                Ok(Accepted::Unix(UnixStream::from_std(stream)?))
            }
        }
    }

    /// Whether what waits in it is left to somebody else when it closes.
    pub(crate) fn leaves_its_queue(&self) -> bool {
        self.succession == Succession::SharedSocket
    }

    /// Sends newcomers to the other sockets of the port, and says for how long handshakes that have begun may go on. Zero where there is nothing to wait for.
    pub(crate) fn turn_away(&self) -> Duration {
        match (&self.kind, self.succession) {
            (Kind::Tcp { listener, .. }, Succession::SharedPort) => {
                handover::turn_away(SockRef::from(listener))
            }
            _ => Duration::ZERO,
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        let address = listener.local_addr().ok().filter(|address| !address.ip().is_unspecified());
        Self { kind: Kind::Tcp { listener, address }, succession: Succession::None }
    }
}

/// Whoever made the socket has the care of its file.
#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        let kind = Kind::Unix { listener, _file: None };
        Self { kind, succession: Succession::None }
    }
}

/// As it can be bound: `127.0.0.1:7878`, or `unix:/run/app.sock`.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Tcp { listener, .. } => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("an unknown address"),
            },
            #[cfg(unix)]
            Kind::Unix { listener, .. } => {
                let address = listener.local_addr().ok();
                match address.as_ref().and_then(|address| address.as_pathname()) {
                    Some(path) => write!(f, "unix:{}", path.display()),
                    None => f.write_str("unix: without a path"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::limits::{DEFAULT_DEAD_CLIENT_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn what_is_accepted_has_its_settings_from_the_listener_and_its_address_where_there_is_but_one()
     {
        for (ip, is_known) in [("127.0.0.1", true), ("0.0.0.0", false)] {
            let listener = Listener::from(TcpListener::bind((ip, 0)).await.expect("a free port"));
            listener.prepare(Probes::new(DEFAULT_DEAD_CLIENT_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT));
            let port = listener.tcp_addr().expect("TCP").port();
            let _client = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
            let accepted = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a client");
            let Accepted::Tcp { stream, local, .. } = accepted else { panic!("{accepted:?}") };
            assert!(stream.nodelay().expect("an option"));
            let own = stream.local_addr().expect("a connection");
            assert_eq!(local, is_known.then_some(own), "{ip}");
        }
    }
}
