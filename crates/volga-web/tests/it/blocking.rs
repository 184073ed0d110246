//! No call that waits for a disk runs on a thread of the runtime.
//!
//! The runtime has one blocking thread, and the tests keep it busy. Meanwhile no request may get
//! anywhere with a file: what changes on the disk before the thread is free must be seen.

use std::{
    fs,
    future::Future,
    path::Path,
    pin::{Pin, pin},
    sync::mpsc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::Method;
use http_body::Body;
use tokio::task::JoinHandle;
use volga_core::{Error, HandlerEndpoint, HttpBody, Router, RouterService, ScopeId, SettingsLevel};
use volga_web::{
    FileName, FileRequest, FileResponse, Multipart, MultipartBuilder, StaticFiles, TempFile, Upload,
};

use crate::support::{Received, get, pieces, send};

/// Runs a test on a runtime with one thread, and one blocking thread.
fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.max_blocking_threads(1).build().unwrap().block_on(test);
}

/// Keeps the blocking thread busy until it is released.
struct Busy {
    release: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Busy {
    fn new() -> Self {
        let (release, released) = mpsc::channel();
        let thread = tokio::task::spawn_blocking(move || released.recv().unwrap_or_default());
        Self { release, thread }
    }

    async fn end(self) {
        self.release.send(()).unwrap();
        self.thread.await.unwrap();
    }
}

/// Polls a future that must not be ready.
#[track_caller]
fn poll_pending<T>(future: Pin<&mut impl Future<Output = T>>) {
    let poll = future.poll(&mut Context::from_waker(Waker::noop()));
    assert!(poll.is_pending(), "it does not wait for the blocking thread");
}

/// A service that reads and writes the files of a folder in every way.
fn service(folder: &Path) -> RouterService {
    let mut router = Router::new();
    let files = StaticFiles::folder(folder).precompressed().listing().single_page("page.html");
    router.mount_in(ScopeId::ROOT, "/static", files.clone().into_endpoint());
    router.set_fallback(SettingsLevel::Scope(ScopeId::ROOT), files.into_endpoint());
    router.map(Method::GET, "/no/file", HandlerEndpoint::new(|| "served"));
    let root = folder.to_owned();
    let file = async move |name: FileName, request: FileRequest| {
        FileResponse::open(name.within(&root)).await?.respond(&request)
    };
    router.map(Method::GET, "/own/{name}", HandlerEndpoint::new(file));
    let root = folder.to_owned();
    let form =
        async move |name: FileName| MultipartBuilder::new().file("file", name.within(&root)).await;
    router.map(Method::GET, "/form/{name}", HandlerEndpoint::new(form));
    let root = folder.to_owned();
    let put = async move |name: FileName, upload: Upload| upload.save_as(name.within(&root)).await;
    router.map(Method::PUT, "/put/{name}", HandlerEndpoint::new(put));
    let root = folder.to_owned();
    let post = async move |form: Multipart| {
        let mut form = form.with_temp_folder(&root);
        let mut part = form.next().await?.ok_or_else(|| Error::server_error("no part"))?;
        Ok::<_, Error>(part.save_in(&root).await?.size)
    };
    router.map(Method::POST, "/post", HandlerEndpoint::new(post));
    router.into_service().unwrap()
}

/// Looks at nothing before the blocking thread is free, so each file that is written meanwhile is
/// there.
#[test]
fn a_file_is_looked_up_and_opened_on_a_blocking_thread() {
    const HTML: &[(&str, &str)] = &[("accept", "text/html")];
    run(async {
        for (path, headers, status, text) in [
            ("/static/a.txt", &[][..], 200, "new"),
            ("/a.txt", &[], 200, "new"),
            ("/static/sub/", &[], 200, "index"),
            ("/static/sub", &[], 307, ""),
            ("/static/list/", &[], 200, "only.txt"),
            ("/static/any", HTML, 200, "page"),
            ("/a.js", &[("accept-encoding", "br")], 200, "brotli"),
            ("/a.txt", &[("range", "bytes=1-")], 206, "ew"),
            ("/own/a.txt", &[], 200, "new"),
            ("/own/a.txt", &[("range", "bytes=1-")], 206, "ew"),
            ("/own/a.txt", &[("if-match", "\"old\"")], 412, ""),
            ("/form/a.txt", &[], 200, "new"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let service = service(folder.path());
            let busy = Busy::new();
            let mut request = pin!(get(&service, path, headers));
            poll_pending(request.as_mut());
            // Requests for other things are served meanwhile.
            assert_eq!(get(&service, "/no/file", &[]).await.text(), "served");
            for name in ["sub", "list"] {
                fs::create_dir(folder.path().join(name)).unwrap();
            }
            for (name, content) in [
                ("a.txt", "new"),
                ("a.js", "plain"),
                ("a.js.br", "brotli"),
                ("sub/index.html", "index"),
                ("list/only.txt", ""),
                ("page.html", "page"),
            ] {
                fs::write(folder.path().join(name), content).unwrap();
            }
            poll_pending(request.as_mut());
            busy.end().await;
            let received = request.await;
            assert_eq!(received.status.as_u16(), status, "{path} {headers:?}");
            assert!(received.text().contains(text), "{path}: {}", received.text());
        }
    });
}

/// Each block has what the file has when the blocking thread is free.
#[test]
fn a_file_is_read_on_a_blocking_thread() {
    const LEN: usize = 200 * 1024;
    run(async {
        for (path, headers) in [
            ("/static/a.bin", &[][..]),
            ("/own/a.bin", &[]),
            ("/own/a.bin", &[("range", "bytes=100-")]),
            ("/own/a.bin", &[("range", "bytes=100-100000,150000-")]),
            ("/form/a.bin", &[]),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("a.bin");
            fs::write(&file, vec![0; LEN]).unwrap();
            let service = service(folder.path());
            let mut request = http::Request::get(path);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let response = service.respond(request.body(HttpBody::empty()).unwrap()).await;
            let mut body = response.into_body();
            let mut version = 0_u8;
            let mut from_disk = 0;
            while !body.is_end_stream() {
                let busy = Busy::new();
                let mut next = pin!(body.next());
                // The lines between parts are in memory.
                match next.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(piece) => {
                        assert!(piece.unwrap().unwrap().len() < 300, "{path} {headers:?}");
                        busy.end().await;
                        continue;
                    }
                    Poll::Pending => {}
                }
                version += 1;
                // In place: the response keeps its file open.
                let mut open = fs::File::options().write(true).open(&file).unwrap();
                std::io::Write::write_all(&mut open, &vec![version; LEN]).unwrap();
                poll_pending(next.as_mut());
                busy.end().await;
                let piece = next.await.unwrap().unwrap();
                assert!(piece.iter().all(|byte| *byte == version), "{path} {headers:?}");
                from_disk += piece.len();
            }
            assert!(from_disk > 100_000, "{path} {headers:?}: {from_disk} bytes");
        }
    });
}

fn names(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=b");

/// A file of a form, with as many bytes and without its end.
fn part(len: usize) -> Bytes {
    let head = "--b\r\ncontent-disposition: form-data; name=\"f\"; filename=\"f.bin\"\r\n\r\n";
    (head.to_owned() + &"x".repeat(len)).into()
}

/// The folder of an upload stays as it is until the blocking thread is free.
#[test]
fn an_upload_is_written_and_removed_on_a_blocking_thread() {
    run(async {
        for (method, path, headers, start) in [
            (Method::PUT, "/put/f.bin", &[][..], Bytes::from(vec![b'x'; 300_000])),
            (Method::POST, "/post", &[FORM], part(300_000)),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let service = service(folder.path());
            let start = || HttpBody::from_stream(pieces([Ok(start.clone())], false));
            let busy = Busy::new();
            let mut upload = Box::pin(send(&service, method.clone(), path, headers, start()));
            poll_pending(upload.as_mut());
            assert_eq!(names(folder.path()), 0, "{path}");
            busy.end().await;
            // The temporary file appears, and the upload waits for more.
            while names(folder.path()) == 0 {
                poll_pending(upload.as_mut());
                tokio::task::yield_now().await;
            }
            // The client leaves.
            let busy = Busy::new();
            drop(upload);
            assert_eq!(names(folder.path()), 1, "{path}");
            busy.end().await;
            while names(folder.path()) != 0 {
                tokio::task::yield_now().await;
            }
        }
    });
}

#[test]
fn a_temporary_file_is_moved_and_removed_on_a_blocking_thread() {
    async fn temp_file(folder: &Path) -> TempFile {
        let to = folder.to_owned();
        let (give, mut given) = tokio::sync::mpsc::unbounded_channel();
        let handler = async move |form: Multipart| {
            let mut form = form.with_temp_folder(&to);
            let mut part = form.next().await?.ok_or_else(|| Error::server_error("no part"))?;
            let _ = give.send(part.temp_file().await?);
            Ok::<_, Error>("taken")
        };
        let service = crate::support::service(Method::POST, "/", HandlerEndpoint::new(handler));
        let body = [part(10), Bytes::from("\r\n--b--\r\n")].concat();
        let taken: Received = send(&service, Method::POST, "/", &[FORM], body.into()).await;
        assert_eq!(taken.text(), "taken");
        given.recv().await.unwrap()
    }

    run(async {
        let folder = tempfile::tempdir().unwrap();
        let file = temp_file(folder.path()).await;
        let path = file.path().to_owned();
        let busy = Busy::new();
        drop(file);
        assert!(path.exists());
        busy.end().await;
        while path.exists() {
            tokio::task::yield_now().await;
        }

        let file = temp_file(folder.path()).await;
        let (path, to) = (file.path().to_owned(), folder.path().join("saved"));
        let busy = Busy::new();
        let mut save = pin!(file.save_as(&to));
        poll_pending(save.as_mut());
        assert!(path.exists() && !to.exists());
        busy.end().await;
        save.await.unwrap();
        assert!(!path.exists() && to.exists());
    });
}
