//! The state of a session, which its function shares with the connection.

use std::pin::{Pin, pin};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use quinn::Connection;
use tokio::sync::{Notify, watch};

use super::arrivals::{Arrivals, ArrivedStream, StreamPlace};
use super::close_info::{WebTransportCloseInfo, WebTransportEnd};
use super::codes;
use super::settings::WebTransportSettings;

/// The state of a session.
#[derive(Debug)]
pub(crate) struct SessionState {
    /// The ID of the stream that has opened the session.
    pub(crate) id: u64,
    pub(crate) quic: Connection,
    max_streams: usize,
    max_datagram_bytes: usize,
    arrivals: Mutex<Arrivals>,
    arrived: Notify,
    open_streams: Arc<AtomicUsize>,
    end: watch::Sender<Option<WebTransportEnd>>,
    is_draining: watch::Sender<bool>,
    /// The close that the application asks for.
    close: watch::Sender<Option<WebTransportCloseInfo>>,
}

impl SessionState {
    pub(crate) fn new(id: u64, quic: Connection, settings: &WebTransportSettings) -> Self {
        Self {
            id,
            quic,
            max_streams: settings.max_streams,
            max_datagram_bytes: settings.max_datagram_bytes,
            arrivals: Mutex::default(),
            arrived: Notify::new(),
            open_streams: Arc::default(),
            end: watch::Sender::new(None),
            is_draining: watch::Sender::new(false),
            close: watch::Sender::new(None),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Arrivals> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a stream of the client to the application, or rejects it.
    pub(crate) fn add_stream(&self, stream: ArrivedStream) {
        let mut arrivals = self.lock();
        if arrivals.is_over {
            drop(arrivals);
            return stream.reject(codes::SESSION_GONE);
        }
        let Some(place) = StreamPlace::take(&self.open_streams, self.max_streams) else {
            drop(arrivals);
            return stream.reject(codes::BUFFERED_STREAM_REJECTED);
        };
        match stream.send {
            Some(_) => arrivals.bidirectional.push_back((stream, place)),
            None => arrivals.unidirectional.push_back((stream, place)),
        }
        drop(arrivals);
        self.arrived.notify_waiters();
    }

    /// Hands a datagram to the application.
    pub(crate) fn add_datagram(&self, datagram: Bytes) {
        let mut arrivals = self.lock();
        if !arrivals.is_over {
            arrivals.datagrams.push(datagram, self.max_datagram_bytes);
            drop(arrivals);
            self.arrived.notify_waiters();
        }
    }

    /// Waits until `take` finds something. `None` if the session has ended.
    pub(crate) async fn next<T>(
        &self,
        mut take: impl FnMut(&mut Arrivals) -> Option<T>,
    ) -> Option<T> {
        loop {
            let mut arrived = pin!(self.arrived.notified());
            arrived.as_mut().enable();
            {
                let mut arrivals = self.lock();
                let taken = take(&mut arrivals);
                if taken.is_some() || arrivals.is_over {
                    return taken;
                }
            }
            arrived.await;
        }
    }

    /// Ends the session. The first end counts. What has arrived can still be taken.
    pub(crate) fn set_end(&self, end: WebTransportEnd) {
        self.lock().is_over = true;
        self.end.send_if_modified(|current| {
            let is_first = current.is_none();
            current.get_or_insert(end);
            is_first
        });
        self.arrived.notify_waiters();
    }

    /// Drops what nobody has taken.
    pub(crate) fn clear(&self) {
        let rest = std::mem::take(&mut *self.lock());
        self.lock().is_over = true;
        drop(rest);
    }

    pub(crate) fn end(&self) -> Option<WebTransportEnd> {
        self.end.borrow().clone()
    }

    /// Waits for the end of the session.
    pub(crate) async fn ended(&self) -> WebTransportEnd {
        let mut end = self.end.subscribe();
        let ended = end.wait_for(Option::is_some).await.ok().and_then(|end| end.clone());
        ended.unwrap_or(WebTransportEnd::Disconnected)
    }

    pub(crate) fn watch_end(&self) -> SessionWatch {
        SessionWatch { end: self.end.subscribe(), waiting: None }
    }

    /// Asks for a close. The first one counts.
    pub(crate) fn request_close(&self, info: WebTransportCloseInfo) {
        self.close.send_if_modified(|current| {
            let is_first = current.is_none();
            current.get_or_insert(info);
            is_first
        });
    }

    /// Waits until the application asks for a close.
    pub(crate) async fn close_requested(&self) -> WebTransportCloseInfo {
        let mut close = self.close.subscribe();
        let info = close.wait_for(Option::is_some).await.ok().and_then(|info| info.clone());
        info.unwrap_or_default()
    }

    /// Tells the application that one side wants to end the session soon.
    pub(crate) fn set_draining(&self) {
        self.is_draining.send_replace(true);
    }

    /// Waits until one side wants to end the session soon, or the session has ended.
    pub(crate) async fn draining(&self) {
        let mut is_draining = self.is_draining.subscribe();
        tokio::select! {
            _ = is_draining.wait_for(|&is_draining| is_draining) => {}
            _ = self.ended() => {}
        }
    }
}

/// Watches the end of a session for one half of a stream.
pub(crate) struct SessionWatch {
    end: watch::Receiver<Option<WebTransportEnd>>,
    /// `Some` once the half has waited.
    waiting: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl SessionWatch {
    /// Ready when the session has ended.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_over() {
            return Poll::Ready(());
        }
        let end = &self.end;
        let waiting = self.waiting.get_or_insert_with(|| {
            let mut end = end.clone();
            Box::pin(async move { drop(end.wait_for(Option::is_some).await) })
        });
        waiting.as_mut().poll(cx)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.end.borrow().is_some()
    }
}
