//! Compressed event streams, read by foreign clients, and bodies that foreign programs have
//! compressed.
//!
//! The server sends event n+1 only after the client has confirmed event n over another request. So
//! a client that has read all events has read each of them when it was sent.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fs,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::mpsc,
    task::AbortHandle,
    time::timeout,
};
use volga::{
    App,
    http::sse::{Message, Sse},
    middleware::{Compression, Decompression},
    ok, sse,
};

use super::{Report, program, raw};
use crate::program::{Programs, Received, Runtime};

/// The number of events of a stream.
const EVENTS: u32 = 8;
/// How long a client may take to read one stream.
const PATIENCE: Duration = Duration::from_secs(30);

/// The senders of the open streams, by their names.
type Senders = Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Message>>>>;

struct Server {
    url: String,
    port: u16,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn run(programs: &Programs) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::default();
    let server = start().await?;
    read_with_curl(&server, &mut report).await?;
    for (name, runtime, script, package, codings) in [
        ("node", Runtime::Node, "compressed.mjs", None, &["gzip", "deflate", "br"][..]),
        ("httpx", Runtime::Python, "compressed_streams.py", Some("httpx"), &CODINGS),
        ("aiohttp", Runtime::Python, "compressed_streams.py", Some("aiohttp"), &CODINGS),
    ] {
        let mut args: Vec<&str> = package.into_iter().chain([&*server.url, name]).collect();
        args.extend(codings);
        let Some(output) = programs.run::<Vec<u32>>(runtime, script, &args).await? else {
            report.skipped.push(name);
            continue;
        };
        let cases: BTreeMap<_, _> = output
            .cases
            .into_iter()
            .map(|(coding, received)| {
                let read = match received {
                    Received::Read(events) => Ok(events),
                    Received::Failed { error } => Err(error),
                };
                (coding, read)
            })
            .collect();
        for coding in codings {
            let found = cases.get(*coding).cloned();
            report.compare(&format!("{name}, {coding}"), &found, &Some(Ok(all_events())));
        }
    }
    send_compressed(&server, &mut report).await?;
    Ok(report)
}

const CODINGS: [&str; 4] = ["gzip", "deflate", "br", "zstd"];

fn all_events() -> Vec<u32> {
    (1..=EVENTS).collect()
}

fn message(number: u32) -> Message {
    Message::new().data(format!("number {number} {}", "tea ".repeat(number as usize * 20)))
}

async fn start() -> std::io::Result<Server> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let senders = Senders::default();
    let opened = Arc::clone(&senders);
    let mut app = App::new().without_greeter();
    app.attach(Compression::new()).attach(Decompression::new());
    app.map_get("/events/{name}", async move |name: String| {
        let (sender, receiver) = mpsc::unbounded_channel();
        let _ = sender.send(message(1));
        if let Ok(mut senders) = opened.lock() {
            senders.insert(name, sender);
        }
        let messages = stream::unfold(receiver, |mut receiver| async {
            let message = receiver.recv().await?;
            Some((message, receiver))
        });
        sse!(Sse::new(messages).finite())
    });
    app.map_post("/confirm/{name}/{number}", async move |name: String, number: u32| {
        let mut senders = senders.lock().map_err(|_| volga::error::Error::client_error("lock"))?;
        if number < EVENTS {
            if let Some(sender) = senders.get(&name) {
                let _ = sender.send(message(number + 1));
            }
        } else {
            senders.remove(&name);
        }
        ok!("confirmed")
    });
    app.map_post("/length", async |bytes: Bytes| ok!("{}", bytes.len()));
    let task = tokio::spawn(app.run_with_listener(listener)).abort_handle();
    Ok(Server { url: format!("http://127.0.0.1:{port}"), port, task })
}

/// `curl --compressed` writes each event as soon as it has decompressed it.
async fn read_with_curl(server: &Server, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let Some(curl) = program("COMPAT_CURL") else {
        report.skipped.push("curl --compressed");
        return Ok(());
    };
    for coding in CODINGS {
        let read = timeout(PATIENCE, read_one_with_curl(&curl, server, coding)).await;
        let read = read.map_err(|_| "an event did not come".to_owned()).and_then(|read| read);
        report.compare(&format!("curl --compressed, {coding}"), &read, &Ok(all_events()));
    }
    Ok(())
}

