//! HTTP/1: a loop that reads requests, calls the service and sends the responses.
//!
//! A connection's life is a series of stages, and each stage is a task of its own size. The first
//! stage, with its [`Http1Connection`], reads requests and responds. When a response is marked
//! [`LongLived`], that stage ends and the [`ResponseStream`] follows: a small task that writes this
//! response and nothing else. If the connection stays open after it, the next requests have a new
//! stage.
//!
//! | module | idea |
//! |---|---|
//! | `connection` | the connection while it serves requests |
//! | `request_head`, `smuggling` | parsing a head, and refusing an ambiguous one |
//! | `decode`, `body_sender` | the body of a request, from the socket to its reader |
//! | `response_framing`, `response_head`, `body_framing`, `trailers` | how a response is written (pure) |
//! | `body_writer`, `batch`, `chunk_cache` | sending a response body in few writes |
//! | `response_stream`, `pipelined` | a long-lived response, and what the client sends during it |
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
mod half_close;
mod head_timer;
mod pipelined;
mod read_buffer;
mod request_head;
mod response_framing;
mod response_head;
mod response_stream;
mod smuggling;
#[cfg(test)]
mod testing;
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
use self::pipelined::PipelinedBytes;
use self::request_head::RequestHead;
use self::response_framing::FramingRules;
use self::response_head::{body_length, error_response};
pub(crate) use self::response_stream::NextStage;
use self::response_stream::ResponseStream;
use crate::connection::settings::ConnectionSettings;
use crate::drain::handle::Drain;
use crate::drain::patience::Patience;
use crate::exchange::body_pace::PaceLimits;
use crate::exchange::long_lived::LongLived;
use crate::exchange::request_body::RequestBody;
use crate::exchange::service::{ConnectionService, HttpService, Panicked, catch_panic};
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
    patience: Patience,
}

impl Http1 {
    pub(crate) fn new(settings: ConnectionSettings, patience: Patience) -> Arc<Self> {
        Arc::new(Self { settings, drain: patience.drain().clone(), patience })
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
        let io = WriteTimeout::new(io, self.patience.clone());
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
                Some(Err(Panicked)) => break StatusCode::INTERNAL_SERVER_ERROR,
                None => return connection.leave(None),
            };
            // By value: a borrowed response would need space of its own in the future.
            let (response, run) = accepted_tunnel(response, rules);
            if let Some(run) = run {
                return self.tunnel(connection, response, run);
            }
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
            if io.write_all(&head).await.is_ok() && io.flush().await.is_ok() {
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
        let mut io = WriteTimeout::new(io, self.patience.clone());
        if unsent.send(&mut io).await.is_ok() {
            linger(io, LINGER_BYTES, &self.patience).await;
        }
    }

    /// Closes a connection whose client may still be sending.
    pub(crate) async fn linger<I: Transport>(&self, io: I) {
        let io = WriteTimeout::new(io, self.patience.clone());
        linger(io, LINGER_BYTES, &self.patience).await;
    }
}

/// Takes the function to run on the rest of the connection, if the response accepts a tunnel that
/// the client has offered.
fn accepted_tunnel<B>(
    response: Response<B>,
    rules: FramingRules,
) -> (Response<B>, Option<TunnelFn>) {
    let is_accepted = rules.offers_tunnel && response.status() == StatusCode::SWITCHING_PROTOCOLS;
    let run = is_accepted.then(|| response.extensions().get::<Tunnel>()?.take()).flatten();
    (response, run)
}

