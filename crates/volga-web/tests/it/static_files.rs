//! Static files of a folder and of the program: the same requests to both.

use std::{
    fs,
    path::Path,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use http::Method;
use include_dir::{Dir, include_dir};
use volga_core::{HandlerEndpoint, Router, RouterService, ScopeId, SettingsLevel};
use volga_web::{MAX_LISTED_FILES, StaticFiles};

use crate::support::{Received, ask, get, get_with_tag};

static EMBEDDED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/tests/static");

/// The files of an embedded folder, and of the folders in it.
fn embedded(folder: &'static Dir<'static>) -> Vec<(String, &'static [u8])> {
    let own = folder.files().map(|file| (file.path().display().to_string(), file.contents()));
    own.chain(folder.dirs().flat_map(embedded)).collect()
}

fn both(set: impl Fn(StaticFiles) -> StaticFiles) -> [RouterService; 2] {
    [StaticFiles::folder(on_disk()), StaticFiles::embedded(embedded(&EMBEDDED))]
        .map(|files| mounted(set(files)))
}

/// A folder with the embedded files. They are written in order, so that a compressed file is not
/// older than the plain one, as it may be after a checkout.
fn on_disk() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in embedded(&EMBEDDED) {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    });
    folder.path()
}

/// A router with the files at `/a` and, as the fallback, everywhere else.
fn mounted(files: StaticFiles) -> RouterService {
    let mut router = Router::new();
    router.mount_in(ScopeId::ROOT, "/a", files.clone().into_endpoint());
    router.set_fallback(SettingsLevel::Scope(ScopeId::ROOT), files.into_endpoint());
    router.into_service().unwrap()
}

const HTML: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

#[tokio::test]
async fn a_file_has_its_type_and_must_be_revalidated() {
    for service in both(|files| files) {
        for path in ["/a/css/site.css", "/css/site.css", "/css/%73ite.css"] {
            let file = get_with_tag(&service, path, &[]).await;
            assert_eq!(
                (file.status.as_u16(), file.text()),
                (200, "h1 { color: teal }\n"),
                "{path}"
            );
            assert_eq!(file.header("content-type"), "text/css; charset=utf-8");
            assert_eq!(file.header("cache-control"), "no-cache");
            let etag = file.header("etag").to_owned();
            let again = get(&service, path, &[("if-none-match", &etag)]).await;
            assert_eq!((again.status.as_u16(), again.header("cache-control")), (304, "no-cache"));
        }
        let range = get(&service, "/css/site.css", &[("range", "bytes=0-1")]).await;
        assert_eq!((range.status.as_u16(), range.text()), (206, "h1"));
        let head = ask(&service, Method::HEAD, "/a/css/site.css", &[]).await;
        assert_eq!((head.status.as_u16(), head.header("content-length")), (200, "19"));
    }
}

#[tokio::test]
async fn a_folder_has_an_index_and_a_slash_at_its_end() {
    for service in both(|files| files) {
        for path in ["/", "/a/", "/index.html", "/a/docs/", "/docs/?q=1"] {
            let index = get(&service, path, &[]).await;
            assert_eq!(index.status, 200, "{path}");
            assert_eq!(index.header("content-type"), "text/html; charset=utf-8");
        }
        for (path, location) in [
            ("/a", "./a/"),
            ("/a?x=1", "./a/?x=1"),
            ("/docs", "./docs/"),
            ("/a/docs?x=%2F", "./docs/?x=%2F"),
            ("/a/d%6Fcs", "./d%6Fcs/"),
        ] {
            let redirect = get(&service, path, &[]).await;
            assert_eq!((redirect.status.as_u16(), redirect.header("location")), (307, location));
        }
        // No index, and no listing.
        assert_eq!(get(&service, "/css/", &[]).await.status, 404);
        assert_eq!(get(&service, "/css/site.css/", &[]).await.status, 404);
    }
    for service in both(StaticFiles::without_index) {
        assert_eq!(get(&service, "/", &[]).await.status, 404);
    }
}

#[tokio::test]
async fn only_reading_is_allowed() {
    for service in both(|files| files) {
        let post = ask(&service, Method::POST, "/a/css/site.css", &[]).await;
        assert_eq!((post.status.as_u16(), post.header("allow")), (405, "GET, HEAD, OPTIONS"));
        let options = ask(&service, Method::OPTIONS, "/a/css/site.css", &[]).await;
        assert_eq!((options.status.as_u16(), options.header("allow")), (204, "GET, HEAD, OPTIONS"));
        assert_eq!(ask(&service, Method::POST, "/a/none", &[]).await.status, 404);
    }
}

