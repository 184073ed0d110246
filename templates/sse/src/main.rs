//! A page that shows messages as they are published.

use volga::{
    App,
    di::Dc,
    html,
    http::sse::{Hub, Message, Resume},
    sse, status,
};

const PAGE: &str = include_str!("index.html");

#[tokio::main]
async fn main() -> std::io::Result<()> {
    app().with_env().with_addresses(std::env::args().skip(1)).run().await
}

/// The app, which the tests use as well.
fn app() -> App {
    let mut app = App::new();
    app.add_singleton(Hub::new());

    app.map_get("/", async || html!(PAGE));

    app.map_post("/messages/{text}", async |text: String, hub: Dc<Hub>| {
        hub.publish("messages", Message::new().data(text))?;
        status!(202)
    });

    // A client that returns gets what it missed, and a new one gets the last ten messages.
    app.map_get("/messages", async |Resume(last): Resume, hub: Dc<Hub>| {
        sse!(hub.subscribe("messages").resume(last).history(10).open()?)
    });

    app
}

#[cfg(test)]
mod tests {
    use volga::test::TestClient;

    use super::app;

    #[tokio::test]
    async fn a_client_gets_what_is_published() {
        let client = TestClient::new(app());
        let mut events = client.get("/messages").send().await.events();

        client.post("/messages/hello").send().await.assert_status(202);

        let event = events.next().await.expect("an event").expect("a whole event");
        assert_eq!(event.data(), "hello");
    }
}
