//! An app with HTTP/3, and foreign clients: Chromium, aioquic, niquests, and libcurl.
//!
//! The checks work around these faults of clients:
//!
//! - niquests finds HTTP/3 by `Alt-Svc` only, over TCP. Its cache is told of the server, and the
//!   other versions are switched off, so that a fault cannot be hidden by HTTP/2.
//! - curl_cffi has no option for a first try of HTTP/3. It speaks HTTP/3 only.
//! - aioquic reads what the server sends on a bidirectional stream of WebTransport that aioquic has
//!   opened as frames of HTTP/3. The script takes the bytes before it does.
//! - Chromium ignores `Alt-Svc` of a certificate that no authority has signed, so the origin is
//!   named at its start.

use std::{
    env, fs,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use volga::{
    App,
    http::{
        Bytes, HttpRequest,
        sse::{CloseHandle, Hub, Message, Resume, Sse},
        ws::WebSocket,
    },
    no_content, ok, sse,
    tls::Tls,
};

use crate::{
    sessions,
    tls::{key_hash, output, program},
};

const EVENTS: usize = 3;

/// The checks of each client, which it prints one by one.
const PYTHON: &[(&str, &str, usize)] = &[
    ("aioquic", "aioquic_client.py", 5),
    ("aioquic with WebTransport", "aioquic_sessions.py", 8),
    ("aioquic with WebSockets", "aioquic_websocket.py", 4),
    ("niquests", "niquests_client.py", 3),
    ("curl_cffi", "curl_cffi_client.py", 2),
];
const CHROMIUM_CHECKS: usize = 4;

/// Runs all clients. Those that this machine does not have are skipped, unless `CI` is set.
pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let folder = env::temp_dir().join(format!("volga-compat-http3-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let problems = run_in(&folder).await;
    fs::remove_dir_all(&folder)?;
    match problems?.as_slice() {
        [] => Ok(()),
        problems => Err(problems.join("\n").into()),
    }
}

async fn run_in(folder: &std::path::Path) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let names = ["localhost", "127.0.0.1"].map(str::to_owned);
    let made = rcgen::generate_simple_self_signed(names)?;
    let (certificate, key) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&certificate, made.cert.pem())?;
    fs::write(&key, made.signing_key.serialize_pem())?;
    let port = start(Tls::pem_files(&certificate, &key)).await?;

    let mut problems = Vec::new();
    let mut note = |name: &str, outcome: Result<(), String>| match outcome {
        Ok(()) => println!("{name}: no fault"),
        Err(missing) if missing.starts_with("missing: ") && env::var_os("CI").is_none() => {
            println!("SKIPPED, {name}: {missing}");
        }
        Err(problem) => problems.push(format!("{name}: {problem}")),
    };
    let (port_text, file) = (port.to_string(), certificate.to_string_lossy());
    for (name, script, checks) in PYTHON {
        let outcome = async {
            let python = program("COMPAT_PYTHON")?;
            client(&python, &[&path(script), &port_text, &file], *checks).await
        };
        note(name, outcome.await);
    }
    let chromium = async {
        let node = program("COMPAT_NODE")?;
        program("CHROMIUM")?;
        let pin = key_hash(&certificate).await?;
        let url = format!("https://127.0.0.1:{port}/");
        client(&node, &[&path("chromium.mjs"), &url, &pin], CHROMIUM_CHECKS).await
    };
    note("Chromium", chromium.await);
    Ok(problems)
}

/// Runs a client, which prints a line for each check that has passed.
async fn client(program: &str, args: &[&str], checks: usize) -> Result<(), String> {
    let (text, is_ok) = output(program, args).await?;
    if !is_ok || text.lines().count() != checks {
        return Err(format!("{checks} lines and the exit code 0 are expected:\n{text}"));
    }
    text.lines().for_each(|line| println!("  {line}"));
    Ok(())
}

fn path(script: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "http3", script].iter().collect();
    path.to_string_lossy().into_owned()
}

/// Runs the app. Returns its port.
async fn start(tls: Tls) -> Result<u16, Box<dyn std::error::Error>> {
    let mut app = App::new().without_greeter().bind("127.0.0.1:0").with_tls(tls).with_http3();
    app.map_get("/", || ok!("<!doctype html>hello"; [("content-type", "text/html")]));
    app.map_get("/protocol", async |request: HttpRequest| ok!("{:?}", request.version()));
    app.map_post("/echo", async |body: Bytes| body);
    app.map_get("/finite", || {
        let events = (1..=EVENTS).map(|number| Message::new().data(number.to_string()));
        sse!(Sse::new(stream::iter(events)).finite())
    });

    let hub = Hub::new();
    let open: Arc<Mutex<Vec<CloseHandle>>> = Arc::default();
    let (read, opened) = (hub.clone(), Arc::clone(&open));
    app.map_get("/events", move |Resume(last): Resume| {
        let stream = Sse::new(read.subscribe("news").resume(last).open()?);
        opened.lock().unwrap().push(stream.close_handle());
        sse!(stream)
    });
    app.map_post("/publish/{text}", move |text: String| {
        hub.publish("news", Message::new().data(text))?;
        no_content!()
    });
    app.map_post("/close", move || {
        open.lock().unwrap().drain(..).for_each(|stream| stream.close());
        no_content!()
    });

    let left = watch::Sender::new(0_usize);
    let noted = left.clone();
    app.map_get("/quiet", move || {
        let noted = noted.clone();
        let first = stream::iter([Message::new().data("first")]);
        let quiet = Sse::new(first.chain(stream::pending()));
        sse!(quiet.on_end(move |_| noted.send_modify(|count| *count += 1)))
    });
    let count = left.clone();
    app.map_get("/left", move || ok!(count.borrow().to_string()));
    app.map_get("/left-after/{count}", move |count: usize| {
        let mut left = left.subscribe();
        async move {
            let _ = left.wait_for(|now| *now > count).await;
            no_content!()
        }
    });
    sessions::map(&mut app);
    app.map_ws("/socket", async |mut socket: WebSocket| {
        while let Some(message) = socket.recv().await {
            if socket.send(message).await.is_err() {
                break;
            }
        }
    });
    let app = app.listen().await?;
    let port = app.addresses()[0].tcp().map_or(0, |address| address.port());
    tokio::spawn(app.run());
    Ok(port)
}
