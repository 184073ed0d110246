//! Requests and responses, with bodies in both directions.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h3::error::StreamError;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use tokio::sync::mpsc;
use volga_http::{ConnectionInfo, RequestBody, RequestBodyError, Server};

use super::support::{
    Client, Step, TestBody, next, pair, read_to_end, serve, serve_with, tls, within,
};

/// Responds with the body of the request.
async fn echo(request: Request<RequestBody>) -> Response<TestBody> {
    Response::new(TestBody::Request(request.into_body()))
}

/// Reads the body, and responds with its length or with the error.
async fn measure(request: Request<RequestBody>) -> Response<TestBody> {
    let text = match request.into_body().collect().await {
        Ok(body) => body.to_bytes().len().to_string(),
        Err(RequestBodyError::Malformed(_)) => "malformed".to_owned(),
        Err(RequestBodyError::TimedOut(_)) => "too slow".to_owned(),
        Err(error) => error.to_string(),
    };
    Response::new(TestBody::full(text))
}

#[tokio::test]
async fn a_request_knows_its_protocol_its_addresses_and_its_tls() {
    let server = serve(async |request: Request<RequestBody>| {
        let info: &ConnectionInfo = request.extensions().get().expect("inserted");
        let tls = info.tls().expect("QUIC has TLS");
        assert_eq!(request.version(), Version::HTTP_3);
        assert_eq!((info.scheme().as_str(), info.alpn()), ("https", Some(&b"h3"[..])));
        assert_eq!(tls.server_name.as_deref(), Some("localhost"));
        assert_eq!(tls.version.as_deref(), Some("TLSv1.3"));
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        // They are sensitive, so they are not shown.
        let cookies: Vec<_> = cookies.iter().map(|value| value.to_str().expect("text")).collect();
        let text = format!(
            "{} {} {cookies:?} {} {}",
            request.method(),
            request.uri(),
            info.peer().expect("UDP"),
            info.local().expect("known on this system"),
        );
        Response::new(TestBody::full(text))
    });
    let mut client = Client::connect(server.address).await;
    let request = Request::delete("https://localhost/a/b?c=d").header("cookie", "e=f");
    let mut stream = client.send(request.header("cookie", "g=h")).await;
    within(stream.finish()).await.expect("it is sent");
    let response = within(stream.recv_response()).await.expect("a response");
    assert!(response.headers().contains_key("date"));
    let text = String::from_utf8(read_to_end(&mut stream).await).expect("text");
    let expect = "DELETE https://localhost/a/b?c=d [\"e=f; g=h\"] 127.0.0.1:";
    assert!(text.starts_with(expect), "{text}");
    assert!(text.ends_with(&server.address.to_string()), "{text}");
}

#[tokio::test]
async fn large_bodies_pass_in_both_directions_at_once() {
    let server = serve(echo);
    let mut client = Client::connect(server.address).await;
    let piece: Bytes = (0..100_000_u32).map(|number| number as u8).collect::<Vec<u8>>().into();
    let stream = client.send(Request::post("https://localhost/")).await;
    let (mut send, mut receive) = stream.split();
    let sent = piece.clone();
    let sending = tokio::spawn(async move {
        for _ in 0..50 {
            within(send.send_data(sent.clone())).await.expect("it is received");
        }
        within(send.finish()).await.expect("it is received");
    });
    let response = within(receive.recv_response()).await.expect("a response");
    assert_eq!(response.status(), 200);
    let mut received = Vec::new();
    while let Some(mut data) = within(receive.recv_data()).await.expect("no error") {
        let length = bytes::Buf::remaining(&data);
        received.extend_from_slice(&bytes::Buf::copy_to_bytes(&mut data, length));
    }
    sending.await.expect("no panic");
    assert!(received == piece.repeat(50), "{} bytes", received.len());
}

