//! One request: reads it, calls the service, and sends the response.

use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body::{Body, Frame};
use volga_http::protocol::{accepted_tunnel, check_request, complete_response};
use volga_http::{CutAtEnd, HttpService, RequestBody, TunnelOffer};

use crate::code::Code;
use crate::head::ConnectProtocol;
use crate::request_body::{Http3Body, UnreadRest};
use crate::request_stream::{ReadFault, RequestStream, StreamStart};
use crate::response_stream::{ResponseStream, SendFault};
use crate::shared_connection::SharedConnection;
use crate::tunnel::H3Tunnel;
use crate::webtransport;
use crate::webtransport::arrivals::ArrivedStream;
use crate::webtransport::handshake::{AcceptedSession, WebTransportOffer};
use crate::webtransport::serve::SessionStream;
use crate::webtransport::table::SessionTable;

/// How a request has ended, for the budget of abandoned requests.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RequestEnd {
    /// The response has begun.
    Responded,
    /// The client gave it up before the response began.
    Abandoned,
    /// The same, before the service was called.
    AbandonedEarly,
    /// It was no request, but a stream of a WebTransport session.
    SessionStream,
}

/// The panic of the service or of a response body. The process's panic hook has reported it.
struct ServicePanic;

/// Serves one request to its end.
pub(crate) async fn serve<S: HttpService>(
    mut respond: ResponseStream,
    mut request: RequestStream,
    service: S,
    shared: Arc<SharedConnection>,
) -> RequestEnd {
    // When the client gives up the response, everything that runs for it is dropped, even while it
    // waits.
    let mut stopped = pin!(respond.stopped());
    let start = {
        let mut timer = shared.waits.head();
        tokio::select! {
            biased;
            start = request.start() => start,
            () = &mut stopped => return RequestEnd::AbandonedEarly,
            () = timer.expired() => Err(ReadFault::Incomplete),
        }
    };
    let mut head = match start {
        Ok(StreamStart::Request(head)) => *head,
        Ok(StreamStart::Session(id)) => return deliver(id, respond, request, &shared).await,
        Err(fault) => return refuse(fault, respond, request, &shared).await,
    };
    let protocol = head.extensions.remove::<ConnectProtocol>();
    let checked = match protocol {
        // An ordinary CONNECT asks for a proxy.
        None if head.method == Method::CONNECT => Err(StatusCode::NOT_IMPLEMENTED),
        _ => check_request(&mut head),
    };
    if let Err(status) = checked {
        return send_status(status, respond, &shared).await;
    }
    if let Some(protocol) = protocol {
        // In boxes, so that the tasks of ordinary requests have no room for them.
        return match &shared.sessions {
            Some(sessions) if protocol.is_webtransport() => {
                Box::pin(serve_session(head, respond, request, service, sessions, &shared)).await
            }
            _ => Box::pin(serve_tunnel(protocol, head, respond, request, service, &shared)).await,
        };
    }
    let Ok(length) = announced_length(&head) else {
        return send_status(StatusCode::BAD_REQUEST, respond, &shared).await;
    };
    request.left = length;
    request.has_ended();
    let method = head.method.clone();
    let rest = Arc::new(UnreadRest::default());
    let quic = shared.quic.clone();
    let body = Http3Body::new(request, shared.waits.body(), Arc::clone(&rest), quic);
    let request = Request::from_parts(head, RequestBody::new(body));
    let called = tokio::select! {
        biased;
        called = call(service, request) => called,
        () = &mut stopped => return RequestEnd::Abandoned,
    };
    let sent = match called {
        Ok(response) => send(response, &method, &mut respond, stopped, &shared).await,
        Err(ServicePanic) => Err(ServicePanic),
    };
    if let Err(ServicePanic) = sent {
        send_status(StatusCode::INTERNAL_SERVER_ERROR, respond, &shared).await;
    }
    rest.discard();
    RequestEnd::Responded
}

