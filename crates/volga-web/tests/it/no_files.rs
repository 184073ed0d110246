//! Pipes, sockets, devices and links that lead nowhere are not files: no request waits for them.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;

use http::Method;
use volga_core::{HandlerEndpoint, Router, RouterService, ScopeId};
use volga_web::{FileName, FileRequest, FileResponse, MultipartBuilder, StaticFiles};

use crate::support::get;

/// Puts something at a path that is no regular file.
type Make = fn(&Path);

fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

fn socket(path: &Path) {
    // The path of a socket has a length limit, so the socket is made elsewhere and moved.
    let short = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(short.path().join("s")).unwrap());
    if fs::rename(short.path().join("s"), path).is_err() {
        drop(UnixListener::bind(path).unwrap());
    }
}

fn link(target: &str, path: &Path) {
    symlink(target, path).unwrap();
}

const KINDS: [(&str, Make); 8] = [
    ("a pipe", pipe),
    ("a socket", socket),
    ("a device", |path| link("/dev/zero", path)),
    ("a link to itself", |path| link(path.file_name().unwrap().to_str().unwrap(), path)),
    ("a circle of links", |path| {
        let other = path.with_file_name("circle");
        link(path.file_name().unwrap().to_str().unwrap(), &other);
        link("circle", path);
    }),
    ("a long chain of links", |path| {
        let name = |at: usize| path.with_file_name(format!("chain{at}"));
        fs::write(name(0), "end").unwrap();
        for at in 1..100 {
            link(&format!("chain{}", at - 1), &name(at));
        }
        link("chain99", path);
    }),
    ("a link to a link to nothing", |path| {
        link("none", &path.with_file_name("dangling"));
        link("dangling", path);
    }),
    ("a link through a file", |path| {
        fs::write(path.with_file_name("plain"), "").unwrap();
        link("plain/below", path);
    }),
];

fn service(folder: &Path) -> RouterService {
    let mut router = Router::new();
    let files = StaticFiles::folder(folder).precompressed().listing();
    router.mount_in(ScopeId::ROOT, "/static", files.into_endpoint());
    let root = folder.to_owned();
    let file = async move |name: FileName, request: FileRequest| {
        FileResponse::open(name.within(&root)).await?.respond(&request)
    };
    router.map(Method::GET, "/own/{name}", HandlerEndpoint::new(file));
    let root = folder.to_owned();
    let form =
        async move |name: FileName| MultipartBuilder::new().file("file", name.within(&root)).await;
    router.map(Method::GET, "/form/{name}", HandlerEndpoint::new(form));
    router.into_service().unwrap()
}

#[tokio::test]
async fn what_is_no_file_does_not_exist() {
    for (kind, make) in KINDS {
        let folder = tempfile::tempdir().unwrap();
        make(&folder.path().join("x.js"));
        let service = service(folder.path());
        for path in ["/static/x.js", "/own/x.js", "/form/x.js", "/static/x.js/", "/static/x.js/y"] {
            let missing = get(&service, path, &[]).await;
            assert_eq!(missing.status, 404, "{kind} at {path}: {}", missing.text());
        }
        let listing = get(&service, "/static/", &[]).await;
        let is_listed = listing.text().contains("x.js");
        assert_eq!(
            is_listed,
            fs::symlink_metadata(folder.path().join("x.js")).unwrap().is_symlink()
        );
    }
}

#[tokio::test]
async fn a_file_is_served_beside_what_is_no_file() {
    for (kind, make) in KINDS {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.js"), "plain").unwrap();
        // In the place of a compressed file, and of an index.
        make(&folder.path().join("x.js.br"));
        fs::create_dir(folder.path().join("sub")).unwrap();
        make(&folder.path().join("sub/index.html"));
        let service = service(folder.path());
        let plain = get(&service, "/static/x.js", &[("accept-encoding", "br")]).await;
        assert_eq!((plain.status.as_u16(), plain.text()), (200, "plain"), "{kind}");
        assert_eq!(plain.header("content-encoding"), "-", "{kind}");
        // The listing comes in the place of the index.
        let listing = get(&service, "/static/sub/", &[]).await;
        assert_eq!(listing.status, 200, "{kind}");
        assert!(listing.text().contains("<h1>sub</h1>"), "{kind}: {}", listing.text());
    }
}

#[tokio::test]
async fn devices_are_not_served() {
    let service = service(Path::new("/dev"));
    for name in ["null", "zero", "full", "random", "tty", "stdin", "fd"] {
        for at in ["static", "own", "form"] {
            let status = get(&service, &format!("/{at}/{name}"), &[]).await.status;
            assert_eq!(status, 404, "/{at}/{name}");
        }
    }
}
