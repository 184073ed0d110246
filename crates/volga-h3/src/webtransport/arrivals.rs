//! The streams and datagrams of a session that wait for the application, and their limits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::code::Code;
use crate::guarded::{GuardedRecv, GuardedSend};
use crate::limits::DATAGRAM_OVERHEAD;

/// A place among the open streams of a session. It is free again when both halves are dropped.
#[derive(Debug)]
pub(crate) struct StreamPlace(Arc<AtomicUsize>);

impl StreamPlace {
    /// Takes a place. `None` if all are taken.
    pub(crate) fn take(open: &Arc<AtomicUsize>, limit: usize) -> Option<Arc<Self>> {
        let more = |count: usize| (count < limit).then_some(count + 1);
        open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        Some(Arc::new(Self(Arc::clone(open))))
    }
}

impl Drop for StreamPlace {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The receiving half of a stream of a client, and the bytes that have arrived already.
#[derive(Debug)]
pub(crate) struct ArrivedStream {
    pub(crate) recv: GuardedRecv,
    pub(crate) rest: Bytes,
    /// `None` for a unidirectional stream.
    pub(crate) send: Option<GuardedSend>,
}

impl ArrivedStream {
    /// Tells the client that nobody takes the stream.
    pub(crate) fn reject(self, code: Code) {
        let Self { mut recv, send, .. } = self;
        recv.stop(code);
        if let Some(mut send) = send {
            send.reset(code);
        }
    }
}

/// A stream with its place.
pub(crate) type PlacedStream = (ArrivedStream, Arc<StreamPlace>);

/// The streams and datagrams that wait for the application.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    pub(crate) bidirectional: VecDeque<PlacedStream>,
    pub(crate) unidirectional: VecDeque<PlacedStream>,
    pub(crate) datagrams: DatagramQueue,
    /// Nothing more arrives.
    pub(crate) is_over: bool,
}

/// Datagrams up to a number of bytes. The oldest ones are dropped for newer ones, which say more
/// about the present.
#[derive(Debug, Default)]
pub(crate) struct DatagramQueue {
    datagrams: VecDeque<Bytes>,
    bytes: usize,
    dropped: u64,
}

impl DatagramQueue {
    pub(crate) fn push(&mut self, datagram: Bytes, limit: usize) {
        self.bytes += datagram.len() + DATAGRAM_OVERHEAD;
        self.datagrams.push_back(datagram);
        while self.bytes > limit && self.pop().is_some() {
            self.dropped += 1;
        }
    }

    pub(crate) fn pop(&mut self) -> Option<Bytes> {
        let datagram = self.datagrams.pop_front()?;
        self.bytes -= datagram.len() + DATAGRAM_OVERHEAD;
        Some(datagram)
    }

    /// How many datagrams were dropped.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_newest_datagrams_are_kept_within_the_limit(
            sizes in prop::collection::vec(0_usize..300, 0..40),
            limit in 0_usize..2_000,
        ) {
            let mut queue = DatagramQueue::default();
            for (index, &size) in sizes.iter().enumerate() {
                queue.push(vec![index as u8; size].into(), limit);
                prop_assert!(queue.bytes <= limit);
            }
            let mut bytes = 0;
            let mut fits = |size: &&usize| {
                bytes += *size + DATAGRAM_OVERHEAD;
                bytes <= limit
            };
            let kept = sizes.iter().rev().take_while(|size| fits(size)).count();
            prop_assert_eq!(queue.dropped(), (sizes.len() - kept) as u64);
            for (index, &size) in sizes.iter().enumerate().skip(sizes.len() - kept) {
                prop_assert_eq!(queue.pop(), Some(vec![index as u8; size].into()));
            }
            prop_assert_eq!((queue.pop(), queue.bytes), (None, 0));
        }
    }

    #[test]
    fn a_place_is_free_again_when_its_stream_is_dropped() {
        let open = Arc::default();
        let first = StreamPlace::take(&open, 2).expect("free");
        let second = StreamPlace::take(&open, 2).expect("free");
        assert!(StreamPlace::take(&open, 2).is_none());
        let half = Arc::clone(&first);
        drop(first);
        assert!(StreamPlace::take(&open, 2).is_none(), "the other half is there");
        drop(half);
        assert!(StreamPlace::take(&open, 2).is_some());
        drop(second);
    }
}
