//! WebSockets, with foreign clients and a conformance suite. No case may fail.
//!
//! Messages are not compressed, so the suite's groups 12 and 13 are left out.

use std::{env, error::Error, fs, io, path::PathBuf};

use volga::{
    App, error,
    http::{
        FromRequestParts, RequestParts,
        ws::{CloseCode, CloseReason, WebSocket, WebSocketSettings},
    },
    ok,
    tls::Tls,
};

use crate::{
    outcome::{CaseResult, Kind, Outcome},
    program::{Programs, Received, Runtime},
    tls,
};

/// The largest message of the conformance suite, 16 MiB.
const LARGEST: usize = 16 * 1024 * 1024;

const CLIENTS: &[(&str, Runtime, &str)] = &[
    ("kosoku (PyPI), WebSockets", Runtime::Python, "ws_kosoku.py"),
    ("websockets (PyPI)", Runtime::Python, "ws_websockets.py"),
    ("h2 (PyPI), WebSockets over HTTP/2", Runtime::Python, "ws_h2.py"),
    ("ws (npm) and node, WebSockets", Runtime::Node, "ws.mjs"),
];

const CHROMIUM: &str = "ws_chromium.mjs";

/// Runs every client that this machine can run.
pub(crate) async fn run(programs: &Programs) -> Result<Vec<Outcome>, Box<dyn Error>> {
    let url = format!("ws://127.0.0.1:{}/", start(app()).await?);
    let mut outcomes = Vec::new();
    for (name, runtime, script) in CLIENTS {
        outcomes.extend(run_client(programs, name, *runtime, script, &[&url]).await?);
    }
    // Chromium uses an upgrade without TLS, and HTTP/2 with it.
    let name = "Chromium, WebSockets over HTTP/1.1";
    let args = [&*url, "HTTP/1.1 GET"];
    outcomes.extend(run_client(programs, name, Runtime::Chromium, CHROMIUM, &args).await?);
    if programs.has(Runtime::Chromium) {
        let certificate = Certificate::new()?;
        let tls = Tls::pem_files(certificate.file("cert.pem"), certificate.file("key.pem"));
        let url = format!("wss://localhost:{}/", start(app().with_tls(tls)).await?);
        let hash = tls::key_hash(&certificate.file("cert.pem")).await?;
        let name = "Chromium, WebSockets over HTTP/2";
        let args = [&*url, "HTTP/2.0 CONNECT", &hash];
        outcomes.extend(run_client(programs, name, Runtime::Chromium, CHROMIUM, &args).await?);
    }
    Ok(outcomes)
}

/// Runs one client. `None` if its program is missing.
async fn run_client(
    programs: &Programs,
    name: &'static str,
    runtime: Runtime,
    script: &str,
    args: &[&str],
) -> Result<Option<Outcome>, Box<dyn Error>> {
    let Some(output) = programs.run::<String>(runtime, script, args).await? else {
        return Ok(None);
    };
    let results = output.cases.into_iter().map(|(case, received)| {
        let departure = match received {
            Received::Read(_) => None,
            Received::Failed { error } => Some(error),
        };
        CaseResult { case, departure }
    });
    let results = results.collect();
    Ok(Some(Outcome { kind: Kind::Reader, name, version: output.version, results }))
}

/// The files of a certificate for `localhost`, in a folder that is deleted at the end.
struct Certificate(PathBuf);

impl Certificate {
    fn new() -> Result<Self, Box<dyn Error>> {
        let folder = env::temp_dir().join(format!("volga-compat-ws-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let certificate = Self(folder);
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)?;
        fs::write(certificate.file("key.pem"), made.signing_key.serialize_pem())?;
        fs::write(certificate.file("cert.pem"), made.cert.pem())?;
        Ok(certificate)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The version of HTTP and the method of a handshake.
struct Protocol(String);

impl FromRequestParts for Protocol {
    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, error::Error> {
        Ok(Self(format!("{:?} {}", parts.version, parts.method)))
    }
}

/// An echo at `/`, one for small messages at `/small`, sockets that the server closes, and a page.
fn app() -> App {
    let mut app = App::new().without_greeter();
    let large = WebSocketSettings::new().max_message_bytes(LARGEST);
    app.map_ws_with("/", large.max_frame_bytes(LARGEST), echo);
    app.map_ws_with("/small", WebSocketSettings::new().max_message_bytes(1000), echo);
    app.map_ws("/protocol", async |mut socket: WebSocket, Protocol(protocol): Protocol| {
        let _ = socket.send(protocol).await;
    });
    app.map_ws("/leave/{code}/{text}", async |mut socket: WebSocket, code: u16, text: String| {
        let code = CloseCode::new(code).unwrap_or(CloseCode::NORMAL);
        socket.close(CloseReason::new(code, text));
    });
    app.map_get("/page", || ok!("<!doctype html>a page"; [("content-type", "text/html")]));
    app
}

/// Runs an app. Returns its port.
async fn start(app: App) -> io::Result<u16> {
    let app = app.bind("127.0.0.1:0").listen().await?;
    let port = app.addresses()[0].tcp().map_or(0, |address| address.port());
    tokio::spawn(app.run());
    Ok(port)
}

async fn echo(mut socket: WebSocket) {
    while let Some(message) = socket.recv().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}
