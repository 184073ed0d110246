//! An app with HTTPS: with and without TLS at once, redirects, and what handlers learn of a client.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Instant};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use volga::{
    App,
    http::{ClientCertificate, ClientScheme, HttpRequest},
    ok,
    test::TestClient,
    tls::{ClientRoots, Hsts, Tls, TlsError},
};

use super::support::{PATIENCE, ask, read_to_end_of, soon};
use super::tls_support::{Pair, run};

impl Pair {
    /// Connects, with a certificate of the client's own or without.
    async fn connect(&self, address: SocketAddr, own: Option<&Pair>) -> TlsStream<TcpStream> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match own {
            Some(own) => {
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                config.with_client_auth_cert(vec![own.der()], key).unwrap()
            }
            None => config.with_no_client_auth(),
        };
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        soon("TLS", connector.connect(name, stream)).await.unwrap()
    }

    /// Sends a request with these lines, and returns the whole response.
    async fn ask(&self, address: SocketAddr, own: Option<&Pair>, lines: &str) -> String {
        let mut stream = self.connect(address, own).await;
        let request = format!("{lines}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end_of(&mut stream).await
    }
}

mod seed {
    const CERTIFICATE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/seed-certificate.pem");
    const KEY: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/seed-key.pem");

    include!("../seed/https.rs");

    pub(super) fn run(certificate: &str, key: &str) -> std::io::Result<()> {
        std::fs::write(CERTIFICATE, certificate)?;
        std::fs::write(KEY, key)?;
        main()
    }
}

#[test]
fn the_seed_program_needs_one_line_more_for_https() {
    let with_tls = include_str!("../seed/https.rs");
    let (added, rest): (Vec<&str>, Vec<&str>) =
        with_tls.lines().partition(|line| line.contains("with_tls"));
    assert_eq!(added.len(), 1);
    assert!(include_str!("../seed/first.rs").lines().eq(rest));
}

