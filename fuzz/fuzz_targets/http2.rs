//! Any bytes after the preface of an HTTP/2 connection: nothing panics, the connection ends when
//! the client has closed, and none of its tasks is left.
//!
//! The service sends each request body back, as a long-lived response or an ordinary one, so that
//! both ways of sending are used. The first byte chooses how many bytes the transport holds. Its
//! lowest bit chooses whether the data of long-lived bodies is written directly or through `h2`.

#![no_main]

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex, split};
use volga_http::{LongLivedResponse, RequestBody};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const EMPTY_SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

fuzz_target!(|input: &[u8]| {
    let Some((&width, wire)) = input.split_first() else {
        return;
    };
    // The clock is paused and advances when all tasks wait, so no input takes long.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let (client, server) = duplex(1 + usize::from(width) * 64);
        let (mut read, mut write) = split(client);
        let sent = [PREFACE, EMPTY_SETTINGS, wire].concat();
        let writing = tokio::spawn(async move {
            // The server may have closed the connection already.
            let _ = write.write_all(&sent).await;
            let _ = write.shutdown().await;
            write
        });
        let reading = tokio::spawn(async move {
            let mut space = [0; 1024];
            while let Ok(1..) = read.read(&mut space).await {}
        });
        let hour = Duration::from_secs(60 * 60);
        let served = tokio::time::timeout(
            hour,
            volga_http::fuzzing::serve_http2(server, Echo, width % 2 == 0),
        )
        .await;
        served.expect("the connection ends");
        writing.await.expect("no panic");
        reading.await.expect("no panic");
    });
});

/// Responds with the body of the request.
#[derive(Clone)]
struct Echo;

impl tower_service::Service<Request<RequestBody>> for Echo {
    type Response = Response<Back>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let is_long_lived = request.uri().path().len() % 2 == 0;
        let mut response = Response::new(Back(request.into_body()));
        if is_long_lived {
            response.extensions_mut().insert(LongLivedResponse);
        }
        std::future::ready(Ok(response))
    }
}

struct Back(RequestBody);

impl Body for Back {
    type Data = Bytes;
    type Error = volga_http::RequestBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
