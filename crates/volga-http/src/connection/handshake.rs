//! The handshake of a connection, such as TLS: a stage of its own before the first request.
//!
//! Users set it by `Listener::with_tls` or `Listener::with_handshake`. `connection/serve.rs` runs
//! it, with its time limit.

use std::fmt;
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;

use crate::connection::info::ConnectionInfo;
use crate::io::byte_stream::ByteStream;
use crate::io::send_queue::SendQueue;
use crate::io::socket::Socket;
use crate::limits::HANDSHAKE_UNSENT_BYTES;
#[cfg(feature = "tls")]
use crate::tls::acceptor::TlsAcceptor;

/// The future of a handshake.
type HandshakeFuture =
    Pin<Box<dyn Future<Output = io::Result<(Box<dyn ByteStream>, ConnectionInfo)>> + Send>>;

/// What turns an accepted socket into the stream that carries the requests.
#[derive(Clone)]
pub(crate) enum Handshake {
    /// A function of the user.
    Custom(Arc<dyn Fn(Box<dyn ByteStream>, ConnectionInfo) -> HandshakeFuture + Send + Sync>),
    #[cfg(feature = "tls")]
    Tls(TlsAcceptor),
}

impl Handshake {
    pub(crate) fn new<F, Fut, S>(handshake: F) -> Self
    where
        F: Fn(Box<dyn ByteStream>, ConnectionInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<(S, ConnectionInfo)>> + Send + 'static,
        S: ByteStream,
    {
        Self::Custom(Arc::new(move |stream, info| {
            let handshaking = handshake(stream, info);
            Box::pin(async move {
                let (stream, info) = handshaking.await?;
                Ok((Box::new(stream) as Box<dyn ByteStream>, info))
            })
        }))
    }

    /// Runs the handshake.
    ///
    /// The function is called when this future is first polled, so a panic in it ends this
    /// connection and no other.
    ///
    /// `max_unsent_bytes` is the limit for long-lived responses. The stream of a custom handshake
    /// covers the socket, so the limit cannot be set when such a response begins, and is set now.
    pub(crate) async fn run(
        self,
        socket: Socket,
        info: ConnectionInfo,
        max_unsent_bytes: Option<NonZeroU32>,
    ) -> io::Result<(Socket, ConnectionInfo)> {
        match self {
            Self::Custom(handshake) => {
                if let Some(bytes) = max_unsent_bytes {
                    socket.limit_unsent(Some(bytes.max(HANDSHAKE_UNSENT_BYTES)));
                }
                let (stream, info) = handshake(Box::new(socket), info).await?;
                Ok((Socket::custom(stream, info.clone(), None), info))
            }
            #[cfg(feature = "tls")]
            Self::Tls(acceptor) => acceptor.accept(socket, info).await,
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Custom(_) => f.write_str("Custom"),
            #[cfg(feature = "tls")]
            Self::Tls(acceptor) => acceptor.fmt(f),
        }
    }
}
