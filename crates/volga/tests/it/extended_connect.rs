//! Extended CONNECT (RFC 8441, RFC 9220) of each protocol to each kind of route, on HTTP/2 and
//! HTTP/3.

use std::future::poll_fn;

use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use volga::{
    App,
    http::{HeaderMap, webtransport::WebTransport, ws::WebSocket},
    ok,
};

use super::support::{http2, soon};
use super::tls_support::{Pair, Running, run};
use super::websockets::client::Http3;

const PROTOCOLS: [&str; 3] = ["websocket", "webtransport", "connect-udp"];

const PATHS: [&str; 8] =
    ["/get", "/post", "/both", "/group/get", "/ws", "/session", "/connect", "/unknown"];

/// The app. A route for sessions needs HTTP/3.
fn app(has_http3: bool) -> App {
    let mut app = App::new();
    app.map_get("/get", || ok!("hello"));
    app.map_post("/post", async |body: Bytes| body);
    app.map_get("/both", || ok!("hello"));
    app.map_delete("/both", || ok!("gone"));
    app.group("/group", |group| {
        group.map_get("/{name}", |name: String| ok!("{name}"));
    });
    app.map_ws("/ws", async |_: WebSocket| {});
    if has_http3 {
        app.map_webtransport("/session", async |_: WebTransport| {});
    }
    app.map_connect("/connect", || ok!("connected"));
    app
}

/// The status of the response, and the methods of `Allow`, for a client of this protocol of HTTP.
fn expected(path: &str, protocol: &str, is_http3: bool) -> (u16, Option<&'static str>) {
    match (path, protocol) {
        ("/get" | "/group/get", _) => (405, Some("GET, HEAD")),
        ("/post", _) => (405, Some("POST")),
        ("/both", _) => (405, Some("DELETE, GET, HEAD")),
        ("/ws", "websocket") | ("/connect", _) => (200, None),
        ("/session", _) if !is_http3 => (404, None),
        ("/session", "webtransport") => (200, None),
        // RFC 9220, section 3: the protocol is not supported here.
        ("/ws" | "/session", _) => (501, None),
        _ => (404, None),
    }
}

#[track_caller]
fn check(path: &str, protocol: &str, is_http3: bool, status: StatusCode, headers: &HeaderMap) {
    let (expect, allow) = expected(path, protocol, is_http3);
    assert_eq!(status, expect, "{protocol} at {path}, HTTP/3: {is_http3}");
    if status == StatusCode::NOT_IMPLEMENTED {
        // An error of the server would be reported, and would hide the text behind a reference.
        assert_eq!(headers[CONTENT_TYPE], "text/plain; charset=utf-8", "{protocol} at {path}");
    }
    let mut methods: Vec<_> = headers
        .get_all(ALLOW)
        .iter()
        .flat_map(|value| value.to_str().unwrap().split(", "))
        .collect();
    methods.sort_unstable();
    assert_eq!(methods.join(", "), allow.unwrap_or_default(), "{protocol} at {path}");
}

#[tokio::test]
async fn on_http2_each_route_and_protocol_has_its_status() {
    let server = super::support::run_app(app(false)).await;
    let mut requests = http2(server.address).await;
    while !requests.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    for path in PATHS {
        for protocol in PROTOCOLS {
            let request = Request::connect(format!("http://test{path}"))
                .header("sec-websocket-version", "13")
                .extension(h2::ext::Protocol::from_static(protocol));
            let (response, _send) =
                requests.send_request(request.body(()).unwrap(), false).unwrap();
            let response = soon("a response", response).await.unwrap();
            check(path, protocol, false, response.status(), response.headers());
        }
    }
}

async fn serve_http3(pair: &Pair) -> Running {
    run(app(true).bind("127.0.0.1:0").with_tls(pair.tls()).with_http3()).await
}

#[tokio::test]
async fn on_http3_each_route_and_protocol_has_its_status() {
    let pair = Pair::new();
    let server = serve_http3(&pair).await;
    let quic = pair.connect_quic(server.addresses[0]).await;
    let mut builder = h3::client::builder();
    let connection = h3_quinn::Connection::new(quic);
    let building = builder.enable_extended_connect(true).build::<_, _, Bytes>(connection);
    let (mut driver, mut requests) = soon("HTTP/3", building).await.unwrap();
    tokio::spawn(async move { poll_fn(|cx| driver.poll_close(cx)).await });
    for path in PATHS {
        for protocol in PROTOCOLS {
            // `h3` does not know the name `websocket`.
            let Ok(known) = protocol.parse::<h3::ext::Protocol>() else { continue };
            let request = Request::connect(format!("https://localhost{path}")).extension(known);
            let request = request.body(()).unwrap();
            let mut stream = soon("credit", requests.send_request(request)).await.unwrap();
            let response = soon("a response", stream.recv_response()).await.unwrap();
            check(path, protocol, true, response.status(), response.headers());
        }
    }
}

#[tokio::test]
async fn on_http3_a_websocket_at_any_other_route_has_its_status() {
    let pair = Pair::new();
    let server = serve_http3(&pair).await;
    let connection = Http3::over(pair.connect_quic(server.addresses[0]).await).await;
    for path in PATHS {
        let (status, _client) = connection.connect(path, &[]).await;
        assert_eq!(status, expected(path, "websocket", true).0, "{path}");
    }
}
