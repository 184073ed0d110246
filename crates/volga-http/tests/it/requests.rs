//! What a service receives, how it is called, and what the client receives.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use volga_http::{ConnectionInfo, RequestBody, RequestBodyError, Server, bind};

use crate::support::{GET, Running, TestBody, get, read_to_close, read_until, send, within};
use crate::transport::serving;

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
    let response = read_until(&mut http1, "!").await;
    assert!(response.ends_with(&expect), "{response}");

    let (mut http2, _driver) = server.connect_h2().await;
    let (response, _) = http2.send_request(get(), true).expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    let data = within(body.data()).await.expect("a body").expect("data");
    assert!(data.ends_with(format!(" to {}!", server.address).as_bytes()), "{data:?}");
}

/// Responds with the addresses in the request's extensions. If `is_inserted`, it inserts those of
/// its connection first.
#[derive(Clone)]
struct AddressService {
    info: ConnectionInfo,
    is_inserted: bool,
}

impl tower_service::Service<Request<RequestBody>> for AddressService {
    type Response = Response<TestBody>;
    type Error = Infallible;
    type Future = Ready<Result<Response<TestBody>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        if self.is_inserted {
            request.extensions_mut().insert(self.info.clone());
        }
        let info: Option<&ConnectionInfo> = request.extensions().get();
        let peer = info.and_then(ConnectionInfo::peer);
        let local = info.and_then(ConnectionInfo::local);
        ready(Ok(Response::new(TestBody::full(format!("{peer:?} to {local:?}!")))))
    }
}

#[tokio::test]
async fn the_service_of_a_connection_decides_whether_requests_carry_the_addresses() {
    for is_inserted in [true, false] {
        let listeners = bind(([127, 0, 0, 1], 0)).await.expect("a free port");
        let address = listeners[0].tcp_addr().expect("a TCP socket");
        let make = move |info| AddressService { info, is_inserted };
        let _server = tokio::spawn(Server::new().serve_each(listeners, make));
        for _ in 0..2 {
            let mut client = tokio::net::TcpStream::connect(address).await.expect("it listens");
            let peer = client.local_addr().expect("an open socket");
            for _ in 0..2 {
                send(&mut client, GET).await;
                let response = read_until(&mut client, "!").await;
                let told = format!("{:?} to {:?}!", Some(peer), Some(address));
                let expect = if is_inserted { &told } else { "None to None!" };
                assert!(response.ends_with(expect), "{response}");
            }
        }
    }
}

#[tokio::test]
async fn fields_that_http2_forbids_are_not_sent() {
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
async fn a_panic_becomes_a_response_and_ends_nothing_else() {
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
        let received = String::from_utf8(read_to_close(&mut http1).await).expect("text");
        assert!(received.starts_with("HTTP/1.1 500 "), "{path}: {received}");

        let request = Request::get(format!("http://a{path}")).body(()).expect("a request");
        let (response, _) = http2.send_request(request, true).expect("an open connection");
        assert_eq!(within(response).await.expect("a response").status(), 500, "{path}");
    }

    let (response, _) = http2.send_request(get(), true).expect("the connection continues");
    assert_eq!(within(response).await.expect("a response").status(), 200);
    let mut http1 = server.connect().await;
    send(&mut http1, GET).await;
    read_until(&mut http1, "hello").await;
}

/// Accepts a call only on the instance that reported readiness, and reports it only on the second
/// poll.
#[derive(Default)]
struct StrictReadiness {
    asked: u32,
}

impl Clone for StrictReadiness {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl tower_service::Service<Request<RequestBody>> for StrictReadiness {
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
    let (address, serving) = serving(Server::new(), StrictReadiness::default()).await;
    let _server = tokio::spawn(serving);
    let mut client = tokio::net::TcpStream::connect(address).await.expect("the server listens");
    for _ in 0..2 {
        send(&mut client, GET).await;
        read_until(&mut client, "hello").await;
    }
}

/// A server that collects each body, and a receiver for the results.
async fn collecting() -> (Running, mpsc::UnboundedReceiver<Result<Vec<u8>, RequestBodyError>>) {
    let (collected, results) = mpsc::unbounded_channel();
    let server = Running::start(Server::new(), move |request| {
        let collected = collected.clone();
        async move {
            // In a task of its own, because the handler is dropped when the client disconnects.
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
        // Detached, because the handler is dropped when the client disconnects.
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
