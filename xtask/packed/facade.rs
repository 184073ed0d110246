//! A program outside the workspace, built with every feature of the packed facade.

use std::{future::poll_fn, pin::pin};

use futures_core::Stream;
use volga::{
    App,
    di::Dc,
    http::sse::{Hub, Message, Resume},
    sse, status,
    test::TestClient,
};

fn app() -> App {
    let mut app = App::new();
    app.add_singleton(Hub::new());
    app.map_post("/messages/{text}", async |text: String, hub: Dc<Hub>| {
        hub.publish("messages", Message::new().data(text))?;
        status!(202)
    });
    app.map_get("/messages", async |Resume(last): Resume, hub: Dc<Hub>| {
        sse!(hub.subscribe("messages").resume(last).history(10).open()?)
    });
    app
}

#[tokio::main]
async fn main() {
    let client = TestClient::new(app());
    client.post("/messages/hello").send().await.assert_status(202);
    let mut events = pin!(client.get("/messages").send().await.events());
    let event = poll_fn(|cx| events.as_mut().poll_next(cx)).await.expect("an event");
    let event = event.expect("a whole event");
    assert_eq!(event.data(), "hello");
    println!("the packed facade works");
}
