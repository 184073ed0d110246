//! How a stream is ended from outside: a handle for one stream, a group for all streams of a
//! server, and the reasons for which streams end.

use std::{
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    task::{Context, Waker},
};

use crate::box_error::BoxError;

/// Why a stream ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum EndReason {
    /// The stream of messages came to its end.
    Finished,
    /// An item was an error, or a message could not be encoded. The body ended with an error, so
    /// the client sees a stream that was cut short.
    Failed,
    /// The stream of messages panicked. The body ended with an error, so the client sees a stream
    /// that was cut short, after everything that came before.
    Panicked,
    /// [`CloseHandle::close`] was called, or the future of
    /// [`close_on`](crate::stream::response::Sse::close_on) was ready.
    Closed,
    /// The stream reached its [maximum age](crate::stream::response::Sse::max_age).
    MaxAge,
    /// The stream reached its [deadline](crate::stream::response::Sse::deadline).
    Deadline,
    /// [`CloseGroup::close`] was called, because the server shuts down.
    Drained,
    /// The body was dropped before its end, because the client left or the connection broke.
    ClientLeft,
}

/// How a stream ended, as its [observers](crate::stream::response::Sse::on_end) are told.
#[derive(Clone, Copy, Debug)]
pub struct StreamEnd<'a> {
    pub(crate) reason: EndReason,
    pub(crate) cause: Option<&'a (dyn std::error::Error + Send + Sync + 'static)>,
    pub(crate) sent: SentCounts,
    pub(crate) has_unsent: bool,
}

/// The bytes and messages that a stream gave to its server.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SentCounts {
    pub(crate) bytes: u64,
    pub(crate) messages: u64,
}

/// A function that is called once, when a stream has ended.
type Observer = Box<dyn FnOnce(StreamEnd<'_>) + Send>;

impl StreamEnd<'_> {
    /// Why the stream ended.
    #[must_use]
    pub fn reason(&self) -> EndReason {
        self.reason
    }

    /// The error, if the stream [failed](EndReason::Failed) or [panicked](EndReason::Panicked), or
    /// was cut short because [messages were not sent](Self::has_unsent). The client does not learn
    /// it, so this is the place to log it.
    #[must_use]
    pub fn cause(&self) -> Option<&(dyn std::error::Error + Send + Sync + 'static)> {
        self.cause
    }

    /// Returns true if the stream was closed while messages were ready that were not sent, because
    /// a bound was reached: [`max_closing_bytes`](crate::stream::response::Sse::max_closing_bytes)
    /// or [`max_closing_time`](crate::stream::response::Sse::max_closing_time).
    ///
    /// A client of a hub gets these messages when it resumes. For other streams, the body ends with
    /// an error, so that the client does not take the stream for complete.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.has_unsent
    }

    /// How many messages the server took from the stream to send them. The opening, heartbeats and
    /// the farewell are not counted.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.sent.messages
    }

    /// How many bytes of the body the server took to send them. If the client left, it may not have
    /// received the last of them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.sent.bytes
    }
}

/// Whether a stream has an end of its own, which decides what happens to it when the server shuts
/// down.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum StreamKind {
    /// The stream goes on for as long as the client stays, and the client can resume it at another
    /// server. It is closed at once.
    #[default]
    Subscription,
    /// The stream has an end of its own, such as the output of a language model. It may finish
    /// within the server's deadline.
    Finite,
}

/// Ends one stream from anywhere. The client receives the messages that are ready, then the
/// farewell, then a proper end of the body. If more is ready than a closing stream may send, see
/// [`StreamEnd::has_unsent`].
///
/// Clones end the same stream. The handle is in the [extensions](http::Response::extensions) of the
/// response that [`Sse::into_response`](crate::stream::response::Sse::into_response) makes, where a
/// server finds it. It does not keep the stream alive.
#[derive(Clone)]
pub struct CloseHandle(Arc<CloseState>);

struct CloseState {
    end: AtomicU8,
    is_finite: AtomicBool,
    /// The source has ended, and the server was told so without polling the body.
    has_finished: AtomicBool,
    /// Whether the observer does more than hold a value.
    is_observed: AtomicBool,
    /// Used only under the lock.
    // Not in it, because there it would take another word of each idle stream.
    has_ended: AtomicBool,
    observers: Mutex<Observers>,
}

