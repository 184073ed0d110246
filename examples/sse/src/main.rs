//! An event stream at `/events`, and a page at `/` that shows it.
//!
//! ```sh
//! cargo run -p sse
//! curl -N localhost:7878/events
//! cargo run -p sse --features tls -- --tls
//! curl -Nk https://localhost:7878/events
//! cargo run -p sse --features http3 -- --http3
//! curl -Nk --http3-only https://localhost:7878/events
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
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    let mut app = App::new().with_env().with_addresses(addresses);
    for flag in flags {
        app = match &*flag {
            "--tls" => with_tls(app),
            "--http3" => with_http3(with_tls(app)),
            _ => unknown(&flag),
        };
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

/// Serves HTTP/3 as well.
#[cfg(feature = "http3")]
fn with_http3(app: App) -> App {
    app.with_http3()
}

#[cfg(not(feature = "http3"))]
fn with_http3(_: App) -> App {
    eprintln!("--http3 needs the feature `http3`: cargo run -p sse --features http3 -- --http3");
    std::process::exit(2)
}

fn unknown(flag: &str) -> ! {
    eprintln!("unknown option {flag}: `--tls` and `--http3` are the options");
    std::process::exit(2)
}
