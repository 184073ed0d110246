//! `Listener`: a source of connections, of any kind.
//!
//! Another kind of connection needs no change in this crate. For a handshake, pass an async
//! function to [`Listener::with_handshake`]; it returns the stream that carries the requests, and
//! the connection info with the protocol that was chosen. TLS with rustls is in the folder `tls`.
//! For connections that are neither TCP nor Unix sockets, implement [`AcceptStreams`] and call
//! [`Listener::custom`]. `tests/it/streams_of_any_kind.rs` does both.

use std::fmt;
use std::io;
use std::net::{self, SocketAddr};
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::connection::handshake::Handshake;
use crate::connection::info::ConnectionInfo;
use crate::io::byte_stream::ByteStream;
use crate::listen::accept_streams::AcceptStreams;
use crate::listen::error::BindError;
use crate::listen::handover;
use crate::listen::tcp_keepalive::TcpKeepaliveSettings;
#[cfg(unix)]
use crate::listen::unix_socket::SocketFile;
#[cfg(feature = "tls")]
use crate::tls::acceptor::TlsAcceptor;

/// A source of a server's connections: a socket of [`bind`](crate::bind()), a tokio listener, or a
/// [listener of your own](Self::custom).
///
/// Dropping it ends listening, and removes the file of a Unix-domain socket that
/// [`bind`](crate::bind()) created.
pub struct Listener {
    kind: ListenerKind,
    /// Whether other sockets or processes share the port, which matters when this listener closes.
    sharing: SocketSharing,
    /// The handshake of its connections before their first request.
    handshake: Option<Handshake>,
}

enum ListenerKind {
    Tcp {
        listener: TcpListener,
        /// The local address of every connection; `None` if connections may have different ones.
        address: Option<SocketAddr>,
    },
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        _file: Option<SocketFile>,
    },
    Custom {
        name: Box<str>,
        accept: Box<dyn AcceptStreams>,
    },
}

/// Which other socket can accept the connections that arrive while a listener closes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SocketSharing {
    /// No other listener has this address.
    Exclusive,
    /// Other sockets listen on the same port.
    SharedPort,
    /// Other processes have the same socket, with the connections that wait in its queue.
    SharedSocket,
}

/// A connection as its listener returns it.
#[derive(Debug)]
pub(crate) struct AcceptedConnection {
    pub(crate) stream: AcceptedStream,
    pub(crate) handshake: Option<Handshake>,
}

/// The byte stream of an accepted connection.
pub(crate) enum AcceptedStream {
    Tcp {
        stream: TcpStream,
        peer: SocketAddr,
        /// The server's address, if the listener knows it.
        local: Option<SocketAddr>,
    },
    #[cfg(unix)]
    Unix(UnixStream),
    Custom(Box<dyn ByteStream>, ConnectionInfo),
}

impl fmt::Debug for AcceptedStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { peer, .. } => write!(f, "Tcp({peer})"),
            #[cfg(unix)]
            Self::Unix(_) => f.write_str("Unix"),
            Self::Custom(_, info) => write!(f, "Custom({info:?})"),
        }
    }
}

impl Listener {
    /// Creates a listener of your own. Messages show it by this name.
    pub fn custom(name: impl Into<String>, accept: impl AcceptStreams) -> Self {
        let name = name.into().into_boxed_str();
        Self::new(ListenerKind::Custom { name, accept: Box::new(accept) }, SocketSharing::Exclusive)
    }

    /// Adds a handshake, such as TLS, which every connection of this listener does before its first
    /// request.
    ///
    /// `handshake` gets the accepted stream. It returns the stream that carries the requests, and
    /// the connection info with what the handshake found out: if [`ConnectionInfo::alpn`] names the
    /// protocol, the server does not detect it from the first bytes. The handshake runs in the task
    /// of its connection, so it delays no other connection, and must finish within
    /// [`Server::handshake_timeout`](crate::Server::handshake_timeout). A connection counts as open
    /// during its handshake.
    ///
    /// If the handshake fails or panics, the connection is closed. Log the reason yourself if you
    /// need it: clients that give up are common.
    ///
    /// ```
    /// # async fn example() -> std::io::Result<()> {
    /// use tokio::io::AsyncReadExt;
    /// use volga_http::{Listener, bind};
    ///
    /// // Expects a magic byte before anything else.
    /// let listeners = bind("localhost:0").await?.into_iter().map(|listener| {
    ///     listener.with_handshake(|mut stream, info| async move {
    ///         match stream.read_u8().await? {
    ///             7 => Ok((stream, info)),
    ///             _ => Err(std::io::ErrorKind::InvalidData.into()),
    ///         }
    ///     })
    /// });
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn with_handshake<F, Fut, S>(mut self, handshake: F) -> Self
    where
        F: Fn(Box<dyn ByteStream>, ConnectionInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<(S, ConnectionInfo)>> + Send + 'static,
        S: ByteStream,
    {
        self.handshake = Some(Handshake::new(handshake));
        self
    }

    /// Serves HTTPS: every connection of this listener does a TLS handshake before its first
    /// request. It replaces a [handshake](Self::with_handshake) that was set before.
    ///
    /// The handshake has the time limit and the other properties of
    /// [`with_handshake`](Self::with_handshake). If ALPN has chosen a protocol, the connection
    /// speaks it. Only if the client offers no protocol, the first bytes decide.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use volga_http::{Tls, bind};
    ///
    /// let tls = Tls::pem_files("cert.pem", "key.pem").load()?;
    /// let listeners =
    ///     bind("0.0.0.0:443").await?.into_iter().map(|listener| listener.with_tls(&tls));
    /// # let _ = listeners.count();
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, tls: &TlsAcceptor) -> Self {
        self.handshake = Some(Handshake::Tls(tls.clone()));
        self
    }

