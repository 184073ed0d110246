//! An app that is called without a socket.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use volga::{
    App,
    http::{HeaderMap, Method, RouterService, StatusCode},
};

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("visible ASCII"))
    }
}

pub(crate) fn service(map: impl FnOnce(&mut App)) -> RouterService {
    let mut app = App::new();
    map(&mut app);
    app.into_service().expect("no faults")
}

/// Sends a request with headers and a body. The client accepts errors as text.
pub(crate) async fn send(
    service: &RouterService,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let (method, uri) = line.split_once(' ').expect("a method and a target");
    let method: Method = method.parse().expect("a method");
    let mut request =
        http::Request::builder().method(method).uri(uri).header("accept", "text/plain");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = Full::new(Bytes::copy_from_slice(body.as_bytes()));
    let request = request.body(volga::HttpBody::new(body)).expect("a request");
    let (head, body) = service.respond(request).await.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let body = String::from_utf8_lossy(&body).into_owned();
    Answer { status: head.status, headers: head.headers, body }
}

/// Sends a request without a body, and checks the status and the text. The text of an error may be
/// longer than the expected one.
#[track_caller]
pub(crate) fn check(service: &RouterService, line: &str, status: u16, body: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let answer = runtime.block_on(send(service, line, &[], ""));
    assert_eq!(answer.status.as_u16(), status, "{line}: {}", answer.body);
    let is_as_said =
        if answer.status.is_success() { answer.body == body } else { answer.body.contains(body) };
    assert!(is_as_said, "{line}: {}", answer.body);
}
