//! Unix-domain sockets: both protocols over them, and their files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use tokio::net::{UnixListener, UnixStream};
use volga_http::limits::MAX_UNIX_PATH;
use volga_http::{BindError, BindTarget, ConnectionInfo, DrainOutcome, Listener, Server, bind};

use crate::support::{GET, TestBody, get, long_lived, read_until, send, serving_on, within};

/// A directory of its own for each test. It is in the system's temporary directory, because the
/// path of a socket must be short.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("volga-{}-{next}", std::process::id()));
        fs::create_dir(&path).expect("a directory for tests");
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

async fn connect(path: &Path) -> UnixStream {
    UnixStream::connect(path).await.expect("the server listens")
}

#[tokio::test]
async fn both_protocols_are_served_and_the_file_is_removed_with_the_server() {
    let dir = Dir::new();
    let path = dir.socket();
    let listeners = bind(format!("unix:{}", path.display())).await.expect("a free path");
    assert_eq!(listeners[0].to_string(), format!("unix:{}", path.display()));
    let (drain, serving) = serving_on(listeners, Server::new(), |request| async move {
        let info: &ConnectionInfo = request.extensions().get().expect("an extension");
        assert_eq!((info.peer(), info.local()), (None, None));
        match request.uri().path() {
            "/stream" => long_lived(TestBody::endless("streamed")),
            _ => Response::new(TestBody::full("hello")),
        }
    });
    let task = tokio::spawn(serving);

    let mut one = connect(&path).await;
    for _ in 0..2 {
        send(&mut one, GET).await;
        read_until(&mut one, "hello").await;
    }
    send(&mut one, b"GET /stream HTTP/1.1\r\nhost: a\r\n\r\n").await;
    read_until(&mut one, "streamed\r\n").await;

    let (mut two, driver) =
        within(h2::client::handshake(connect(&path).await)).await.expect("a handshake");
    let driver = tokio::spawn(driver);
    let (response, _) = two.send_request(get(), true).expect("an open connection");
    assert_eq!(within(response).await.expect("a response").status(), 200);
    let stream = http::Request::get("http://a/stream").body(()).expect("a request");
    let (response, _) = two.send_request(stream, true).expect("an open connection");
    let mut body = within(response).await.expect("a response").into_body();
    assert_eq!(within(body.data()).await.expect("data").expect("no error"), "streamed");

    drop((one, two, body));
    driver.abort();
    drain.start();
    assert_eq!(within(task).await.expect("no panic").expect("no failure"), DrainOutcome::Complete);
    assert!(!path.exists());
}

/// The server notices at once that the client of a waiting stream has disconnected.
#[tokio::test]
async fn a_client_that_disconnects_from_its_stream_lets_the_drain_complete() {
    let dir = Dir::new();
    let listener = UnixListener::bind(dir.socket()).expect("a free path");
    let handler = |_| async { long_lived(TestBody::endless("hello")) };
    let (drain, serving) = serving_on(vec![listener.into()], Server::new(), handler);
    let task = tokio::spawn(serving);
    let mut client = connect(&dir.socket()).await;
    send(&mut client, GET).await;
    read_until(&mut client, "hello\r\n").await;
    drain.start();
    drop(client);
    assert_eq!(within(task).await.expect("no panic").expect("no failure"), DrainOutcome::Complete);
    assert!(dir.socket().exists(), "the caller must remove the file of its own socket");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_listening_one_is_not() {
    let dir = Dir::new();
    let path = dir.socket();
    let left = UnixListener::bind(&path).expect("a free path");
    let error = bind(BindTarget::unix(&path)).await.expect_err("a process listens");
    assert!(matches!(error, BindError::PathInUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    drop(left);
    assert!(path.exists());
    let _ours = bind(BindTarget::unix(&path)).await.expect("no process listens");
    connect(&path).await;
}

#[tokio::test]
async fn a_file_of_another_kind_is_not_touched() {
    let dir = Dir::new();
    fs::write(dir.socket(), "precious").expect("a new file");
    let error = bind(BindTarget::unix(dir.socket())).await.expect_err("it is a file");
    assert!(matches!(error, BindError::NotASocket { .. }), "{error:?}");
    assert_eq!(fs::read(dir.socket()).expect("it is there"), b"precious");
}

#[tokio::test]
async fn the_error_names_an_impossible_path_the_reason_and_what_to_do() {
    let dir = Dir::new();
    fs::write(dir.0.join("file"), "").expect("a new file");
    fs::create_dir(dir.0.join("directory")).expect("a new directory");
    std::os::unix::fs::symlink("nowhere", dir.0.join("link")).expect("a new link");
    for (name, reason) in [
        ("missing/s", "does not exist; create it"),
        ("missing/deeper/s", "does not exist; create it"),
        ("file/s", "is not a directory; choose another path"),
        ("file", "not a socket is there; remove it"),
        ("directory", "not a socket is there; remove it"),
        ("link", "not a socket is there; remove it"),
        ("nul\0", "no NUL byte"),
    ] {
        let path = dir.0.join(name);
        let targets = [BindTarget::unix(&path), format!("unix:{}", path.display()).into()];
        for target in targets {
            let error = bind(target).await.expect_err("an impossible path");
            let message = error.to_string();
            let shown = path.display().to_string().replace('\0', "\\u{0}");
            assert!(message.contains(&format!("unix:{shown}: ")), "{message}");
            assert!(message.contains(reason), "{message}");
            assert!(!format!("{error:?}").contains('\0'), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_path_may_be_as_long_as_the_limit_and_no_longer() {
    let dir = Dir::new();
    let base = dir.0.as_os_str().len() + 1;
    for length in [MAX_UNIX_PATH - 1, MAX_UNIX_PATH, MAX_UNIX_PATH + 1, 300, 5_000] {
        let path = dir.0.join("s".repeat(length - base));
        let bound = bind(BindTarget::unix(&path)).await;
        match bound {
            Ok(_) => assert!(length <= MAX_UNIX_PATH),
            Err(error) => {
                assert!(length > MAX_UNIX_PATH, "{error}");
                assert!(matches!(error, BindError::InvalidPath { .. }), "{error:?}");
                assert!(error.to_string().contains(&format!("{length} bytes")), "{error}");
            }
        }
    }
}

#[tokio::test]
async fn the_file_has_the_permissions_that_were_set() {
    let dir = Dir::new();
    for mode in [0o600, 0o666] {
        let _listeners =
            bind(BindTarget::unix(dir.socket()).unix_mode(mode)).await.expect("a free path");
        let file = fs::metadata(dir.socket()).expect("it is there");
        assert_eq!(file.permissions().mode() & 0o777, mode);
    }
}

#[tokio::test]
async fn the_file_of_another_process_at_the_same_path_is_not_removed() {
    let dir = Dir::new();
    let path = dir.socket();
    let listeners: Vec<Listener> = bind(BindTarget::unix(&path)).await.expect("a free path");
    fs::rename(&path, dir.0.join("away")).expect("it is there");
    let _other = UnixListener::bind(&path).expect("a free path");
    drop(listeners);
    connect(&path).await;
}
