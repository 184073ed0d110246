//! Sends the same bytes to two servers, and says in which way their services may see different
//! requests.
//!
//! The property tests and the fuzz target `http1_differential` share this file. So it uses nothing
//! of the crate except the `limits` that the module around it imports.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tower_service::Service;

use super::limits::{DEFAULT_HEADER_READ_TIMEOUT, MAX_HEAD_BYTES};

type Fields = Vec<(String, Vec<u8>)>;

/// What a service sees of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct ObservedRequest {
    head: String,
    fields: Fields,
    body: BodyOutcome,
}

/// What a service got from a body.
#[derive(Clone, Debug, Eq, PartialEq)]
enum BodyOutcome {
    /// The end is still to come.
    Partly,
    Malformed,
    /// The content, and the trailers.
    Whole(Vec<u8>, Fields),
}

type Log = Arc<Mutex<Vec<ObservedRequest>>>;

/// Sorts fields by name, since the order of different names means nothing. The order of one name's
/// values stays.
fn fields(headers: &http::HeaderMap) -> Fields {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.as_bytes().to_vec())
    };
    let mut fields: Fields = headers.iter().map(pair).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields
}

/// Reads a request to its end, records it, and responds.
async fn record<B>(request: Request<B>, log: Log) -> Result<Response<Empty<Bytes>>, Infallible>
where
    B: Body<Data = Bytes>,
{
    let (parts, body) = request.into_parts();
    let head = format!("{} {} {:?}", parts.method, parts.uri, parts.version);
    let seen = ObservedRequest { head, fields: fields(&parts.headers), body: BodyOutcome::Partly };
    log.lock().expect("no panic").push(seen);
    let came = match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().map(fields).unwrap_or_default();
            BodyOutcome::Whole(body.to_bytes().to_vec(), trailers)
        }
        Err(_) => BodyOutcome::Malformed,
    };
    // One request of a connection runs at a time, so the last one is this one.
    log.lock().expect("no panic").last_mut().expect("it was noted").body = came;
    Ok(Response::default())
}

/// The service of both servers: it reads each request to its end, records it, and responds.
#[derive(Clone)]
pub(super) struct RecordingService(Log);

impl<B> Service<Request<B>> for RecordingService
where
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response<Empty<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(record(request, Arc::clone(&self.0)))
    }
}

async fn hypers(io: DuplexStream, service: RecordingService) {
    let service =
        hyper::service::service_fn(move |request| record(request, Arc::clone(&service.0)));
    let mut builder = hyper::server::conn::http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(DEFAULT_HEADER_READ_TIMEOUT)
        .max_header_size(MAX_HEAD_BYTES as usize);
    let _ = builder.serve_connection(TokioIo::new(io), service).await;
}

/// Sends these bytes to a server in pieces of this size, and returns the requests that its service
/// saw. The clock is paused, so a server that waits for more gives up at once.
fn seen<F>(
    sent: &[u8],
    size: usize,
    serve: impl FnOnce(DuplexStream, RecordingService) -> F,
) -> Vec<ObservedRequest>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    let log = Log::default();
    runtime.block_on(async {
        let (mut client, server) = duplex(1024 * 1024);
        let serving = tokio::spawn(serve(server, RecordingService(Arc::clone(&log))));
        for piece in sent.chunks(size) {
            if client.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let day = Duration::from_secs(24 * 60 * 60);
        let _ = tokio::time::timeout(day, client.read_to_end(&mut Vec::new())).await;
        serving.abort();
    });
    drop(runtime);
    let log = log.lock().expect("no panic");
    log.clone()
}

/// Sends these bytes to our server and to hyper's, and returns the requests that each service saw.
pub(super) fn both<F>(
    sent: &[u8],
    size: usize,
    ours: impl FnOnce(DuplexStream, RecordingService) -> F,
) -> (Vec<ObservedRequest>, Vec<ObservedRequest>)
where
    F: Future<Output = ()> + Send + 'static,
{
    (seen(sent, size, ours), seen(sent, size, hypers))
}

/// Finds requests that our service saw and hyper's did not. Our server may refuse more than hyper,
/// and may not accept more.
///
/// # Errors
///
/// The difference, for a person to read.
pub(super) fn compare(ours: &[ObservedRequest], hypers: &[ObservedRequest]) -> Result<(), String> {
    if ours.len() > hypers.len() {
        return Err(format!("more requests: {ours:#?} and {hypers:#?}"));
    }
    for (index, (mine, oracle)) in ours.iter().zip(hypers).enumerate() {
        let is_same_body = match &mine.body {
            BodyOutcome::Whole(..) => mine.body == oracle.body,
            BodyOutcome::Partly => !matches!(oracle.body, BodyOutcome::Whole(..)),
            BodyOutcome::Malformed => true,
        };
        // The end of a broken body is unknown, so nothing may follow it.
        let is_last = matches!(mine.body, BodyOutcome::Whole(..)) || index + 1 == ours.len();
        if (&mine.head, &mine.fields) != (&oracle.head, &oracle.fields) || !is_same_body || !is_last
        {
            return Err(format!("request {index}: {mine:#?} and {oracle:#?}, of {ours:#?}"));
        }
    }
    Ok(())
}
