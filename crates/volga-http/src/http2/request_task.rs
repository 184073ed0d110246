//! The task of one request: calls the handler, and sends an ordinary response.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::CONTENT_LENGTH;
use http::{Method, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;

use super::backpressure::Backpressure;
use super::h2_tunnel::{H2Tunnel, TunnelInput};
use super::send_body::{OutgoingBody, SendBody, StepOutcome};
use crate::drain::handle::Drain;
use crate::exchange::cut_at_end::CutAtEnd;
use crate::exchange::date::date;
use crate::exchange::long_lived_response::LongLivedResponse;
use crate::exchange::response_fields::{complete, is_without_content, set_length};
use crate::exchange::service::{ServicePanic, catch_panic};
use crate::exchange::tunnel::{TunnelFuture, TunnelStream, accepted_tunnel};
use crate::io::wake::wake_after_sockets;

/// What the task of a request hands over to the task of its connection.
pub(super) enum TaskOutcome<B> {
    Nothing,
    /// A long-lived response. Its head is not sent yet: `h2` would hold the heads of many requests
    /// at once, and keep that memory.
    LongLived(Box<ResponseStart<B>>),
    Failed(OutgoingBody<B>),
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
    /// When the client resets the stream, the handler or the body is dropped. A panic ends the
    /// stream and nothing else.
    ///
    /// This is not an async function because that would hold the handler twice: as its argument and
    /// where it is pinned.
    #[project = RequestTaskProj]
    pub(super) enum RequestTask<F, B> {
        Handler {
            #[pin]
            handler: F,
            method: Method,
            // Taken when the response is there.
            respond: Option<SendResponse<Bytes>>,
            backpressure: Arc<Backpressure>,
            // `Some` if the client has asked for a tunnel.
            tunnel: Option<Box<TunnelEnds>>,
        },
        // A tunnel has begun, and the application runs it. The response's body is empty, but it
        // holds what belongs to the request until the tunnel ends.
        Tunnel { running: TunnelFuture, input: Arc<TunnelInput>, body: B },
        Body {
            // Taken when it moves to the connection's task.
            body: Option<OutgoingBody<B>>,
            backpressure: Arc<Backpressure>,
        },
    }
}

impl<F, B> RequestTask<F, B> {
    pub(super) fn new(
        handler: F,
        method: Method,
        respond: SendResponse<Bytes>,
        backpressure: Arc<Backpressure>,
        tunnel: Option<Box<TunnelEnds>>,
    ) -> Self {
        Self::Handler { handler, method, respond: Some(respond), backpressure, tunnel }
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
                RequestTaskProj::Handler { handler, method, respond, backpressure, tunnel } => {
                    let Some(response) = ready!(poll_handler(handler, respond, cx)) else {
                        return Poll::Ready(TaskOutcome::Nothing);
                    };
                    let (method, Some(respond)) = (std::mem::take(method), respond.take()) else {
                        return Poll::Ready(TaskOutcome::Nothing);
                    };
                    if let Some(ends) = tunnel.take()
                        && let Some(run) = accepted_tunnel(&response)
                    {
                        let backpressure = Arc::clone(backpressure);
                        let Some((stream, input, body)) =
                            ends.open(response, respond, backpressure)
                        else {
                            return Poll::Ready(TaskOutcome::Nothing);
                        };
                        self.set(Self::Tunnel { running: run(stream), input, body });
                        continue;
                    }
                    let is_long_lived = response.extensions().get::<LongLivedResponse>().is_some();
                    let backpressure = Arc::clone(backpressure);
                    let start = ResponseStart { response, method, respond };
                    if is_long_lived {
                        return Poll::Ready(TaskOutcome::LongLived(Box::new(start)));
                    }
                    let Some(body) = start.send_head() else {
                        return Poll::Ready(TaskOutcome::Nothing);
                    };
                    self.set(Self::Body { body: Some(body), backpressure });
                }
                RequestTaskProj::Tunnel { running, input, body: _ } => {
                    input.take_arrived(cx);
                    return running.as_mut().poll(cx).map(|()| TaskOutcome::Nothing);
                }
                RequestTaskProj::Body { body, backpressure } => {
                    let Some(OutgoingBody { send_body, is_cut_at_end }) = body else {
                        return Poll::Ready(TaskOutcome::Nothing);
                    };
                    // `h2` wakes the task that waits for a reset also when the stream gets room,
                    // even from within the call that asks for room. So no waker waits during the
                    // step: otherwise every step would be followed by one that does nothing.
                    let mut noop = Context::from_waker(Waker::noop());
                    let is_reset = send_body.as_mut().poll_reset(&mut noop).is_ready();
                    if is_reset {
                        return Poll::Ready(TaskOutcome::Nothing);
                    }
                    let Poll::Ready(step) =
                        send_body.as_mut().step(backpressure, None, *is_cut_at_end, cx)
                    else {
                        return send_body.as_mut().poll_reset(cx).map(|()| TaskOutcome::Nothing);
                    };
                    match step {
                        StepOutcome::Over => return Poll::Ready(TaskOutcome::Nothing),
                        StepOutcome::Failed => {
                            return Poll::Ready(
                                body.take().map_or(TaskOutcome::Nothing, TaskOutcome::Failed),
                            );
                        }
                        StepOutcome::Sent | StepOutcome::Held(_) => {
                            // The window may be wide and the body always ready, so the other tasks
                            // of the thread run before the next step, and so do those whose
                            // sockets have become ready.
                            wake_after_sockets(cx);
                            return Poll::Pending;
                        }
                    }
                }
            }
        }
    }
}

