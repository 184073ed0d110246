//! One exchange on an HTTP/1 connection: a request, from its first byte, and its response, to the
//! last byte.
//!
//! Its states take the space of the largest one, because every connection has this space. A head, a
//! request and a response are large. Each of them is built where it stays, and moves only when the
//! next state needs it.
//!
//! The code that a small request runs, together with the kernel's, does not fit into the
//! processor's first cache. So its time depends on how many cache lines the code covers. The
//! branches that such a request does not take are marked with `cold_path`, here and in the code
//! that is called from here, and the compiler puts them elsewhere.

use std::convert::Infallible;
use std::hint::cold_path;
use std::mem::take;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Extensions, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use super::Http1;
use super::batch::Batch;
use super::body_sender::Disconnect;
use super::body_writer::{BodyWriter, SendError, UnsentBytes};
use super::connection::{HeadError, Http1Connection};
use super::request_head::RequestHead;
use super::response_framing::FramingRules;
use super::response_head::{self, body_length};
use crate::exchange::cut_at_end::CutAtEnd;
use crate::exchange::long_lived_response::LongLivedResponse;
use crate::exchange::request_body::RequestBody;
use crate::exchange::service::{ConnectionService, HttpService, ServicePanic, catch_panic};
use crate::exchange::tunnel::{Tunnel, TunnelFn};
use crate::io::transport::Transport;
use crate::pool;

pin_project! {
    /// How far an exchange has come.
    #[project = ExchangeProj]
    pub(crate) enum Exchange<F, B> {
        /// The head of the request is read.
        Reading,
        /// The service is not ready for the request. Services mostly are, so it is in a box.
        Waiting { request: Option<Box<WaitingRequest>> },
        /// The service was called.
        Called { rules: FramingRules, #[pin] response: F },
        /// The head of the response was written, and its body is sent.
        Sending { #[pin] body_writer: BodyWriter<B> },
    }
}

/// A request for which the service is not ready.
pub(crate) struct WaitingRequest {
    rules: FramingRules,
    request: Request<RequestBody>,
}

/// Why no further request is read in this stage of the connection. What is large is in a box,
/// because every exchange returns a result.
pub(crate) enum StageEnd<B> {
    /// There is no further request.
    NoRequest,
    /// The request was refused, or the service has panicked. The client gets this status.
    Failed(StatusCode),
    /// The client has left. These bytes of the response are unsent.
    ClientLeft(Option<Box<UnsentBytes>>),
    /// The connection cannot go on.
    Broken,
    /// The response is long-lived, and becomes a stage of its own. Its head is sent with the frames
    /// that are ready.
    Stream(Box<BodyWriter<B>>),
    /// The response accepts a tunnel.
    Tunnel(Box<(Response<B>, TunnelFn)>),
}

impl<B> From<HeadError> for StageEnd<B> {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Refused(status) => Self::Failed(status),
            HeadError::Closed => Self::NoRequest,
        }
    }
}

