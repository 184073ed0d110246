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

use std::time::Duration;

use volga::{App, html, http::sse::Message, sse_stream};

const PAGE: &str = include_str!("index.html");

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let (flags, addresses): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument == "--tls");
    let mut app = App::new().with_env().with_addresses(addresses);
    if !flags.is_empty() {
        app = with_tls(app);
    }

    app.map_get("/", || html!(PAGE));

    app.map_get("/events", async || {
        sse_stream! {
            loop {
                yield Message::new().data("Hello, world!");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
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
