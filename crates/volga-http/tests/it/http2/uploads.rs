//! Bodies of requests.

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::sync::{mpsc, oneshot};
use volga_http::limits::STREAM_WINDOW;
use volga_http::{RequestBodyError, Server};

use crate::support::{Running, TestBody, within};

#[tokio::test]
async fn data_trailers_and_the_announced_length_arrive() {
    let server = Running::start(Server::new(), |request| async move {
        let announced = request.body().size_hint().exact();
        let body = request.into_body().collect().await.expect("a body");
        let sum = body.trailers().expect("trailers")["x-sum"].to_str().expect("text").to_owned();
        let text = String::from_utf8(body.to_bytes().to_vec()).expect("text");
        Response::new(TestBody::full(format!("{announced:?} {text} {sum}")))
    })
    .await;
    let (mut client, _driver) = server.connect_h2().await;
    let request =
        Request::post("http://a/").header("content-length", 7).body(()).expect("a request");
    let (response, mut body) = client.send_request(request, false).expect("an open connection");
    body.send_data("abc".into(), false).expect("an open stream");
    body.send_data("defg".into(), false).expect("an open stream");
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "7".parse().expect("a value"));
    body.send_trailers(trailers).expect("an open stream");
    let mut body = within(response).await.expect("a response").into_body();
    assert_eq!(within(body.data()).await.expect("a body").expect("data"), "Some(7) abcdefg 7");
}

#[tokio::test]
async fn a_length_that_the_data_contradicts_is_malformed() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Running::start(Server::new(), move |request| {
        let tell = tell.clone();
        // Detached, because the handler is dropped when the stream ends.
        tokio::spawn(async move {
            tell.send(request.into_body().collect().await.map(drop)).expect("the test waits");
        });
        std::future::pending()
    })
    .await;
    for (sent, is_end) in [("too much", false), ("less", true)] {
        let (mut client, _driver) = server.connect_h2().await;
        let request = Request::post("http://a/").header("content-length", 5);
        let (_response, mut body) = client
            .send_request(request.body(()).expect("a request"), false)
            .expect("an open connection");
        body.send_data(sent.into(), is_end).expect("an open stream");
        let error = within(told.recv()).await.expect("a result").expect_err("no body");
        assert!(matches!(error, RequestBodyError::Malformed(_)), "{sent}: {error:?}");
    }
}

#[tokio::test]
async fn a_reset_without_an_error_does_not_end_the_body() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let server = Running::start(Server::new(), move |request| {
        let tell = tell.clone();
        tokio::spawn(async move {
            tell.send(request.into_body().collect().await.map(drop)).expect("the test waits");
        });
        std::future::pending()
    })
    .await;
    let (mut client, _driver) = server.connect_h2().await;
    let request = Request::post("http://a/").body(()).expect("a request");
    let (_response, mut body) = client.send_request(request, false).expect("an open connection");
    body.send_data("half".into(), false).expect("an open stream");
    body.send_reset(h2::Reason::NO_ERROR);
    let error = within(told.recv()).await.expect("a result").expect_err("half a body is none");
    assert!(matches!(error, RequestBodyError::Incomplete(_)), "{error:?}");
}

#[tokio::test]
async fn an_upload_waits_at_the_window_until_it_is_read() {
    const SIZE: usize = 3 * STREAM_WINDOW as usize;
    let (go, wait) = oneshot::channel::<()>();
    let wait = std::sync::Arc::new(std::sync::Mutex::new(Some(wait)));
    let server = Running::start(Server::new(), move |request| {
        let wait = wait.lock().expect("no panic").take();
        async move {
            let Some(wait) = wait else { return Response::new(TestBody::default()) };
            wait.await.expect("the test says when");
            let body = request.into_body().collect().await.expect("a body").to_bytes();
            Response::new(TestBody::full(body.len().to_string()))
        }
    })
    .await;
    let (mut client, _driver) = server.connect_h2().await;
    let request = Request::post("http://a/").body(()).expect("a request");
    let (response, mut body) = client.send_request(request, false).expect("an open connection");
    body.reserve_capacity(SIZE);
    let mut sent = 0;
    while sent < STREAM_WINDOW as usize {
        let room = within(std::future::poll_fn(|cx| body.poll_capacity(cx)));
        let room = room.await.expect("an open stream").expect("an open stream");
        body.send_data(Bytes::from(vec![0; room]), false).expect("room");
        sent += room;
    }
    assert_eq!(sent, STREAM_WINDOW as usize);
    // A response shows that the server has read everything before it, and so would have widened the
    // window.
    let (other, _) = client
        .send_request(Request::get("http://a/").body(()).expect("a request"), true)
        .expect("an open connection");
    assert_eq!(within(other).await.expect("a response").status(), 200);
    assert_eq!(body.capacity(), 0, "the window is full");

    go.send(()).expect("the handler waits");
    while sent < SIZE {
        let room = within(std::future::poll_fn(|cx| body.poll_capacity(cx)));
        let room = room.await.expect("an open stream").expect("an open stream");
        sent += room;
        body.send_data(Bytes::from(vec![0; room]), sent == SIZE).expect("room");
    }
    let mut body = within(response).await.expect("a response").into_body();
    assert_eq!(within(body.data()).await.expect("a body").expect("data"), SIZE.to_string());
}
