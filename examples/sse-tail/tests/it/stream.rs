//! `sse-tail URL`: a stream over a socket, and what follows its end.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::program::{Program, SOON, chunked, serve, status, whole};

const ONE: &str = r#"{"event":"message","data":"one","id":"1"}"#;
const TWO: &str = r#"{"event":"message","data":"two","id":"1"}"#;

#[test]
fn it_returns_after_the_reconnection_time_with_the_last_event_id_and_stops_at_204() {
    let end_of_stream = whole("retry: 20\nid: 1\ndata: one\n\nid: 9\ndata: unfinished\n");
    let cut = chunked("data: two\n\nid: 9\ndata: cut\n");
    let (url, heads) = serve(vec![end_of_stream, cut, status("204 No Content", "")]);
    let ended = Program::start(&[&url, "-H", "x-mine: 7"]).end();
    assert_eq!((ended.code, &*ended.lines), (Some(0), &[ONE.to_owned(), TWO.to_owned()][..]));
    assert!(ended.remarks.contains("the stream ended; again in 0.0 s"), "{}", ended.remarks);
    assert!(ended.remarks.contains("the stream broke"), "{}", ended.remarks);

    let heads: Vec<_> = heads.iter().collect();
    assert_eq!(heads.len(), 3);
    for (index, (_, head)) in heads.iter().enumerate() {
        assert!(head.starts_with("GET /events HTTP/1.1\r\n"), "{head}");
        assert!(
            head.contains("accept: text/event-stream\r\n") && head.contains("x-mine: 7\r\n"),
            "{head}"
        );
        assert_eq!(head.contains("last-event-id: 1\r\n"), index > 0, "{head}");
    }
    let waits = [heads[1].0 - heads[0].0, heads[2].0 - heads[1].0];
    assert!(
        waits[0] >= Duration::from_millis(20) && waits[0] < Duration::from_secs(2),
        "{waits:?}"
    );
    // Broken within its reconnection time: a failure, from which back-off starts.
    assert!(waits[1] >= Duration::from_millis(20), "{waits:?}");
}

#[test]
fn a_longer_reconnection_time_is_waited_for() {
    let (url, heads) = serve(vec![whole("retry: 300\n"), status("204 No Content", "")]);
    assert_eq!(Program::start(&[&url]).end().code, Some(0));
    let heads: Vec<_> = heads.iter().collect();
    let wait = heads[1].0 - heads[0].0;
    assert!(wait >= Duration::from_millis(290), "{wait:?}");
}

#[test]
fn events_are_printed_as_they_come_and_max_ends_the_program() {
    let (url, _heads) =
        serve(vec![chunked("id: 1\ndata: one\n\n"), chunked("data: two\n\ndata: three\n\n")]);
    let program = Program::start(&[&url, "--max", "2"]);
    assert_eq!(program.line(), ONE);
    assert_eq!(program.line(), TWO);
    let ended = program.end();
    assert_eq!((ended.code, ended.lines.len()), (Some(0), 0));
}

#[test]
fn the_timeout_ends_the_program_and_tells_whether_max_was_reached() {
    for (args, code) in [(&[][..], 0), (&["--max", "5"], 3)] {
        let (url, _heads) = serve(vec![whole("id: 1\ndata: one\n\n")]);
        let ended = Program::start(&[&[&*url, "--timeout", "0.5"], args].concat()).end();
        assert_eq!((ended.code, ended.lines), (Some(code), vec![ONE.to_owned()]));
    }
}

#[test]
fn what_is_no_event_stream_ends_the_program_with_advice() {
    for (answer, named) in [
        (status("404 Not Found", ""), "status 404; check the path"),
        (status("401 Unauthorized", ""), "-H 'authorization: …'"),
        (status("503 Service Unavailable", ""), "status 503"),
        (
            status("200 OK", "content-type: text/html\r\n"),
            "the content type is not `text/event-stream`",
        ),
    ] {
        let (url, _heads) = serve(vec![answer]);
        let ended = Program::start(&[&url]).end();
        assert_eq!((ended.code, ended.lines.len()), (Some(1), 0));
        assert!(ended.remarks.contains(named), "{}", ended.remarks);
    }
}

#[test]
fn a_server_that_is_not_there_is_waited_for() {
    // Nobody listens on a port that was just given back.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let url = format!("http://{}/", port.expect("an address"));
    let ended = Program::start(&[&url, "--timeout", "0.3"]).end();
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.remarks.contains("does not answer") && ended.remarks.contains("again in"),
        "{}",
        ended.remarks
    );
}

#[test]
fn a_redirect_is_followed_and_keeps_secrets_from_other_servers() {
    let (there, heads) = serve(vec![whole("id: 1\ndata: one\n\n")]);
    let (url, _heads) =
        serve(vec![status("307 Temporary Redirect", &format!("location: {there}\r\n"))]);
    let args = [&*url, "--max", "1", "-H", "authorization: Bearer x", "-H", "x-mine: 7"];
    assert_eq!(Program::start(&args).end().lines, [ONE]);
    let (_, head) = heads.recv_timeout(SOON).expect("a request");
    assert!(head.contains("x-mine") && !head.contains("authorization"), "{head}");
}

#[tokio::test]
async fn http_2_is_spoken_when_asked_for() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/events?q", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move {
        let (connection, _) = listener.accept().await.expect("a connection");
        http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(connection), service_fn(answer))
            .await
    });
    let program = Program::start(&["--http2", "--max", "1", &url]);
    let ended = tokio::task::spawn_blocking(|| program.end()).await.expect("it ends");
    let line = r#"{"event":"message","data":"/events?q over HTTP/2.0","id":""}"#;
    assert_eq!((ended.code, ended.lines), (Some(0), vec![line.to_owned()]), "{}", ended.remarks);
    server.abort();
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let text = format!("data: {target} over {:?}\n\n", request.version());
    let mut response = Response::new(Full::from(text));
    response
        .headers_mut()
        .insert("content-type", http::HeaderValue::from_static("text/event-stream"));
    Ok(response)
}