/// Serves a stream that came when no more requests are accepted: it may belong to a session.
pub(crate) async fn serve_late(
    mut respond: ResponseStream,
    mut request: RequestStream,
    shared: Arc<SharedConnection>,
) -> RequestEnd {
    let mut timer = shared.waits.head();
    let start = tokio::select! {
        biased;
        start = request.start() => start.ok(),
        () = timer.expired() => None,
    };
    if let Some(StreamStart::Session(id)) = start {
        return deliver(id, respond, request, &shared).await;
    }
    request.stop(Code::REQUEST_REJECTED);
    respond.reset(Code::REQUEST_REJECTED);
    RequestEnd::SessionStream
}

/// Hands a stream to its WebTransport session.
async fn deliver(
    session: u64,
    respond: ResponseStream,
    request: RequestStream,
    shared: &SharedConnection,
) -> RequestEnd {
    // Without sessions, a stream never begins like this.
    let Some(sessions) = &shared.sessions else { return RequestEnd::SessionStream };
    let (recv, rest) = request.into_parts();
    let stream = ArrivedStream { recv, rest, send: Some(respond.into_stream()) };
    if let Err(code) = sessions.deliver(session, stream, &shared.waits).await {
        shared.quic.close(code.into(), b"the ID is not that of a WebTransport session");
    }
    RequestEnd::SessionStream
}

/// Serves a request for a WebTransport session, and the session to its end.
async fn serve_session<S: HttpService>(
    mut head: Parts,
    mut respond: ResponseStream,
    request: RequestStream,
    service: S,
    sessions: &SessionTable,
    shared: &SharedConnection,
) -> RequestEnd {
    let Some(entry) = sessions.begin(request.id()) else {
        return send_status(StatusCode::TOO_MANY_REQUESTS, respond, shared).await;
    };
    head.extensions.insert(WebTransportOffer::new());
    let called = {
        let mut stopped = pin!(respond.stopped());
        tokio::select! {
            biased;
            called = call(service, Request::from_parts(head, RequestBody::empty())) => called,
            () = &mut stopped => return RequestEnd::Abandoned,
        }
    };
    let Ok(response) = called else {
        return send_status(StatusCode::INTERNAL_SERVER_ERROR, respond, shared).await;
    };
    let accepted = response.extensions().get::<AcceptedSession>().cloned();
    match accepted.filter(|_| response.status().is_success()) {
        Some(accepted) => {
            let (mut head, body) = response.into_parts();
            drop(body);
            complete_response(&mut head, &Method::CONNECT, None);
            let stream = SessionStream { request, respond, shared };
            webtransport::serve::serve(head, accepted, stream, sessions, entry).await;
        }
        None => {
            drop(entry);
            let sent = {
                let stopped = pin!(respond.stopped());
                send(response, &Method::CONNECT, &mut respond, stopped, shared).await
            };
            if let Err(ServicePanic) = sent {
                return send_status(StatusCode::INTERNAL_SERVER_ERROR, respond, shared).await;
            }
        }
    }
    RequestEnd::Responded
}

/// Serves an extended CONNECT, and its tunnel to the end.
async fn serve_tunnel<S: HttpService>(
    protocol: ConnectProtocol,
    mut head: Parts,
    mut respond: ResponseStream,
    request: RequestStream,
    service: S,
    shared: &Arc<SharedConnection>,
) -> RequestEnd {
    head.extensions.insert(TunnelOffer::connect(protocol.0));
    let mut stopped = pin!(respond.stopped());
    let called = tokio::select! {
        biased;
        called = call(service, Request::from_parts(head, RequestBody::empty())) => called,
        () = &mut stopped => return RequestEnd::Abandoned,
    };
    let Ok(response) = called else {
        return send_status(StatusCode::INTERNAL_SERVER_ERROR, respond, shared).await;
    };
    let Some(run) = accepted_tunnel(&response) else {
        let sent = send(response, &Method::CONNECT, &mut respond, stopped, shared).await;
        if let Err(ServicePanic) = sent {
            return send_status(StatusCode::INTERNAL_SERVER_ERROR, respond, shared).await;
        }
        return RequestEnd::Responded;
    };
    // The body is empty, but holds what belongs to the request until the tunnel ends.
    let (mut head, _body) = response.into_parts();
    complete_response(&mut head, &Method::CONNECT, None);
    // A stream of bytes has no length (RFC 9110, section 9.3.6).
    head.headers.remove(CONTENT_LENGTH);
    if respond.send_head(head.status, &head.headers, shared).await.is_err() {
        respond.reset(Code::REQUEST_CANCELLED);
        return RequestEnd::Responded;
    }
    let given_up = respond.given_up();
    let (tunnel, finished) = H3Tunnel::new(request, respond, Arc::clone(shared));
    let running = async {
        let called = catch_unwind(AssertUnwindSafe(|| run(shared.waits.tunnel(tunnel))));
        let Ok(mut running) = called else { return };
        // A panic ends the tunnel. The panic hook has reported it.
        let _ = poll_fn(|cx| catch_panic(|| running.as_mut().poll(cx))).await;
    };
    tokio::select! {
        biased;
        () = running => {}
        () = given_up => {}
    }
    if let Ok(respond) = finished.await {
        respond.arrived(shared).await;
    }
    RequestEnd::Responded
}

