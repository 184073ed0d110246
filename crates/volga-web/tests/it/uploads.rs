//! Request bodies that are saved to files.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use http::Method;
use volga_core::{Error, HandlerEndpoint, HttpBody, RouterService};
use volga_web::{FileName, Upload};

use crate::support::{Received, pieces, send, service};

fn uploads(folder: &Path) -> RouterService {
    let folder: Arc<Path> = folder.into();
    let save = async move |name: FileName, upload: Upload| {
        let path = name.within(&folder);
        let size = match name.as_str().starts_with("new") {
            true => upload.save_new(path).await?,
            false => upload.save_as(path).await?,
        };
        Ok::<_, Error>(size)
    };
    service(Method::PUT, "/{name}", HandlerEndpoint::new(save))
}

async fn put(service: &RouterService, path: &str, body: impl Into<HttpBody>) -> Received {
    send(service, Method::PUT, path, &[], body.into()).await
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn a_body_of_any_size_is_saved_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let service = uploads(folder.path());
    for size in [0, 1, 65_535, 65_536, 300_000] {
        let body: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
        let saved = put(&service, "/a.bin", body.clone()).await;
        assert_eq!(saved.text(), size.to_string());
        assert_eq!(std::fs::read(folder.path().join("a.bin")).unwrap(), body);
    }
    assert_eq!(names(folder.path()), ["a.bin"]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_saved_file_has_the_permissions_of_any_new_file() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    put(&uploads(folder.path()), "/a", "text").await;
    std::fs::write(folder.path().join("b"), "").unwrap();
    let [a, b] = ["a", "b"]
        .map(|name| std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode());
    assert_eq!(a, b);
}

#[tokio::test]
async fn a_body_that_breaks_off_leaves_nothing_and_the_old_file_stays() {
    let folder = tempfile::tempdir().unwrap();
    let service = uploads(folder.path());
    put(&service, "/a", "old").await;
    let block = || Ok(Bytes::from(vec![1; 100_000]));
    let broken = pieces([block(), Err("the client left".into())], true);
    let broken = put(&service, "/a", HttpBody::from_stream(broken)).await;
    assert_eq!(broken.status, 400);
    // 60 MB are more than a body may have.
    let large = pieces((0..600).map(move |_| block()), true);
    let large = put(&service, "/a", HttpBody::from_stream(large)).await;
    assert_eq!(large.status, 413);
    assert!(large.text().contains("larger than 5242880 bytes"), "{}", large.text());
    assert_eq!(std::fs::read(folder.path().join("a")).unwrap(), b"old");
    wait_for_names(folder.path(), &["a"]).await;
}

#[tokio::test]
async fn an_upload_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let service = uploads(folder.path());
    let endless = pieces([Ok(Bytes::from(vec![1; 100_000]))], false);
    let endless = put(&service, "/a", HttpBody::from_stream(endless));
    {
        let mut endless = std::pin::pin!(endless);
        // The upload runs until its temporary file exists.
        while names(folder.path()).is_empty() {
            let turn = std::future::poll_fn(|cx| {
                assert!(endless.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            });
            turn.await;
            tokio::task::yield_now().await;
        }
        assert!(names(folder.path())[0].starts_with(".upload-"));
    }
    wait_for_names(folder.path(), &[]).await;
}

#[tokio::test]
async fn a_file_that_exists_is_kept_if_the_handler_wants_that() {
    let folder = tempfile::tempdir().unwrap();
    let service = uploads(folder.path());
    assert_eq!(put(&service, "/new", "first").await.status, 200);
    let second = put(&service, "/new", "second").await;
    assert_eq!(second.status, 409);
    assert!(second.text().contains("a file with this name exists"), "{}", second.text());
    assert_eq!(std::fs::read(folder.path().join("new")).unwrap(), b"first");
    wait_for_names(folder.path(), &["new"]).await;
}

#[tokio::test]
async fn a_folder_that_is_missing_is_a_server_error() {
    let folder = tempfile::tempdir().unwrap();
    let service = uploads(&folder.path().join("none"));
    assert_eq!(put(&service, "/a", "text").await.status, 500);
}

/// Waits until the blocking threads have deleted their temporary files.
async fn wait_for_names(folder: &Path, expect: &[&str]) {
    while names(folder) != expect {
        tokio::task::yield_now().await;
    }
}
