//! `WebTransport`: a session as the application holds it.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use quinn::SendDatagramError;

use super::arrivals::PlacedStream;
use super::close_info::{WebTransportCloseInfo, WebTransportEnd};
use super::codes;
use super::state::SessionState;
use super::streams::{WebTransportReceiveStream, WebTransportSendStream};
use crate::frame::WEBTRANSPORT_STREAM;
use crate::guarded::{GuardedRecv, GuardedSend};
use crate::{streams, varint};

/// The session has ended, or is closed: nothing can be opened or sent any more.
///
/// [`WebTransport::end`] says how it has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the WebTransport session has ended")]
pub struct WebTransportEndedError(());

/// Why a datagram was not sent.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WebTransportDatagramError {
    /// The datagram is larger than a packet of this connection can carry.
    #[error("the datagram has {size} bytes, and at most {max} fit; send more on a stream")]
    TooLarge {
        /// How many bytes the datagram has.
        size: usize,
        /// How many bytes it may have at the moment.
        max: usize,
    },
    /// The client takes no datagrams.
    #[error("the client takes no datagrams; use a stream")]
    Unsupported,
    /// The session has ended.
    #[error(transparent)]
    Ended(#[from] WebTransportEndedError),
}

/// An open WebTransport session.
///
/// Both sides can open streams and send datagrams at any time. All methods take `&self`, and a
/// clone is the same session, so several tasks can use it. The session is closed when the
/// application's function returns, even if another task holds a clone.
///
/// When the client closes the session, the methods that wait for something from the client return
/// what has arrived before, and then `None`, and the others fail. The function may go on for
/// [`close_timeout`](crate::WebTransportSettings::close_timeout), and is then dropped at its next
/// `.await`. If the client has left without a close, the function is dropped at once, as the
/// handler of a request is.
#[derive(Clone)]
pub struct WebTransport(Arc<SessionState>);

impl WebTransport {
    pub(crate) fn new(state: Arc<SessionState>) -> Self {
        Self(state)
    }

