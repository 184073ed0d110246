//! One HTTP/2 connection: `h2` speaks the protocol, and this drives it.
//!
//! | module | idea |
//! |---|---|
//! | `request`, `response` | what `h2` leaves to do with heads |
//! | `upload`, `upload_window` | the body of a request, and whether the client may send it |
//! | `answer` | one request, in a task of its own |
//! | `outgoing` | a body becomes DATA frames, as the window allows |
//! | `room` | how long a body may wait for its window |
//! | `streams`, `ready` | the long-lived bodies, all in the connection's task |
//! | `ping` | whether a silent peer is still there |
//! | `wire` | the transport |
//! | `outbox` | what is about to leave: the frames of `h2`, and DATA past it |
//! | `windows` | how much may be sent past `h2` |
//! | `written` | what `h2` has written |
//! | `frames` | what the client sends, as far as the server follows it |

mod answer;
mod frames;
mod outbox;
mod outgoing;
mod ping;
mod ready;
mod request;
mod response;
mod room;
mod streams;
mod upload;
mod upload_window;
mod windows;
mod wire;
mod written;

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tower_service::Service;

use self::answer::{Answer, Rest};
use self::outbox::Outbox;
use self::ping::KeepAlive;
use self::ready::Ready;
use self::room::Socket;
use self::streams::Streams;
pub(crate) use self::upload::Upload;
use self::wire::Wire;
use crate::body::RequestBody;
use crate::body_pace::PaceLimits;
use crate::date::date;
use crate::drain_handle::Drain;
use crate::limits::{
    CONNECTION_WINDOW, FRAME_BYTES, FRAMES_AT_ONCE, MAX_ERROR_RESETS, MAX_HEAD_BYTES,
    MAX_PENDING_RESETS, MAX_STREAMS, ROUNDS_PER_TURN, SEND_BUFFER, STREAM_WINDOW,
};
use crate::service::Requests;
use crate::stall::Stall;
use crate::tasks::Alive;

/// How long the server waits for the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// To let the server's first frame through.
    pub(crate) handshake: Duration,
    /// To take a byte of what waits for it, on the whole connection or on one stream.
    pub(crate) stall: Duration,
    /// To send the body of a request.
    pub(crate) body: PaceLimits,
}

/// Serves a connection to its end.
pub(crate) async fn serve<I, S, B>(
    io: I,
    requests: Requests<S>,
    patience: Patience,
    drain: &Drain,
    alive: Alive,
) where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let ready = Arc::new(Ready::default());
    let h2_waker = Waker::from(Arc::clone(&ready));
    let socket = Socket::new(patience.stall, h2_waker.clone());
    let outbox = Outbox::new();
    let io = Stall::new(io, patience.stall);
    let wire = Wire::new(io, outbox.clone(), Arc::clone(&socket));
    let handshake = builder().handshake(wire.clone());
    let Ok(Ok(mut h2)) = timeout(patience.handshake, handshake).await else { return };
    let Some(pings) = h2.ping_pong() else { return };
    let streams = Streams::new(Arc::clone(&ready), Arc::clone(&socket));
    let mut connection = Connection {
        h2,
        wire,
        outbox,
        socket,
        keep_alive: KeepAlive::new(pings),
        requests,
        tasks: JoinSet::new(),
        alive,
        streams,
        h2_waker,
        ready,
        body_limits: patience.body,
    };
    let mut started = pin!(drain.started());
    let mut is_draining = false;
    poll_fn(|cx| {
        if !is_draining && started.as_mut().poll(cx).is_ready() {
            is_draining = true;
            connection.h2.graceful_shutdown();
        }
        connection.poll(cx)
    })
    .await;
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_header_list_size(MAX_HEAD_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_BYTES as u32)
        .max_send_buffer_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_ERROR_RESETS));
    builder
}

struct Connection<I, S, B> {
    h2: h2::server::Connection<Wire<I>, Bytes>,
    wire: Wire<I>,
    outbox: Outbox,
    socket: Arc<Socket>,
    keep_alive: KeepAlive,
    requests: Requests<S>,
    /// A task for each request. Dropped with the connection, they end with it.
    tasks: JoinSet<Rest<B>>,
    alive: Alive,
    streams: Streams<B>,
    ready: Arc<Ready>,
    /// Given to `h2` in place of the task's own, for what it does while the task runs.
    h2_waker: Waker,
    body_limits: PaceLimits,
}

