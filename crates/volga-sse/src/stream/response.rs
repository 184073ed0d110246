//! `Sse`: an event stream with its settings, and the response that it becomes.

use std::{
    fmt,
    future::Future,
    time::{Duration, Instant},
};

use http::{HeaderName, HeaderValue, Response, header};

use crate::codec::message::Message;
use crate::stream::body::SseBody;
use crate::stream::close::{CloseHandle, StreamEnd, StreamKind};
use crate::stream::heartbeat::Heartbeat;
use crate::stream::settings::{MaxAge, StreamSettings};
use crate::stream::source::SseSource;

/// An event stream: a stream of messages, and its settings. [`into_response`](Self::into_response)
/// makes a response of it.
///
/// ```
/// use std::time::Duration;
/// use volga_sse::{Heartbeat, Message, Sse};
///
/// let messages = futures_util::stream::iter([Message::new().data("one"), Message::new().data("two")]);
/// let response = Sse::new(messages)
///     .retry(Duration::from_secs(1))
///     .heartbeat(Heartbeat::every(Duration::from_secs(30)))
///     .on_end(|end| println!("the stream ended: {:?}", end.reason()))
///     .into_response();
/// assert_eq!(response.status(), 200);
/// ```
#[must_use = "an event stream does nothing until it becomes a response"]
pub struct Sse<S> {
    stream: S,
    /// `None` for the defaults. In a box, so that the value that moves into the response is small.
    settings: Option<Box<StreamSettings>>,
    close: CloseHandle,
}

impl<S: SseSource> Sse<S> {
    /// Makes an event stream of these messages: a subscription with the default reconnection time,
    /// heartbeat and farewell. An `Sse` keeps its settings, and a client of a reply is a
    /// [finite](Self::finite) stream.
    pub fn new(stream: impl IntoSse<Source = S>) -> Self {
        stream.into_sse()
    }

    fn from_source(stream: S) -> Self {
        Self { stream, settings: None, close: CloseHandle::new() }
    }

    pub(crate) fn settings(&mut self) -> &mut StreamSettings {
        self.settings.get_or_insert_default()
    }

    /// Sets the reconnection time that the stream opens with;
    /// [`DEFAULT_RETRY`](crate::stream::settings::DEFAULT_RETRY) by default.
    pub fn retry(mut self, time: Duration) -> Self {
        self.settings().retry = Some(time);
        self
    }

    /// Opens the stream without a reconnection time. The client keeps the one that it has.
    pub fn without_retry(mut self) -> Self {
        self.settings().retry = None;
        self
    }

    /// Sets the heartbeat, which is sent into silence.
    pub fn heartbeat(mut self, heartbeat: Heartbeat) -> Self {
        self.settings().heartbeat = heartbeat;
        self
    }

    /// Makes this a stream with an end of its own. A server that shuts down lets it finish within
    /// its deadline, instead of closing it at once.
    pub fn finite(self) -> Self {
        self.close.set_kind(StreamKind::Finite);
        self
    }

    /// Sets a message that is sent when the stream is closed from outside, before the reconnection
    /// time.
    pub fn farewell(mut self, message: Message) -> Self {
        self.settings().farewell = Some(message);
        self
    }

    /// Sets the window over which clients reconnect after a farewell;
    /// [`DEFAULT_FAREWELL_SPREAD`](crate::stream::spread::DEFAULT_FAREWELL_SPREAD) by default. Each
    /// client gets a reconnection time of one second plus a random part of the window.
    pub fn farewell_spread(mut self, window: Duration) -> Self {
        self.settings().farewell_spread = window;
        self
    }

    /// Sets how many bytes the stream still sends after it was closed, or has reached its maximum
    /// age; [`DEFAULT_MAX_CLOSING_BYTES`](crate::stream::settings::DEFAULT_MAX_CLOSING_BYTES) by
    /// default. The last frame may exceed it, and one frame is always sent. See
    /// [`StreamEnd::has_unsent`] for what happens when more is ready.
    pub fn max_closing_bytes(mut self, bytes: usize) -> Self {
        self.settings().closing.bytes = bytes;
        self
    }