/// The parts of a tunnel that exist before the response: the receiving half, and its limits.
#[derive(Debug)]
pub(super) struct TunnelEnds {
    pub(super) recv: RecvStream,
    pub(super) drain: Drain,
    pub(super) idle_timeout: Duration,
}

impl TunnelEnds {
    /// Sends the head of the response, and opens the tunnel. `None` if the client has reset the
    /// stream.
    fn open<B>(
        self,
        response: Response<B>,
        mut respond: SendResponse<Bytes>,
        backpressure: Arc<Backpressure>,
    ) -> Option<(TunnelStream, Arc<TunnelInput>, B)> {
        let (mut head, body) = response.into_parts();
        complete(&mut head.headers, date);
        // A stream of bytes has no length (RFC 9110, section 9.3.6).
        head.headers.remove(CONTENT_LENGTH);
        let send = respond.send_response(Response::from_parts(head, ()), false).ok()?;
        let Self { recv, drain, idle_timeout } = self;
        let input = TunnelInput::new(recv);
        let tunnel = H2Tunnel::new(send, Arc::clone(&input), backpressure);
        Some((TunnelStream::new(tunnel, drain, idle_timeout), input, body))
    }
}

/// Polls the handler for the response. `None` if the client has reset the stream or the handler has
/// panicked.
fn poll_handler<F, B, E>(
    handler: Pin<&mut F>,
    respond: &mut Option<SendResponse<Bytes>>,
    cx: &mut Context<'_>,
) -> Poll<Option<Response<B>>>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    match catch_panic(|| handler.poll(cx)) {
        Ok(Poll::Ready(response)) => Poll::Ready(response.ok()),
        Ok(Poll::Pending) => match respond {
            Some(respond) => respond.poll_reset(cx).map(|_why| None),
            None => Poll::Ready(None),
        },
        Err(ServicePanic) => {
            if let Some(respond) = respond {
                send_server_error(respond);
            }
            Poll::Ready(None)
        }
    }
}

/// Responds with 500 and no content, because the service has panicked.
fn send_server_error(respond: &mut SendResponse<Bytes>) {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    complete(response.headers_mut(), date);
    if respond.send_response(response, true).is_err() {
        respond.send_reset(Reason::INTERNAL_ERROR);
    }
}

impl<B> ResponseStart<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Sends the head. `None` if nothing follows it.
    pub(super) fn send_head(mut self) -> Option<OutgoingBody<B>> {
        let (mut head, body) = self.response.into_parts();
        if head.status.is_informational() {
            // A status of 1xx only announces a response, and the service has no other.
            self.respond.send_reset(Reason::INTERNAL_ERROR);
            return None;
        }
        let shape = catch_panic(|| (body.is_end_stream(), body.size_hint().exact()));
        let Ok((is_empty, length)) = shape else {
            send_server_error(&mut self.respond);
            return None;
        };
        complete(&mut head.headers, date);
        let length = if is_empty { Some(0) } else { length };
        let is_cut_at_end = CutAtEnd::is_in(&head.extensions);
        set_length(&mut head.headers, (&self.method, head.status), length);
        let is_over = is_empty || is_without_content(&self.method, head.status);
        match self.respond.send_response(Response::from_parts(head, ()), is_over) {
            Ok(stream) => (!is_over).then(|| {
                let send_body = Box::pin(SendBody::new(stream, body));
                OutgoingBody { send_body, is_cut_at_end }
            }),
            Err(_) => {
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                None
            }
        }
    }
}
