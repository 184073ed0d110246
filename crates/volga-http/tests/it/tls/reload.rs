//! Certificates that change while the server runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::mpsc;
use volga_http::{DrainOutcome, Tls, TlsError};

use super::support::{Client, Pair, TlsServer, pair};
use crate::support::{GET, read_until, send, within};

/// A folder that is removed at the end of the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("volga-tls-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn write(&self, pair: &Pair) {
        write(&self.0, pair);
    }

    fn tls(&self) -> Tls {
        Tls::pem_files(self.0.join("tls.crt"), self.0.join("tls.key"))
    }
}

fn write(folder: &Path, pair: &Pair) {
    fs::write(folder.join("tls.crt"), &pair.certificate).expect("a file");
    fs::write(folder.join("tls.key"), &pair.key).expect("a file");
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The certificate that a new client gets.
async fn shown(server: &TlsServer, client: &Client) -> CertificateDer<'static> {
    let stream = client.connect(server.address).await.expect("no handshake fails");
    stream.get_ref().1.peer_certificates().expect("a certificate")[0].clone().into_owned()
}

/// How new files take the place of the old ones.
#[derive(Clone, Copy, Debug)]
enum Change {
    Overwritten,
    Renamed,
    /// As Kubernetes mounts secrets: a link to a folder is replaced.
    #[cfg(unix)]
    Linked,
}

#[tokio::test]
async fn changed_files_are_used_as_often_as_they_change_and_however_they_do() {
    let pairs = [0, 1, 2].map(|_| pair(&["localhost"]));
    let client = Client::trusting(&[&pairs[0], &pairs[1], &pairs[2]]).without_resumption();
    let changes = [
        Change::Overwritten,
        Change::Renamed,
        #[cfg(unix)]
        Change::Linked,
    ];
    for change in changes {
        let folder = Folder::new();
        let put = |number: usize, pair: &Pair| {
            let path = &folder.0;
            match change {
                Change::Overwritten => folder.write(pair),
                Change::Renamed => {
                    let next = path.join("next");
                    fs::create_dir_all(&next).expect("a folder");
                    write(&next, pair);
                    for name in ["tls.key", "tls.crt"] {
                        fs::rename(next.join(name), path.join(name)).expect("a file");
                    }
                }
                #[cfg(unix)]
                Change::Linked => {
                    use std::os::unix::fs::symlink;
                    let data = path.join(format!("..version{number}"));
                    fs::create_dir_all(&data).expect("a folder");
                    write(&data, pair);
                    symlink(&data, path.join("..next")).expect("a link");
                    fs::rename(path.join("..next"), path.join("..data")).expect("a link");
                    for name in ["tls.key", "tls.crt"] {
                        let _ = symlink(Path::new("..data").join(name), path.join(name));
                    }
                }
            }
        };
        put(0, &pairs[0]);
        let (told, mut reports) = mpsc::unbounded_channel();
        let tls =
            folder.tls().reload_interval(Duration::from_millis(20)).on_reload(move |result| {
                let _ = told.send(result.map_err(ToString::to_string));
            });
        let server = TlsServer::facts(tls).await;
        assert_eq!(shown(&server, &client).await, pairs[0].der());
        for number in 1..=4 {
            put(number, &pairs[number % 3]);
            let report = within(reports.recv()).await.expect("a report");
            assert_eq!(report, Ok(()), "{change:?} {number}");
            assert_eq!(shown(&server, &client).await, pairs[number % 3].der(), "{change:?}");
        }
    }
}

#[tokio::test]
async fn files_that_cannot_be_used_are_reported_once_and_the_old_ones_stay() {
    let [old, new] = [pair(&["localhost"]), pair(&["localhost"])];
    let client = Client::trusting(&[&old, &new]).without_resumption();
    let folder = Folder::new();
    let (told, mut reports) = mpsc::unbounded_channel();
    let tls = folder.tls().reload_interval(Duration::from_millis(20)).on_reload(move |result| {
        let _ = told.send(result.map_err(ToString::to_string));
    });
    folder.write(&old);
    let server = TlsServer::facts(tls).await;
    let [certificate, key] = ["tls.crt", "tls.key"].map(|name| folder.0.join(name));
    let half = &new.certificate[..new.certificate.len() / 2];
    for (path, text, expect) in [
        (&certificate, new.certificate.as_str(), "does not belong to the certificate"),
        (&certificate, half, "is damaged: its `-----END` line is missing"),
        (&certificate, "", "has no certificate"),
        (&key, "", "has no private key"),
    ] {
        folder.write(&old);
        fs::write(path, text).expect("a file");
        let error = within(reports.recv()).await.expect("a report").expect_err("a fault");
        assert!(error.contains(expect), "{expect}: {error}");
        assert!(error.contains(&path.display().to_string()), "{error}");
        assert_eq!(shown(&server, &client).await, old.der(), "{expect}");
    }
    fs::remove_file(&certificate).expect("a file");
    let error = within(reports.recv()).await.expect("a report").expect_err("a fault");
    assert!(error.starts_with("cannot read "), "{error}");
    assert_eq!(shown(&server, &client).await, old.der());
    folder.write(&new);
    assert_eq!(within(reports.recv()).await.expect("a report"), Ok(()));
    assert_eq!(shown(&server, &client).await, new.der());
}