impl<I, S, B> Connection<I, S, B>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// One turn: a frame of every stream that is ready, then all requests that have arrived, and one write.
    ///
    /// It does not go on with what becomes ready meanwhile: that is for the next turn, after the other tasks of this thread, above all the handlers.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.join(cx);
        if self.keep_alive.poll_gone(|| self.wire.heard(), cx).is_ready() {
            // A courtesy, in case that it still listens.
            self.h2.abrupt_shutdown(Reason::NO_ERROR);
            let _ = self.h2.poll_closed(cx);
            return Poll::Ready(());
        }
        // While the socket takes nothing, a frame would only lie in memory; and each stream has given one.
        if !self.socket.is_full() {
            self.serve_streams(cx);
        }
        let mut has_accepted = false;
        loop {
            self.wire.allow_heads();
            self.ready.clear_connection();
            while let Poll::Ready(next) =
                self.h2.poll_accept(&mut Context::from_waker(&self.h2_waker))
            {
                let Some(Ok((request, respond))) = next else { return Poll::Ready(()) };
                self.accept(request, respond);
                has_accepted = true;
            }
            self.streams.end(&self.wire.take_resets());
            let (resets, opened) = self.outbox.take_news();
            self.streams.end(&resets);
            self.streams.reopen(&opened);
            if !self.wire.has_stopped() || self.socket.is_full() {
                break;
            }
        }
        if has_accepted {
            // A set that was empty before has not kept the waker.
            self.join(cx);
        }
        if let Poll::Ready(Err(_)) = self.wire.poll_send(cx) {
            return Poll::Ready(());
        }
        if self.wire.has_stopped() && !self.socket.is_full() {
            // What had to leave first has left.
            self.ready.wake_by_ref();
        }
        self.ready.rest(self.socket.is_full(), self.streams.waiting() == 0, cx);
        Poll::Pending
    }

    /// Takes over what ended tasks have left.
    fn join(&mut self, cx: &mut Context<'_>) {
        let mut frames = 0;
        while let Poll::Ready(Some(ended)) = self.tasks.poll_join_next(cx) {
            match ended {
                Ok(Rest::LongLived(start)) => {
                    // It asks the body, and may drop it: a panic there must not take the others along.
                    let started = catch_unwind(AssertUnwindSafe(|| start.send_head()));
                    if let Ok(Some(outgoing)) = started {
                        self.streams.insert(outgoing);
                    }
                    frames += 1;
                    if frames % FRAMES_AT_ONCE == 0 {
                        self.pass_on();
                    }
                }
                Ok(Rest::Failed(outgoing)) => {
                    // Its next step is the reset.
                    self.pass_on();
                    self.streams.insert(outgoing);
                }
                Ok(Rest::Nothing) | Err(_) => {}
            }
        }
        if frames % FRAMES_AT_ONCE > 0 {
            self.pass_on();
        }
    }

    /// Takes a frame of each stream that is ready, as long as the socket takes them, and then some more of those that have more.
    fn serve_streams(&mut self, cx: &mut Context<'_>) {
        self.streams.line_up();
        for _ in 0..ROUNDS_PER_TURN {
            let mut waiting = self.streams.waiting();
            while waiting > 0 {
                let served = self.streams.serve(waiting, &mut self.outbox.lock());
                self.pass_on();
                let is_full = self.outbox.lock().is_full();
                if served == 0 || is_full && self.wire.poll_send(cx).is_pending() {
                    // The turn is over; or the socket takes nothing, or is broken.
                    return;
                }
                waiting -= served;
            }
        }
    }

    /// Lets `h2` pass on the frames that it was given. It has memory for as many as ever lay in it at once, and never lets go of it.
    fn pass_on(&mut self) {
        // If this is the connection's end, that shows when it is polled for requests.
        let _ = self.h2.poll_closed(&mut Context::from_waker(&self.h2_waker));
        self.outbox.lock().passed_on();
    }

    fn accept(&mut self, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
        let (mut head, body) = request.into_parts();
        if let Err(status) = request::check(&mut head) {
            let mut response = Response::new(());
            *response.status_mut() = status;
            response::complete(response.headers_mut(), date);
            // An error means that the client has left already.
            let _ = respond.send_response(response, true);
            return;
        }
        let method = head.method.clone();
        let upload = Upload::new(body, &head.headers, self.body_limits, &self.outbox);
        let body = RequestBody::http2(upload);
        let handler = self.requests.answer(Request::from_parts(head, body));
        let answer = Answer::new(handler, method, respond, Arc::clone(&self.socket));
        self.tasks.spawn(self.alive.carried_by(answer));
    }
}

#[cfg(test)]
mod abuse;
#[cfg(test)]
mod bursts;
#[cfg(test)]
mod flow;
#[cfg(test)]
mod resets;
#[cfg(test)]
mod tests;
