//! HTTP/1: a loop that reads requests, calls the service and sends the responses.
//!
//! A connection's life is a series of stages, and each stage is a task of its own size. The first
//! stage, with its [`Http1Connection`], reads requests and responds. When a response has the mark
//! [`LongLivedResponse`], that stage ends and the [`ResponseStream`] follows: a small task that
//! writes this response and nothing else. If the connection stays open after it, a new stage serves
//! the next requests.
//!
//! | module | idea |
//! |---|---|
//! | `connection` | the connection while it serves requests |
//! | `request_head`, `smuggling` | parsing a head, and refusing an ambiguous one |
//! | `decode`, `body_sender` | the body of a request, from the socket to its reader |
//! | `response_framing`, `response_head`, `body_framing`, `trailers` | how a response is written (pure) |
//! | `body_writer`, `batch`, `chunk_cache` | sending a response body in few writes |
//! | `response_stream`, `pipelined_bytes` | a long-lived response, and what the client sends during it |
//! | `half_close` | a client that closes its sending side and still reads |
//! | `read_buffer`, `head_timer` | what was read ahead, and how long a head may take |

mod batch;
mod body_framing;
mod body_sender;
mod body_writer;
mod chunk_cache;
mod connection;
mod decode;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod fairness;
mod half_close;
mod head_timer;
mod pipelined_bytes;
mod read_buffer;
mod request_head;
mod response_framing;
mod response_head;
mod response_stream;
mod smuggling;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod trailers;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tokio::io::AsyncWriteExt;

use self::batch::Batch;
use self::body_writer::{BodyWriter, SendError, UnsentBytes};
use self::connection::{HeadError, Http1Connection};
use self::pipelined_bytes::PipelinedBytes;
use self::request_head::RequestHead;
use self::response_framing::FramingRules;
use self::response_head::{body_length, error_response};
pub(crate) use self::response_stream::NextStage;
use self::response_stream::ResponseStream;
use crate::connection::settings::ConnectionSettings;
use crate::drain::client_timeouts::ClientTimeouts;
use crate::drain::handle::Drain;
use crate::exchange::body_pace::PaceLimits;
use crate::exchange::cut_at_end::CutAtEnd;
use crate::exchange::long_lived_response::LongLivedResponse;
use crate::exchange::request_body::RequestBody;
use crate::exchange::service::{ConnectionService, HttpService, ServicePanic, catch_panic};
use crate::exchange::tunnel::{Tunnel, TunnelFn, TunnelStream};
use crate::io::linger::linger;
use crate::io::rewind::Rewind;
use crate::io::send_queue::SendQueue;
use crate::io::transport::Transport;
use crate::io::write_timeout::WriteTimeout;
use crate::limits::LINGER_BYTES;
use crate::pool;

/// What all HTTP/1 connections of a server share.
#[derive(Debug)]
pub(crate) struct Http1 {
    settings: ConnectionSettings,
    drain: Drain,
    timeouts: ClientTimeouts,
}

impl Http1 {
    pub(crate) fn new(settings: ConnectionSettings, timeouts: ClientTimeouts) -> Arc<Self> {
        Arc::new(Self { settings, drain: timeouts.drain().clone(), timeouts })
    }

