//! Round trips of datagrams and streams over WebTransport.
//!
//! ```sh
//! cargo run -p webtransport
//! ```
//!
//! Open <http://localhost:7878> in Chromium, Chrome or Edge. The page opens a session at
//! `https://localhost:7443/echo`, over HTTP/3, and shows how long datagrams and streams take to the
//! server and back. `certificate.rs` makes a certificate that the browser accepts by its hash, so
//! nothing must be installed.

mod certificate;

use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use volga::{
    App, Json,
    di::Dc,
    error::Error,
    html,
    http::webtransport::{
        WebTransport, WebTransportCloseInfo, WebTransportEnd, WebTransportReceiveStream,
        WebTransportSendStream, WebTransportSettings,
    },
    ok,
};

const PAGE: &str = include_str!("../page/index.html");
/// Where the page comes from.
const PAGE_ADDRESS: &str = "localhost:7878";
/// Where the sessions are, over UDP. The same port over TCP has the page with HTTPS.
const ADDRESS: &str = "localhost:7443";
/// The longest unidirectional stream.
const MAX_TEXT: usize = 64 * 1024;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    app().map_err(std::io::Error::other)?.run().await
}

/// The facts that the page needs to open a session.
#[derive(Clone, Serialize)]
struct Server {
    url: String,
    /// The hash of the certificate.
    hash: Vec<u8>,
}

/// How the last session has ended.
#[derive(Clone, Default)]
struct LastEnd(Arc<Mutex<String>>);

/// Builds the app.
fn app() -> Result<App, Box<dyn std::error::Error + Send + Sync>> {
    let certificate = certificate::make()?;
    let mut app = App::new()
        .bind(ADDRESS)
        .with_tls(certificate.tls)
        .with_http3()
        // A page from `localhost` may use WebTransport without HTTPS.
        .bind_plain(PAGE_ADDRESS);
    app.add_singleton(LastEnd::default());
    let server = Server { url: format!("https://{ADDRESS}/echo"), hash: certificate.hash };
    app.map_get("/", || html!(PAGE));
    app.map_get("/server", async move || Json(server));
    app.map_get("/last-end", async |last: Dc<LastEnd>| {
        let text = last.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        ok!(text)
    });
    // The page has another port than the session, so its origin is another one.
    let settings = WebTransportSettings::new().origins([format!("http://{PAGE_ADDRESS}")]);
    app.map_webtransport_with("/echo", settings.clone(), echo);
    app.map_webtransport_with("/close/{code}", settings, async |_: WebTransport, code: u32| {
        WebTransportCloseInfo::new(code, "as you asked")
    });
    Ok(app)
}

// [guide]
/// Sends everything back: datagrams, bidirectional streams, and each unidirectional stream on one
/// of the server's own.
async fn echo(session: WebTransport, last: Dc<LastEnd>) {
    loop {
        tokio::select! {
            Some(datagram) = session.receive_datagram() => {
                // Datagrams may get lost, so this one may, too.
                let _ = session.send_datagram(datagram);
            }
            Some((send, receive)) = session.accept_bidirectional() => {
                tokio::spawn(echo_stream(send, receive));
            }
            Some(receive) = session.accept_unidirectional() => {
                tokio::spawn(return_stream(session.clone(), receive));
            }
            // Nothing comes any more: the session has ended.
            else => break,
        }
    }
    let text = match session.closed().await {
        WebTransportEnd::ClosedByClient(info) => format!("closed by the page: {info}"),
        end => format!("{end:?}"),
    };
    *last.0.lock().unwrap_or_else(PoisonError::into_inner) = text;
}

async fn echo_stream(
    mut send: WebTransportSendStream,
    mut receive: WebTransportReceiveStream,
) -> Result<(), Error> {
    while let Some(bytes) = receive.read_chunk().await? {
        send.write_all(&bytes).await?;
    }
    send.finish().await?;
    Ok(())
}

async fn return_stream(
    session: WebTransport,
    mut receive: WebTransportReceiveStream,
) -> Result<(), Error> {
    let text = receive.read_to_end(MAX_TEXT).await?;
    let mut send = session.open_unidirectional().await?;
    send.write_all(&text).await?;
    send.finish().await?;
    Ok(())
}
// [guide]
