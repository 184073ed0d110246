//! A way in for fuzz targets, which have no socket. Only there with `--cfg fuzzing`.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tower_service::Service;

use crate::limits::DEFAULT_HEADER_READ_TIMEOUT;
use crate::service::Requests;
use crate::tasks::roll_call;
use crate::{Drain, RequestBody};

/// Serves an HTTP/2 connection whose preface is yet to come, until it and everything that it started are gone.
pub async fn http2<I, S, B>(io: I, service: S)
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
    let requests = Requests { service, peer: address, local: address, unread: Default::default() };
    let (alive, gone) = roll_call();
    crate::http2::serve(io, requests, DEFAULT_HEADER_READ_TIMEOUT, &Drain::new(), alive).await;
    gone.wait().await;
}