/// What is called when the stream is closed or has ended.
#[derive(Default)]
struct Observers {
    waker: Option<Waker>,
    observer: Option<Observer>,
    /// How code around the body has ended it.
    // In a box, because few streams end so, and each one would have room for it.
    cut: Option<Box<(EndReason, BoxError)>>,
}

const OPEN: u8 = 0;
const CLOSED: u8 = 1;
const DRAINED: u8 = 2;

impl CloseHandle {
    pub(crate) fn new() -> Self {
        Self(Arc::new(CloseState {
            end: AtomicU8::new(OPEN),
            is_finite: AtomicBool::new(false),
            has_finished: AtomicBool::new(false),
            is_observed: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            observers: Mutex::default(),
        }))
    }

    /// Ends the stream. Only the first call counts. After the stream's end it does nothing.
    pub fn close(&self) {
        self.0.end(CLOSED);
    }

    /// Returns true once the stream was told to end, by this handle or by a group.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.reason().is_some()
    }

    /// Adds an observer of the stream's end, which is called after the observers that there are.
    ///
    /// Each observer is called once, where the body ends or is dropped, between other work of the
    /// server, so keep it short. If the stream has ended already, the observer is dropped without
    /// being called.
    pub fn on_end(&self, observer: impl FnOnce(StreamEnd<'_>) + Send + 'static) {
        self.at_end(observer);
        self.0.is_observed.store(true, Ordering::Release);
    }

    fn at_end(&self, observer: impl FnOnce(StreamEnd<'_>) + Send + 'static) {
        let mut observers = self.0.observers();
        if self.0.has_ended.load(Ordering::Relaxed) {
            // The value in it is dropped without the lock.
            drop(observers);
            return;
        }
        observers.observer = Some(match observers.observer.take() {
            None => Box::new(observer),
            Some(earlier) => Box::new(move |end: StreamEnd<'_>| {
                earlier(end);
                observer(end);
            }),
        });
    }

    /// Keeps a value until the stream has ended. If it has ended already, the value is dropped at
    /// once.
    pub fn hold(&self, value: impl Send + 'static) {
        self.at_end(move |_| drop(value));
    }

    /// Returns true if the stream's end has an observer, from
    /// [`Sse::on_end`](crate::stream::response::Sse::on_end) or [`on_end`](Self::on_end).
    #[must_use]
    pub fn is_observed(&self) -> bool {
        self.0.is_observed.load(Ordering::Acquire)
    }

    /// Forgets the observers without calling them, and drops what they hold.
    ///
    /// A server calls this when it does not send the body, because the request's method is HEAD:
    /// then no stream starts, and none ends.
    pub fn discard(&self) {
        let observer = {
            let mut observers = self.0.observers();
            self.0.has_ended.store(true, Ordering::Relaxed);
            observers.observer.take()
        };
        // Dropped without the lock, because it may hold anything.
        drop(observer);
    }

    /// Says that code around the stream's body has ended it, for example a layer with a time limit.
    /// The observers are then told this reason and this cause when the body is dropped, instead of
    /// [`EndReason::ClientLeft`]. After the stream's end it does nothing.
    pub fn cut(&self, reason: EndReason, cause: impl Into<BoxError>) {
        self.0.observers().cut = Some(Box::new((reason, cause.into())));
    }

    /// Takes how code around the body has ended it.
    pub(crate) fn take_cut(&self) -> Option<(EndReason, BoxError)> {
        self.0.observers().cut.take().map(|cut| *cut)
    }

    /// Notes that the source has ended, and that the server knows it although it has not polled the
    /// body.
    pub(crate) fn note_finished(&self) {
        self.0.has_finished.store(true, Ordering::Relaxed);
    }

    pub(crate) fn has_finished(&self) -> bool {
        self.0.has_finished.load(Ordering::Relaxed)
    }

    /// Calls the observers. Only the first call counts.
    pub(crate) fn notify_end(&self, end: StreamEnd<'_>) {
        let observer = {
            let mut observers = self.0.observers();
            self.0.has_ended.store(true, Ordering::Relaxed);
            observers.observer.take()
        };
        if let Some(observer) = observer {
            observer(end);
        }
    }

    /// Whether the stream has an end of its own.
    #[must_use]
    pub fn kind(&self) -> StreamKind {
        if self.0.is_finite.load(Ordering::Acquire) {
            StreamKind::Finite
        } else {
            StreamKind::Subscription
        }
    }

    pub(crate) fn set_kind(&self, kind: StreamKind) {
        self.0.is_finite.store(kind == StreamKind::Finite, Ordering::Release);
    }

    pub(crate) fn reason(&self) -> Option<EndReason> {
        match self.0.end.load(Ordering::Acquire) {
            CLOSED => Some(EndReason::Closed),
            DRAINED => Some(EndReason::Drained),
            _ => None,
        }
    }

    /// Returns the reason to end, or registers this task to be woken when there is one.
    pub(crate) fn poll_reason(&self, cx: &Context<'_>) -> Option<EndReason> {
        {
            let waker = &mut self.0.observers().waker;
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        // Read after the waker is in place: a later end finds the waker.
        self.reason()
    }
}

impl CloseState {
    fn end(&self, how: u8) {
        if self.end.compare_exchange(OPEN, how, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            // Taken out first, so that the lock is not held while foreign code runs.
            let waker = self.observers().waker.take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn observers(&self) -> MutexGuard<'_, Observers> {
        self.observers.lock().unwrap_or_else(PoisonError::into_inner)
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

/// All streams of a server, which are closed together when it shuts down.
///
/// Clones share the same group. A stream that has ended leaves the group by itself, and the group
/// keeps no stream alive.
#[derive(Clone, Default)]
pub struct CloseGroup(Arc<Mutex<GroupMembers>>);

#[derive(Default)]
struct GroupMembers {
    closed: bool,
    streams: Vec<Weak<CloseState>>,
    /// The number of streams at which ended streams are removed next.
    sweep_at: usize,
}

/// Below this number of streams, ended streams are not removed.
const MIN_SWEEP: usize = 64;

impl CloseGroup {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a stream. If the group is closed already, a subscription is closed at once.
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
            // Twice the number that is left, so that each stream is checked a constant number of
            // times on average.
            members.sweep_at = 2 * members.streams.len();
        }
    }

    /// Closes every subscription, including those that are added later. Finite streams go on to
    /// their own end.
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

    /// How many streams are open, including finite ones. Zero once the group is closed.
    #[must_use]
    pub fn open(&self) -> usize {
        self.members().streams.iter().filter(|stream| stream.strong_count() > 0).count()
    }

    fn members(&self) -> MutexGuard<'_, GroupMembers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn end_subscription(stream: &CloseState) {
    if !stream.is_finite.load(Ordering::Acquire) {
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
    fn the_state_of_an_idle_stream_is_small() {
        assert!(size_of::<CloseState>() <= 56, "{} bytes", size_of::<CloseState>());
    }

    #[test]
    fn the_first_reason_stays() {
        let handle = CloseHandle::new();
        assert!(!handle.is_closed());
        handle.close();
        handle.0.end(DRAINED);
        assert_eq!(handle.reason(), Some(EndReason::Closed));
    }

    #[test]
    fn each_observer_is_told_once_in_order_and_a_late_one_is_dropped() {
        let (handle, told) = (CloseHandle::new(), Arc::new(Mutex::new(Vec::new())));
        let observe = |name| {
            let told = Arc::clone(&told);
            handle.on_end(move |end| told.lock().unwrap().push((name, end.reason(), end.bytes())));
        };
        handle.hold(Arc::clone(&told));
        assert!(!handle.is_observed(), "what is held looks at nothing");
        observe("first");
        observe("second");
        assert!(handle.is_observed());
        let sent = SentCounts { bytes: 7, messages: 1 };
        for reason in [EndReason::Failed, EndReason::ClientLeft] {
            handle.notify_end(StreamEnd { reason, cause: None, sent, has_unsent: false });
        }
        observe("late");
        let expect = [("first", EndReason::Failed, 7), ("second", EndReason::Failed, 7)];
        assert_eq!(*told.lock().unwrap(), expect);
        handle.hold(Arc::clone(&told));
        assert_eq!(
            Arc::strong_count(&told),
            1,
            "what comes late is dropped, and what was held as well"
        );
    }

    #[test]
    fn a_group_closes_subscriptions_and_leaves_finite_streams() {
        let group = CloseGroup::new();
        let (subscription, finite, late) =
            (CloseHandle::new(), CloseHandle::new(), CloseHandle::new());
        finite.set_kind(StreamKind::Finite);
        group.add(&subscription);
        group.add(&finite);
        assert_eq!(group.open(), 2);

        group.close();
        group.add(&late);
        assert_eq!(subscription.reason(), Some(EndReason::Drained));
        assert_eq!(late.reason(), Some(EndReason::Drained));
        assert!(!finite.is_closed());
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
