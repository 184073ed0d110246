//! The routes for WebTransport sessions of the app that foreign clients use over HTTP/3.

use std::sync::Arc;

use tokio::sync::watch;
use volga::{
    App,
    error::Error,
    http::webtransport::{
        WebTransport, WebTransportCloseInfo, WebTransportEnd, WebTransportReceiveStream,
        WebTransportSendStream,
    },
    ok,
};

/// The longest stream, apart from those that are sent back piece by piece.
const MAX_TEXT: usize = 64 * 1024;

/// The facts about earlier sessions that clients ask for.
#[derive(Default)]
struct Record {
    /// How each session has ended, in order.
    ends: watch::Sender<Vec<String>>,
    /// The last answer to a question of the server.
    name: watch::Sender<Option<String>>,
}

/// Maps a session that sends everything back, one that the server closes, and routes that say what
/// the server has seen of earlier sessions.
pub(crate) fn map(app: &mut App) {
    let record = Arc::<Record>::default();
    let shared = Arc::clone(&record);
    app.map_webtransport("/session", move |session: WebTransport| {
        let record = Arc::clone(&shared);
        async move { echo(session, record).await }
    });
    app.map_webtransport("/session-close/{code}", async |_: WebTransport, code: u32| {
        WebTransportCloseInfo::new(code, "as you asked")
    });
    let shared = Arc::clone(&record);
    app.map_get("/session-name", move || {
        let mut name = shared.name.subscribe();
        async move { ok!("{}", name.wait_for(Option::is_some).await?.clone().unwrap_or_default()) }
    });
    app.map_get("/session-end/{number}", move |number: usize| {
        let mut ends = record.ends.subscribe();
        async move {
            let ends = ends.wait_for(|ends| ends.len() >= number).await?;
            ok!("{}", ends[number - 1])
        }
    });
}

/// Sends everything back: datagrams, bidirectional streams, and each unidirectional stream on one
/// of the server's own.
async fn echo(session: WebTransport, record: Arc<Record>) {
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
                tokio::spawn(respond(session.clone(), receive, Arc::clone(&record)));
            }
            else => break,
        }
    }
    let end = match session.closed().await {
        WebTransportEnd::ClosedByClient(info) => format!("closed by the client: {info}"),
        end => format!("{end:?}"),
    };
    record.ends.send_modify(|ends| ends.push(end));
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

/// Responds to a unidirectional stream on a stream of the server: with the same text, or with a
/// question, if the client asks for it.
async fn respond(
    session: WebTransport,
    mut receive: WebTransportReceiveStream,
    record: Arc<Record>,
) -> Result<(), Error> {
    let text = receive.read_to_end(MAX_TEXT).await?;
    if text != b"ask me" {
        let mut send = session.open_unidirectional().await?;
        send.write_all(&text).await?;
        send.finish().await?;
        return Ok(());
    }
    let (mut send, mut receive) = session.open_bidirectional().await?;
    send.write_all(b"your name?").await?;
    send.finish().await?;
    let name = receive.read_to_end(MAX_TEXT).await?;
    record.name.send_replace(Some(String::from_utf8_lossy(&name).into_owned()));
    Ok(())
}
