//! Counts of a server's connections, for monitoring.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::listen::admission::AdmissionError;

/// Counts the connections of the servers that were given a clone of it. All clones share the
/// counts.
#[derive(Clone, Debug, Default)]
pub struct ConnectionCounts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    open: AtomicUsize,
    refused_by_total: AtomicU64,
    refused_by_address: AtomicU64,
}

impl ConnectionCounts {
    /// How many connections were accepted so far.
    pub fn accepted(&self) -> u64 {
        self.0.accepted.load(Ordering::Relaxed)
    }

    /// How many connections are open.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// How many connections were closed at once because the [total
    /// limit](crate::Server::max_connections) was reached.
    pub fn refused_by_total(&self) -> u64 {
        self.0.refused_by_total.load(Ordering::Relaxed)
    }

    /// How many connections were closed at once because the [limit of their
    /// address](crate::Server::max_connections_per_address) was reached.
    pub fn refused_by_address(&self) -> u64 {
        self.0.refused_by_address.load(Ordering::Relaxed)
    }

    /// The counts of one server, which add to these.
    pub(crate) fn for_server(&self) -> ServerCounts {
        ServerCounts { counts: self.clone(), open: 0 }
    }
}

/// The connections of one server. When it is dropped, they are closed, and so no longer counted as
/// open.
#[derive(Debug)]
pub(crate) struct ServerCounts {
    counts: ConnectionCounts,
    open: usize,
}

impl ServerCounts {
    pub(crate) fn count_opened(&mut self) {
        self.open += 1;
        self.counts.0.accepted.fetch_add(1, Ordering::Relaxed);
        self.counts.0.open.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections of this server are open.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    pub(crate) fn count_refused(&self, reached: AdmissionError) {
        let counter = match reached {
            AdmissionError::Total => &self.counts.0.refused_by_total,
            AdmissionError::PerAddress => &self.counts.0.refused_by_address,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_closed(&mut self) {
        self.open -= 1;
        self.counts.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for ServerCounts {
    fn drop(&mut self) {
        self.counts.0.open.fetch_sub(self.open, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_connections_of_a_dropped_server_are_not_open_any_more() {
        let counts = ConnectionCounts::default();
        let (mut one, mut other) = (counts.for_server(), counts.for_server());
        one.count_opened();
        one.count_opened();
        other.count_opened();
        one.count_closed();
        assert_eq!((counts.accepted(), counts.open()), (3, 2));
        drop(one);
        assert_eq!((counts.accepted(), counts.open()), (3, 1));
    }
}
