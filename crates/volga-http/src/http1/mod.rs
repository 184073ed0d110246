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
use std::mem::take;
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
use crate::exchange::cut_at_end::CutAtEnd;
use crate::exchange::long_lived_response::LongLivedResponse;
use crate::exchange::service::{ConnectionService, HttpService, ServicePanic, catch_panic};
use crate::exchange::tunnel::{Tunnel, TunnelFn, TunnelStream};
use crate::io::linger::linger;
use crate::io::rewind::Rewind;
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
            let RequestHead { parts, rules, body, expects_continue } = {
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
                match read.await {
                    Ok(()) => {}
                    Err(HeadError::Refused(status)) => break status,
                    Err(HeadError::Closed) => head = None,
                }
                let Some(head) = head else {
                    connection.into_io().close();
                    return NextStage::Closed;
                };
                head
            };
            let (body_writer, batch) = {
                let response = {
                    let limits = self.settings.body_limits;
                    let body = connection.open_body(body, expects_continue, limits);
                    let mut ready = poll_fn(|cx| service.poll_ready(cx));
                    let ready = poll_fn(|cx| connection.poll_response(Pin::new(&mut ready), cx));
                    let called = match ready.await {
                        // The request is built here, because before the wait it would move once
                        // more.
                        Some(ready) => {
                            ready.and_then(|()| service.call(Request::from_parts(parts, body)))
                        }
                        None => return connection.leave(None),
                    };
                    let Ok(response) = called else { break StatusCode::INTERNAL_SERVER_ERROR };
                    response
                };
                let mut response = pin!(response);
                let response = poll_fn(|cx| connection.poll_response(response.as_mut(), cx));
                // It begins here, because in a variable the response would move once more.
                let begun = match response.await {
                    Some(Ok(response)) => {
                        let may_continue = connection.may_complete() && !self.drain.is_started();
                        let rules = if may_continue { rules } else { rules.closing() };
                        begin(&mut connection, response, rules)
                    }
                    Some(Err(panic)) => Err(panic),
                    None => return connection.leave(None),
                };
                match begun {
                    Ok(BegunResponse::Body(body_writer, batch)) => (body_writer, batch),
                    Ok(BegunResponse::Stream(body_writer, batch)) => {
                        return self.stream(connection, body_writer, batch);
                    }
                    Ok(BegunResponse::Tunnel(response, run)) => {
                        return self.tunnel(connection, response, run);
                    }
                    Err(ServicePanic) => break StatusCode::INTERNAL_SERVER_ERROR,
                }
            };
            let keep_alive = {
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
        let unsent_limit = self.settings.max_unsent_bytes;
        let body_writer = body_writer.with_head(batch.small().clone(), unsent_limit);
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

/// A response whose head was written, or that accepts a tunnel.
enum BegunResponse<B> {
    /// The head is in the batch, and the body follows.
    Body(BodyWriter<B>, Batch),
    /// The same, for a long-lived response, which becomes a stage of its own.
    Stream(BodyWriter<B>, Batch),
    Tunnel(Response<B>, TunnelFn),
}

/// Takes the function to run on the rest of the connection, if the response accepts the tunnel that
/// the client has offered.
#[cold]
fn accepted_tunnel<B>(response: &Response<B>) -> Option<TunnelFn> {
    let is_accepted = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    is_accepted.then(|| response.extensions().get::<Tunnel>()?.take()).flatten()
}

/// Writes the head of a response, unless the response accepts a tunnel.
///
/// A panic of the application's code, which is asked for the length of the body, is an error. That
/// code alone is called inside of `catch_panic`, and by reference, because whatever moves into it
/// and out of it is copied.
///
/// It is inlined, like the two functions that read a head: each of them is called at one place, and
/// moves a response or a head.
#[inline(always)]
fn begin<I, B>(
    connection: &mut Http1Connection<I>,
    response: Response<B>,
    rules: FramingRules,
) -> Result<BegunResponse<B>, ServicePanic>
where
    I: Transport,
    B: Body<Data = Bytes>,
{
    if rules.offers_tunnel
        && let Some(run) = accepted_tunnel(&response)
    {
        return Ok(BegunResponse::Tunnel(response, run));
    }
    let (mut parts, body) = response.into_parts();
    let length = catch_panic(|| body_length(&body))?;
    let is_long = parts.extensions.get::<LongLivedResponse>().is_some();
    let is_cut_at_end = CutAtEnd::is_in(&parts.extensions);
    connection.begin_response(&parts.extensions);
    let mut batch = Batch::new();
    batch.push(connection.unsent_continue());
    let promise = response_head::write(parts.status, &parts.headers, length, rules, batch.small());
    catch_panic(|| drop(take(&mut parts.extensions)))?;
    pool::put_headers(parts.headers);
    // A response with an empty body is sent with its head, so it is never a stage.
    let is_stream = is_long && connection.is_body_read() && !promise.framing.is_full();
    let body_writer = BodyWriter::new(body, promise).cut_at_end(is_cut_at_end);
    Ok(match is_stream {
        true => BegunResponse::Stream(body_writer, batch),
        false => BegunResponse::Body(body_writer, batch),
    })
}
