//! An axum program outside the workspace, built with the packed `volga-sse` alone.

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::State,
    http::Request,
    routing::get,
};
use tower::ServiceExt;
use volga_sse::{
    CloseGroup, Message, Sse,
    axum::Resume,
    hub::{Hub, SubscribeError, Subscription},
};

fn router(hub: Hub, streams: CloseGroup) -> Router {
    Router::new().route("/news", get(news)).with_state(hub).layer(streams)
}

async fn news(
    State(hub): State<Hub>,
    Resume(last): Resume,
) -> Result<Sse<Subscription>, SubscribeError> {
    Ok(Sse::new(hub.subscribe("news").resume(last).history(10).open()?))
}

#[tokio::main]
async fn main() {
    let (hub, streams) = (Hub::new(), CloseGroup::new());
    hub.publish("news", Message::new().data("hello")).expect("room for a message");
    let request = Request::get("/news").body(Body::empty()).expect("a request");
    let response = router(hub, streams.clone()).oneshot(request).await.expect("a response");
    streams.close();
    let body = to_bytes(response.into_body(), 4096).await.expect("a whole stream");
    let body = String::from_utf8(body.to_vec()).expect("text");
    assert!(body.contains("\ndata: hello\n"), "{body}");
    println!("the packed volga-sse works in axum");
}
