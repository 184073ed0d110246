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
//! | `exchange` | one request and its response |
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
mod exchange;
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
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body::Body;
use tokio::io::AsyncWriteExt;

use self::body_writer::{BodyWriter, UnsentBytes};
use self::connection::Http1Connection;
use self::exchange::{Exchange, StageEnd};
use self::pipelined_bytes::PipelinedBytes;
use self::response_head::error_response;
pub(crate) use self::response_stream::NextStage;
use self::response_stream::ResponseStream;
use crate::connection::settings::ConnectionSettings;
use crate::drain::client_timeouts::ClientTimeouts;
use crate::drain::handle::Drain;
use crate::exchange::service::{ConnectionService, HttpService};
use crate::exchange::tunnel::{TunnelFn, TunnelStream};
use crate::io::linger::linger;
use crate::io::rewind::Rewind;
use crate::io::transport::Transport;
use crate::io::write_timeout::WriteTimeout;
use crate::limits::LINGER_BYTES;

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
        let mut draining = pin!(self.drain.started());
        let failure = loop {
            // The block ends before the next `await`, because the exchange is over.
            let sent = {
                let mut exchange = pin!(Exchange::Reading);
                let exchange = poll_fn(|cx| {
                    let draining = draining.as_mut();
                    exchange.as_mut().poll(self, &mut connection, &mut service, draining, cx)
                });
                exchange.await
            };
            let keep_alive = match sent {
                Ok(keep_alive) => keep_alive,
                Err(StageEnd::NoRequest) => {
                    connection.into_io().close();
                    return NextStage::Closed;
                }
                Err(StageEnd::Failed(status)) => break status,
                Err(StageEnd::ClientLeft(unsent)) => return connection.leave(unsent),
                Err(StageEnd::Broken) => return NextStage::Closed,
                Err(StageEnd::Stream(body_writer)) => return stream(connection, *body_writer),
                Err(StageEnd::Tunnel(accepted)) => return self.tunnel(connection, *accepted),
            };
            connection.end_response();
            if connection.has_body() && poll_fn(|cx| connection.poll_body_end(cx)).await.is_err() {
                return connection.leave(None);
            }
            if !keep_alive || self.drain.is_started() || !connection.is_body_read() {
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
        (response, run): (Response<B>, TunnelFn),
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

/// Makes a long-lived response the next stage.
fn stream<I, B>(mut connection: Http1Connection<I>, body_writer: BodyWriter<B>) -> NextStage<I, B>
where
    I: Transport,
    B: Body<Data = Bytes>,
{
    connection.close_body();
    let (io, received, half_close) = connection.into_parts();
    let pipelined = PipelinedBytes::new(received, half_close);
    NextStage::Stream(Box::new(ResponseStream::new(io, pipelined, body_writer)))
}
