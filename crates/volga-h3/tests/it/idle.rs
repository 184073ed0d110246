//! Connections without a request.

use std::time::Duration;

use http::{Request, Response};
use quinn::ConnectionError;
use tokio::sync::mpsc;
use volga_http::{RequestBody, Server};

use super::support::{Client, Step, TestBody, next, pair, serve_with, tls, within};

#[tokio::test]
async fn a_connection_without_requests_is_closed_and_one_with_a_quiet_stream_is_not() {
    // The time is three times as long.
    let server = Server::new().header_read_timeout(Duration::from_millis(100));
    let (opened, mut streams) = mpsc::unbounded_channel();
    let server = serve_with(server, &tls(pair()), move |_: Request<RequestBody>| {
        let (steps, _, body) = TestBody::told();
        opened.send(steps).expect("the test runs");
        async { Response::new(body) }
    });
    let mut busy = Client::connect(server.address).await;
    let mut stream = busy.send(Request::get("https://localhost/")).await;
    within(stream.finish()).await.expect("it is sent");
    within(stream.recv_response()).await.expect("a response");
    let steps = within(streams.recv()).await.expect("the handler was called");

    let idle = Client::connect(server.address).await;
    let ConnectionError::ApplicationClosed(close) = within(idle.quic.closed()).await else {
        panic!("the server closes it")
    };
    assert_eq!(u64::from(close.error_code), 0x100, "H3_NO_ERROR");

    steps.send(Step::Data("still here".into())).expect("the body is there");
    drop(steps);
    assert_eq!(next(&mut stream).await.expect("a piece"), "still here");
    assert_eq!(next(&mut stream).await, None);
    within(busy.quic.closed()).await;
}
