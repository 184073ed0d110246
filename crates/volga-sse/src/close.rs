//! Ending a stream from outside: a handle for one stream, a group for all of a server, and the reasons for which streams end.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Waker},
};

/// Why a stream ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EndReason {
    /// The stream of messages came to its end.
    Finished,
    /// An item was an error, or a message that could not be encoded. The body ended with an error, so the client sees a cut stream.
    Failed,
    /// [`CloseHandle::close`] was called, or what the stream was to [close on](crate::Sse::close_on) happened.
    Closed,
    /// The stream reached its [maximum age](crate::Sse::max_age).
    MaxAge,
    /// The stream reached its [deadline](crate::Sse::deadline).
    Deadline,
    /// [`CloseGroup::close`] was called: the server is going away.
    Drained,
    /// The body was dropped before its end, because the client left or the connection broke.
    ClientLeft,
}

/// How a stream ended, as its [observer](crate::Sse::on_end) is told.
#[derive(Debug)]
pub struct StreamEnd<'a> {
    pub(crate) reason: EndReason,
    pub(crate) cause: Option<&'a (dyn std::error::Error + Send + Sync + 'static)>,
}

impl StreamEnd<'_> {
    /// Why the stream ended.
    #[must_use]
    pub fn reason(&self) -> EndReason {
        self.reason
    }

    /// What went wrong, when the stream [failed](EndReason::Failed). The client is not told, so this is the place to log it.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause
    }
}

/// What a stream is to its client, and so what happens to it when the server goes away.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum StreamKind {
    /// Goes on for as long as the client stays, and can be taken up elsewhere: closed at once.
    #[default]
    Subscription,
    /// Has an end of its own, such as the reply of a language model: left to finish within the server's deadline.
    Answer,
}

/// Ends one stream from anywhere: the client reads what was ready, then the farewell, then a proper end of the body.
///
/// Clones end the same stream. The handle rides in the [extensions](http::Response::extensions) of the response that
/// [`Sse::into_response`](crate::Sse::into_response) makes, which is where a server finds it. It does not keep the stream alive.
#[derive(Clone)]
pub struct CloseHandle(Arc<Shared>);

struct Shared {
    end: AtomicU8,
    is_answer: AtomicBool,
    waker: Mutex<Option<Waker>>,
}

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const DRAINED: u8 = 2;

impl CloseHandle {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Shared {
            end: AtomicU8::new(OPEN),
            is_answer: AtomicBool::new(false),
            waker: Mutex::new(None),
        }))
    }

    /// Ends the stream. Only the first call counts; after the stream's end it does nothing.
    pub fn close(&self) {
        self.0.end(CLOSED);
    }

    /// True once the stream was told to end, by whichever way.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.reason().is_some()
    }

    /// What the stream is to its client.
    #[must_use]
    pub fn kind(&self) -> StreamKind {
        if self.0.is_answer.load(Ordering::Acquire) {
            StreamKind::Answer
        } else {
            StreamKind::Subscription
        }
    }

    pub(crate) fn set_kind(&self, kind: StreamKind) {
        self.0.is_answer.store(kind == StreamKind::Answer, Ordering::Release);
    }

    pub(crate) fn reason(&self) -> Option<EndReason> {
        match self.0.end.load(Ordering::Acquire) {
            CLOSED => Some(EndReason::Closed),
            DRAINED => Some(EndReason::Drained),
            _ => None,
        }
    }

    /// The reason to end, or the promise to wake this task when there is one.
    pub(crate) fn poll_reason(&self, cx: &Context<'_>) -> Option<EndReason> {
        {
            let mut waker = self.0.waker();
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        // Looked at after the waker is in place: whoever ends the stream later finds it.
        self.reason()
    }
}

impl Shared {
    fn end(&self, how: u8) {
        if self.end.compare_exchange(OPEN, how, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            // Taken out first, so that the lock is not held while foreign code runs.
            let waker = self.waker().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn waker(&self) -> MutexGuard<'_, Option<Waker>> {
        self.waker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for CloseHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseHandle")
            .field("kind", &self.kind())
            .field("reason", &self.reason())
            .finish_non_exhaustive()
    }
}

/// All streams of a server, to be closed together when it goes away.
///
/// Clones are the same group. A stream that ended leaves the group by itself, and the group keeps no stream alive.
#[derive(Clone, Default)]
pub struct CloseGroup(Arc<Mutex<Members>>);

#[derive(Default)]
struct Members {
    closed: bool,
    streams: Vec<Weak<Shared>>,
    /// The length at which ended streams are looked for next.
    sweep_at: usize,
}

/// Below this many members nothing is swept.
const MIN_SWEEP: usize = 64;

impl CloseGroup {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a stream in. When the group is closed already, a subscription is closed at once.
    pub fn add(&self, handle: &CloseHandle) {
        let mut members = self.members();
        if members.closed {
            drop(members);
            end_subscription(&handle.0);
            return;
        }
        members.streams.push(Arc::downgrade(&handle.0));
        if members.streams.len() > members.sweep_at.max(MIN_SWEEP) {
            members.streams.retain(|stream| stream.strong_count() > 0);
            // Twice what is left: each stream is looked at a constant number of times on average.
            members.sweep_at = 2 * members.streams.len();
        }
    }

    /// Closes every subscription, those that are added later included. Answers go on to their own end.
    pub fn close(&self) {
        let streams = {
            let mut members = self.members();
            members.closed = true;
            std::mem::take(&mut members.streams)
        };
        for stream in streams.iter().filter_map(Weak::upgrade) {
            end_subscription(&stream);
        }
    }

    /// How many streams are open, answers included. Zero once the group is closed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.members().streams.iter().filter(|stream| stream.strong_count() > 0).count()
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_subscription(stream: &Shared) {
    if !stream.is_answer.load(Ordering::Acquire) {
        stream.end(DRAINED);
    }
}

impl fmt::Debug for CloseGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloseGroup").field("open", &self.open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let handle = CloseHandle::new();
        assert!(!handle.is_closed());
        handle.close();
        handle.0.end(DRAINED);
        assert_eq!(handle.reason(), Some(EndReason::Closed));
    }

    #[test]
    fn a_group_closes_subscriptions_and_leaves_answers() {
        let group = CloseGroup::new();
        let (subscription, answer, late) =
            (CloseHandle::new(), CloseHandle::new(), CloseHandle::new());
        answer.set_kind(StreamKind::Answer);
        group.add(&subscription);
        group.add(&answer);
        assert_eq!(group.open(), 2);

        group.close();
        group.add(&late);
        assert_eq!(subscription.reason(), Some(EndReason::Drained));
        assert_eq!(late.reason(), Some(EndReason::Drained));
        assert!(!answer.is_closed());
    }

    #[test]
    fn ended_streams_do_not_pile_up_in_a_group() {
        let group = CloseGroup::new();
        let kept: Vec<_> = (0..10).map(|_| CloseHandle::new()).collect();
        kept.iter().for_each(|handle| group.add(handle));
        for _ in 0..10_000 {
            group.add(&CloseHandle::new());
            assert!(group.members().streams.len() <= MIN_SWEEP + 1);
        }
        assert_eq!(group.open(), kept.len());
    }
}
