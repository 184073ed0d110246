//! What the fuzz targets need: a connection in memory. Only in builds for fuzzing, so not a public interface.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tower_service::Service;

use crate::addr::Ends;
use crate::body::RequestBody;
use crate::body_pace::PaceLimits;
use crate::drain_handle::Drain;
use crate::http1::{Http1, Next};
use crate::http2::Patience;
use crate::limits::{DEFAULT_HEADER_READ_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT};
use crate::service::Requests;
use crate::tasks::roll_call;

/// Serves an HTTP/1 connection through all its stages.
pub async fn serve_http1<S, B>(io: DuplexStream, service: S)
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible> + Clone,
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let (head, stall) = (DEFAULT_HEADER_READ_TIMEOUT, DEFAULT_WRITE_STALL_TIMEOUT);
    let http1 = Http1::new(head, stall, PaceLimits::DEFAULT, Drain::new());
    let address = ([127, 0, 0, 1], 1).into();
    let requests = || Requests { service: service.clone(), ends: Ends::tcp(address, address) };
    let mut next = http1.serve(io, Bytes::new(), requests()).await;
    loop {
        next = match next {
            Next::Closed => return,
            Next::Stream(stream) => Box::into_pin(stream).await,
            Next::Requests(io, received) => http1.serve(io, received, requests()).await,
            Next::Linger(io) => return http1.linger(io).await,
        };
    }
}

/// Serves an HTTP/2 connection whose preface is yet to come, until it and everything that it started are gone.
pub async fn serve_http2<I, S, B>(io: I, service: S)
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let address = ([127, 0, 0, 1], 1).into();
    let requests = Requests { service, ends: Ends::tcp(address, address) };
    let (alive, gone) = roll_call();
    let patience = Patience {
        handshake: DEFAULT_HEADER_READ_TIMEOUT,
        stall: DEFAULT_WRITE_STALL_TIMEOUT,
        body: PaceLimits::DEFAULT,
    };
    crate::http2::serve(io, requests, patience, &Drain::new(), alive).await;
    gone.wait().await;
}