    /// Sets for how long the stream still sends messages after it was closed, or has reached its
    /// maximum age; [`DEFAULT_MAX_CLOSING_TIME`](crate::stream::settings::DEFAULT_MAX_CLOSING_TIME)
    /// by default.
    pub fn max_closing_time(mut self, time: Duration) -> Self {
        self.settings().closing.time = time;
        self
    }

    /// Closes the stream, with its farewell, when the future is ready: when a session ends or a
    /// token is cancelled, for example. The task that polls the body polls the future, too.
    pub fn close_on(mut self, future: impl Future<Output = ()> + Send + 'static) -> Self {
        self.settings().close_on = Some(Box::pin(future));
        self
    }

    /// Closes the stream, with its farewell, at this age plus a random part of `jitter`. The age
    /// counts from the first poll of the body. With jitter, clients that connected at the same
    /// time, after a restart for example, do not reconnect at the same time.
    pub fn max_age(mut self, age: Duration, jitter: Duration) -> Self {
        self.settings().max_age = Some(MaxAge { age, jitter });
        self
    }

    /// Closes the stream, with its farewell, at this time: when the client's token expires, for
    /// example. At most one frame of messages is sent after this time.
    pub fn deadline(mut self, at: Instant) -> Self {
        self.settings().deadline = Some(at);
        self
    }

    /// Adds an observer of the stream's end. It is called once, when the stream has ended, or when
    /// its body is dropped before that.
    pub fn on_end(self, observer: impl FnOnce(StreamEnd<'_>) + Send + 'static) -> Self {
        self.close.on_end(observer);
        self
    }

    /// Keeps a value until the stream has ended or its body is dropped: the
    /// [permit](crate::stream::limit::Permit) of a limit, for example.
    pub fn hold(self, value: impl Send + 'static) -> Self {
        self.close.hold(value);
        self
    }

    /// Returns a handle that ends this stream from outside.
    #[must_use]
    pub fn close_handle(&self) -> CloseHandle {
        self.close.clone()
    }

    /// Makes the response: status 200, headers that keep caches and proxies from holding events
    /// back, and the [`CloseHandle`] among its extensions.
    #[must_use]
    pub fn into_response(self) -> Response<SseBody<S>> {
        const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
        const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache, no-transform");
        const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
        const NO: HeaderValue = HeaderValue::from_static("no");

        let close = self.close.clone();
        let mut response = Response::new(SseBody::new(self.stream, self.settings, self.close));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
        headers.insert(header::CACHE_CONTROL, NO_CACHE);
        headers.insert(X_ACCEL_BUFFERING, NO);
        response.extensions_mut().insert(close);
        response
    }
}

impl<S: SseSource> From<Sse<S>> for Response<SseBody<S>> {
    fn from(sse: Sse<S>) -> Self {
        sse.into_response()
    }
}

impl<S> fmt::Debug for Sse<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let defaults = StreamSettings::default();
        let settings = self.settings.as_deref().unwrap_or(&defaults);
        f.debug_struct("Sse")
            .field("retry", &settings.retry)
            .field("heartbeat", &settings.heartbeat)
            .field("kind", &self.close.kind())
            .finish_non_exhaustive()
    }
}

/// A value that becomes an event stream: a [source](SseSource) of messages, with default settings;
/// an [`Sse`]; or a client of [`Replies`](crate::replies::handle::Replies).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event stream",
    note = "an event stream is a `Stream` of `Message`, `EncodedMessage`, or a `Result` of one; a hub's `Subscription`; or an `Sse`"
)]
pub trait IntoSse {
    /// Where the messages come from.
    type Source: SseSource;

    /// Makes the event stream.
    fn into_sse(self) -> Sse<Self::Source>;
}

impl<S: SseSource> IntoSse for S {
    type Source = S;

    fn into_sse(self) -> Sse<S> {
        Sse::from_source(self)
    }
}

impl<S: SseSource> IntoSse for Sse<S> {
    type Source = S;

    fn into_sse(self) -> Sse<S> {
        self
    }
}