#[tokio::test]
async fn what_is_no_file_gets_the_fallback_of_the_app() {
    let mut router = Router::new();
    let files = StaticFiles::embedded([("a", &b"a"[..])]);
    router.mount_in(ScopeId::ROOT, "/a", files.into_endpoint());
    let root = SettingsLevel::Scope(ScopeId::ROOT);
    router.set_fallback(root, HandlerEndpoint::new(|| "own page"));
    let service = router.into_service().unwrap();
    assert_eq!(get(&service, "/a/none", &[]).await.text(), "own page");
}

#[tokio::test]
async fn only_navigations_get_the_single_page() {
    for service in both(|files| files.single_page("index.html")) {
        for (path, headers, status) in [
            ("/users/7", &[("sec-fetch-mode", "navigate")][..], 200),
            ("/a/users/7", &[("accept", HTML)], 200),
            ("/users/7", &[("accept", HTML), ("sec-fetch-mode", "navigate")], 200),
            ("/none.js", &[("sec-fetch-mode", "no-cors"), ("accept", "*/*")], 404),
            ("/api/none", &[("sec-fetch-mode", "cors"), ("accept", HTML)], 404),
            ("/none.js", &[("accept", "*/*")], 404),
            ("/none.js", &[("accept", "text/html;q=0, */*")], 404),
            ("/none", &[], 404),
        ] {
            let page = get(&service, path, headers).await;
            assert_eq!(page.status.as_u16(), status, "{path} {headers:?}");
            if status == 200 {
                assert!(page.text().contains("<h1>Static files</h1>"));
                assert_eq!(page.header("cache-control"), "no-cache");
                assert_eq!(page.header("vary"), "accept, sec-fetch-mode");
            }
        }
        let post = ask(&service, Method::POST, "/users/7", &[("accept", HTML)]).await;
        assert_eq!(post.status, 404);
    }
}

#[tokio::test]
async fn a_compressed_file_is_sent_to_clients_that_accept_it() {
    for service in both(StaticFiles::precompressed) {
        let ask_for = async |accept: &str, range: &[(&str, &str)]| {
            let headers = [&[("accept-encoding", accept)], range].concat();
            get(&service, "/app.js", &headers).await
        };
        let ask_with_tag = async |accept: &str| {
            get_with_tag(&service, "/app.js", &[("accept-encoding", accept)]).await
        };
        let mut tags = Vec::new();
        for (accept, coding, text) in [
            ("gzip, br, zstd", "br", "as br\n"),
            ("gzip, zstd", "zstd", "as zstd\n"),
            ("gzip;q=1, br;q=0.5", "gzip", "as gzip\n"),
            ("identity", "-", "plain\n"),
            ("br;q=0", "-", "plain\n"),
        ] {
            let file = ask_with_tag(accept).await;
            assert_eq!((file.header("content-encoding"), file.text()), (coding, text), "{accept}");
            assert_eq!(file.header("content-type"), "text/javascript; charset=utf-8");
            assert_eq!(file.header("vary"), "accept-encoding");
            tags.push(file.header("etag").to_owned());
            let again = ask_for(accept, &[("if-none-match", tags.last().unwrap())]).await;
            assert_eq!((again.status.as_u16(), again.header("vary")), (304, "accept-encoding"));
        }
        tags.sort();
        tags.dedup();
        assert_eq!(tags.len(), 4, "each coding has a tag of its own");
        // Ranges are those of the plain file.
        let range = ask_for("br", &[("range", "bytes=0-2")]).await;
        assert_eq!((range.status.as_u16(), range.text()), (206, "pla"));
        // A file without a compressed one, and without an extension.
        let other = get(&service, "/css/site.css", &[("accept-encoding", "br")]).await;
        assert_eq!((other.status.as_u16(), other.header("content-encoding")), (200, "-"));
        assert_eq!(other.header("vary"), "accept-encoding");
        let readme = get(&service, "/LICENCE", &[("accept-encoding", "gzip")]).await;
        assert_eq!((readme.header("content-encoding"), readme.text()), ("gzip", "as gzip\n"));
    }
}

#[tokio::test]
async fn a_compressed_file_of_an_earlier_version_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.js", "a.js.br"] {
        fs::write(folder.path().join(name), name).unwrap();
    }
    let old = fs::File::options().write(true).open(folder.path().join("a.js.br")).unwrap();
    old.set_modified(SystemTime::now() - Duration::from_secs(60)).unwrap();
    let service = mounted(StaticFiles::folder(folder.path()).precompressed());
    assert_eq!(get(&service, "/a.js", &[("accept-encoding", "br")]).await.text(), "a.js");
}