    /// Whether its connections do a handshake.
    pub fn has_handshake(&self) -> bool {
        self.handshake.is_some()
    }

    fn new(kind: ListenerKind, sharing: SocketSharing) -> Self {
        Self { kind, sharing, handshake: None }
    }

    /// The address on which it listens; `None` if it is not TCP.
    pub fn tcp_addr(&self) -> Option<SocketAddr> {
        match &self.kind {
            ListenerKind::Tcp { listener, .. } => listener.local_addr().ok(),
            #[cfg(unix)]
            ListenerKind::Unix { .. } => None,
            ListenerKind::Custom { .. } => None,
        }
    }

    /// The path of the Unix-domain socket on which it listens; `None` if it is not such a socket,
    /// or has no path.
    #[cfg(unix)]
    pub fn unix_path(&self) -> Option<PathBuf> {
        let ListenerKind::Unix { listener, .. } = &self.kind else { return None };
        listener.local_addr().ok()?.as_pathname().map(PathBuf::from)
    }

    /// Whether this listener has the address that the error says is in use, or has taken the
    /// sockets that the error misses.
    pub(crate) fn is_where(&self, error: &BindError) -> bool {
        match error {
            BindError::InUse { address, .. } => self.tcp_addr().is_some_and(|own| {
                let is_one_ip = own.ip() == address.ip()
                    || own.ip().is_unspecified()
                    || address.ip().is_unspecified();
                own.port() == address.port() && is_one_ip
            }),
            #[cfg(unix)]
            BindError::PathInUse { path, .. } => {
                // Two paths may lead to one file.
                let file = |path: &Path| path.canonicalize().ok();
                self.unix_path()
                    .is_some_and(|own| file(&own).is_some_and(|own| file(path) == Some(own)))
            }
            #[cfg(unix)]
            BindError::NothingInherited => self.shares_its_queue(),
            _ => false,
        }
    }

    pub(crate) fn sharing_port(listener: TcpListener) -> Self {
        Self { sharing: SocketSharing::SharedPort, ..Self::from(listener) }
    }

    #[cfg(unix)]
    pub(crate) fn inherited(listener: impl Into<Self>) -> Self {
        Self { sharing: SocketSharing::SharedSocket, ..listener.into() }
    }

    #[cfg(unix)]
    pub(crate) fn with_file(listener: UnixListener, file: SocketFile) -> Self {
        Self::new(ListenerKind::Unix { listener, _file: Some(file) }, SocketSharing::Exclusive)
    }

    /// Sets the socket options that connections inherit from the listener: TCP keepalive and
    /// `TCP_NODELAY`.
    /// Also begins to watch the files of certificates.
    pub(crate) fn prepare(&self, keepalive: TcpKeepaliveSettings) {
        #[cfg(feature = "tls")]
        if let Some(Handshake::Tls(acceptor)) = &self.handshake {
            acceptor.start_watching();
        }
        match &self.kind {
            ListenerKind::Tcp { listener, .. } => {
                keepalive.set(SockRef::from(listener));
                // If this fails, connections are only slower.
                let _ = SockRef::from(listener).set_tcp_nodelay(true);
            }
            // The kernel knows at once when the other end is closed.
            #[cfg(unix)]
            ListenerKind::Unix { .. } => {}
            ListenerKind::Custom { .. } => {}
        }
    }

    pub(crate) fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<AcceptedConnection>> {
        let stream = match &mut self.kind {
            ListenerKind::Tcp { listener, address } => {
                let (stream, peer) = ready!(listener.poll_accept(cx))?;
                AcceptedStream::Tcp { stream, peer, local: *address }
            }
            #[cfg(unix)]
            ListenerKind::Unix { listener, .. } => {
                AcceptedStream::Unix(ready!(listener.poll_accept(cx))?.0)
            }
            ListenerKind::Custom { accept, .. } => {
                let (stream, info) = ready!(accept.poll_accept(cx))?;
                AcceptedStream::Custom(stream, info)
            }
        };
        Poll::Ready(Ok(AcceptedConnection { stream, handshake: self.handshake.clone() }))
    }

