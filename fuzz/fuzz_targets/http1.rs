//! Any bytes on an HTTP/1 connection, cut anywhere, get the same responses whether these are marked
//! as long-lived or not, and the connection ends.
//!
//! The first byte chooses the cuts, and the rest is sent to the server.

#![no_main]

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use volga_http::{LongLivedResponse, RequestBody, fuzzing::serve_http1};

fuzz_target!(|input: &[u8]| {
    let Some((&cut, sent)) = input.split_first() else {
        return;
    };
    let size = usize::from(cut) + 1;
    let plain = responses_to(sent, size, false);
    let marked = responses_to(sent, size, true);
    assert!(marked == plain, "marked:\n{marked}\n\nplain:\n{plain}");
});

/// Everything that the server sends, without the dates. The clock advances while all tasks wait, so
/// the timeouts end every connection.
fn responses_to(sent: &[u8], size: usize, marked: bool) -> String {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let (mut client, server) = duplex(1024 * 1024);
        let serving = tokio::spawn(serve_http1(server, Echo { marked }));
        for piece in sent.chunks(size) {
            if client.write_all(piece).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.expect("memory does not fail");
        serving.await.expect("no panic");
        let all = String::from_utf8_lossy(&all).into_owned();
        all.split("\r\n")
            .filter(|line| !line.starts_with("date: "))
            .collect::<Vec<_>>()
            .join("\r\n")
    })
}

/// Responds with a stream that depends on the path.
#[derive(Clone)]
struct Echo {
    marked: bool,
}

impl tower_service::Service<Request<RequestBody>> for Echo {
    type Response = Response<Events>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let path = request.uri().path();
        let left = path.len() % 5;
        let events = Events { left, is_sized: path.ends_with('s'), waits: path.ends_with('w') };
        let mut response = Response::new(events);
        if self.marked {
            response.extensions_mut().insert(LongLivedResponse);
        }
        ready(Ok(response))
    }
}

/// A number of events, with a known length or not, ready at once or with a wait before each.
struct Events {
    left: usize,
    is_sized: bool,
    waits: bool,
}

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.waits {
            self.waits = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(left) = self.left.checked_sub(1) else {
            return Poll::Ready(None);
        };
        (self.left, self.waits) = (left, left % 2 == 1);
        Poll::Ready(Some(Ok(Frame::data("event".into()))))
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_sized { SizeHint::with_exact(5 * self.left as u64) } else { SizeHint::default() }
    }
}