#[tokio::test]
async fn the_seed_program_streams_over_https() {
    let pair = Pair::new();
    let (certificate, key) = (pair.certificate.clone(), pair.key.clone());
    let program = std::thread::spawn(move || seed::run(&certificate, &key));
    let address = "127.0.0.1:7443".parse().unwrap();
    let start = Instant::now();
    while TcpStream::connect(address).await.is_err() {
        assert!(!program.is_finished(), "the program ended; is port 7443 in use?");
        assert!(start.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
    let mut client = pair.connect(address, None).await;
    client.write_all(b"GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut text = String::new();
    while text.matches("data: Hello, world!\n\n").count() < 2 {
        let mut buffer = [0; 1024];
        let count = soon("a message", client.read(&mut buffer)).await.unwrap();
        assert!(count > 0, "the stream ended: {text:?}");
        text.push_str(&String::from_utf8_lossy(&buffer[..count]));
    }
}

#[tokio::test]
async fn one_app_serves_with_and_without_tls_and_redirects_from_another_port() {
    let pair = Pair::new();
    let mut app = App::new()
        .bind("127.0.0.1:0")
        .with_tls(pair.tls())
        .bind_plain("127.0.0.1:0")
        .bind_https_redirect("127.0.0.1:0");
    app.map_get("/scheme", async |scheme: ClientScheme| ok!("{scheme}"));
    let running = run(app).await;
    let [https, plain, redirect] = running.addresses[..] else { panic!("three addresses") };
    let request = "GET /scheme HTTP/1.1\r\nhost: localhost";
    assert!(pair.ask(https, None, request).await.ends_with("https"));
    assert!(ask(plain, "GET /scheme").await.ends_with("http"));

    let response = ask(redirect, "POST /a%20b/c?d=e&f").await;
    assert!(response.starts_with("HTTP/1.1 308 "), "{response}");
    let expect = format!("\r\nlocation: https://test:{}/a%20b/c?d=e&f\r\n", https.port());
    assert!(response.contains(&expect), "{response}");
    // Without a host there is no place to redirect to.
    let mut client = TcpStream::connect(redirect).await.unwrap();
    client.write_all(b"GET /scheme HTTP/1.0\r\n\r\n").await.unwrap();
    let response = read_to_end_of(&mut client).await;
    assert!(response.lines().next().is_some_and(|line| line.contains(" 400 ")), "{response}");

    running.shutdown.shutdown();
    assert!(soon("the end", running.end).await.unwrap().is_ok());
    for address in [https, plain, redirect] {
        assert!(TcpStream::connect(address).await.is_err(), "nothing listens any more");
    }
}

#[tokio::test]
async fn a_redirect_may_name_another_port_and_needs_one() {
    let app = App::new().bind("127.0.0.1:0").bind_https_redirect("127.0.0.1:0");
    let running = run(app.with_https_port(443)).await;
    let response = ask(running.addresses[1], "GET /").await;
    assert!(response.contains("\r\nlocation: https://test/\r\n"), "{response}");

    let app = App::new().bind("127.0.0.1:0").bind_https_redirect("127.0.0.1:0");
    let error = app.without_error_line().run().await.unwrap_err().to_string();
    assert!(error.contains("call `with_tls`, or `with_https_port`"), "{error}");
}

#[tokio::test]
async fn wrong_certificates_are_an_error_of_the_start_that_names_the_file() {
    for (certificate, key) in [("no/cert.pem", "key.pem"), ("Cargo.toml", "Cargo.toml")] {
        assert!(Path::new("Cargo.toml").exists(), "tests run in the folder of their crate");
        let app = App::new().bind("127.0.0.1:0").with_tls(Tls::pem_files(certificate, key));
        let error = app.without_error_line().run().await.unwrap_err();
        assert!(error.to_string().contains(&format!("`{certificate}`")), "{error}");
        let cause = error.get_ref().unwrap().downcast_ref::<TlsError>();
        assert!(cause.is_some(), "{error}");
    }
}

#[tokio::test]
async fn handlers_learn_who_the_client_is() {
    let [server, client] = [Pair::new(), Pair::new()];
    let roots = ClientRoots::pem(&client.certificate);
    let mut app =
        App::new().bind("127.0.0.1:0").with_tls(server.tls().request_client_certificates(roots));
    app.map_get("/must", async |client: ClientCertificate| ok!("{}", client.subject()))
        .map_get("/may", async |client: Option<ClientCertificate>| ok!("{}", client.is_some()));
    let address = run(app).await.addresses[0];
    let request = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: localhost");
    let with = |path: &str| {
        let request = request(path);
        let (server, client) = (&server, &client);
        async move { server.ask(address, Some(client), &request).await }
    };
    assert!(with("/must").await.ends_with("CN=rcgen self signed cert"));
    assert!(with("/may").await.ends_with("true"));
    let response = server.ask(address, None, &request("/must")).await;
    assert!(response.starts_with("HTTP/1.1 403 "), "{response}");
    assert!(server.ask(address, None, &request("/may")).await.ends_with("false"));
}

#[tokio::test]
async fn browsers_are_told_to_stay_on_https_where_that_does_no_harm() {
    let pair = Pair::new();
    let mut app = App::new()
        .bind("127.0.0.1:0")
        .with_tls(pair.tls())
        .bind_plain("127.0.0.1:0")
        .with_hsts(Hsts::new());
    app.map_get("/", || ok!("here"));
    let running = run(app).await;
    let field = "\r\nstrict-transport-security: max-age=2592000\r\n";
    for (host, expect) in [
        ("a.example", true),
        ("a.example:443", true),
        ("localhost", false),
        ("api.localhost:8443", false),
        ("127.0.0.1", false),
        ("[::1]:443", false),
    ] {
        for path in ["/", "/missing"] {
            let request = format!("GET {path} HTTP/1.1\r\nhost: {host}");
            let response = pair.ask(running.addresses[0], None, &request).await;
            assert_eq!(response.contains(field), expect, "{host} {response}");
        }
    }
    let plain = ask(running.addresses[1], "GET /").await;
    assert!(!plain.contains("strict-transport-security"), "{plain}");
}

#[tokio::test]
async fn the_scheme_of_a_trusted_proxy_counts_and_of_nobody_else() {
    let app = |trusted: &[&str]| {
        let mut app = App::new().with_trusted_proxies(trusted).with_hsts(Hsts::new());
        app.map_get("/", async |scheme: ClientScheme, request: HttpRequest| {
            ok!("{scheme} {}", request.headers().contains_key("x-forwarded-proto"))
        });
        app
    };
    for (trusted, name, value, expect) in [
        (&["127.0.0.1"][..], "x-forwarded-proto", "https", Ok(("https true", true))),
        (&["127.0.0.1"], "forwarded", "for=192.0.2.1;proto=https", Ok(("https false", true))),
        (&["127.0.0.1"], "x-forwarded-proto", "http", Ok(("http true", false))),
        (&["127.0.0.1"], "x-forwarded-proto", "gopher", Err(400)),
        (&["127.0.0.1"], "x-other", "https", Ok(("http false", false))),
        (&["192.0.2.1"], "x-forwarded-proto", "https", Ok(("http false", false))),
        (&["192.0.2.1"], "forwarded", "proto=https", Ok(("http false", false))),
        (&[], "x-forwarded-proto", "https", Ok(("http true", false))),
    ] {
        let client = TestClient::serve(app(trusted)).await;
        let request = client.get("/").header("host", "a.example").header(name, value);
        let response = request.send().await;
        match expect {
            Ok((text, has_hsts)) => {
                let found = response.headers().contains_key("strict-transport-security");
                assert_eq!(found, has_hsts, "{trusted:?} {name} {value}");
                assert_eq!(response.text().await, text, "{trusted:?} {name} {value}");
            }
            Err(status) => assert_eq!(response.status(), status),
        }
    }
}
