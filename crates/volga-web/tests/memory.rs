//! The memory of the process does not grow with an upload. A program of its own, because the peak
//! is that of the whole process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers do too")]

use std::{
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use http::{Method, Request};
use volga_core::{BodyLimit, Error, HandlerEndpoint, HttpBody, Router, ScopeId, SettingsLevel};
use volga_web::{Multipart, Upload};

const MIB: usize = 1024 * 1024;
const PIECE: usize = 64 * 1024;

/// A form with one file of this many bytes, which is generated while it is read.
struct Generated {
    head: Option<Bytes>,
    pieces: usize,
    piece: Bytes,
    end: Option<Bytes>,
}

impl Generated {
    fn form(bytes: usize) -> Self {
        let head = "--b\r\ncontent-disposition: form-data; name=f; filename=f\r\n\r\n";
        Self { head: Some(head.into()), end: Some("\r\n--b--\r\n".into()), ..Self::plain(bytes) }
    }

    fn plain(bytes: usize) -> Self {
        // Line ends, so that the parser looks for a boundary everywhere.
        let piece = Bytes::from(b"\r\n-".repeat(PIECE / 3 + 1)).slice(..PIECE);
        Self { head: None, pieces: bytes / PIECE, piece, end: None }
    }
}

impl Stream for Generated {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(head) = self.head.take() {
            return Poll::Ready(Some(Ok(head)));
        }
        if self.pieces > 0 {
            self.pieces -= 1;
            // A copy, because a server reads each piece into memory of its own.
            return Poll::Ready(Some(Ok(Bytes::copy_from_slice(&self.piece))));
        }
        Poll::Ready(self.end.take().map(Ok))
    }
}

/// The peak of the memory that the process has used, in bytes.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// Uploads a file as a form and as a plain body. Checks that a large one needs at most 1 MiB more
/// than a small one.
fn check(large: usize) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("upload");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for size in [8 * MIB, large] {
        let before = peak();
        runtime.block_on(upload(&path, size));
        let more = peak() - before;
        assert!(size < large || more <= MIB, "{size} bytes needed {more} bytes of memory more");
    }
}

async fn upload(path: &Path, size: usize) {
    let mut router = Router::new();
    router.set_body_limit(SettingsLevel::Scope(ScopeId::ROOT), BodyLimit::UNLIMITED);
    let to = path.to_owned();
    let form = async move |mut form: Multipart| {
        let mut part = form.next().await?.ok_or(Error::client_error("the form is empty"))?;
        part.save_as(&to).await
    };
    router.map(Method::POST, "/form", HandlerEndpoint::new(form));
    let to = path.to_owned();
    let plain = async move |upload: Upload| upload.save_as(&to).await;
    router.map(Method::POST, "/plain", HandlerEndpoint::new(plain));
    let service = router.into_service().unwrap();
    for (target, body) in [("/form", Generated::form(size)), ("/plain", Generated::plain(size))] {
        let request = Request::post(target)
            .header("content-type", "multipart/form-data; boundary=b")
            .body(HttpBody::from_stream(body))
            .unwrap();
        assert_eq!(service.respond(request).await.status(), 200);
        assert_eq!(std::fs::metadata(path).unwrap().len(), size as u64);
    }
}

#[test]
fn an_upload_of_64_mib_needs_at_most_1_mib_more_memory() {
    check(64 * MIB);
}

#[test]
#[ignore = "it writes 2 GiB; `cargo xtask soak` runs it"]
fn an_upload_of_1_gib_needs_at_most_1_mib_more_memory() {
    check(1024 * MIB);
}
