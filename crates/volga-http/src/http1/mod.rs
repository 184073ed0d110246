//! HTTP/1: hyper reads requests and answers them; a response that goes on for long leaves it.
//!
//! A connection's life is a series of stages, each a task of its own size. hyper's stage holds buffers and a parser. When a response is marked
//! [`LongLived`](crate::LongLived), the connection is taken from hyper and the stage ends; the [`Stream`] is the next one, a small task that
//! writes that response and nothing else. After it, where HTTP lets the connection live on, hyper has the next requests in a new stage.

mod batch;
mod framing;
mod head;
mod head_timer;
mod inbound;
mod slot;
mod stream;
mod strict;
#[cfg(test)]
mod testing;

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt;
use tower_service::Service;

use self::head::{Head, Terms, refusal};
use self::head_timer::HeadTimer;
use self::inbound::Inbound;
use self::slot::{Parked, Slot, SlotService, Watched};
pub(crate) use self::stream::Stream;
use crate::body::RequestBody;
use crate::date::date;
use crate::drain_handle::Drain;
use crate::limits::{MAX_HEAD_BYTES, REQUESTS_PER_TURN};
use crate::linger::{Linger, Unread};
use crate::rewind::Rewind;
use crate::service::Requests;
use crate::stall::Stall;
use crate::transport::Transport;

/// What all HTTP/1 connections of a server have in common.
#[derive(Debug)]
pub(crate) struct Http1 {
    builder: http1::Builder,
    write_stall_timeout: Duration,
    drain: Drain,
}

/// What becomes of a connection when a stage of it ends.
pub(crate) enum Next<I, B> {
    /// Nothing, it is closed.
    Closed,
    /// A response leaves hyper.
    Stream(Box<Stream<I, B>>),
    /// A response that left hyper is complete, and more requests may come.
    Requests(Rewind<I>),
    /// The same, but the connection is to be closed while the client may still be sending.
    Linger(I),
}

impl Http1 {
    pub(crate) fn new(
        header_read_timeout: Duration,
        write_stall_timeout: Duration,
        drain: Drain,
    ) -> Arc<Self> {
        let mut builder = http1::Builder::new();
        builder
            .header_read_timeout(header_read_timeout)
            .max_header_size(MAX_HEAD_BYTES as usize)
            // A client that closed its side has left; what it would have read must not be produced for nobody.
            .half_close(false);
        Arc::new(Self { builder, write_stall_timeout, drain })
    }

    /// Serves requests until the connection ends or a response leaves hyper.
    ///
    /// Upgrades are off: an upgraded connection would leave the server's count, and so its drain. `with_upgrades` is
    /// the one call to add once there is someone to keep track of them.
    pub(crate) async fn serve<I, S, B>(
        self: &Arc<Self>,
        io: Rewind<I>,
        requests: Requests<S>,
    ) -> Next<I, B>
    where
        I: Transport,
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone,
        B: Body<Data = Bytes> + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let slot = Slot::new();
        let io = Linger::new(Stall::new(io, self.write_stall_timeout), requests.unread.clone());
        let io = TokioIo::new(Watched::new(io, Arc::clone(&slot)));
        let service = SlotService { requests, slot: Arc::clone(&slot) };
        let mut builder = self.builder.clone();
        let mut connection = builder.timer(HeadTimer::default()).serve_connection(io, service);
        let mut started = pin!(self.drain.started());
        let mut is_told = false;
        let parked = poll_fn(|cx| {
            let first = slot.requests();
            loop {
                let before = slot.requests();
                // hyper first, so that it has seen what was received when it is asked whether the connection is idle.
                if Pin::new(&mut connection).poll(cx).is_ready() {
                    return Poll::Ready(None);
                }
                // hyper rests after a few pipelined requests. If they publish to many streams, then each of these would wake, write and wait for every few messages.
                if slot.requests() - before > 1 && slot.requests() - first < REQUESTS_PER_TURN {
                    continue;
                }
                if let Some(parked) = slot.take() {
                    return Poll::Ready(Some(parked));
                }
                if is_told || started.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                is_told = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        })
        .await;
        let Some(parked) = parked else { return Next::Closed };
        let parts = connection.into_parts();
        let io = parts.io.into_inner().into_inner().into_inner().into_inner();
        match parked {
            Parked::Response(response, terms) => {
                Next::Stream(Box::new(self.take_over(io, &parts.read_buf, response, terms)))
            }
            Parked::Refused(status) => self.refuse(io, status).await,
        }
    }

