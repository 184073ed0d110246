//! What a service gets, how it is called, and what goes out.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use volga_http::{ConnectionInfo, RequestBody, RequestBodyError, Server, bind};

use crate::support::{GET, Running, TestBody, get, read_to_close, read_until, send, within};

#[tokio::test]
async fn requests_carry_both_addresses() {
    let server = Running::start(Server::new(), |request| async move {
        let info: &ConnectionInfo = request.extensions().get().expect("an extension");
        let (peer, local) = (info.peer().expect("TCP"), info.local().expect("TCP"));
        Response::new(TestBody::full(format!("{peer} to {local}!")))
    })
    .await;

    let mut http1 = server.connect().await;
    let expect = format!("{} to {}!", http1.local_addr().expect("an open socket"), server.address);
    send(&mut http1, GET).await;
    let answer = read_until(&mut http1, "!").await;
    assert!(answer.ends_with(&expect), "{answer}");

    let (mut http2, _driver) = server.connect_h2().await;
    let (response, _) = http2.send_request(get(), true).expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    let data = within(body.data()).await.expect("a body").expect("data");
    assert!(data.ends_with(format!(" to {}!", server.address).as_bytes()), "{data:?}");
}

/// Answers with the addresses that the request carries, once it was given those of its connection
/// where `is_told`.
#[derive(Clone)]
struct Telling {
    info: ConnectionInfo,
    is_told: bool,
}

impl tower_service::Service<Request<RequestBody>> for Telling {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<TestBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        if self.is_told {
            request.extensions_mut().insert(self.info.clone());
        }
        let info: Option<&ConnectionInfo> = request.extensions().get();
        let peer = info.and_then(ConnectionInfo::peer);
        let local = info.and_then(ConnectionInfo::local);
        ready(Ok(Response::new(TestBody::full(format!("{peer:?} to {local:?}!")))))
    }
}