    /// Accepts a connection that has arrived, whether or not the runtime knows of it.
    pub(crate) fn accept_now(&mut self) -> io::Result<AcceptedConnection> {
        let stream = self.accept_stream_now()?;
        Ok(AcceptedConnection { stream, handshake: self.handshake.clone() })
    }

    fn accept_stream_now(&mut self) -> io::Result<AcceptedStream> {
        let accept = |listener: SockRef<'_>| {
            let (socket, peer) = listener.accept()?;
            socket.set_nonblocking(true)?;
            Ok::<_, io::Error>((socket, peer))
        };
        match &mut self.kind {
            ListenerKind::Tcp { listener, address } => {
                let (socket, peer) = accept(SockRef::from(&*listener))?;
                let peer = peer.as_socket().ok_or(io::ErrorKind::NotConnected)?;
                let stream = TcpStream::from_std(net::TcpStream::from(socket))?;
                Ok(AcceptedStream::Tcp { stream, peer, local: *address })
            }
            #[cfg(unix)]
            ListenerKind::Unix { listener, .. } => {
                let (socket, _) = accept(SockRef::from(&*listener))?;
                let stream = std::os::unix::net::UnixStream::from(socket);
                Ok(AcceptedStream::Unix(UnixStream::from_std(stream)?))
            }
            ListenerKind::Custom { accept, .. } => {
                match accept.poll_accept(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(accepted) => {
                        accepted.map(|(stream, info)| AcceptedStream::Custom(stream, info))
                    }
                    Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
                }
            }
        }
    }

    /// Whether another process accepts the connections that wait in the queue when this listener
    /// closes.
    pub(crate) fn shares_its_queue(&self) -> bool {
        self.sharing == SocketSharing::SharedSocket
    }

    /// Directs new connections to the other sockets of the port. Returns how long handshakes that
    /// have begun may take to finish; zero if there is nothing to wait for.
    pub(crate) fn stop_new_connections(&self) -> Duration {
        match (&self.kind, self.sharing) {
            (ListenerKind::Tcp { listener, .. }, SocketSharing::SharedPort) => {
                handover::stop_new_connections(SockRef::from(listener))
            }
            _ => Duration::ZERO,
        }
    }
}

impl From<TcpListener> for Listener {
    fn from(listener: TcpListener) -> Self {
        let address = listener.local_addr().ok().filter(|address| !address.ip().is_unspecified());
        Self::new(ListenerKind::Tcp { listener, address }, SocketSharing::Exclusive)
    }
}

/// The caller has created the socket, and must remove its file.
#[cfg(unix)]
impl From<UnixListener> for Listener {
    fn from(listener: UnixListener) -> Self {
        Self::new(ListenerKind::Unix { listener, _file: None }, SocketSharing::Exclusive)
    }
}

/// Formats the address as [`bind`](crate::bind()) accepts it: `127.0.0.1:7878`, or
/// `unix:/run/app.sock`.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ListenerKind::Tcp { listener, .. } => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("an unknown address"),
            },
            #[cfg(unix)]
            ListenerKind::Unix { listener, .. } => {
                let address = listener.local_addr().ok();
                match address.as_ref().and_then(|address| address.as_pathname()) {
                    Some(path) => write!(f, "unix:{}", path.display()),
                    None => f.write_str("unix: without a path"),
                }
            }
            ListenerKind::Custom { name, .. } => f.write_str(name),
        }
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sharing, handshake, .. } = self;
        f.debug_struct("Listener")
            .field("listens_on", &format_args!("{self}"))
            .field("sharing", sharing)
            .field("handshake", handshake)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::limits::{DEFAULT_DEAD_CLIENT_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT};

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[tokio::test]
    async fn accepted_sockets_inherit_options_and_the_address_if_there_is_only_one() {
        for (ip, is_known) in [("127.0.0.1", true), ("0.0.0.0", false)] {
            let tcp = TcpListener::bind((ip, 0)).await.expect("a free port");
            let mut listener = Listener::from(tcp);
            listener.prepare(TcpKeepaliveSettings::new(
                DEFAULT_DEAD_CLIENT_TIMEOUT,
                DEFAULT_WRITE_STALL_TIMEOUT,
            ));
            let port = listener.tcp_addr().expect("TCP").port();
            let _client = TcpStream::connect(("127.0.0.1", port)).await.expect("it listens");
            let accepted = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a client");
            let AcceptedStream::Tcp { stream, local, .. } = accepted.stream else {
                panic!("{accepted:?}")
            };
            assert!(stream.nodelay().expect("an option"));
            let own = stream.local_addr().expect("a connection");
            assert_eq!(local, is_known.then_some(own), "{ip}");
        }
    }
}