    /// Serves requests until the connection ends or a response is long-lived. The bytes in
    /// `received` were read already.
    pub(crate) async fn serve<I, S>(
        &self,
        io: I,
        received: Bytes,
        mut service: ConnectionService<S>,
    ) -> NextStage<I, S::ResponseBody>
    where
        I: Transport,
        S: HttpService,
    {
        let io = WriteTimeout::new(io, self.timeouts.clone());
        let mut connection = Http1Connection::new(io, &received, self.settings.header_read_timeout);
        drop(received);
        let mut started = pin!(self.drain.started());
        let failure = loop {
            // The inner blocks end before the next `await`, so a request and its response can share
            // space in the future's layout.
            let head = {
                let mut head = None;
                let read = poll_fn(|cx| {
                    connection.poll_head(&mut head, cx, |cx| {
                        // The future must not be polled again once it is ready.
                        if self.drain.is_started() {
                            Poll::Ready(())
                        } else {
                            started.as_mut().poll(cx)
                        }
                    })
                });
                match (read.await, head) {
                    (Ok(()), Some(head)) => head,
                    (Err(HeadError::Refused(status)), _) => break status,
                    (Ok(()), None) | (Err(HeadError::Closed), _) => {
                        connection.into_io().close();
                        return NextStage::Closed;
                    }
                }
            };
            let rules = head.rules;
            let response = {
                let response = {
                    let request = open(&mut connection, head, self.settings.body_limits);
                    let mut ready = poll_fn(|cx| service.poll_ready(cx));
                    let ready = poll_fn(|cx| connection.poll_response(Pin::new(&mut ready), cx));
                    let called = match ready.await {
                        Some(ready) => ready.and_then(|()| service.call(request)),
                        None => return connection.leave(None),
                    };
                    let Ok(response) = called else { break StatusCode::INTERNAL_SERVER_ERROR };
                    response
                };
                let mut response = pin!(response);
                poll_fn(|cx| connection.poll_response(response.as_mut(), cx)).await
            };
            let response = match response {
                Some(Ok(response)) => response,
                Some(Err(ServicePanic)) => break StatusCode::INTERNAL_SERVER_ERROR,
                None => return connection.leave(None),
            };
            let response = if rules.offers_tunnel {
                match accepted_tunnel(response) {
                    (response, Some(run)) => return self.tunnel(connection, response, run),
                    (response, None) => response,
                }
            } else {
                response
            };
            let may_continue = connection.may_complete() && !self.drain.is_started();
            let rules = if may_continue { rules } else { rules.closing() };
            let keep_alive = {
                // A variable for the result would need space of its own in the future.
                let Ok((body_writer, batch, is_stream)) =
                    catch_panic(|| begin(&mut connection, response, rules))
                else {
                    break StatusCode::INTERNAL_SERVER_ERROR;
                };
                if is_stream {
                    return self.stream(connection, body_writer, batch);
                }
                let mut first = Some(batch);
                let mut body_writer = pin!(body_writer);
                let sent =
                    poll_fn(|cx| connection.poll_send(body_writer.as_mut(), first.take(), cx));
                match sent.await {
                    Ok(()) => body_writer.keeps_alive(),
                    Err(SendError::ClientLeft) => {
                        return connection.leave(body_writer.as_mut().take_unsent());
                    }
                    Err(SendError::Broken) => return NextStage::Closed,
                }
            };
            connection.end_response();
            if poll_fn(|cx| connection.poll_body_end(cx)).await.is_err() {
                return connection.leave(None);
            }
            if !keep_alive || !connection.is_body_read() || self.drain.is_started() {
                if connection.is_unread() {
                    return NextStage::Linger(connection.into_io());
                }
                // The connection is dropped next, whether or not this succeeds.
                let _ = connection.io().shutdown().await;
                return NextStage::Closed;
            }
            connection.close_body();
        };
        // The request was refused, or the service has panicked. The bytes after its head may belong
        // to the request, so they are never read as another one.
        let response = [connection.unsent_continue(), &error_response(failure)].concat();
        match connection.io().write_all(&response).await {
            Ok(()) => NextStage::Linger(connection.into_io()),
            Err(_) => NextStage::Closed,
        }
    }

