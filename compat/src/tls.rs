//! An app with HTTPS, and the programs with which people and auditors look at one.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{process::Command, time::timeout};
use volga::{
    App,
    http::sse::{Message, Sse},
    ok, sse,
    tls::{Tls, TlsHandle},
};

/// How long one program may take. testssl takes the longest.
const PATIENCE: Duration = Duration::from_secs(240);
const EVENTS: usize = 3;
/// How often the certificate changes while clients connect.
const CHANGES: usize = 10;

type Outcome = Result<String, String>;

/// The certificate, and the server that uses it.
struct Server {
    port: u16,
    folder: PathBuf,
    handle: TlsHandle,
}

/// Runs all programs. Those that this machine does not have are skipped, unless `CI` is set.
pub(crate) async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::start().await?;
    let mut problems = Vec::new();
    for (name, outcome) in [
        ("curl", curl(&server).await),
        ("OpenSSL", openssl(&server).await),
        ("nghttp", nghttp(&server).await),
        ("Python's h2", python(&server).await),
        ("Chromium", chromium(&server).await),
        ("h2load", h2load(&server).await),
        ("testssl", testssl(&server).await),
    ] {
        match outcome {
            Ok(text) => println!("{name}: {text}"),
            Err(missing) if missing.starts_with("missing: ") && env::var_os("CI").is_none() => {
                println!("SKIPPED, {name}: {missing}");
            }
            Err(problem) => problems.push(format!("{name}: {problem}")),
        }
    }
    fs::remove_dir_all(&server.folder)?;
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

impl Server {
    async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        let folder = env::temp_dir().join(format!("volga-compat-tls-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        let server = Self { port: 0, folder, handle: TlsHandle::default() };
        server.write_certificate().map_err(std::io::Error::other)?;
        let tls = Tls::pem_files(server.file("cert.pem"), server.file("key.pem"))
            .reload_interval(Duration::MAX);
        let handle = tls.handle();
        let mut app = App::new().without_greeter().bind("127.0.0.1:0").with_tls(tls);
        app.map_get("/", || ok!("<!doctype html>hello"; [("content-type", "text/html")]));
        app.map_get("/finite", || {
            let events = (1..=EVENTS).map(|number| Message::new().data(number.to_string()));
            sse!(Sse::new(stream::iter(events)).finite().without_retry())
        });
        app.map_get("/events", || {
            sse!(stream::iter([Message::new().data("first")]).chain(stream::pending()))
        });
        let app = app.listen().await?;
        let port = app.addresses()[0].tcp().map_or(0, |address| address.port());
        tokio::spawn(app.run());
        Ok(Self { port, handle, ..server })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Replaces the certificate and its key by new ones. Returns the hash of the key by which
    /// Chromium may trust it.
    fn write_certificate(&self) -> Result<(), String> {
        let text = |error: rcgen::Error| error.to_string();
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names).map_err(text)?;
        let write = |name, text: String| fs::write(self.file(name), text);
        write("key.pem", made.signing_key.serialize_pem())
            .and_then(|()| write("cert.pem", made.cert.pem()))
            .map_err(|error| error.to_string())
    }
}

/// Runs a program, and returns what it printed. It may exit with another code than 0.
pub(crate) async fn output(program: &str, args: &[&str]) -> Result<(String, bool), String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    for name in ["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    let output = match timeout(PATIENCE, command.output()).await {
        Ok(Ok(output)) => output,
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => {
            return Err(format!("missing: {program}; .ci/run installs it"));
        }
        Ok(Err(error)) => return Err(format!("{program}: {error}")),
        Err(_) => return Err(format!("{program} took longer than {PATIENCE:?}")),
    };
    let text = [output.stdout, output.stderr].concat();
    Ok((String::from_utf8_lossy(&text).into_owned(), output.status.success()))
}

/// Runs a program that must succeed and print this text.
async fn expect(program: &str, args: &[&str], expect: &str) -> Result<(), String> {
    match output(program, args).await? {
        (text, true) if text.contains(expect) => Ok(()),
        (text, _) => Err(format!("{program} {}: {expect:?} is not in:\n{text}", args.join(" "))),
    }
}

async fn curl(server: &Server) -> Outcome {
    let file = server.file("cert.pem");
    let (trust, url) = (file.to_string_lossy(), server.url("/finite"));
    for (option, protocol) in [("--http2", "2"), ("--http1.1", "1.1"), ("--http1.0", "1")] {
        for version in ["1.2", "1.3"] {
            let written = "%{http_version} %{ssl_verify_result}";
            let args = [
                "--silent",
                "--show-error",
                "--cacert",
                &trust,
                option,
                "--tls-max",
                version,
                "--write-out",
                written,
                &url,
            ];
            expect("curl", &args, &format!("data: {EVENTS}\n\n{protocol} 0")).await?;
        }
    }
    let (text, is_ok) =
        output("curl", &["--silent", "--cacert", &trust, "--tls-max", "1.1", &url]).await?;
    if is_ok { Err(format!("TLS 1.1 was accepted: {text}")) } else { Ok("6 ways".to_owned()) }
}

