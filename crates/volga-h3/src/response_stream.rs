//! The sending half of a request: the response.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use quinn::{SendStream, WriteError};
use tokio::time::timeout;

use crate::code::Code;
use crate::guarded::GuardedSend;
use crate::limits::{LONGEST_WAIT, SHORTEST_WAIT};
use crate::shared_connection::SharedConnection;
use crate::{frame, qpack};

/// The sending half of a request. If it is dropped before its end, it is reset.
#[derive(Debug)]
pub(crate) struct ResponseStream {
    stream: GuardedSend,
}

/// Why a response could not be sent to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SendFault {
    /// The client wants no more of it, or the connection is lost.
    Disconnected,
    /// The client has accepted no byte for too long.
    Stalled,
    /// The head is larger than the client accepts.
    TooLarge,
    /// The body has ended while the client accepted no byte.
    Cut,
}

impl From<WriteError> for SendFault {
    fn from(_: WriteError) -> Self {
        Self::Disconnected
    }
}

impl ResponseStream {
    pub(crate) fn new(stream: SendStream) -> Self {
        Self { stream: GuardedSend::new(stream, Code::INTERNAL_ERROR) }
    }

    /// Waits until the client wants no more of the response, or the connection is lost, or
    /// everything has arrived.
    pub(crate) fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let stopped = self.stream.stopped();
        async { drop(stopped.await) }
    }

    /// Waits until the client wants no more of the response, or the connection is lost. When
    /// everything has arrived, this waits for ever.
    pub(crate) fn given_up(&self) -> impl Future<Output = ()> + Send + use<> {
        let stopped = self.stream.stopped();
        async {
            if let Ok(None) = stopped.await {
                std::future::pending().await
            }
        }
    }

    /// Waits until a first byte could be sent, so that a body is polled only when its data has a
    /// place to go. The wait ends early if `is_cut` returns true.
    pub(crate) async fn room(
        &mut self,
        shared: &SharedConnection,
        is_cut: impl FnMut() -> bool,
    ) -> Result<(), SendFault> {
        // An empty write waits for room like any other.
        let stream = &mut *self.stream;
        let write = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, &[]));
        within(shared, write, is_cut).await.map(drop)
    }

    /// Sends the head.
    pub(crate) async fn send_head(
        &mut self,
        status: StatusCode,
        fields: &HeaderMap,
        shared: &SharedConnection,
    ) -> Result<(), SendFault> {
        self.send_fields(Some(status), fields, shared).await
    }

    /// Sends the trailers.
    pub(crate) async fn send_trailers(
        &mut self,
        fields: &HeaderMap,
        shared: &SharedConnection,
    ) -> Result<(), SendFault> {
        self.send_fields(None, fields, shared).await
    }

    async fn send_fields(
        &mut self,
        status: Option<StatusCode>,
        fields: &HeaderMap,
        shared: &SharedConnection,
    ) -> Result<(), SendFault> {
        let status_size = status.map_or(0, |_| ":status".len() + 3 + 32);
        let size: usize =
            fields.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
        if (size + status_size) as u64 > shared.max_field_section_size.load(Ordering::Relaxed) {
            return Err(SendFault::TooLarge);
        }
        let mut section = Vec::with_capacity(size);
        qpack::encode(status, fields, &mut section);
        let mut header = Vec::new();
        frame::write_header(frame::HEADERS, section.len(), &mut header);
        self.send([header.into(), section.into()], shared, || false).await
    }

    /// Sends a piece of the body. A wait for the client ends early if `is_cut` returns true.
    pub(crate) async fn send_data(
        &mut self,
        data: Bytes,
        shared: &SharedConnection,
        is_cut: impl FnMut() -> bool,
    ) -> Result<(), SendFault> {
        if data.is_empty() {
            return Ok(());
        }
        let mut header = Vec::with_capacity(9);
        frame::write_header(frame::DATA, data.len(), &mut header);
        self.send([header.into(), data], shared, is_cut).await
    }

    async fn send(
        &mut self,
        mut chunks: [Bytes; 2],
        shared: &SharedConnection,
        mut is_cut: impl FnMut() -> bool,
    ) -> Result<(), SendFault> {
        let mut left = &mut chunks[..];
        while !left.is_empty() {
            // The chunks become shorter by what was written.
            let written = within(shared, self.stream.write_chunks(left), &mut is_cut).await?;
            left = &mut left[written.chunks..];
        }
        Ok(())
    }

    /// Ends the response, and waits until the client has received it.
    ///
    /// Otherwise the drain could close the connection while the end of a response is on its way.
    pub(crate) async fn finish(&mut self, shared: &SharedConnection) {
        if self.stream.finish().is_ok() {
            self.arrived(shared).await;
        }
    }

    /// Waits until the client has received everything of a response that is over.
    pub(crate) async fn arrived(&self, shared: &SharedConnection) {
        let mut arrived = std::pin::pin!(self.stopped());
        let mut acknowledged = shared.quic.stats().frame_rx.acks;
        loop {
            let mut timer = shared.waits.write();
            tokio::select! {
                biased;
                () = &mut arrived => return,
                () = timer.expired() => {
                    let now = shared.quic.stats().frame_rx.acks;
                    if now == acknowledged {
                        return;
                    }
                    acknowledged = now;
                }
            }
        }
    }

    /// Ends the response early, because its body has failed. What was sent before has the time to
    /// arrive: a reset makes both sides forget it.
    pub(crate) async fn fail(&mut self, shared: &SharedConnection) {
        let stopped = self.stopped();
        let wait = (2 * shared.quic.rtt()).clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let _ = timeout(wait, stopped).await;
        self.reset(Code::INTERNAL_ERROR);
    }

    /// Ends the response early.
    pub(crate) fn reset(&mut self, code: Code) {
        self.stream.reset(code);
    }

    /// The stream itself, for a writer of frames.
    pub(crate) fn stream(&mut self) -> &mut GuardedSend {
        &mut self.stream
    }

    /// The stream without its frames.
    pub(crate) fn into_stream(self) -> GuardedSend {
        self.stream
    }
}

/// Waits for a write, as long as a client may accept nothing, or until `is_cut` returns true. It is
/// asked every half a second.
async fn within<T>(
    shared: &SharedConnection,
    write: impl Future<Output = Result<T, WriteError>>,
    mut is_cut: impl FnMut() -> bool,
) -> Result<T, SendFault> {
    let mut write = std::pin::pin!(write);
    // In most cases there is room, and no timer is made.
    if let Poll::Ready(written) = poll_fn(|cx| Poll::Ready(write.as_mut().poll(cx))).await {
        return Ok(written?);
    }
    let mut timer = shared.waits.write();
    tokio::select! {
        biased;
        written = write => Ok(written?),
        // This wakes the task every half a second.
        () = timer.expired() => Err(SendFault::Stalled),
        () = poll_fn(|_| if is_cut() { Poll::Ready(()) } else { Poll::Pending }) => {
            Err(SendFault::Cut)
        }
    }
}
