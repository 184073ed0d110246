//! Several requests on one HTTP/1 connection.

use http::Response;
use volga_http::Server;

use crate::support::{Running, TestBody, read_to_close, read_until, send};

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

async fn echo_path() -> Running {
    Running::start(Server::new(), |request| async move {
        Response::new(TestBody::full(format!("<{}>", request.uri().path())))
    })
    .await
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let server = echo_path().await;
    let mut client = server.connect().await;
    for path in ["/first", "/second", "/third"] {
        send(&mut client, request(path).as_bytes()).await;
        let response = read_until(&mut client, &format!("<{path}>")).await;
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    }
}

#[tokio::test]
async fn responses_to_pipelined_requests_come_in_order() {
    let server = echo_path().await;
    let mut client = server.connect().await;
    send(&mut client, [request("/first"), request("/second")].concat().as_bytes()).await;
    let responses = read_until(&mut client, "</second>").await;
    let first = responses.find("</first>").expect("a response to the first");
    assert!(first < responses.find("</second>").expect("a response to the second"), "{responses}");
}

#[tokio::test]
async fn connection_close_ends_it_after_the_response() {
    let server = echo_path().await;
    let mut client = server.connect().await;
    send(&mut client, b"GET /last HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await;
    assert!(read_to_close(&mut client).await.ends_with(b"</last>"));
}