    /// Makes a tunnel the next stage. The bytes that were read ahead are read from the tunnel
    /// first. The response's body is empty, but it holds what belongs to the request until the
    /// tunnel ends.
    fn tunnel<I: Transport, B: Send + 'static>(
        &self,
        connection: Http1Connection<I>,
        response: Response<B>,
        run: TunnelFn,
    ) -> NextStage<I, B> {
        let (response, body) = response.into_parts();
        let head = response_head::switching_protocols(&response.headers);
        let (mut io, received, _) = connection.into_parts();
        let drain = self.drain.clone();
        let idle_timeout = self.settings.tunnel_idle_timeout;
        NextStage::Tunnel(Box::pin(async move {
            let is_sent = io.write_all(&head).await.is_ok() && io.flush().await.is_ok();
            // A tunnel may be quiet for long, and needs no head.
            drop(head);
            if is_sent {
                let stream = Rewind::new(received, io);
                run(TunnelStream::new(stream, drain, idle_timeout)).await;
            }
            drop(body);
        }))
    }

    /// Makes a long-lived response the next stage. Its head, which is in `batch`, is sent together
    /// with the frames that are ready.
    fn stream<I, B>(
        &self,
        mut connection: Http1Connection<I>,
        body_writer: BodyWriter<B>,
        mut batch: Batch,
    ) -> NextStage<I, B>
    where
        I: Transport,
        B: Body<Data = Bytes>,
    {
        connection.close_body();
        if let Some(bytes) = self.settings.max_unsent_bytes {
            connection.io().limit_unsent(Some(bytes));
        }
        let body_writer = body_writer.with_head(batch.small().clone());
        let (io, received, half_close) = connection.into_parts();
        let pipelined = PipelinedBytes::new(received, half_close);
        NextStage::Stream(Box::new(ResponseStream::new(io, pipelined, body_writer)))
    }

    /// Sends the rest of a response to a client that has closed its sending side, and closes the
    /// connection.
    pub(crate) async fn send_rest<I: Transport>(&self, io: I, unsent: UnsentBytes) {
        let mut io = WriteTimeout::new(io, self.timeouts.clone());
        if unsent.send(&mut io).await.is_ok() {
            linger(io, LINGER_BYTES, &self.timeouts).await;
        }
    }

    /// Closes a connection whose client may still be sending.
    pub(crate) async fn linger<I: Transport>(&self, io: I) {
        let io = WriteTimeout::new(io, self.timeouts.clone());
        linger(io, LINGER_BYTES, &self.timeouts).await;
    }
}

/// Takes the function to run on the rest of the connection, if the response accepts the tunnel that
/// the client has offered.
///
/// The response is passed by value: a borrowed one would need space of its own in the future.
#[cold]
fn accepted_tunnel<B>(response: Response<B>) -> (Response<B>, Option<TunnelFn>) {
    let is_accepted = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let run = is_accepted.then(|| response.extensions().get::<Tunnel>()?.take()).flatten();
    (response, run)
}

/// Builds the request whose head was read.
#[inline(always)]
fn open<I: Transport>(
    connection: &mut Http1Connection<I>,
    head: RequestHead,
    limits: PaceLimits,
) -> Request<RequestBody> {
    let body = connection.open_body(head.body, head.expects_continue, limits);
    Request::from_parts(head.parts, body)
}

/// Writes the head of a response. Returns the writer of its body, the batch with the head, and
/// whether the response becomes a stage of its own.
///
/// It is inlined, like `open` and the two functions that read a head: each of them is called at one
/// place, and moves a request, a response or a head.
#[inline(always)]
fn begin<I, B>(
    connection: &mut Http1Connection<I>,
    response: Response<B>,
    rules: FramingRules,
) -> (BodyWriter<B>, Batch, bool)
where
    I: Transport,
    B: Body<Data = Bytes>,
{
    let (parts, body) = response.into_parts();
    let length = body_length(&body);
    let is_long = parts.extensions.get::<LongLivedResponse>().is_some();
    let is_cut_at_end = CutAtEnd::is_in(&parts.extensions);
    connection.begin_response(&parts.extensions);
    let mut batch = Batch::new();
    batch.push(connection.unsent_continue());
    let promise = response_head::write(parts.status, &parts.headers, length, rules, batch.small());
    pool::put_headers(parts.headers);
    // A response with an empty body is sent with its head, so it is never a stage.
    let is_stream = is_long && connection.is_body_read() && !promise.framing.is_full();
    (BodyWriter::new(body, promise).cut_at_end(is_cut_at_end), batch, is_stream)
}
