//! The same bytes to two servers, and what may differ in what their services see.
//!
//! The property tests and the fuzz target `http1_differential` share this file. So it uses nothing
//! of the crate but the `limits` that the module around it imports.

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

/// What a body came to.
#[derive(Clone, Debug, Eq, PartialEq)]
enum BodyOutcome {
    /// Its end is still to come.
    Partly,
    Malformed,
    /// With its trailers.
    Whole(Vec<u8>, Fields),
}

type Log = Arc<Mutex<Vec<ObservedRequest>>>;

/// In the order of their names, which says nothing; that of the values of one name stays.
fn fields(headers: &http::HeaderMap) -> Fields {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.to_string(), value.as_bytes().to_vec())
    };
    let mut fields: Fields = headers.iter().map(pair).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    fields
}

/// Reads a request to its end, notes it, and answers.
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
    // One request of a connection runs at a time.
    log.lock().expect("no panic").last_mut().expect("it was noted").body = came;
    Ok(Response::default())
}

/// The service of both servers: it reads each request to its end, notes it, and answers.
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

/// What a server sees that is sent these bytes, in pieces of this size. The clock is paused, so who
/// waits for more is given up at once.
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

/// What our server sees that is sent these bytes in pieces of this size, and what hyper's sees.
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

/// Says where our server saw what hyper's did not. To refuse more is allowed, to take more is not.
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
        // Where a body ends that does not end well is not known.
        let is_last = matches!(mine.body, BodyOutcome::Whole(..)) || index + 1 == ours.len();
        if (&mine.head, &mine.fields) != (&oracle.head, &oracle.fields) || !is_same_body || !is_last
        {
            return Err(format!("request {index}: {mine:#?} and {oracle:#?}, of {ours:#?}"));
        }
    }
    Ok(())
}