async fn openssl(server: &Server) -> Outcome {
    let file = server.file("cert.pem");
    let address = format!("127.0.0.1:{}", server.port);
    for version in ["-tls1_2", "-tls1_3"] {
        for protocol in ["h2", "http/1.1"] {
            let args = [
                "s_client",
                "-connect",
                &address,
                "-servername",
                "localhost",
                "-CAfile",
                &file.to_string_lossy(),
                "-verify_return_error",
                "-alpn",
                protocol,
                version,
            ];
            expect("openssl", &args, &format!("ALPN protocol: {protocol}\n")).await?;
        }
    }
    Ok("4 handshakes".to_owned())
}

async fn nghttp(server: &Server) -> Outcome {
    let url = server.url("/finite");
    expect("nghttp", &["--no-verify-peer", "--no-dep", &url], &format!("data: {EVENTS}\n")).await?;
    Ok("the stream to its end".to_owned())
}

async fn python(server: &Server) -> Outcome {
    let python = program("COMPAT_PYTHON")?;
    let (script, port) = (script("http2.py"), server.port.to_string());
    let file = server.file("cert.pem");
    let args = [&*script, &port, &file.to_string_lossy()];
    expect(&python, &args, &format!("data: {EVENTS}\n\n")).await?;
    Ok("the stream to its end, with a close_notify".to_owned())
}

async fn chromium(server: &Server) -> Outcome {
    let node = program("COMPAT_NODE")?;
    program("CHROMIUM")?;
    let pin = key_hash(&server.file("cert.pem")).await?;
    let (script, url) = (script("chromium.mjs"), server.url("/"));
    let text = "20 streams over h2";
    expect(&node, &[&script, &url, &pin], text).await?;
    Ok(format!("{text}, in one tab"))
}

/// The hash of the public key in a certificate, by which Chromium may trust the key.
pub(crate) async fn key_hash(certificate: &Path) -> Result<String, String> {
    let hash = format!(
        "openssl x509 -in '{}' -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | openssl base64",
        certificate.display()
    );
    Ok(output("sh", &["-c", &hash]).await?.0.trim().to_owned())
}

/// Clients connect all the time, and the certificate changes all the time.
async fn h2load(server: &Server) -> Outcome {
    let url = server.url("/");
    let is_over = Arc::new(AtomicBool::new(false));
    let load = {
        let is_over = Arc::clone(&is_over);
        tokio::spawn(async move {
            let mut handshakes = 0;
            while !is_over.load(Ordering::Relaxed) {
                let args = ["--requests=100", "--clients=50", &*url];
                expect("h2load", &args, "100 succeeded, 0 failed, 0 errored, 0 timeout").await?;
                handshakes += 50;
            }
            Ok::<usize, String>(handshakes)
        })
    };
    for _ in 0..CHANGES {
        server.write_certificate()?;
        server.handle.reload().await.map_err(|error| error.to_string())?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let handshakes = load.await.map_err(|error| error.to_string())??;
    Ok(format!("{handshakes} handshakes during {CHANGES} changes of the certificate, 0 failed"))
}

/// Protocols, ciphers and known holes, with renegotiation among them. The rest is about the
/// certificate, which nobody has signed.
async fn testssl(server: &Server) -> Outcome {
    let address = format!("localhost:{}", server.port);
    let args = ["--color", "0", "--warnings", "off", "--quiet", "-p", "-s", "-U", &*address];
    let (text, _) = output("testssl", &args).await?;
    let problems: Vec<&str> = text.lines().filter(|line| line.contains("NOT ok")).collect();
    if !problems.is_empty() {
        return Err(problems.join("\n"));
    }
    for needed in ["TLS 1.3    offered (OK)", "Secure Renegotiation", "ROBOT"] {
        if !text.contains(needed) {
            return Err(format!("{needed:?} is not in:\n{text}"));
        }
    }
    Ok("nothing is NOT ok".to_owned())
}

/// The path of a program that `cargo xtask tls` finds.
pub(crate) fn program(variable: &str) -> Result<String, String> {
    env::var(variable)
        .ok()
        .filter(|path| !path.is_empty())
        .ok_or_else(|| format!("missing: {variable} is not set; run `cargo xtask tls`"))
}

fn script(name: &str) -> String {
    format!("{}/tls/{name}", env!("CARGO_MANIFEST_DIR"))
}