#[tokio::test]
async fn many_requests_of_one_connection_run_side_by_side() {
    let server = serve(async |request: Request<RequestBody>| {
        let path = request.uri().path().to_owned();
        Response::new(TestBody::full(path))
    });
    let mut client = Client::connect(server.address).await;
    let mut streams = Vec::new();
    for number in 0..200 {
        let mut stream = client.send(Request::get(format!("https://localhost/{number}"))).await;
        within(stream.finish()).await.expect("it is sent");
        streams.push(stream);
    }
    for (number, mut stream) in streams.into_iter().enumerate() {
        within(stream.recv_response()).await.expect("a response");
        assert_eq!(read_to_end(&mut stream).await, format!("/{number}").into_bytes());
    }
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let server = serve(async |request: Request<RequestBody>| {
        let collected = request.into_body().collect().await.expect("no error");
        let trailers = collected.trailers().cloned().expect("trailers");
        let (steps, _, body) = TestBody::told();
        for step in [Step::Data(collected.to_bytes()), Step::Trailers(trailers)] {
            steps.send(step).expect("the body is there");
        }
        Response::new(body)
    });
    let mut client = Client::connect(server.address).await;
    let mut stream = client.send(Request::post("https://localhost/")).await;
    within(stream.send_data("body".into())).await.expect("it is sent");
    let trailers = HeaderMap::from_iter([(http::header::ETAG, HeaderValue::from_static("x"))]);
    within(stream.send_trailers(trailers.clone())).await.expect("they are sent");
    within(stream.finish()).await.expect("it is sent");
    within(stream.recv_response()).await.expect("a response");
    assert_eq!(read_to_end(&mut stream).await, b"body");
    let received = within(stream.recv_trailers()).await.expect("no error");
    assert_eq!(received, Some(trailers));
}

#[tokio::test]
async fn the_length_of_a_body_must_be_the_announced_one() {
    let server = serve(measure);
    let mut client = Client::connect(server.address).await;
    for (announced, expect) in [("4", "4"), ("3", "malformed"), ("5", "malformed")] {
        let request = Request::post("https://localhost/").header("content-length", announced);
        let mut stream = client.send(request).await;
        within(stream.send_data("body".into())).await.expect("it is sent");
        within(stream.finish()).await.expect("it is sent");
        within(stream.recv_response()).await.expect("a response");
        assert_eq!(read_to_end(&mut stream).await, expect.as_bytes(), "{announced}");
    }
    for length in ["", "x", "-1", "1, 1", "99999999999999999999"] {
        let request = Request::post("https://localhost/").header("content-length", length);
        let mut stream = client.send(request).await;
        let response = within(stream.recv_response()).await.expect("a response");
        assert_eq!(response.status(), 400, "{length}");
    }
}

#[tokio::test]
async fn a_body_that_stops_is_given_up() {
    let server = Server::new().body_read_timeout(Duration::from_millis(50));
    let server = serve_with(server, &tls(pair()), measure);
    let mut client = Client::connect(server.address).await;
    let mut stream = client.send(Request::post("https://localhost/")).await;
    within(stream.send_data("body".into())).await.expect("it is sent");
    within(stream.recv_response()).await.expect("a response");
    assert_eq!(read_to_end(&mut stream).await, b"too slow");
}

#[tokio::test]
async fn some_responses_have_no_content() {
    let server = serve(async |request: Request<RequestBody>| {
        let mut response = Response::new(TestBody::full("content"));
        response.headers_mut().insert("content-length", HeaderValue::from_static("7"));
        response.headers_mut().insert("connection", HeaderValue::from_static("x-hop"));
        response.headers_mut().insert("x-hop", HeaderValue::from_static("1"));
        if let Ok(status) = request.uri().path()[1..].parse() {
            *response.status_mut() = StatusCode::from_u16(status).expect("a status");
        }
        response
    });
    let mut client = Client::connect(server.address).await;
    for (method, path, length, content) in [
        (Method::HEAD, "/200", Some("7"), ""),
        (Method::GET, "/204", None, ""),
        (Method::GET, "/304", Some("7"), ""),
        (Method::GET, "/404", Some("7"), "content"),
    ] {
        let url = format!("https://localhost{path}");
        let mut stream = client.send(Request::builder().method(method).uri(url)).await;
        within(stream.finish()).await.expect("it is sent");
        let response = within(stream.recv_response()).await.expect("a response");
        assert_eq!(response.status().as_str(), &path[1..]);
        let found = response.headers().get("content-length").map(HeaderValue::as_bytes);
        assert_eq!(found, length.map(str::as_bytes), "{path}");
        assert!(!response.headers().contains_key("x-hop"), "fields of a connection stay there");
        assert_eq!(read_to_end(&mut stream).await, content.as_bytes(), "{path}");
    }
}

