//! What an app sees of a request in process is what it sees over a socket.

use futures_util::{StreamExt, stream};
use http_body::Body;
use http_body_util::BodyExt;
use volga::{
    App, HttpBody, HttpRequest,
    http::{ClientAddr, ConnectionInfo, HeaderMap, Method, OriginalUri, RequestParts, Uri},
    middleware::{HttpContext, Next},
    status,
    test::TestClient,
};

/// Where the app looks at the request.
#[derive(Clone, Copy)]
enum Place {
    Middleware,
    BeforeRouting,
    Request,
    Arguments,
    Mounted,
    Fallback,
}

const PLACES: [Place; 6] = [
    Place::Middleware,
    Place::BeforeRouting,
    Place::Request,
    Place::Arguments,
    Place::Mounted,
    Place::Fallback,
];

/// Describes a connection, without the ports, which differ from run to run.
fn connection(info: Option<&ConnectionInfo>, headers: &HeaderMap) -> String {
    let Some(info) = info else { return "no connection".to_owned() };
    let (peer, local) = (info.peer().unwrap(), info.local().unwrap());
    assert_ne!(peer.port(), 0);
    let is_host = headers["host"] == *local.to_string();
    format!("{} to {}, is host: {is_host}, {}", peer.ip(), local.ip(), info.scheme())
}

/// The headers in their order, without the server's address.
fn fields(headers: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in headers {
        let is_server = value.as_bytes().starts_with(b"127.0.0.1:");
        let value = if is_server { "…".to_owned() } else { format!("{value:?}") };
        text += &format!("{name}: {value}, ");
    }
    text
}

/// The start of a body, and its length.
fn start(body: &[u8]) -> String {
    format!("{:?} of {} bytes", &body[..body.len().min(8)], body.len())
}

/// Everything that can be seen of a request.
async fn seen(request: HttpRequest) -> String {
    let (head, body) = request.into_parts();
    let connection = connection(head.extensions.get(), &head.headers);
    let original = head.extensions.get::<OriginalUri>();
    let length = (body.size_hint().lower(), body.size_hint().upper(), body.is_end_stream());
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    format!(
        "{} {:?} {:?} {:?} {} {original:?} {connection} {length:?} {:?} {trailers:?}",
        head.method,
        head.uri,
        head.uri.clone().into_parts(),
        head.version,
        fields(&head.headers),
        start(&body.to_bytes()),
    )
}

/// Responds with what was seen. A header has it too, because a HEAD request gets no body.
fn shown(text: &str) -> volga::HttpResult {
    let header: String = text.escape_default().to_string();
    status!(200, "{text}"; [("x-seen", header)])
}

async fn of_context(ctx: HttpContext) -> String {
    let (parts, body) = ctx.into_parts();
    let facts = of_parts(&parts);
    let mut request = HttpRequest::new(body);
    *request.method_mut() = parts.method.clone();
    *request.uri_mut() = parts.uri.clone();
    *request.headers_mut() = parts.headers.clone();
    *request.extensions_mut() = parts.extensions.clone();
    format!("{facts} {}", seen(request).await)
}

fn of_parts(parts: &RequestParts) -> String {
    let args: Vec<_> = parts.raw_path_args().collect();
    format!("{:?} {args:?} {} {:?}", parts.route(), parts.has_body(), parts.version)
}