async fn read_one_with_curl(
    curl: &Path,
    server: &Server,
    coding: &str,
) -> Result<Vec<u32>, String> {
    let name = format!("curl-{coding}");
    let mut child = Command::new(curl)
        .args(["-sSN", "--noproxy", "*", "--compressed", "-H"])
        .arg(format!("accept-encoding: {coding}"))
        .arg(format!("{}/events/{name}", server.url))
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut output = child.stdout.take().ok_or("curl has no output")?;
    let (mut text, mut events) = (String::new(), Vec::new());
    let mut buffer = [0; 4096];
    loop {
        let length = output.read(&mut buffer).await.map_err(|error| error.to_string())?;
        if length == 0 {
            break;
        }
        text += &String::from_utf8_lossy(&buffer[..length]);
        while let Some((event, rest)) = text.split_once("\n\n") {
            let number = event.lines().find_map(|line| {
                line.strip_prefix("data: number ")?.split(' ').next()?.parse::<u32>().ok()
            });
            text = rest.to_owned();
            if let Some(number) = number {
                events.push(number);
                raw::request(server.port, "POST", &format!("/confirm/{name}/{number}"), &[])
                    .await
                    .map_err(|error| error.to_string())?;
            }
        }
    }
    let status = child.wait().await.map_err(|error| error.to_string())?;
    if status.success() { Ok(events) } else { Err(format!("curl ended with {status}")) }
}

/// Sends bodies that the programs of the codings have compressed, bombs among them.
async fn send_compressed(server: &Server, report: &mut Report) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let text: Vec<u8> =
        (0..20_000_u32).flat_map(|at| format!("line {at}\n").into_bytes()).collect();
    let files: [(&str, Vec<u8>, u16); 4] = [
        ("text", text, 200),
        ("empty", Vec::new(), 200),
        // The plain size is within the limit, and only the ratio is too high.
        ("ratio", vec![b'x'; 5 * 1024 * 1024], 413),
        ("bomb", vec![0; 64 * 1024 * 1024], 413),
    ];
    for (coding, variable, args) in [
        ("gzip", "COMPAT_GZIP", &["-c"][..]),
        ("gzip", "COMPAT_GZIP", &["-9c"]),
        ("zstd", "COMPAT_ZSTD", &["-qc"]),
        ("zstd", "COMPAT_ZSTD", &["-qc19"]),
        ("br", "COMPAT_BROTLI", &["-c", "-q", "5"]),
        ("br", "COMPAT_BROTLI", &["-c", "-q", "9", "--lgwin=24"]),
    ] {
        let Some(compressor) = program(variable) else {
            report.skipped.push(coding);
            continue;
        };
        for (name, plain, status) in &files {
            let path = folder.path().join(name);
            fs::write(&path, plain)?;
            let output = Command::new(&compressor).args(args).arg(&path).output().await?;
            let what = format!("{} {} {name}", compressor.display(), args.join(" "));
            report.compare(&format!("{what} is compressed"), &output.status.success(), &true);
            let (found, body) = post(server.port, coding, &output.stdout).await?;
            report.compare(&what, &found, status);
            if *status == 200 {
                report.compare(&format!("{what}: length"), &body, &plain.len().to_string());
            }
            if output.stdout.len() > 40 && *status == 200 {
                let half = &output.stdout[..output.stdout.len() / 2];
                let (found, _) = post(server.port, coding, half).await?;
                report.compare(&format!("{what}, truncated"), &found, &400);
            }
        }
    }
    Ok(())
}

/// Sends a compressed body. Returns the status and the body of the response.
async fn post(port: u16, coding: &str, body: &[u8]) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let head = format!(
        "POST /length HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-encoding: {coding}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body).await?;
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await?;
    let response = String::from_utf8_lossy(&response).into_owned();
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok());
    let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body).to_owned();
    Ok((status.unwrap_or_default(), body))
}
