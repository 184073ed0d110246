//! One request: its handler, and the response as far as it is ordinary.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::CONTENT_LENGTH;
use http::{Method, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use super::backpressure::Backpressure;
use super::h2_tunnel::H2Tunnel;
use super::response::{announce_length, complete, is_without_content};
use super::send_body::{SendBody, Step};
use crate::drain::handle::Drain;
use crate::exchange::date::date;
use crate::exchange::long_lived::LongLived;
use crate::exchange::tunnel::{Run, Running, Tunnel, TunnelStream};

/// What a request's task leaves for the connection's own to go on with.
pub(super) enum TaskOutcome<B> {
    Nothing,
    /// A long-lived response. Its head is not sent yet: those of many requests that came together would all lie in `h2` at once, which keeps that memory.
    LongLived(Box<ResponseStart<B>>),
    Failed(Pin<Box<SendBody<B>>>),
}

/// A response that is about to begin.
pub(super) struct ResponseStart<B> {
    response: Response<B>,
    method: Method,
    respond: SendResponse<Bytes>,
}

pin_project! {
    /// Runs the handler and sends its response, except for a long-lived body.
    ///
    /// A client that resets the stream drops the handler, or the body. A panic ends the stream and nothing else.
    ///
    /// Written by hand: an async function would hold the handler twice, as its argument and where it is pinned.
    #[project = RequestTaskProj]
    pub(super) enum RequestTask<F, B> {
        Handler {
            #[pin]
            handler: F,
            method: Method,
            // Taken once there is a response.
            respond: Option<SendResponse<Bytes>>,
            socket: Arc<Backpressure>,
            // There if the client has asked for a tunnel.
            tunnel: Option<Box<TunnelEnds>>,
        },
        // A tunnel has begun, and the application runs it.
        Tunnel { running: Running },
        Body {
            // In a box, since it may move to the connection's task.
            outgoing: Option<Pin<Box<SendBody<B>>>>,
            socket: Arc<Backpressure>,
        },
    }
}

impl<F, B> RequestTask<F, B> {
    pub(super) fn new(
        handler: F,
        method: Method,
        respond: SendResponse<Bytes>,
        socket: Arc<Backpressure>,
        tunnel: Option<Box<TunnelEnds>>,
    ) -> Self {
        Self::Handler { handler, method, respond: Some(respond), socket, tunnel }
    }
}

impl<F, B, E> Future for RequestTask<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Output = TaskOutcome<B>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<TaskOutcome<B>> {
        loop {
            match self.as_mut().project() {
                RequestTaskProj::Handler { handler, method, respond, socket, tunnel } => {
                    let Some(response) = ready!(poll_handler(handler, respond, cx)) else {
                        return Poll::Ready(TaskOutcome::Nothing);
                    };
                    let (method, Some(respond)) = (std::mem::take(method), respond.take()) else {
                        return Poll::Ready(TaskOutcome::Nothing);
                    };
                    if let Some(ends) = tunnel.take()
                        && let Some(run) = accepted_tunnel(&response)
                    {
                        let socket = Arc::clone(socket);
                        let Some(stream) = ends.open(response, respond, socket) else {
                            return Poll::Ready(TaskOutcome::Nothing);
                        };
                        self.set(Self::Tunnel { running: run(stream) });
                        continue;
                    }
                    let is_long_lived = response.extensions().get::<LongLived>().is_some();
                    let socket = Arc::clone(socket);
                    let start = ResponseStart { response, method, respond };
                    if is_long_lived {
                        return Poll::Ready(TaskOutcome::LongLived(Box::new(start)));
                    }
                    let Some(outgoing) = start.send_head() else {
                        return Poll::Ready(TaskOutcome::Nothing);
                    };
                    self.set(Self::Body { outgoing: Some(outgoing), socket });
                }
                RequestTaskProj::Tunnel { running } => {
                    return running.as_mut().poll(cx).map(|()| TaskOutcome::Nothing);
                }
                RequestTaskProj::Body { outgoing: rest, socket } => {
                    let Some(outgoing) = rest else { return Poll::Ready(TaskOutcome::Nothing) };
                    // `h2` wakes whoever waits for a reset when the stream gets room, also from within the call that asks for it. So nobody waits during the
                    // step: else each would be followed by another one in vain.
                    let mut nobody = Context::from_waker(Waker::noop());
                    let is_reset = outgoing.as_mut().poll_reset(&mut nobody).is_ready();
                    if is_reset {
                        return Poll::Ready(TaskOutcome::Nothing);
                    }
                    let Poll::Ready(step) = outgoing.as_mut().step(socket, None, cx) else {
                        return outgoing.as_mut().poll_reset(cx).map(|()| TaskOutcome::Nothing);
                    };
                    match step {
                        Step::Over => return Poll::Ready(TaskOutcome::Nothing),
                        Step::Failed => {
                            return Poll::Ready(
                                rest.take().map_or(TaskOutcome::Nothing, TaskOutcome::Failed),
                            );
                        }
                        Step::Sent => {
                            // The window may be wide and the body always ready: the others on this thread have a turn.
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }
}

/// What a tunnel needs beside the response that accepts it.
#[derive(Debug)]
pub(super) struct TunnelEnds {
    pub(super) recv: RecvStream,
    pub(super) drain: Drain,
    pub(super) idle_timeout: Duration,
}

impl TunnelEnds {
    /// Sends the head of the response, and opens the tunnel. `None` if the client has left.
    fn open<B>(
        self,
        response: Response<B>,
        mut respond: SendResponse<Bytes>,
        backpressure: Arc<Backpressure>,
    ) -> Option<TunnelStream> {
        let (mut head, _body) = response.into_parts();
        complete(&mut head.headers, date);
        // A stream of bytes has no length (RFC 9110, section 9.3.6).
        head.headers.remove(CONTENT_LENGTH);
        let send = respond.send_response(Response::from_parts(head, ()), false).ok()?;
        let Self { recv, drain, idle_timeout } = self;
        Some(TunnelStream::new(H2Tunnel::new(send, recv, backpressure), drain, idle_timeout))
    }
}

/// What runs in the tunnel, if the response accepts it.
fn accepted_tunnel<B>(response: &Response<B>) -> Option<Run> {
    let tunnel = response.extensions().get::<Tunnel>()?;
    response.status().is_success().then(|| tunnel.take())?
}

/// The response, or `None` if nobody gets one: the client has reset the stream, or the handler has panicked.
fn poll_handler<F, B, E>(
    handler: Pin<&mut F>,
    respond: &mut Option<SendResponse<Bytes>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Response<B>>>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    match catch_unwind(AssertUnwindSafe(|| handler.poll(cx))) {
        Ok(Poll::Ready(response)) => Poll::Ready(response.ok()),
        Ok(Poll::Pending) => match respond {
            Some(respond) => respond.poll_reset(cx).map(|_why| None),
            None => Poll::Ready(None),
        },
        Err(_panic) => {
            if let Some(respond) = respond {
                respond.send_reset(Reason::INTERNAL_ERROR);
            }
            Poll::Ready(None)
        }
    }
}

impl<B> ResponseStart<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Sends the head. `None` if nothing follows it.
    pub(super) fn send_head(mut self) -> Option<Pin<Box<SendBody<B>>>> {
        let (mut head, body) = self.response.into_parts();
        if head.status.is_informational() {
            // It announces a response, and there is none.
            self.respond.send_reset(Reason::INTERNAL_ERROR);
            return None;
        }
        complete(&mut head.headers, date);
        let mut is_over = body.is_end_stream();
        if !is_over {
            announce_length(&mut head.headers, &body.size_hint());
            is_over = is_without_content(&self.method, head.status);
        }
        match self.respond.send_response(Response::from_parts(head, ()), is_over) {
            Ok(stream) => (!is_over).then(|| Box::pin(SendBody::new(stream, body))),
            Err(_) => {
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                None
            }
        }
    }
}