#[tokio::test]
async fn a_service_of_its_own_decides_whether_its_connection_s_requests_carry_the_addresses() {
    for is_told in [true, false] {
        let listeners = bind(([127, 0, 0, 1], 0)).await.expect("a free port");
        let address = listeners[0].tcp_addr().expect("a TCP socket");
        let make = move |info| Telling { info, is_told };
        let _server = tokio::spawn(Server::new().serve_each(listeners, make));
        for _ in 0..2 {
            let mut client = tokio::net::TcpStream::connect(address).await.expect("it listens");
            let peer = client.local_addr().expect("an open socket");
            for _ in 0..2 {
                send(&mut client, GET).await;
                let answer = read_until(&mut client, "!").await;
                let told = format!("{:?} to {:?}!", Some(peer), Some(address));
                let expect = if is_told { &told } else { "None to None!" };
                assert!(answer.ends_with(expect), "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn what_http2_forbids_does_not_go_out() {
    const FORBIDDEN: [(&str, &str); 7] = [
        ("connection", "keep-alive, x-hop"),
        ("connection", "close"),
        ("x-hop", "named by connection"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
    ];
    let server = Running::start(Server::new(), |_| async {
        let mut response = Response::builder().header("x-end-to-end", "stays");
        for (name, value) in FORBIDDEN {
            response = response.header(name, value);
        }
        response.body(TestBody::full("hello")).expect("a response")
    })
    .await;
    let (mut client, _driver) = server.connect_h2().await;
    let (response, _) = client.send_request(get(), true).expect("an open connection");
    let response = within(response).await.expect("a response");
    for (name, _) in FORBIDDEN {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    assert_eq!(response.headers()["x-end-to-end"], "stays");
    let body = within(response.into_body().data()).await.expect("a body").expect("data");
    assert_eq!(body, "hello");
}

#[tokio::test]
async fn a_panic_ends_its_request_and_no_more() {
    let server = Running::start(Server::new(), |request| {
        assert_ne!(request.uri().path(), "/call", "panics on purpose, in the call");
        async move {
            assert_ne!(request.uri().path(), "/future", "panics on purpose, in the future");
            Response::new(TestBody::full("hello"))
        }
    })
    .await;
    let (mut http2, _driver) = server.connect_h2().await;
    for path in ["/call", "/future"] {
        let mut http1 = server.connect().await;
        send(&mut http1, format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await;
        assert_eq!(read_to_close(&mut http1).await, b"", "{path}");

        let request = Request::get(format!("http://a{path}")).body(()).expect("a request");
        let (response, _) = http2.send_request(request, true).expect("an open connection");
        assert!(within(response).await.expect_err("no response").is_reset(), "{path}");
    }

    let (response, _) = http2.send_request(get(), true).expect("the connection goes on");
    assert_eq!(within(response).await.expect("a response").status(), 200);
    let mut http1 = server.connect().await;
    send(&mut http1, GET).await;
    read_until(&mut http1, "hello").await;
}

/// Takes a call only by the instance that said it was ready, and says so only when asked twice.
#[derive(Default)]
struct Fussy {
    asked: u32,
}

impl Clone for Fussy {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl tower_service::Service<Request<RequestBody>> for Fussy {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<TestBody>, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.asked += 1;
        if self.asked == 2 {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _: Request<RequestBody>) -> Self::Future {
        // Readiness is for one call.
        assert_eq!(std::mem::take(&mut self.asked), 2, "called before it was ready");
        Box::pin(async { Ok(Response::new(TestBody::full("hello"))) })
    }
}

#[tokio::test]
async fn the_service_is_called_once_it_is_ready() {
    let listeners = bind(([127, 0, 0, 1], 0)).await.expect("a free port");
    let address = listeners[0].tcp_addr().expect("a TCP socket");
    let _server = tokio::spawn(Server::new().serve(listeners, Fussy::default()));
    let mut client = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    for _ in 0..2 {
        send(&mut client, GET).await;
        read_until(&mut client, "hello").await;
    }
}

/// A server that collects each body, and what came of each.
async fn collecting() -> (Running, mpsc::UnboundedReceiver<Result<Vec<u8>, RequestBodyError>>) {
    let (collected, results) = mpsc::unbounded_channel();
    let server = Running::start(Server::new(), move |request| {
        let collected = collected.clone();
        async move {
            // In a task of its own, because a client that leaves drops the handler.
            let body = tokio::spawn(async move { request.into_body().collect().await });
            let result = body.await.expect("no panic");
            let status = if result.is_ok() { 200 } else { 400 };
            collected.send(result.map(|body| body.to_bytes().to_vec())).expect("the test waits");
            Response::builder().status(status).body(TestBody::default()).expect("a response")
        }
    })
    .await;
    (server, results)
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";

#[tokio::test]
async fn a_request_body_arrives_whole() {
    let (server, mut results) = collecting().await;
    let mut http1 = server.connect().await;
    send(&mut http1, format!("{CHUNKED}3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").as_bytes()).await;
    assert_eq!(within(results.recv()).await.expect("a result").expect("a body"), b"abcdefg");

    let (mut http2, _driver) = server.connect_h2().await;
    let request = Request::post("http://a/").body(()).expect("a request");
    let (response, mut body) = http2.send_request(request, false).expect("an open connection");
    body.send_data("abc".into(), false).expect("an open stream");
    body.send_data("defg".into(), true).expect("an open stream");
    assert_eq!(within(response).await.expect("a response").status(), 200);
    assert_eq!(within(results.recv()).await.expect("a result").expect("a body"), b"abcdefg");
}

#[tokio::test]
async fn a_bad_chunk_is_a_malformed_body() {
    let (server, mut results) = collecting().await;
    let mut client = server.connect().await;
    send(&mut client, format!("{CHUNKED}not hex\r\n").as_bytes()).await;
    let error = within(results.recv()).await.expect("a result").expect_err("no chunk");
    assert!(matches!(error, RequestBodyError::Malformed(_)), "{error:?}");
}

#[tokio::test]
async fn a_client_that_resets_its_stream_leaves_an_incomplete_body() {
    let (reading, mut errors) = mpsc::unbounded_channel();
    let server = Running::start(Server::new(), move |request| {
        let reading = reading.clone();
        // Detached, because a client that leaves drops the handler.
        tokio::spawn(async move {
            let error = request.into_body().collect().await.expect_err("the body has no end");
            reading.send(error).expect("the test waits");
        });
        std::future::pending()
    })
    .await;

    let (mut http2, _driver) = server.connect_h2().await;
    let request = Request::post("http://a/").body(()).expect("a request");
    let (_response, mut body) = http2.send_request(request, false).expect("an open connection");
    body.send_data("abc".into(), false).expect("an open stream");
    body.send_reset(h2::Reason::CANCEL);
    let error = within(errors.recv()).await.expect("an error");
    assert!(matches!(error, RequestBodyError::Incomplete(_)), "{error:?}");

    let mut http1 = server.connect().await;
    send(&mut http1, format!("{CHUNKED}3\r\nab").as_bytes()).await;
    drop(http1);
    let error = within(errors.recv()).await.expect("an error");
    assert!(matches!(error, RequestBodyError::Incomplete(_)), "{error:?}");
}
