//! The handshake of a connection, such as TLS: a stage of its own before the first request.
//!
//! Users set it by `Listener::with_handshake`. `connection/serve.rs` runs it, with its time limit.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use crate::connection::info::ConnectionInfo;
use crate::io::byte_stream::ByteStream;

/// The future of a handshake.
type HandshakeFuture =
    Pin<Box<dyn Future<Output = io::Result<(Box<dyn ByteStream>, ConnectionInfo)>> + Send>>;

/// A function that turns an accepted byte stream into the stream that carries the requests.
#[derive(Clone)]
pub(crate) struct Handshake(
    Arc<dyn Fn(Box<dyn ByteStream>, ConnectionInfo) -> HandshakeFuture + Send + Sync>,
);

impl Handshake {
    pub(crate) fn new<F, Fut, S>(handshake: F) -> Self
    where
        F: Fn(Box<dyn ByteStream>, ConnectionInfo) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<(S, ConnectionInfo)>> + Send + 'static,
        S: ByteStream,
    {
        Self(Arc::new(move |stream, info| {
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
    pub(crate) async fn run(
        self,
        stream: Box<dyn ByteStream>,
        info: ConnectionInfo,
    ) -> io::Result<(Box<dyn ByteStream>, ConnectionInfo)> {
        (self.0)(stream, info).await
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshake")
    }
}
