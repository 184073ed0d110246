//! The handshake of a connection: a stage of its own, before the first request.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use crate::connection::info::ConnectionInfo;
use crate::io::byte_stream::ByteStream;

/// The future of a handshake.
type HandshakeFuture =
    Pin<Box<dyn Future<Output = io::Result<(Box<dyn ByteStream>, ConnectionInfo)>> + Send>>;

/// A function that turns an accepted byte stream into the one that carries requests.
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
            let shaking = handshake(stream, info);
            Box::pin(async move {
                let (stream, info) = shaking.await?;
                Ok((Box::new(stream) as Box<dyn ByteStream>, info))
            })
        }))
    }

    /// The function is called when the future is polled first, so a panic in it ends this
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