/// The length of the body, if the client has announced it.
fn announced_length(head: &Parts) -> Result<Option<u64>, ()> {
    let Some(length) = head.headers.get(CONTENT_LENGTH) else { return Ok(None) };
    let digits = length.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(());
    }
    length.to_str().map_err(drop)?.parse().map(Some).map_err(drop)
}

/// Ends a request whose head could not be read.
async fn refuse(
    fault: ReadFault,
    mut respond: ResponseStream,
    mut request: RequestStream,
    shared: &SharedConnection,
) -> RequestEnd {
    let code = match fault {
        ReadFault::TooLarge => {
            let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            return send_status(status, respond, shared).await;
        }
        ReadFault::Connection(code) => {
            shared.quic.close(code.into(), b"the request breaks the rules of HTTP/3");
            code
        }
        ReadFault::Malformed => Code::MESSAGE_ERROR,
        ReadFault::Incomplete => Code::REQUEST_INCOMPLETE,
        ReadFault::Disconnected => Code::REQUEST_CANCELLED,
    };
    request.stop(code);
    respond.reset(code);
    RequestEnd::AbandonedEarly
}

/// Sends a response without content.
async fn send_status(
    status: StatusCode,
    mut respond: ResponseStream,
    shared: &SharedConnection,
) -> RequestEnd {
    let mut response = Response::new(());
    *response.status_mut() = status;
    let (mut head, ()) = response.into_parts();
    complete_response(&mut head, &Method::GET, Some(0));
    if respond.send_head(status, &head.headers, shared).await.is_ok() {
        respond.finish(shared).await;
    }
    RequestEnd::Responded
}

/// Waits until the service is ready, calls it, and waits for the response.
async fn call<S: HttpService>(
    mut service: S,
    request: Request<RequestBody>,
) -> Result<Response<S::ResponseBody>, ServicePanic> {
    let ready = poll_fn(|cx| catch_panic(|| service.poll_ready(cx)));
    let Ok(()) = ready.await?;
    let Ok(future) = catch_unwind(AssertUnwindSafe(|| service.call(request))) else {
        return Err(ServicePanic);
    };
    let mut future = pin!(future);
    let response: Result<_, Infallible> =
        poll_fn(|cx| catch_panic(|| future.as_mut().poll(cx))).await?;
    let Ok(response) = response;
    Ok(response)
}

/// Polls code of the application. After a panic, what it has borrowed is only dropped.
fn catch_panic<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<Result<T, ServicePanic>> {
    match catch_unwind(AssertUnwindSafe(poll)) {
        Ok(poll) => poll.map(Ok),
        Err(_payload) => Poll::Ready(Err(ServicePanic)),
    }
}

