//! Heads of requests and responses.

use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use volga_http::{LongLivedResponse, Server};

use super::support::{ask, body_of, data, start};
use crate::support::{Running, TestBody, get, within};

/// A server that responds with the request fields that the path names.
async fn echo() -> Running {
    Running::start(Server::new(), |request| async move {
        let name = &request.uri().path()[1..];
        let values: Vec<_> = request.headers().get_all(name).iter().map(|v| v.as_bytes()).collect();
        Response::new(TestBody::full(values.join(&b'|')))
    })
    .await
}

async fn status(request: http::request::Builder) -> StatusCode {
    let server = echo().await;
    let (mut client, _driver) = server.connect_h2().await;
    let (response, _) = client
        .send_request(request.body(()).expect("a request"), true)
        .expect("an open connection");
    within(response).await.expect("a response").status()
}

#[tokio::test]
async fn several_cookie_fields_are_joined() {
    let server = echo().await;
    let (mut client, _driver) = server.connect_h2().await;
    let request = Request::get("http://a/cookie").header("cookie", "a=1").header("cookie", "b=2");
    let (response, _) = client
        .send_request(request.body(()).expect("a request"), true)
        .expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    assert_eq!(within(body.data()).await.expect("a body").expect("data"), "a=1; b=2");
}

#[tokio::test]
async fn a_request_for_two_authorities_or_a_tunnel_is_refused() {
    assert_eq!(status(Request::get("http://a/host").header("host", "a")).await, 200);
    assert_eq!(status(Request::get("http://a/host").header("host", "b")).await, 400);
    assert_eq!(status(Request::connect("a:80")).await, 501);
}

#[tokio::test]
async fn a_known_length_and_the_date_are_announced() {
    let server = start(|_| async { Response::new(Full::new("hello".into())) }).await;
    let (mut client, _driver) = server.connect_h2().await;
    let response = ask(&mut client, "/").await;
    assert_eq!(response.headers()["content-length"], "5");
    let date = response.headers()["date"].to_str().expect("text");
    assert!(date.len() == 29 && date.ends_with(" GMT"), "{date}");
}

#[tokio::test]
async fn head_has_the_fields_of_get_and_no_content() {
    let server = start(|_| async { Response::new(Full::new("hello".into())) }).await;
    let (mut client, _driver) = server.connect_h2().await;
    let request = Request::head("http://a/").body(()).expect("a request");
    let (response, _) = client.send_request(request, true).expect("an open connection");
    let mut response = within(response).await.expect("a response");
    assert_eq!(response.headers()["content-length"], "5");
    assert!(within(response.body_mut().data()).await.is_none());
}

#[tokio::test]
async fn a_status_without_content_sends_none_and_drops_the_body() {
    for (method, status) in [(Method::GET, 204), (Method::GET, 304), (Method::HEAD, 200)] {
        let server = start(move |_| async move {
            let mut response = Response::new(body_of([data("never sent")]));
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
            response.extensions_mut().insert(LongLivedResponse);
            response
        })
        .await;
        let (mut client, _driver) = server.connect_h2().await;
        let request = Request::builder().method(method).uri("http://a/");
        let (response, _) = client
            .send_request(request.body(()).expect("a request"), true)
            .expect("an open connection");
        let mut response = within(response).await.expect("a response");
        assert_eq!(response.status(), status);
        assert!(within(response.body_mut().data()).await.is_none(), "{status}");
    }
}

#[tokio::test]
async fn an_informational_status_is_not_a_response() {
    let server = start(|request: Request<volga_http::RequestBody>| async move {
        let status = if request.uri().path() == "/interim" { 103 } else { 200 };
        Response::builder().status(status).body(Full::new("".into())).expect("a response")
    })
    .await;
    let (mut client, _driver) = server.connect_h2().await;
    let request = Request::get("http://a/interim").body(()).expect("a request");
    let (response, _) = client.send_request(request, true).expect("an open connection");
    let error = within(response).await.expect_err("a reset");
    assert_eq!(error.reason(), Some(h2::Reason::INTERNAL_ERROR));
    let (response, _) = client.send_request(get(), true).expect("the connection lives");
    assert_eq!(within(response).await.expect("a response").status(), 200);
}