#[tokio::test]
async fn a_request_has_one_authority_and_a_limited_target() {
    let server = serve(measure);
    let mut client = Client::connect(server.address).await;
    let long = format!("https://localhost/{}", "a".repeat(8 * 1024));
    for (request, status) in [
        (Request::get(&long), 414),
        (Request::get("https://localhost/").header("host", "localhost"), 200),
    ] {
        let mut stream = client.send(request).await;
        within(stream.finish()).await.expect("it is sent");
        let response = within(stream.recv_response()).await.expect("a response");
        assert_eq!(response.status(), status);
    }
}

#[tokio::test]
async fn a_panic_ends_its_own_request_and_nothing_else() {
    let server = serve(async |request: Request<RequestBody>| match request.uri().path() {
        "/handler" => panic!("on purpose"),
        "/ok" => Response::new(TestBody::full("fine")),
        path => {
            let (steps, _, body) = TestBody::told();
            let last = if path == "/body" { Step::Panic } else { Step::Fail };
            for step in [Step::Data("begins".into()), last] {
                steps.send(step).expect("the body is there");
            }
            Response::new(body)
        }
    });
    let mut client = Client::connect(server.address).await;
    let (response, _) = client.get("/handler").await;
    assert_eq!(response.status(), 500);
    for path in ["/body", "/failing"] {
        let mut stream = client.send(Request::get(format!("https://localhost{path}"))).await;
        within(stream.finish()).await.expect("it is sent");
        // The data before the failure may be lost, but the stream never ends properly.
        let error = match within(stream.recv_response()).await {
            Err(error) => error,
            Ok(_) => loop {
                match within(stream.recv_data()).await {
                    Ok(data) => assert!(data.is_some(), "{path} ended properly"),
                    Err(error) => break error,
                }
            },
        };
        assert!(matches!(error, StreamError::RemoteTerminate { .. }), "{path}: {error:?}");
    }
    assert_eq!(client.get("/ok").await.1, "fine");
}

/// A client that still sends gets the response, and is then told to stop.
#[tokio::test]
async fn a_body_that_nobody_reads_does_not_cost_the_response() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let server = serve(move |_: Request<RequestBody>| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Response::new(TestBody::full("no, thanks")) }
    });
    let mut client = Client::connect(server.address).await;
    for _ in 0..3 {
        let stream = client.send(Request::post("https://localhost/")).await;
        let (mut send, mut receive) = stream.split();
        let sending = tokio::spawn(async move {
            let piece = Bytes::from(vec![b'.'; 64 * 1024]);
            while send.send_data(piece.clone()).await.is_ok() {}
        });
        let response = within(receive.recv_response()).await.expect("a response");
        assert_eq!(response.status(), 200);
        let data = within(receive.recv_data()).await.expect("no error");
        assert!(data.is_some());
        assert!(within(receive.recv_data()).await.expect("no error").is_none());
        within(sending).await.expect("no panic");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn a_response_may_begin_before_the_request_ends() {
    let server = serve(echo);
    let mut client = Client::connect(server.address).await;
    let mut stream = client.send(Request::post("https://localhost/")).await;
    within(stream.recv_response()).await.expect("a response");
    for text in ["one", "two", "three"] {
        within(stream.send_data(text.into())).await.expect("it is sent");
        assert_eq!(next(&mut stream).await.as_deref(), Some(text.as_bytes()));
    }
    within(stream.finish()).await.expect("it is sent");
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn a_client_that_resets_its_request_leaves_an_incomplete_body() {
    let (told, mut results) = mpsc::unbounded_channel();
    let server = serve(move |request: Request<RequestBody>| {
        let told = told.clone();
        // Detached, because the handler is dropped when the client gives up its request.
        tokio::spawn(async move {
            let mut body = request.into_body();
            let first = body.frame().await.expect("data").map(drop);
            told.send(first).expect("the test waits");
            told.send(body.collect().await.map(drop)).expect("the test waits");
        });
        std::future::pending()
    });
    let mut client = Client::connect(server.address).await;
    let mut stream = client.send(Request::post("https://localhost/")).await;
    within(stream.send_data("abc".into())).await.expect("it is sent");
    within(results.recv()).await.expect("a result").expect("data");
    stream.stop_stream(h3::error::Code::H3_REQUEST_CANCELLED);
    let error = within(results.recv()).await.expect("a result").expect_err("it has no end");
    assert!(matches!(error, RequestBodyError::Incomplete(_)), "{error:?}");
}