/// Builds the request whose head was read.
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
    let is_long = parts.extensions.get::<LongLived>().is_some();
    connection.begin_response(&parts.extensions);
    let mut batch = Batch::new();
    batch.push(connection.unsent_continue());
    let promise = response_head::write(parts.status, &parts.headers, length, rules, batch.small());
    pool::put_headers(parts.headers);
    // A response with an empty body is sent with its head, so it is never a stage.
    let is_stream = is_long && connection.is_body_read() && !promise.framing.is_full();
    (BodyWriter::new(body, promise), batch, is_stream)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::task::Context;

    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::timeout;
    use tower_service::Service;

    use super::testing::{
        BodyStep, FnService, STALL, ScriptedBody, connection_service, data, http1, long_lived,
        read_all, serve_all,
    };
    use super::*;
    use crate::limits::REQUESTS_PER_TURN;

    const STREAM: &str = "GET /stream HTTP/1.1\r\nhost: a\r\n\r\n";
    const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    /// Responds to `/stream` with a long-lived response, and to everything else with an ordinary
    /// one.
    fn respond(request: &Request<RequestBody>) -> Response<ScriptedBody> {
        if request.uri().path() == "/stream" {
            long_lived(ScriptedBody::ready([data("event"), data("event")]))
        } else {
            Response::new(ScriptedBody::ready([data("other")]))
        }
    }

    /// A served connection whose transport holds `size` bytes, and the number of responses that
    /// became streams.
    fn connect(size: usize) -> (DuplexStream, tokio::task::JoinHandle<usize>) {
        let (client, server) = duplex(size);
        (client, tokio::spawn(serve_all(http1(&Drain::new()), server, respond)))
    }

    /// The bodies of the responses on the wire, without their chunk framing.
    fn bodies(wire: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        for response in wire.split("HTTP/1.1 200 OK\r\n").skip(1) {
            let (_, chunks) = response.split_once("\r\n\r\n").expect("a whole head");
            let lines: Vec<_> = chunks.split("\r\n").collect();
            let Some((["0", "", ""], chunks)) = lines.split_last_chunk().map(|(a, b)| (*b, a))
            else {
                panic!("no proper end: {chunks:?}")
            };
            bodies.push(chunks.chunks(2).map(|chunk| chunk[1]).collect());
        }
        bodies
    }

    /// Every new connection is a task of this size, and most of it is moved from where it is made
    /// to where it runs.
    #[test]
    fn the_future_of_a_connection_is_smaller_than_a_kilobyte() {
        let (_client, server) = duplex(1);
        let http1 = http1(&Drain::new());
        let serving = http1.serve(server, Bytes::new(), connection_service(FnService(respond)));
        assert!(size_of_val(&serving) <= 920, "{} bytes", size_of_val(&serving));
    }

    #[tokio::test]
    async fn bytes_that_were_read_move_from_stage_to_stage_with_the_transport() {
        let (mut client, server) = duplex(1024);
        let drain = Drain::new();
        let http1 = http1(&drain);
        let serving = http1.serve(server, Bytes::new(), connection_service(FnService(respond)));
        client.write_all(&[STREAM.as_bytes(), b"GET /ne"].concat()).await.expect("room");
        let NextStage::Stream(stream) = serving.await else { panic!("the response is a stream") };
        client.write_all(b"xt").await.expect("room");
        let next = Box::into_pin(stream).await;
        let NextStage::Requests(mut io, received) = next else {
            panic!("the connection stays open")
        };
        assert_eq!(received, "GET /next");
        client.write_all(b"!").await.expect("room");
        assert_eq!(io.read_u8().await.expect("the same transport"), b'!');
        drop(io);
        assert_eq!(bodies(&read_all(&mut client).await), ["eventevent"]);
    }

    #[tokio::test]
    async fn a_turn_serves_many_pipelined_requests_but_not_all_of_too_many() {
        let sent = 3 * REQUESTS_PER_TURN;
        let (mut client, server) = duplex(64 * 1024);
        let request = "GET /other HTTP/1.1\r\nhost: a\r\n\r\n";
        client.write_all(request.repeat(sent).as_bytes()).await.expect("room");
        let http1 = http1(&Drain::new());
        let serving = http1.serve(server, Bytes::new(), connection_service(FnService(respond)));
        let mut serving = pin!(tokio::task::unconstrained(serving));
        let turn = poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await;
        assert!(turn.is_pending());
        let mut wire = vec![0; 64 * 1024];
        let len = client.read(&mut wire).await.expect("responses");
        let responses = String::from_utf8_lossy(&wire[..len]).matches("HTTP/1.1 200 OK").count();
        assert!(REQUESTS_PER_TURN <= responses && responses < sent, "{responses} responses");
    }

    #[tokio::test]
    async fn the_sockets_of_others_are_polled_after_each_turn() {
        const REQUEST: &[u8] = b"GET /other HTTP/1.1\r\nhost: a\r\n\r\n";
        let (mut client, server) = duplex(1 << 20);
        let http1 = http1(&Drain::new());
        let service = connection_service(FnService(respond));
        tokio::spawn(async move { drop(http1.serve(server, Bytes::new(), service).await) });
        let (near, mut far) = tokio::net::UnixStream::pair().expect("a pair of sockets");
        let bystander = tokio::spawn(async move { far.read_u8().await.expect("a byte comes") });
        // Both tasks wait for their transports from now on.
        tokio::task::yield_now().await;
        client.write_all(&REQUEST.repeat(20 * REQUESTS_PER_TURN)).await.expect("room");
        near.try_write(b"x").expect("room");
        bystander.await.expect("no panic");
        let mut wire = vec![0; 1 << 20];
        let len = client.read(&mut wire).await.expect("responses");
        let responses = String::from_utf8_lossy(&wire[..len]).matches("HTTP/1.1 200 OK").count();
        assert!(responses <= 2 * REQUESTS_PER_TURN, "{responses} responses");
    }

    #[tokio::test]
    async fn responses_come_in_the_order_of_the_requests_however_these_are_cut() {
        let sent = [STREAM, "GET /a HTTP/1.1\r\nhost: a\r\n\r\n", STREAM, STREAM, NEXT].concat();
        for cut in 0..sent.len() {
            let (mut client, serving) = connect(64 * 1024);
            let (first, second) = sent.split_at(cut);
            client.write_all(first.as_bytes()).await.expect("room");
            for _ in 0..cut % 7 {
                tokio::task::yield_now().await;
            }
            client.write_all(second.as_bytes()).await.expect("room");
            let expect = ["eventevent", "other", "eventevent", "eventevent", "other"];
            assert_eq!(bodies(&read_all(&mut client).await), expect, "cut at {cut}");
            assert_eq!(serving.await.expect("no panic"), 3, "cut at {cut}");
        }
    }

    #[tokio::test]
    async fn every_size_of_read_and_write_gives_the_same_responses() {
        let sent = [STREAM, NEXT].concat();
        for size in 1..=sent.len() + 1 {
            let (client, serving) = connect(size);
            let (mut read, mut write) = tokio::io::split(client);
            let sent = sent.clone();
            let sending = tokio::spawn(async move {
                let _ = write.write_all(sent.as_bytes()).await;
                write
            });
            let mut all = String::new();
            read.read_to_string(&mut all).await.expect("text");
            assert_eq!(bodies(&all), ["eventevent", "other"], "size {size}");
            assert_eq!(serving.await.expect("no panic"), 1, "size {size}");
            sending.await.expect("no panic");
        }
    }

    /// Whether the response to this request became a stream, and everything that was sent.
    async fn sent_for(request: &str, respond: fn() -> Response<ScriptedBody>) -> (bool, String) {
        let (mut client, server) = duplex(64 * 1024);
        let serving = tokio::spawn(serve_all(http1(&Drain::new()), server, move |_| respond()));
        client.write_all(request.as_bytes()).await.expect("room");
        let sent = read_all(&mut client).await;
        (serving.await.expect("no panic") == 1, sent)
    }

    /// The clock is paused, because the server waits for a client that owes the rest of a body.
    #[tokio::test(start_paused = true)]
    async fn a_long_lived_response_with_a_body_is_a_stream_once_its_request_was_read() {
        let ready = || long_lived(ScriptedBody::ready([data("event")]));
        let close = "host: a\r\nconnection: close\r\n";
        for (is_stream, request) in [
            (true, format!("GET / HTTP/1.1\r\n{close}\r\n")),
            (true, "GET / HTTP/1.0\r\n\r\n".to_owned()),
            (true, format!("POST / HTTP/1.1\r\n{close}content-length: 0\r\n\r\n")),
            // The part of an unread body that has arrived is dropped.
            (true, format!("POST / HTTP/1.1\r\n{close}content-length: 3\r\n\r\nabc")),
            (false, format!("POST / HTTP/1.1\r\n{close}content-length: 3\r\n\r\nab")),
            (
                true,
                format!("POST / HTTP/1.1\r\n{close}transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            ),
            (false, format!("POST / HTTP/1.1\r\n{close}transfer-encoding: chunked\r\n\r\n0\r\n")),
            (false, format!("HEAD / HTTP/1.1\r\n{close}\r\n")),
        ] {
            assert_eq!(sent_for(&request, ready).await.0, is_stream, "{request}");
        }
        let get = format!("GET / HTTP/1.1\r\n{close}\r\n");
        let unmarked: fn() -> Response<ScriptedBody> =
            || Response::new(ScriptedBody::ready([data("event")]));
        assert!(!sent_for(&get, unmarked).await.0);
    }

    #[tokio::test]
    async fn announced_trailers_are_sent_to_clients_that_accept_them() {
        fn plain() -> Response<ScriptedBody> {
            announcing(Response::new(ScriptedBody::ready([data("a"), BodyStep::Trailers])))
        }
        fn marked() -> Response<ScriptedBody> {
            announcing(long_lived(ScriptedBody::ready([data("a"), BodyStep::Trailers])))
        }
        fn announcing(mut response: Response<ScriptedBody>) -> Response<ScriptedBody> {
            let name = http::HeaderValue::from_static("x-sum");
            response.headers_mut().insert(http::header::TRAILER, name);
            response
        }
        for (te, end) in [("te: trailers\r\n", "0\r\nx-sum: 1\r\n\r\n"), ("", "0\r\n\r\n")] {
            let get = format!("GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{te}\r\n");
            for (is_stream, respond) in [(false, plain as fn() -> _), (true, marked)] {
                let (streamed, sent) = sent_for(&get, respond).await;
                assert_eq!(streamed, is_stream);
                assert!(sent.ends_with(&format!("\r\n\r\n1\r\na\r\n{end}")), "{sent}");
            }
        }
    }

    #[tokio::test]
    async fn earlier_responses_are_sent_before_the_stream() {
        const BIG: usize = 100_000;
        let (mut client, server) = duplex(1024);
        let respond = |request: &Request<RequestBody>| match request.uri().path() {
            "/stream" => respond(request),
            _ => Response::new(ScriptedBody::ready([BodyStep::Data(vec![b'x'; BIG].into())])),
        };
        let serving = tokio::spawn(serve_all(http1(&Drain::new()), server, respond));
        let big = "GET /big HTTP/1.1\r\nhost: a\r\n\r\n";
        client.write_all([big, STREAM].concat().as_bytes()).await.expect("room");
        let mut all = Vec::new();
        while !all.ends_with(b"event\r\n0\r\n\r\n") {
            client.read_buf(&mut all).await.expect("the stream continues");
        }
        let bodies = bodies(std::str::from_utf8(&all).expect("text"));
        assert_eq!((bodies[0].len(), &bodies[1][..]), (BIG, "eventevent"));
        drop(client);
        assert_eq!(serving.await.expect("no panic"), 1);
    }

    /// Reads the request, and responds with a stream.
    #[derive(Clone)]
    struct Reading;

    impl Service<Request<RequestBody>> for Reading {
        type Response = Response<ScriptedBody>;
        type Error = Infallible;
        type Future =
            Pin<Box<dyn Future<Output = Result<Response<ScriptedBody>, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
            Box::pin(async move {
                request.into_body().collect().await.expect("a body");
                Ok(long_lived(ScriptedBody::ready([data("event")])))
            })
        }
    }

    /// `100 Continue` is the one thing that may still have to be written when a response is there.
    #[tokio::test]
    async fn a_100_continue_is_written_to_its_end_before_the_stream() {
        const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
        let (client, server) = duplex(16);
        let (mut read, mut write) = tokio::io::split(client);
        let http1 = http1(&Drain::new());
        let serving = async {
            let next = http1.serve(server, Bytes::new(), connection_service(Reading)).await;
            let NextStage::Stream(stream) = next else { panic!("the response is a stream") };
            drop(Box::into_pin(stream).await);
        };
        let talking = async {
            let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc";
            write.write_all(head.as_bytes()).await.expect("it is read");
            // The response is there, and the client has read nothing of it or before it.
            tokio::task::yield_now().await;
            let mut all = String::new();
            read.read_to_string(&mut all).await.expect("text");
            all
        };
        let ((), all) = tokio::join!(serving, talking);
        let rest = all.strip_prefix(CONTINUE).unwrap_or_else(|| panic!("{all}"));
        assert_eq!(bodies(rest), ["event"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_stalls_an_ordinary_response_is_disconnected_too() {
        let (mut client, server) = duplex(64);
        let respond =
            |_: &_| Response::new(ScriptedBody::ready([BodyStep::Data(vec![b'x'; 1000].into())]));
        client.write_all(STREAM.as_bytes()).await.expect("room");
        let serving = serve_all(http1(&Drain::new()), server, respond);
        timeout(2 * STALL, serving).await.expect("it ends");
    }
}