    /// Waits for the next bidirectional stream of the client. `None` means that the session has
    /// ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    pub async fn accept_bidirectional(
        &self,
    ) -> Option<(WebTransportSendStream, WebTransportReceiveStream)> {
        let (stream, place) = self.0.next(|arrivals| arrivals.bidirectional.pop_front()).await?;
        let send = WebTransportSendStream::new(stream.send?, &self.0, Some(Arc::clone(&place)));
        let recv = WebTransportReceiveStream::new(stream.recv, stream.rest, &self.0, Some(place));
        Some((send, recv))
    }

    /// Waits for the next unidirectional stream of the client. `None` means that the session has
    /// ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    pub async fn accept_unidirectional(&self) -> Option<WebTransportReceiveStream> {
        let (stream, place): PlacedStream =
            self.0.next(|arrivals| arrivals.unidirectional.pop_front()).await?;
        Some(WebTransportReceiveStream::new(stream.recv, stream.rest, &self.0, Some(place)))
    }

    /// Opens a bidirectional stream. It waits while the client allows no more streams.
    ///
    /// # Errors
    ///
    /// Returns an error if the session has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no stream is open.
    pub async fn open_bidirectional(
        &self,
    ) -> Result<(WebTransportSendStream, WebTransportReceiveStream), WebTransportEndedError> {
        let opening = async {
            let (send, recv) = self.0.quic.open_bi().await.ok()?;
            let mut send = GuardedSend::new(send, codes::SESSION_GONE);
            let recv = GuardedRecv::new(recv, codes::SESSION_GONE);
            send.write_all(&self.header(WEBTRANSPORT_STREAM)).await.ok()?;
            Some((send, recv))
        };
        let (send, recv) = self.open(opening).await?;
        let recv = WebTransportReceiveStream::new(recv, Bytes::new(), &self.0, None);
        Ok((WebTransportSendStream::new(send, &self.0, None), recv))
    }

    /// Opens a unidirectional stream. It waits while the client allows no more streams.
    ///
    /// # Errors
    ///
    /// Returns an error if the session has ended.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, no stream is open.
    pub async fn open_unidirectional(
        &self,
    ) -> Result<WebTransportSendStream, WebTransportEndedError> {
        let opening = async {
            let send = self.0.quic.open_uni().await.ok()?;
            let mut send = GuardedSend::new(send, codes::SESSION_GONE);
            send.write_all(&self.header(streams::WEBTRANSPORT)).await.ok()?;
            Some(send)
        };
        Ok(WebTransportSendStream::new(self.open(opening).await?, &self.0, None))
    }

    /// Waits for the next datagram of the client. `None` means that the session has ended.
    ///
    /// Datagrams may get lost and may arrive in another order. If they arrive faster than you
    /// receive them, the oldest ones are dropped:
    /// [`dropped_datagrams`](Self::dropped_datagrams) counts those.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing, so it may be a `select!` branch.
    pub async fn receive_datagram(&self) -> Option<Bytes> {
        self.0.next(|arrivals| arrivals.datagrams.pop()).await
    }

    /// How many datagrams of the client were dropped because too many waited.
    #[must_use]
    pub fn dropped_datagrams(&self) -> u64 {
        self.0.lock().datagrams.dropped()
    }

    /// Sends a datagram, which may get lost. It never waits: if too many datagrams wait to be sent,
    /// the oldest ones are dropped.
    ///
    /// # Errors
    ///
    /// Returns an error if the datagram is too large, if the client takes no datagrams, or if the
    /// session has ended.
    pub fn send_datagram(
        &self,
        payload: impl AsRef<[u8]>,
    ) -> Result<(), WebTransportDatagramError> {
        let payload = payload.as_ref();
        if self.0.end().is_some() {
            return Err(WebTransportEndedError(()).into());
        }
        let mut datagram = Vec::with_capacity(payload.len() + 8);
        varint::write(self.0.id / 4, &mut datagram);
        datagram.extend_from_slice(payload);
        let size = payload.len();
        self.0.quic.send_datagram(datagram.into()).map_err(|error| match error {
            SendDatagramError::TooLarge => {
                WebTransportDatagramError::TooLarge { size, max: self.max_datagram_size() }
            }
            SendDatagramError::UnsupportedByPeer | SendDatagramError::Disabled => {
                WebTransportDatagramError::Unsupported
            }
            SendDatagramError::ConnectionLost(_) => WebTransportEndedError(()).into(),
        })
    }

    /// How many bytes a datagram may have at the moment, usually somewhat more than 1,100. The path
    /// to the client decides, so it can change. 0 if the client takes no datagrams.
    #[must_use]
    pub fn max_datagram_size(&self) -> usize {
        let mut id = Vec::new();
        varint::write(self.0.id / 4, &mut id);
        self.0.quic.max_datagram_size().map_or(0, |size| size.saturating_sub(id.len()))
    }

    /// Closes the session. Its streams end, and what is on its way may get lost:
    /// [`finish`](WebTransportSendStream::finish) waits until everything has arrived.
    ///
    /// It does not wait for the client; [`closed`](Self::closed) waits until the session has ended.
    pub fn close(&self, info: impl Into<WebTransportCloseInfo>) {
        self.0.request_close(info.into());
    }

    /// Waits until the session has ended, and says how.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn closed(&self) -> WebTransportEnd {
        self.0.ended().await
    }

    /// How the session has ended. `None` if it is open.
    #[must_use]
    pub fn end(&self) -> Option<WebTransportEnd> {
        self.0.end()
    }

    /// Waits until the server shuts down, the client asks for an end soon, or the session has
    /// ended. Then finish what is to be done, and return. At a shutdown, the server closes the
    /// session shortly before its deadline.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn draining(&self) {
        self.0.draining().await;
    }

    async fn open<T>(
        &self,
        opening: impl Future<Output = Option<T>>,
    ) -> Result<T, WebTransportEndedError> {
        tokio::select! {
            biased;
            _ = self.0.ended() => Err(WebTransportEndedError(())),
            opened = opening => opened.ok_or(WebTransportEndedError(())),
        }
    }

    /// The beginning of a stream of this session.
    fn header(&self, kind: u64) -> Vec<u8> {
        let mut header = Vec::new();
        varint::write(kind, &mut header);
        varint::write(self.0.id, &mut header);
        header
    }
}

impl fmt::Debug for WebTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebTransport").field("end", &self.end()).finish_non_exhaustive()
    }
}
