//! `Counters`: counts the connections and streams of an app.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use volga_http::ConnectionCounts;
use volga_sse::EndReason;

/// The counters of an app. [`App::counters`](crate::App::counters) returns them. Clones are the
/// same counters, and stay valid after the app has ended.
///
/// ```
/// use volga::{App, ok};
///
/// let mut app = App::new();
/// let counters = app.counters();
/// app.map_get("/metrics", move || {
///     let now = counters.snapshot();
///     ok!("connections_open {}\nstreams_open {}\n", now.connections_open, now.streams_open)
/// });
/// ```
#[derive(Clone, Debug, Default)]
pub struct Counters {
    pub(crate) connections: ConnectionCounts,
    streams: Arc<StreamCounts>,
}

#[derive(Debug, Default)]
struct StreamCounts {
    open: AtomicUsize,
    opened: AtomicU64,
    finished: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
    closed: AtomicU64,
    left: AtomicU64,
}

/// The values of [`Counters`] at one time. They are read one after another, so they may differ by
/// what happens in between.
///
/// ```
/// let now = volga::App::new().counters().snapshot();
/// assert_eq!((now.connections_open, now.streams_open), (0, 0));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Open connections.
    pub connections_open: usize,
    /// Connections that were accepted so far.
    pub connections_accepted: u64,
    /// Connections that were closed at once because the app had its
    /// [maximum](crate::App::with_max_connections).
    pub connections_refused_by_total: u64,
    /// Connections that were closed at once because their client had its
    /// [maximum](crate::App::with_max_connections_per_address).
    pub connections_refused_by_address: u64,
    /// Open event streams.
    pub streams_open: usize,
    /// Event streams that were opened so far.
    pub streams_opened: u64,
    /// Event streams that ended by themselves.
    pub streams_finished: u64,
    /// Event streams that ended with an error.
    pub streams_failed: u64,
    /// Event streams that ended with a panic.
    pub streams_panicked: u64,
    /// Event streams that the server closed: by a handle, at their maximum age or deadline, or at
    /// shutdown.
    pub streams_closed: u64,
    /// Event streams whose client left.
    pub streams_client_left: u64,
}

impl Counters {
    /// Returns the current values.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let streams = &*self.streams;
        Snapshot {
            connections_open: self.connections.open(),
            connections_accepted: self.connections.accepted(),
            connections_refused_by_total: self.connections.refused_by_total(),
            connections_refused_by_address: self.connections.refused_by_address(),
            streams_open: streams.open.load(Ordering::Relaxed),
            streams_opened: streams.opened.load(Ordering::Relaxed),
            streams_finished: streams.finished.load(Ordering::Relaxed),
            streams_failed: streams.failed.load(Ordering::Relaxed),
            streams_panicked: streams.panicked.load(Ordering::Relaxed),
            streams_closed: streams.closed.load(Ordering::Relaxed),
            streams_client_left: streams.left.load(Ordering::Relaxed),
        }
    }

    /// Counts a stream as open until the returned value is dropped.
    pub(crate) fn open_stream(&self) -> OpenStream {
        self.streams.open.fetch_add(1, Ordering::Relaxed);
        self.streams.opened.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(&self.streams))
    }
}

/// Counts one open stream.
pub(crate) struct OpenStream(Arc<StreamCounts>);

impl OpenStream {
    pub(crate) fn ended(self, reason: EndReason) {
        let counter = match reason {
            EndReason::Finished => &self.0.finished,
            EndReason::Failed => &self.0.failed,
            EndReason::Panicked => &self.0.panicked,
            EndReason::ClientLeft => &self.0.left,
            // For every other reason the server has closed the stream.
            _ => &self.0.closed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_is_open_until_it_ends_for_one_reason() {
        let counters = Counters::default();
        let kept = counters.open_stream();
        for reason in
            [EndReason::Finished, EndReason::Failed, EndReason::Drained, EndReason::ClientLeft]
        {
            counters.open_stream().ended(reason);
        }
        let expect = Snapshot {
            streams_open: 1,
            streams_opened: 5,
            streams_finished: 1,
            streams_failed: 1,
            streams_closed: 1,
            streams_client_left: 1,
            ..Snapshot::default()
        };
        assert_eq!(counters.snapshot(), expect);
        drop(kept);
        assert_eq!(counters.snapshot(), Snapshot { streams_open: 0, ..expect });
    }
}