#[tokio::test]
async fn only_fingerprinted_names_are_immutable() {
    const IMMUTABLE: &str = "public, immutable, max-age=31536000";
    let control = async |service: &RouterService, path| {
        get(service, path, &[]).await.header("cache-control").to_owned()
    };
    for service in both(StaticFiles::fingerprinted) {
        assert_eq!(control(&service, "/app.3f2a1b9c.js").await, IMMUTABLE);
        assert_eq!(control(&service, "/app.js").await, "no-cache");
        assert_eq!(control(&service, "/").await, "no-cache");
    }
    for service in both(|files| files.fingerprinted_if(|path| path.starts_with("css/"))) {
        assert_eq!(control(&service, "/css/site.css").await, IMMUTABLE);
        assert_eq!(control(&service, "/app.3f2a1b9c.js").await, "no-cache");
    }
}

#[tokio::test]
async fn hidden_files_and_paths_out_of_the_folder_do_not_exist() {
    for service in both(StaticFiles::listing) {
        for path in [
            "/.hidden",
            "/%2Ehidden",
            "/css/../.hidden",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "/..%2FCargo.toml",
            "/css/%2e%2e%2f%2e%2e/Cargo.toml",
            "/..%5CCargo.toml",
            "/app.js%00",
            "/css%2Fsite.css",
            "/NUL",
            "/con.txt",
            "/C:%5Cboot.ini",
            "//etc/passwd",
            "/css//site.css",
        ] {
            for path in [path.to_owned(), format!("/a{path}")] {
                let status = get(&service, &path, &[]).await.status.as_u16();
                assert!([404, 400].contains(&status), "{path}: {status}");
            }
        }
    }
    for service in both(StaticFiles::dot_files) {
        assert_eq!(get(&service, "/.hidden", &[]).await.text(), "hidden\n");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_followed_only_within_the_folder() {
    use std::os::unix::fs::symlink;
    let outer = tempfile::tempdir().unwrap();
    let [root, link] = ["root", "link"].map(|name| outer.path().join(name));
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(outer.path().join("secret"), "secret").unwrap();
    fs::write(root.join("sub/a"), "a").unwrap();
    fs::write(root.join(".hidden"), "hidden").unwrap();
    for (target, name) in [
        ("../secret", "out"),
        ("..", "up"),
        ("/etc", "etc"),
        ("sub/a", "in"),
        ("sub", "folder"),
        (".hidden", "shown"),
        ("none", "dangling"),
        ("loop", "loop"),
    ] {
        symlink(target, root.join(name)).unwrap();
    }
    symlink("../secret", root.join("app.js.br")).unwrap();
    fs::write(root.join("app.js"), "plain").unwrap();
    // The root itself may be a link, as after a deployment.
    symlink("root", &link).unwrap();
    let service = mounted(StaticFiles::folder(&link).precompressed());
    for path in ["/out", "/up/secret", "/up/", "/etc/passwd", "/shown", "/dangling", "/loop"] {
        let found = get(&service, path, &[]).await;
        assert_eq!(found.status, 404, "{path}");
        assert!(!found.text().contains("secret"));
    }
    assert_eq!(get(&service, "/in", &[]).await.text(), "a");
    assert_eq!(get(&service, "/folder/a", &[]).await.text(), "a");
    assert_eq!(get(&service, "/app.js", &[("accept-encoding", "br")]).await.text(), "plain");
}

#[tokio::test]
async fn a_listing_shows_names_only_on_request() {
    let names = |page: &Received| -> Vec<String> {
        let items = page.text().lines().filter_map(|line| line.strip_prefix("<li><a href=\""));
        items.map(|item| item.split('"').next().unwrap().to_owned()).collect()
    };
    for service in both(|files| files.listing().without_index()) {
        let page = get(&service, "/a/", &[]).await;
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.header("content-security-policy"), "default-src 'none'");
        let expect = [
            "./LICENCE",
            "./LICENCE.gz",
            "./app.3f2a1b9c.js",
            "./app.js",
            "./app.js.br",
            "./app.js.gz",
            "./app.js.zst",
            "./css/",
            "./docs/",
            "./index.html",
        ];
        assert_eq!(names(&page), expect);
        assert_eq!(names(&get(&service, "/css/", &[]).await), ["../", "./site.css"]);
        assert_eq!(get(&service, "/css", &[]).await.header("location"), "./css/");
    }
}

#[tokio::test]
async fn a_listing_has_a_limit() {
    let file = |at| (format!("{at:05}"), &b""[..]);
    let files = StaticFiles::embedded((0..=MAX_LISTED_FILES).map(file)).listing();
    let page = get(&mounted(files), "/", &[]).await;
    assert_eq!(page.text().matches("<li>").count(), MAX_LISTED_FILES);
    assert!(page.text().contains("Only 10000 names are shown."));
}

#[tokio::test]
async fn a_folder_that_is_missing_is_a_server_error() {
    let service = mounted(StaticFiles::folder("no such folder"));
    assert_eq!(get(&service, "/a", &[]).await.status, 500);
}
