use volga::{App, error::Error, http::sse::Message, sse};
use futures_util::stream::repeat_with;
use std::time::Duration;
use tokio_stream::StreamExt;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut app = App::new();
    app = app.bind("localhost:7444").with_tls(volga::tls::Tls::pem_files(CERTIFICATE, KEY)).with_http3();

    app.map_get("/events", || async {
        // Create a stream of messages sent every second
        let stream = repeat_with(|| Message::new().data("Hello, world!"))
            .map(Ok::<_, Error>)
            .throttle(Duration::from_secs(1));

        sse!(stream)
    });

    app.run().await
}
