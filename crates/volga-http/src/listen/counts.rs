//! How many connections there are, for whoever watches a server.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use crate::listen::admission::AdmissionError;

/// Counters the connections of the servers that were given it. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct ConnectionCounts(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    accepted: AtomicU64,
    open: AtomicUsize,
    refused_in_all: AtomicU64,
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

    /// How many connections were closed at once because there were as many as may be [in
    /// all](crate::Server::max_connections).
    pub fn refused_in_all(&self) -> u64 {
        self.0.refused_in_all.load(Ordering::Relaxed)
    }

    /// How many connections were closed at once because their address had as many as it
    /// [may](crate::Server::max_connections_per_address).
    pub fn refused_by_address(&self) -> u64 {
        self.0.refused_by_address.load(Ordering::Relaxed)
    }

    /// The part of one server.
    pub(crate) fn for_server(&self) -> ServerCounts {
        ServerCounts { counts: self.clone(), open: 0 }
    }
}

/// What one server adds to the counts. When it is dropped, so are the connections of the server.
#[derive(Debug)]
pub(crate) struct ServerCounts {
    counts: ConnectionCounts,
    open: usize,
}

impl ServerCounts {
    pub(crate) fn opened(&mut self) {
        self.open += 1;
        self.counts.0.accepted.fetch_add(1, Ordering::Relaxed);
        self.counts.0.open.fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections of this server are open.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    pub(crate) fn refused(&self, reached: AdmissionError) {
        let counter = match reached {
            AdmissionError::Total => &self.counts.0.refused_in_all,
            AdmissionError::PerAddress => &self.counts.0.refused_by_address,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn closed(&mut self) {
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
    fn a_server_that_is_dropped_takes_its_connections_along() {
        let counts = ConnectionCounts::default();
        let (mut one, mut other) = (counts.for_server(), counts.for_server());
        one.opened();
        one.opened();
        other.opened();
        one.closed();
        assert_eq!((counts.accepted(), counts.open()), (3, 2));
        drop(one);
        assert_eq!((counts.accepted(), counts.open()), (3, 1));
    }
}
