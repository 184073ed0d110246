//! The feature `axum`: responses, the extractor and the layer, by axum's traits.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use axum_core::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower_layer::Layer;
use tower_service::Service;
use volga_sse::{
    CloseGroup, EncodeError, LastEventId, Message, Sse, StreamLimit,
    axum::Resume,
    hub::{Hub, PublishError, SubscribeError, Subscription},
};

/// A handler as an axum program has it.
async fn news(hub: Hub, Resume(last): Resume) -> Result<Sse<Subscription>, SubscribeError> {
    Ok(Sse::new(hub.subscribe("news").resume(last).open()?))
}

async fn resume(uri: &str, header: Option<&[u8]>) -> Resume {
    let mut request = Request::get(uri);
    if let Some(header) = header {
        request = request.header("last-event-id", header);
    }
    let (mut parts, ()) = request.body(()).expect("a request").into_parts();
    let Ok(resume) = Resume::from_request_parts(&mut parts, &()).await;
    resume
}

fn id(resume: &Resume) -> Option<&str> {
    resume.0.as_ref().map(LastEventId::as_str)
}

async fn text(response: Response) -> String {
    let bytes = response.into_body().collect().await.expect("a whole body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[tokio::test]
async fn resume_reads_the_header_and_then_the_parameter_and_refuses_no_request() {
    assert_eq!(id(&resume("/news", None).await), None);
    assert_eq!(id(&resume("/news?lastEventId=a-7", None).await), Some("a-7"));
    assert_eq!(id(&resume("/news?lastEventId=a-7", Some(b"a-9")).await), Some("a-9"));
    let long = vec![b'x'; 10_000];
    for unreadable in [&b"a\tb"[..], &long] {
        let Resume(last) = resume("/news", Some(unreadable)).await;
        assert!(last.unwrap().is_unreadable());
    }
}

#[tokio::test]
async fn a_handler_returns_the_stream_and_a_returning_client_gets_what_it_missed() {
    let hub = Hub::new();
    let first = hub.publish("news", Message::new().data("one")).unwrap();
    hub.publish("news", Message::new().data("two")).unwrap();
    let uri = format!("/news?lastEventId={first}");

    let response = news(hub.clone(), resume(&uri, None).await).await.into_response();

    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    hub.close();
    let text = text(response).await;
    assert!(text.contains("data: two\n"), "{text}");
    assert!(!text.contains("data: one\n"), "{text}");
}

#[tokio::test]
async fn an_error_is_a_response_and_a_server_error_keeps_its_text() {
    let hub = Hub::new();
    let invalid = hub.subscribe("a..b").open().map(Sse::new).into_response();
    assert_eq!(invalid.status(), StatusCode::BAD_REQUEST);
    let shown = text(invalid).await;
    assert!(shown.ends_with(": the topic name has an empty segment at byte 2\n"), "{shown}");

    let refused = hub.publish("news", Message::new().event("a\nb").data("x")).unwrap_err();
    assert!(matches!(refused, PublishError::Message(EncodeError::LineBreak { .. })), "{refused:?}");
    let status = refused.status();
    assert_eq!(refused.into_response().status(), status);

    hub.close();
    let closed = hub.publish("news", Message::new().data("x")).unwrap_err().into_response();
    assert_eq!(closed.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(text(closed).await, "Service Unavailable\n");

    let limit = StreamLimit::<()>::new(1);
    let _permit = limit.take(()).unwrap();
    let full = limit.take(()).unwrap_err().into_response();
    assert_eq!(full.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(full.headers().contains_key("retry-after"));
}

/// Responds to every request with a subscription, or with plain text for `/text`.
#[derive(Clone)]
struct App(Hub);

impl Service<Request<Body>> for App {
    type Response = Response;
    type Error = Infallible;
    type Future = Ready<Result<Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        ready(Ok(match request.uri().path() {
            "/text" => "plain".into_response(),
            _ => self.0.subscribe("news").open().map(Sse::new).into_response(),
        }))
    }
}

#[tokio::test]
async fn streams_join_the_group_through_the_layer_and_end_with_it() {
    let group = CloseGroup::new();
    let mut app = group.layer(App(Hub::new()));
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();

    let plain = app.call(get("/text")).await.unwrap();
    assert_eq!(group.open(), 0);
    assert_eq!(text(plain).await, "plain");

    let before = app.call(get("/news")).await.unwrap();
    assert_eq!(group.open(), 1);
    group.close();
    let after = app.call(get("/news")).await.unwrap();
    for stream in [before, after] {
        let text = text(stream).await;
        assert!(text.contains("retry: "), "a farewell asks the client to return: {text}");
    }
}
