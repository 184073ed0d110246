//! An event stream at `/events`, and a page at `/` that shows it.
//!
//! ```sh
//! cargo run -p sse
//! curl -N localhost:7878/events
//! cargo run -p sse --features tls -- --tls
//! curl -Nk https://localhost:7878/events
//! ```
//!
//! The example needs no code for its end. At Ctrl-C and SIGTERM every reader gets a farewell with
//! the time after which to return, and the process exits with code 0.

use futures_util::stream::repeat_with;
use std::time::Duration;
use tokio_stream::StreamExt;
use volga::{App, error::Error, http::sse::Message, ok, sse};

const PAGE: &str = include_str!("index.html");

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (flags, addresses): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument == "--tls");
    let mut app = App::new().with_env().with_addresses(addresses);
    if !flags.is_empty() {
        app = with_tls(app);
    }

    app.map_get("/", || ok!("{PAGE}"; [("content-type", "text/html; charset=utf-8")]));

    app.map_get("/events", || async {
        // Create a stream of messages sent every second
        let stream = repeat_with(|| Message::new().data("Hello, world!"))
            .map(Ok::<_, Error>)
            .throttle(Duration::from_secs(1));

        sse!(stream)
    });

    app.run().await
}

/// Serves HTTPS, with a certificate that this machine makes for itself.
#[cfg(feature = "tls")]
fn with_tls(app: App) -> App {
    app.with_tls(volga::tls::Tls::development())
}

#[cfg(not(feature = "tls"))]
fn with_tls(_: App) -> App {
    eprintln!("--tls needs the feature `tls`: cargo run -p sse --features tls -- --tls");
    std::process::exit(2)
}