/// Sends a response. Fails if its body has panicked before the head was sent.
async fn send<B>(
    response: Response<B>,
    method: &Method,
    respond: &mut ResponseStream,
    stopped: Pin<&mut impl Future<Output = ()>>,
    shared: &SharedConnection,
) -> Result<(), ServicePanic>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let (mut head, body) = response.into_parts();
    if head.status.is_informational() {
        // A status of 1xx only announces a response, and the service has no other.
        respond.reset(Code::INTERNAL_ERROR);
        return Ok(());
    }
    let shape = catch_unwind(AssertUnwindSafe(|| (body.is_end_stream(), body.size_hint().exact())));
    let Ok((is_empty, length)) = shape else { return Err(ServicePanic) };
    let length = if is_empty { Some(0) } else { length };
    let has_content = complete_response(&mut head, method, length);
    let sent = async {
        respond.send_head(head.status, &head.headers, shared).await?;
        if !has_content {
            return Ok(());
        }
        let is_cut_at_end = head.extensions.get::<CutAtEnd>().is_some();
        send_body(body, is_cut_at_end, respond, stopped, shared).await
    };
    match sent.await {
        Ok(()) => respond.finish(shared).await,
        Err(BodyFault::Send(SendFault::Disconnected | SendFault::Stalled | SendFault::Cut)) => {
            respond.reset(Code::REQUEST_CANCELLED);
        }
        Err(BodyFault::Send(SendFault::TooLarge)) => respond.reset(Code::INTERNAL_ERROR),
        Err(BodyFault::Body) => respond.fail(shared).await,
    }
    Ok(())
}

/// Why the body of a response was not sent to its end.
enum BodyFault {
    Send(SendFault),
    /// The body has failed or panicked.
    Body,
}

impl From<SendFault> for BodyFault {
    fn from(fault: SendFault) -> Self {
        Self::Send(fault)
    }
}

/// Sends the body of a response, and its trailers.
///
/// `is_cut_at_end` says whether the response has the mark [`CutAtEnd`].
async fn send_body<B>(
    body: B,
    is_cut_at_end: bool,
    respond: &mut ResponseStream,
    mut stopped: Pin<&mut impl Future<Output = ()>>,
    shared: &SharedConnection,
) -> Result<(), BodyFault>
where
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>,
{
    let mut body = pin!(body);
    loop {
        let waiting = body.as_mut();
        match respond.room(shared, move || is_cut_at_end && has_ended(&*waiting)).await {
            // An end without data needs no room.
            Err(SendFault::Cut) => return Ok(()),
            room => room?,
        }
        let frame = tokio::select! {
            biased;
            // The client does not learn what the error says. The application made it, and can
            // report it.
            frame = poll_fn(|cx| catch_panic(|| body.as_mut().poll_frame(cx).map_err(drop))) => frame,
            // The client may leave while the body waits for hours.
            () = stopped.as_mut() => return Err(SendFault::Disconnected.into()),
        };
        let Ok(frame) = frame else { return Err(BodyFault::Body) };
        let Some(frame) = frame else { return Ok(()) };
        let Ok(frame) = frame else { return Err(BodyFault::Body) };
        match frame.into_data().map_err(Frame::into_trailers) {
            Ok(data) => {
                // The last piece is not cut, although the body has ended after it.
                let (mut is_last, waiting) = (None, body.as_mut());
                let is_cut = move || {
                    is_cut_at_end
                        && !*is_last.get_or_insert_with(|| CutAtEnd::has_given_all(&*waiting))
                        && has_ended(&*waiting)
                };
                respond.send_data(data, shared, is_cut).await?;
                let is_over = match is_cut_at_end {
                    true => CutAtEnd::has_given_all(&*body),
                    false => body.is_end_stream(),
                };
                if is_over {
                    return Ok(());
                }
            }
            Err(Ok(trailers)) => return send_trailers(&trailers, respond, shared).await,
            // HTTP/3 has no frame for this kind of data.
            Err(Err(_)) => {}
        }
    }
}

/// Whether a body has ended although it was not polled.
fn has_ended<B: Body>(body: &B) -> bool {
    catch_unwind(AssertUnwindSafe(|| body.is_end_stream())).unwrap_or(true)
}

async fn send_trailers(
    trailers: &HeaderMap,
    respond: &mut ResponseStream,
    shared: &SharedConnection,
) -> Result<(), BodyFault> {
    Ok(respond.send_trailers(trailers, shared).await?)
}
