//! WebSockets, with foreign clients and a conformance suite. No case may fail.
//!
//! Messages are not compressed, so the suite's groups 12 and 13 are left out.

use std::{error::Error, io};

use tokio::net::TcpListener;
use volga::{
    App,
    http::ws::{WebSocket, WebSocketSettings},
};

use crate::{
    outcome::{CaseResult, Kind, Outcome},
    program::{Programs, Received, Runtime},
};

/// The largest message of the conformance suite, 16 MiB.
const LARGEST: usize = 16 * 1024 * 1024;

const CLIENTS: &[(&str, Runtime, &str)] = &[
    ("kosoku (PyPI), WebSockets", Runtime::Python, "ws_kosoku.py"),
    ("websockets (PyPI)", Runtime::Python, "ws_websockets.py"),
    ("h2 (PyPI), WebSockets over HTTP/2", Runtime::Python, "ws_h2.py"),
    ("ws (npm) and node, WebSockets", Runtime::Node, "ws.mjs"),
];

/// Runs every client that this machine can run.
pub(crate) async fn run(programs: &Programs) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let url = start().await?;
    let mut outcomes = Vec::new();
    for (name, runtime, script) in CLIENTS {
        let Some(output) = programs.run::<String>(*runtime, script, &[&url]).await? else {
            continue;
        };
        let results = output.cases.into_iter().map(|(case, received)| {
            let departure = match received {
                Received::Read(_) => None,
                Received::Failed { error } => Some(error),
            };
            CaseResult { case, departure }
        });
        outcomes.push(Outcome {
            kind: Kind::Reader,
            name,
            version: output.version,
            results: results.collect(),
        });
    }
    Ok(outcomes)
}

/// Serves an echo at `/`, and one for small messages at `/small`. Returns its URL.
async fn start() -> io::Result<String> {
    let mut app = App::new();
    let large = WebSocketSettings::new().max_message_bytes(LARGEST);
    app.map_ws_with("/", large.max_frame_bytes(LARGEST), echo);
    app.map_ws_with("/small", WebSocketSettings::new().max_message_bytes(1000), echo);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}/", listener.local_addr()?);
    tokio::spawn(app.without_greeter().run_with_listener(listener));
    Ok(url)
}

async fn echo(mut socket: WebSocket) {
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}