#[tokio::test]
async fn on_call_the_files_are_reloaded_at_once_or_the_caller_gets_the_error() {
    let [old, new] = [pair(&["localhost"]), pair(&["localhost"])];
    let client = Client::trusting(&[&old, &new]).without_resumption();
    let folder = Folder::new();
    let tls = folder.tls().reload_interval(Duration::MAX);
    let handle = tls.handle();
    handle.reload().await.expect("the server has not started");
    folder.write(&old);
    let server = TlsServer::facts(tls).await;
    handle.reload().await.expect("nothing has changed");
    fs::write(folder.0.join("tls.key"), &new.key).expect("a file");
    let error = handle.reload().await.expect_err("another key");
    assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error}");
    assert_eq!(shown(&server, &client).await, old.der());
    folder.write(&new);
    handle.reload().await.expect("a pair");
    assert_eq!(shown(&server, &client).await, new.der());
    assert_eq!(server.drained().await, DrainOutcome::Complete);
    handle.reload().await.expect("the server has ended");
}

/// Clients connect all the time, and the certificates change all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_handshake_fails_while_certificates_change() {
    const CHANGES: usize = 30;
    let pairs = [0, 1].map(|_| pair(&["localhost"]));
    let client = Client::trusting(&[&pairs[0], &pairs[1]]).without_resumption();
    let folder = Folder::new();
    folder.write(&pairs[0]);
    let tls = folder.tls().reload_interval(Duration::MAX);
    let handle = tls.handle();
    let server = Arc::new(TlsServer::facts(tls).await);
    let handshakes = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (client, server) = (client.clone(), Arc::clone(&server));
            let handshakes = Arc::clone(&handshakes);
            tokio::spawn(async move {
                loop {
                    let mut stream = client.connect(server.address).await.expect("TLS");
                    send(&mut stream, GET).await;
                    read_until(&mut stream, "!").await;
                    handshakes.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for number in 0..CHANGES {
        let before = handshakes.load(Ordering::Relaxed);
        folder.write(&pairs[number % 2]);
        handle.reload().await.expect("a pair");
        within(async {
            while handshakes.load(Ordering::Relaxed) < before + 4 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
    for client in clients {
        assert!(!client.is_finished(), "a handshake failed");
        client.abort();
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_with_its_path() {
    let folder = Folder::new();
    let own = pair(&["localhost"]);
    let error = folder.tls().load().expect_err("no file").to_string();
    assert!(
        error.contains("tls.crt`: No such file") && error.contains("check the path"),
        "{error}"
    );
    folder.write(&own);
    let error = Tls::pem_files(&folder.0, &folder.0).load().expect_err("a folder");
    assert!(matches!(error, TlsError::Read { .. }), "{error}");
    fs::write(folder.0.join("tls.crt"), vec![b'\n'; 1024 * 1024 + 1]).expect("a file");
    let error = folder.tls().load().expect_err("too large");
    assert!(matches!(error, TlsError::TooLarge { .. }), "{error}");
    let swapped = Tls::pem(&own.key, &own.certificate).load().expect_err("swapped").to_string();
    assert!(swapped.contains("has no certificate: it has `PRIVATE KEY` in line 1"), "{swapped}");
    let keys = Folder::new();
    fs::write(keys.0.join("keys"), "\n00\n").expect("a file");
    let tls = own.tls().ticket_key_file(keys.0.join("keys"));
    let error = tls.load().expect_err("a short key").to_string();
    assert!(error.starts_with("line 2 of "), "{error}");
}
