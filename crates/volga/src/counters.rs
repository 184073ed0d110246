//! `Counters`: the connections and streams of an app, for whoever watches it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use volga_http::ConnectionCounts;
use volga_sse::EndReason;

/// The counters of an app, given by [`App::counters`](crate::App::counters). Clones are the same ones, and go on after the app has ended.
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
    closed: AtomicU64,
    left: AtomicU64,
}

/// What [`Counters`] say at one moment. The numbers are read one after another, so they may be apart by what happens meanwhile.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// Connections that are open.
    pub connections_open: usize,
    /// Connections that were accepted so far.
    pub connections_accepted: u64,
    /// Connections that were closed at once because there were as many as [may be](crate::App::with_max_connections).
    pub connections_refused_in_all: u64,
    /// Connections that were closed at once because their client had as many as [it may](crate::App::with_max_connections_per_address).
    pub connections_refused_by_address: u64,
    /// Event streams that are open.
    pub streams_open: usize,
    /// Event streams that were opened so far.
    pub streams_opened: u64,
    /// Event streams that came to their end.
    pub streams_finished: u64,
    /// Event streams that an error cut short.
    pub streams_failed: u64,
    /// Event streams that the server closed: by a handle, at their age or deadline, at its own end.
    pub streams_closed: u64,
    /// Event streams whose client left.
    pub streams_left: u64,
}

impl Counters {
    /// The numbers of this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let streams = &*self.streams;
        Snapshot {
            connections_open: self.connections.open(),
            connections_accepted: self.connections.accepted(),
            connections_refused_in_all: self.connections.refused_in_all(),
            connections_refused_by_address: self.connections.refused_by_address(),
            streams_open: streams.open.load(Ordering::Relaxed),
            streams_opened: streams.opened.load(Ordering::Relaxed),
            streams_finished: streams.finished.load(Ordering::Relaxed),
            streams_failed: streams.failed.load(Ordering::Relaxed),
            streams_closed: streams.closed.load(Ordering::Relaxed),
            streams_left: streams.left.load(Ordering::Relaxed),
        }
    }

    /// Counts a stream as open until the value is dropped.
    pub(crate) fn open_stream(&self) -> OpenStream {
        self.streams.open.fetch_add(1, Ordering::Relaxed);
        self.streams.opened.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(&self.streams))
    }
}

/// A stream that is open.
pub(crate) struct OpenStream(Arc<StreamCounts>);

impl OpenStream {
    pub(crate) fn ended(self, reason: EndReason) {
        let counter = match reason {
            EndReason::Finished => &self.0.finished,
            EndReason::Failed => &self.0.failed,
            EndReason::ClientLeft => &self.0.left,
            // Every other reason is the server's.
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
    fn each_stream_is_open_until_it_has_ended_for_one_reason() {
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
            streams_left: 1,
            ..Snapshot::default()
        };
        assert_eq!(counters.snapshot(), expect);
        drop(kept);
        assert_eq!(counters.snapshot(), Snapshot { streams_open: 0, ..expect });
    }
}