impl<B> From<ServicePanic> for StageEnd<B> {
    fn from(_: ServicePanic) -> Self {
        Self::Failed(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl<B> From<Disconnect> for StageEnd<B> {
    fn from(_: Disconnect) -> Self {
        Self::ClientLeft(None)
    }
}

impl<F, B> Exchange<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes>,
{
    /// Goes on with the exchange. Returns whether the connection may serve another request, once
    /// the whole response was sent. `draining` is ready once the server drains.
    #[inline(always)]
    pub(crate) fn poll<I, S>(
        mut self: Pin<&mut Self>,
        server: &Http1,
        connection: &mut Http1Connection<I>,
        service: &mut ConnectionService<S>,
        mut draining: Pin<&mut impl Future<Output = ()>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<bool, StageEnd<B>>>
    where
        I: Transport,
        S: HttpService<Future = F, ResponseBody = B>,
    {
        let mut first = None;
        loop {
            match self.as_mut().project() {
                ExchangeProj::Reading => {
                    let mut head = None;
                    let read = connection.poll_head(&mut head, cx, |cx, is_known| {
                        // The future must not be polled again once it is ready.
                        match server.drain.is_started() {
                            true => Poll::Ready(()),
                            false if is_known => Poll::Pending,
                            false => draining.as_mut().poll(cx),
                        }
                    });
                    ready!(read)?;
                    let Some(head) = head else { continue };
                    let body = connection.open_body(&head, &server.settings.body_limits);
                    self.as_mut().call(service, head, body, cx)?;
                }
                ExchangeProj::Waiting { request } => {
                    cold_path();
                    let called =
                        connection.poll_response(cx, |cx| poll_waiting(service, request, cx));
                    let (rules, response) = ready!(called)??;
                    self.set(Self::Called { rules, response });
                }
                ExchangeProj::Called { rules, response: mut called } => {
                    let mut response = None;
                    let responded = connection
                        .poll_response(cx, |cx| poll_called(called.as_mut(), &mut response, cx));
                    ready!(responded)??;
                    let rules = *rules;
                    let Some(response) = response else { continue };
                    let batch = first.get_or_insert_with(Batch::new);
                    let body_writer = begin(server, connection, response, rules, batch)?;
                    self.set(Self::Sending { body_writer });
                }
                ExchangeProj::Sending { mut body_writer } => {
                    let sent = connection.poll_send(body_writer.as_mut(), &mut first, cx);
                    return Poll::Ready(match ready!(sent) {
                        Ok(()) => Ok(body_writer.keeps_alive()),
                        Err(SendError::ClientLeft) => {
                            Err(StageEnd::ClientLeft(body_writer.take_unsent()))
                        }
                        Err(SendError::Broken) => Err(StageEnd::Broken),
                    });
                }
            }
        }
    }

    /// Calls the service with a request, if the service is ready.
    #[inline(always)]
    fn call<S>(
        mut self: Pin<&mut Self>,
        service: &mut ConnectionService<S>,
        RequestHead { parts, rules, .. }: RequestHead,
        body: RequestBody,
        cx: &mut Context<'_>,
    ) -> Result<(), ServicePanic>
    where
        S: HttpService<Future = F, ResponseBody = B>,
    {
        catch_panic(|| {
            let request = Request::from_parts(parts, body);
            self.set(match service.poll_ready(cx) {
                Poll::Ready(Ok(())) => Self::Called { rules, response: service.call(request) },
                Poll::Pending => {
                    cold_path();
                    Self::Waiting { request: Some(Box::new(WaitingRequest { rules, request })) }
                }
            });
        })
    }
}

/// Calls the service once it is ready for the request.
fn poll_waiting<S: HttpService>(
    service: &mut ConnectionService<S>,
    waiting: &mut Option<Box<WaitingRequest>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(FramingRules, S::Future), ServicePanic>> {
    poll_catching(|| {
        let Ok(()) = ready!(service.poll_ready(cx));
        let WaitingRequest { rules, request } =
            *waiting.take().expect("the state changes when the request is taken");
        Poll::Ready((rules, service.call(request)))
    })
}

/// Waits for the response, and puts it into `response`, because it is large.
#[inline(always)]
fn poll_called<F, B>(
    called: Pin<&mut F>,
    response: &mut Option<Response<B>>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), ServicePanic>>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
{
    poll_catching(|| {
        let Ok(found) = ready!(called.poll(cx));
        *response = Some(found);
        Poll::Ready(())
    })
}

/// Polls the application's code. A panic is an error.
#[inline(always)]
fn poll_catching<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<Result<T, ServicePanic>> {
    match catch_panic(poll) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => {
            cold_path();
            Poll::Ready(Err(panic))
        }
    }
}

/// Takes the function to run on the rest of the connection, if the response accepts the tunnel that
/// the client has offered.
#[cold]
fn accepted_tunnel<B>(response: &Response<B>) -> Option<TunnelFn> {
    let is_accepted = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    is_accepted.then(|| response.extensions().get::<Tunnel>()?.take()).flatten()
}

/// The marks of a response, which are in its extensions.
#[derive(Default)]
struct ResponseMarks {
    is_long_lived: bool,
    is_cut_at_end: bool,
}

impl ResponseMarks {
    /// Most responses have no extensions, so no mark is looked up for them.
    #[inline]
    fn of(extensions: &Extensions) -> Self {
        if extensions.is_empty() {
            return Self::default();
        }
        cold_path();
        Self {
            is_long_lived: extensions.get::<LongLivedResponse>().is_some(),
            is_cut_at_end: CutAtEnd::is_in(extensions),
        }
    }
}

/// Writes the head of a response into `batch`, and returns the body to send, unless the response
/// becomes a stage of its own.
///
/// A panic of the application's code is an error. That code alone is called inside of
/// `catch_panic`, and by reference, because whatever moves into it and out of it is copied.
#[inline(always)]
fn begin<I, B>(
    server: &Http1,
    connection: &mut Http1Connection<I>,
    mut response: Response<B>,
    rules: FramingRules,
    batch: &mut Batch,
) -> Result<BodyWriter<B>, StageEnd<B>>
where
    I: Transport,
    B: Body<Data = Bytes>,
{
    if rules.offers_tunnel
        && let Some(run) = accepted_tunnel(&response)
    {
        cold_path();
        return Err(StageEnd::Tunnel(Box::new((response, run))));
    }
    let may_continue = connection.may_complete() && !server.drain.is_started();
    let rules = if may_continue { rules } else { rules.closing() };
    let marks = ResponseMarks::of(response.extensions());
    let now = Instant::now();
    connection.begin_response(response.extensions(), now);
    let length = catch_panic(|| {
        drop(take(response.extensions_mut()));
        body_length(response.body())
    })?;
    batch.push(connection.unsent_continue());
    let (status, headers) = (response.status(), response.headers());
    let promise = response_head::write(status, headers, length, rules, now, batch.small());
    // A response with an empty body is sent with its head, so it is never a stage.
    let is_stream = marks.is_long_lived && connection.is_body_read() && !promise.framing.is_full();
    let (parts, body) = response.into_parts();
    pool::put_headers(parts.headers);
    let body_writer = BodyWriter::new(body, promise).cut_at_end(marks.is_cut_at_end);
    if is_stream {
        let head = batch.small().clone();
        let body_writer = body_writer.with_head(head, server.settings.max_unsent_bytes);
        return Err(StageEnd::Stream(Box::new(body_writer)));
    }
    Ok(body_writer)
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};
    use tokio::io::{AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::timeout;
    use tower_service::Service;

    use super::*;
    use crate::drain::handle::Drain;
    use crate::http1::NextStage;
    use crate::http1::testing::{STALL, connection_service, http1, read_all};

    /// Whether an [`EchoService`] responds, and what it does instead.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Behavior {
        Responds,
        IsNeverReady,
        PanicsInPollReady,
        PanicsInCall,
        PanicsInFuture,
    }

    /// Responds with the body of the request. For each request, `poll_ready` is first pending as
    /// often as `unready` says, and `left` counts down.
    #[derive(Clone)]
    struct EchoService {
        unready: usize,
        left: usize,
        behavior: Behavior,
    }

    impl Service<Request<RequestBody>> for EchoService {
        type Response = Response<Full<Bytes>>;
        type Error = Infallible;
        type Future =
            Pin<Box<dyn Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            if self.left > 0 {
                self.left -= 1;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            assert_ne!(self.behavior, Behavior::PanicsInPollReady, "told to panic");
            match self.behavior {
                Behavior::IsNeverReady => Poll::Pending,
                _ => Poll::Ready(Ok(())),
            }
        }

        fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
            self.left = self.unready;
            let behavior = self.behavior;
            assert_ne!(behavior, Behavior::PanicsInCall, "told to panic");
            Box::pin(async move {
                tokio::task::yield_now().await;
                assert_ne!(behavior, Behavior::PanicsInFuture, "told to panic");
                let body = request.into_body().collect().await.expect("a body");
                Ok(Response::new(Full::new(body.to_bytes())))
            })
        }
    }

    /// Sends these bytes to a connection with the service.
    async fn serve(unready: usize, behavior: Behavior, sent: &[u8]) -> DuplexStream {
        let (mut client, server) = duplex(64 * 1024);
        let service = connection_service(EchoService { unready, left: unready, behavior });
        let http1 = http1(&Drain::new());
        tokio::spawn(async move {
            if let NextStage::Linger(io) = http1.serve(server, Bytes::new(), service).await {
                http1.linger(io).await;
            }
        });
        client.write_all(sent).await.expect("room");
        client
    }

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const POST: &[u8] = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    const LAST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn a_request_waits_for_its_service_and_loses_nothing() {
        for unready in 0..4 {
            for requests in [[GET, GET, LAST], [POST, GET, LAST], [GET, POST, LAST]] {
                let mut client = serve(unready, Behavior::Responds, &requests.concat()).await;
                let all = read_all(&mut client).await;
                let found = all.split("HTTP/1.1 200 OK\r\n").skip(1);
                let bodies: Vec<_> = found.filter_map(|one| one.split("\r\n\r\n").nth(1)).collect();
                let expect = requests.map(|one| if one == POST { "hello" } else { "" });
                assert_eq!(bodies, expect, "ready after {unready}: {all}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_at_any_point_is_one_500_and_ends_the_connection() {
        for unready in 0..3 {
            for behavior in
                [Behavior::PanicsInPollReady, Behavior::PanicsInCall, Behavior::PanicsInFuture]
            {
                for request in [GET, POST] {
                    let sent = [request, LAST].concat();
                    let all = read_all(&mut serve(unready, behavior, &sent).await).await;
                    assert!(all.starts_with("HTTP/1.1 500 "), "{behavior:?}: {all}");
                    assert_eq!(all.matches("HTTP/1.1").count(), 1, "{behavior:?}: {all}");
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_leaves_before_the_service_is_ready_ends_the_connection() {
        for unready in 0..3 {
            for request in [GET, POST] {
                let mut client = serve(unready, Behavior::IsNeverReady, request).await;
                assert!(timeout(STALL, read_all(&mut client)).await.is_err(), "it waits");
                client.shutdown().await.expect("memory does not fail");
                assert_eq!(read_all(&mut client).await, "");
            }
        }
    }
}