fn app(place: Place) -> App {
    let methods = methods();
    let mut app = App::new();
    match place {
        Place::Middleware => {
            app.wrap(|ctx: HttpContext, _: Next| async { shown(&of_context(ctx).await) });
        }
        Place::BeforeRouting => {
            app.before_routing(|before| {
                before.wrap(|ctx: HttpContext, _: Next| async { shown(&of_context(ctx).await) });
            });
        }
        Place::Request => {
            for method in methods {
                for pattern in ["/", "/{*path}"] {
                    let handler = async |request: HttpRequest| shown(&seen(request).await);
                    app.map(method.clone(), pattern, handler);
                }
            }
        }
        Place::Arguments => {
            for method in methods {
                for pattern in ["/", "/{*path}"] {
                    let handler = async |method: Method,
                                         uri: Uri,
                                         headers: HeaderMap,
                                         client: ClientAddr,
                                         body: HttpBody| {
                        let whole = body.collect().await.unwrap().to_bytes();
                        let fields = fields(&headers);
                        let text = start(&whole);
                        shown(&format!("{method} {uri:?} {fields} {} {text}", client.ip()))
                    };
                    app.map(method.clone(), pattern, handler);
                }
            }
        }
        Place::Mounted => {
            app.map_service("/a", service());
        }
        Place::Fallback => {
            app.map_fallback(async |request: HttpRequest| shown(&seen(request).await));
        }
    }
    app
}

/// A service of another framework, which does not know Volga.
fn service() -> axum::Router {
    axum::Router::new().fallback(async |request: axum::extract::Request| {
        let (head, body) = request.into_parts();
        let request = HttpRequest::from_parts(head, HttpBody::new(body));
        let text = seen(request).await;
        [("x-seen", text.escape_default().to_string())]
    })
}

fn methods() -> Vec<Method> {
    let names = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "QUERY", "PURGE"];
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// Bodies whose length is known or not, each made anew.
fn bodies() -> [fn() -> HttpBody; 6] {
    fn chunks(chunks: &'static [&'static str]) -> HttpBody {
        HttpBody::from_stream(stream::iter(chunks).map(|text| Ok::<_, std::io::Error>(*text)))
    }
    [
        HttpBody::empty,
        || HttpBody::from(""),
        || HttpBody::from("text"),
        || HttpBody::from(vec![7; 70_000]),
        || chunks(&["one", "two"]),
        || chunks(&[]),
    ]
}

const TARGETS: [&str; 11] = [
    "/",
    "//",
    "/a",
    "/a/b%2Fc/?x=1&y=%20",
    "/a/?",
    "/a//b/../c/.",
    "/a/%C3%BC",
    "/a/ü",
    "/a#fragment",
    "http://example.org/a?b",
    "https://example.org:81",
];

const HEADERS: [&[(&str, &str)]; 5] = [
    &[],
    &[("x-a", "1"), ("x-b", " blanks\t"), ("x-a", "")],
    &[("cookie", "a=b"), ("content-type", "text/plain")],
    &[("connection", "close"), ("te", "trailers")],
    &[("accept", "text/plain"), ("host", "example.org")],
];

/// Sends one request to both clients, and compares what the app has seen.
async fn compare(
    clients: &[TestClient; 2],
    method: &Method,
    target: &str,
    headers: &[(&str, &str)],
    body: fn() -> HttpBody,
) {
    let mut seen = Vec::new();
    for client in clients {
        let mut request = client.request(method.clone(), target).body(body());
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await;
        let text = response.header("x-seen").map(str::to_owned);
        seen.push((response.status(), text));
    }
    let [in_process, socket] = [&seen[0], &seen[1]];
    assert_eq!(in_process, socket, "{method} {target} {headers:?}");
}

#[tokio::test]
async fn a_request_in_process_is_the_request_over_a_socket() {
    for place in PLACES {
        let clients = [TestClient::new(app(place)), TestClient::serve(app(place)).await];
        for (number, method) in methods().iter().enumerate() {
            for (index, target) in TARGETS.into_iter().enumerate() {
                let headers = HEADERS[(number + index) % HEADERS.len()];
                let is_whole = target.contains("://");
                // A host that contradicts the URL is refused by the server.
                let headers = if is_whole { HEADERS[index % 4] } else { headers };
                for body in bodies() {
                    compare(&clients, method, target, headers, body).await;
                }
            }
        }
        compare(&clients, &Method::OPTIONS, "*", &[], HttpBody::empty).await;
        compare(&clients, &Method::CONNECT, "example.org:80", &[], HttpBody::empty).await;
    }
}