    /// Answers what no service is to see. What the client sent after it may be part of it, so it is never looked at.
    async fn refuse<I: Transport, B>(&self, io: Rewind<I>, status: StatusCode) -> Next<I, B> {
        let (_, io) = io.into_parts();
        let mut io = Stall::new(io, self.write_stall_timeout);
        match io.write_all(&refusal(status, &date())).await {
            Ok(()) => Next::Linger(io.into_inner()),
            Err(_) => Next::Closed,
        }
    }

    /// Makes a response that left hyper a stream. What hyper had read beyond the request is `read`, and what it had not read yet is in `io`.
    fn take_over<I, B>(
        self: &Arc<Self>,
        io: Rewind<I>,
        read: &[u8],
        response: Response<B>,
        terms: Terms,
    ) -> Stream<I, B>
    where
        I: Transport,
        B: Body<Data = Bytes>,
    {
        let (unread, io) = io.into_parts();
        let terms = if self.drain.is_started() { terms.closing() } else { terms };
        let (parts, body) = response.into_parts();
        let head = Head::new(parts, body.size_hint().exact(), terms, &date());
        Stream::new(io, Inbound::new(&[read, &unread]), head, body, Arc::clone(self))
    }

    /// Closes a connection whose client may still be sending.
    pub(crate) async fn linger<I: Transport>(&self, io: I) {
        let unread = Unread::default();
        unread.leave();
        // Nothing depends on how it ends.
        let _ = Linger::new(Stall::new(io, self.write_stall_timeout), unread).shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    use std::task::Context;

    use http_body_util::BodyExt;
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::testing::{
        Answering, STALL, Step, Told, data, http1, long_lived, read_all, requests, rewound,
        serve_all,
    };
    use super::*;

    const STREAM: &str = "GET /stream HTTP/1.1\r\nhost: a\r\n\r\n";
    const NEXT: &str = "GET /next HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    /// What answers: `/stream` with a marked response, and everything else with another.
    fn answer(request: &Request<RequestBody>) -> Response<Told> {
        if request.uri().path() == "/stream" {
            long_lived(Told::ready([data("event"), data("event")]))
        } else {
            Response::new(Told::ready([data("other")]))
        }
    }

    /// A served connection through which so many bytes go at a time, and how many of its responses left hyper.
    fn connect(size: usize) -> (DuplexStream, tokio::task::JoinHandle<usize>) {
        let (client, server) = duplex(size);
        (client, tokio::spawn(serve_all(http1(&Drain::new()), server, answer)))
    }

    /// The bodies of the responses on the wire, without their chunks.
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

    /// hyper documents `into_parts` for connections that are done. It also gives back those whose service has not answered yet, with every
    /// byte: this is what pins its minor version.
    #[tokio::test]
    async fn hyper_gives_up_a_connection_that_waits_for_its_service() {
        let (mut client, server) = duplex(1024);
        let drain = Drain::new();
        let http1 = http1(&drain);
        let serving = http1.serve(rewound(server), requests(Answering(answer)));
        client.write_all(&[STREAM.as_bytes(), b"GET /ne"].concat()).await.expect("room");
        let Next::Stream(stream) = serving.await else { panic!("the response is taken over") };
        client.write_all(b"xt").await.expect("room");
        let Next::Requests(io) = Box::into_pin(stream).await else { panic!("it lives on") };
        let (received, mut io) = io.into_parts();
        assert_eq!(received, "GET /next");
        client.write_all(b"!").await.expect("room");
        assert_eq!(io.read_u8().await.expect("the same transport"), b'!');
        drop(io);
        assert_eq!(bodies(&read_all(&mut client).await), ["eventevent"]);
    }

    #[tokio::test]
    async fn a_turn_takes_many_requests_that_were_sent_ahead_and_not_all_of_too_many() {
        let sent = 3 * REQUESTS_PER_TURN;
        let (mut client, server) = duplex(64 * 1024);
        let request = "GET /other HTTP/1.1\r\nhost: a\r\n\r\n";
        client.write_all(request.repeat(sent).as_bytes()).await.expect("room");
        let http1 = http1(&Drain::new());
        let serving = http1.serve(rewound(server), requests(Answering(answer)));
        let mut serving = pin!(tokio::task::unconstrained(serving));
        let turn = poll_fn(|cx| Poll::Ready(serving.as_mut().poll(cx))).await;
        assert!(turn.is_pending());
        let mut wire = vec![0; 64 * 1024];
        let len = client.read(&mut wire).await.expect("answers");
        let answers = String::from_utf8_lossy(&wire[..len]).matches("HTTP/1.1 200 OK").count();
        assert!(REQUESTS_PER_TURN <= answers && answers < sent, "{answers} answers");
    }

    #[tokio::test]
    async fn requests_before_during_and_after_are_answered_in_order_however_they_are_cut() {
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
    async fn every_size_of_read_and_write_gives_the_same_answers() {
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

    /// Whether the response to this request leaves hyper, and all that is sent.
    async fn sent_for(request: &str, answer: fn() -> Response<Told>) -> (bool, String) {
        let (mut client, server) = duplex(64 * 1024);
        let serving = tokio::spawn(serve_all(http1(&Drain::new()), server, move |_| answer()));
        client.write_all(request.as_bytes()).await.expect("room");
        let sent = read_all(&mut client).await;
        (serving.await.expect("no panic") == 1, sent)
    }

    #[tokio::test]
    async fn what_hyper_is_needed_for_stays_with_it() {
        let ready = || long_lived(Told::ready([data("event")]));
        let close = "host: a\r\nconnection: close\r\n";
        for (leaves, request) in [
            (true, format!("GET / HTTP/1.1\r\n{close}\r\n")),
            (true, "GET / HTTP/1.0\r\n\r\n".to_owned()),
            (true, format!("POST / HTTP/1.1\r\n{close}content-length: 0\r\n\r\n")),
            (false, format!("HEAD / HTTP/1.1\r\n{close}\r\n")),
            (false, format!("POST / HTTP/1.1\r\n{close}content-length: 3\r\n\r\nabc")),
            (
                false,
                format!("POST / HTTP/1.1\r\n{close}transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
            ),
        ] {
            assert_eq!(sent_for(&request, ready).await.0, leaves, "{request}");
        }
        let get = format!("GET / HTTP/1.1\r\n{close}\r\n");
        let unmarked: fn() -> Response<Told> = || Response::new(Told::ready([data("event")]));
        assert!(!sent_for(&get, unmarked).await.0);
    }

    #[tokio::test]
    async fn what_went_before_is_flushed_before_the_connection_is_taken() {
        const BIG: usize = 100_000;
        let (mut client, server) = duplex(1024);
        let answer = |request: &Request<RequestBody>| match request.uri().path() {
            "/stream" => answer(request),
            _ => Response::new(Told::ready([Step::Data(vec![b'x'; BIG].into())])),
        };
        let serving = tokio::spawn(serve_all(http1(&Drain::new()), server, answer));
        let big = "GET /big HTTP/1.1\r\nhost: a\r\n\r\n";
        client.write_all([big, STREAM].concat().as_bytes()).await.expect("room");
        let mut all = Vec::new();
        while !all.ends_with(b"event\r\n0\r\n\r\n") {
            client.read_buf(&mut all).await.expect("it goes on");
        }
        let bodies = bodies(std::str::from_utf8(&all).expect("text"));
        assert_eq!((bodies[0].len(), &bodies[1][..]), (BIG, "eventevent"));
        drop(client);
        assert_eq!(serving.await.expect("no panic"), 1);
    }

    /// Answers with a stream, once the request was read.
    #[derive(Clone)]
    struct Reading;

    impl Service<Request<RequestBody>> for Reading {
        type Response = Response<Told>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Response<Told>, Infallible>>>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
            Box::pin(async move {
                request.into_body().collect().await.expect("a body");
                Ok(long_lived(Told::ready([data("event")])))
            })
        }
    }

    /// The one thing that hyper may still have to write when a response is there.
    #[tokio::test]
    async fn a_100_continue_is_written_to_its_end_before_the_connection_is_taken() {
        const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";
        let (client, server) = duplex(16);
        let (mut read, mut write) = tokio::io::split(client);
        let http1 = http1(&Drain::new());
        let serving = async {
            let next = http1.serve(rewound(server), requests(Reading)).await;
            let Next::Stream(stream) = next else { panic!("the response is taken over") };
            drop(Box::into_pin(stream).await);
        };
        let talking = async {
            let head = "POST / HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\nabc";
            write.write_all(head.as_bytes()).await.expect("it is read");
            // The response is there, and nothing of it or before it was read.
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
    async fn a_client_that_stalls_an_ordinary_response_is_given_up_too() {
        let (mut client, server) = duplex(64);
        let answer = |_: &_| Response::new(Told::ready([Step::Data(vec![b'x'; 1000].into())]));
        client.write_all(STREAM.as_bytes()).await.expect("room");
        let serving = serve_all(http1(&Drain::new()), server, answer);
        timeout(2 * STALL, serving).await.expect("it ends");
    }
}
