//! Files, static files and multipart forms of an app, over both protocols.

use std::path::Path;

use futures_util::stream;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use volga::{
    App, HttpBody,
    error::Error,
    file,
    files::{FileName, FileRequest, StaticFiles, Upload},
    http::Bytes,
    multipart::{Multipart, MultipartBuilder},
    ok,
    test::TestClient,
};

use super::support::run_app;

fn embedded() -> StaticFiles {
    StaticFiles::embedded([
        ("index.html", &b"root"[..]),
        ("docs/index.html", b"docs"),
        ("app.js", b"script"),
    ])
}

/// Static files on the app and in a group.
fn static_app() -> App {
    let mut app = App::new();
    app.map_get("/assets/own", || ok!("own route"));
    app.map_static("/assets", embedded());
    app.group("/shop/{id}", |shop| {
        shop.map_static("/files", embedded());
        shop.map_get("/here", || ok!("here"));
        shop.fallback_static(embedded());
    });
    app.fallback_static(embedded().single_page("index.html"));
    app
}

#[tokio::test]
async fn static_files_are_served_on_the_app_and_in_groups_and_redirects_keep_prefixes() {
    for client in [TestClient::new(static_app()), TestClient::serve(static_app()).await] {
        for (path, status, text) in [
            ("/assets/own", 200, "own route"),
            ("/assets/app.js", 200, "script"),
            ("/assets/", 200, "root"),
            ("/assets/none", 404, ""),
            ("/shop/7/files/app.js", 200, "script"),
            ("/shop/7/app.js", 200, "script"),
            ("/shop/7/docs/", 200, "docs"),
            ("/shop/7/here", 200, "here"),
            ("/shop/7/none", 404, ""),
            ("/app.js", 200, "script"),
            ("/", 200, "root"),
        ] {
            let response = client.get(path).send().await;
            response.assert_status(status);
            if status == 200 {
                assert_eq!(response.text().await, text, "{path}");
            }
        }
        for (path, location) in [
            ("/assets", "./assets/"),
            ("/assets/docs?x=1", "./docs/?x=1"),
            ("/shop/7/files", "./files/"),
            ("/shop/7/files/docs", "./docs/"),
            ("/shop/7/docs", "./docs/"),
            ("/shop/7", "./7/"),
            ("/docs", "./docs/"),
        ] {
            let response = client.get(path).send().await;
            response.assert_status(307);
            response.assert_header("location", location);
        }
        let page = client.get("/users/7").header("sec-fetch-mode", "navigate").send().await;
        assert_eq!(page.text().await, "root");
        client.get("/users/7").send().await.assert_status(404);
    }
}

fn uploads(folder: &Path) -> App {
    let mut app = App::new();
    let folder = folder.to_owned();
    let to = folder.clone();
    app.map_put("/files/{name}", async move |name: FileName, upload: Upload| {
        ok!("{}", upload.save_as(name.within(&to)).await?)
    });
    let from = folder.clone();
    app.map_get("/files/{name}", async move |name: FileName, request: FileRequest| {
        file!(request, name.within(&from), name; [("x-own", "1")])
    });
    app.map_post("/form", async move |form: Multipart| {
        let mut form = form.with_field_limit("note", 1000);
        let mut saved = Vec::new();
        while let Some(mut part) = form.next().await? {
            if part.is_file() {
                saved.push(part.save_in(&folder).await?.size);
            } else {
                saved.push(part.text().await?.len() as u64);
            }
        }
        ok!(saved)
    });
    app
}

#[tokio::test]
async fn a_file_that_was_put_comes_back_whole_and_in_ranges() {
    let folder = tempfile::tempdir().unwrap();
    for client in
        [TestClient::new(uploads(folder.path())), TestClient::serve(uploads(folder.path())).await]
    {
        client.put("/files/%C3%BC.txt").body("0123456789").send().await.assert_status(200);
        let whole = client.get("/files/%C3%BC.txt").send().await;
        whole.assert_header("x-own", "1");
        let name = "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%BC.txt";
        whole.assert_header("content-disposition", name);
        assert_eq!(whole.text().await, "0123456789");
        let part = client.get("/files/%C3%BC.txt").header("range", "bytes=3-").send().await;
        part.assert_status(206);
        assert_eq!(part.text().await, "3456789");
        client.get("/files/none.txt").send().await.assert_status(404);
        client.get("/files/..%2Fsecret").send().await.assert_status(400);
    }
}

#[tokio::test]
async fn a_form_that_is_sent_by_the_builder_is_saved() {
    let folder = tempfile::tempdir().unwrap();
    let client = TestClient::serve(uploads(folder.path())).await;
    let form = MultipartBuilder::new().text("note", "four").bytes("f", "a.txt", "12345");
    let (content_type, body) = form.into_content_type_and_body();
    let request = client.post("/form").header("content-type", content_type.to_str().unwrap());
    assert_eq!(request.body(body).send().await.text().await, "[4,5]");
    assert_eq!(std::fs::read(folder.path().join("a.txt")).unwrap(), b"12345");
}

/// The field is refused while the client is still sending, and the client reads why.
#[tokio::test]
async fn the_reason_of_a_refusal_reaches_a_client_that_is_still_sending() {
    let folder = tempfile::tempdir().unwrap();
    let running = run_app(uploads(folder.path())).await;
    let head =
        "POST /form HTTP/1.1\r\nhost: x\r\ncontent-type: multipart/form-data; boundary=b\r\n";
    let part = "--b\r\ncontent-disposition: form-data; name=\"note\"\r\n\r\n";
    for (length, expect) in [
        // The limit of the field, long before the end of the body.
        ("content-length: 4000000\r\n", "the field `note` is larger than 1000 bytes"),
        // The whole body is known to be too large, before its first byte.
        ("content-length: 40000000\r\n", "the body is larger than 5242880 bytes"),
    ] {
        let mut client = TcpStream::connect(running.address).await.unwrap();
        client.write_all(format!("{head}{length}\r\n{part}").as_bytes()).await.unwrap();
        let (mut reader, mut writer) = client.split();
        let send = async {
            // Far more than the sockets hold, so the server must read on for the client.
            for _ in 0..60 {
                if writer.write_all(&[b'x'; 64 * 1024]).await.is_err() {
                    break;
                }
            }
        };
        let read = async {
            let mut text = Vec::new();
            while !String::from_utf8_lossy(&text).contains(expect) {
                let count = reader.read_buf(&mut text).await.unwrap();
                assert!(count > 0, "{}", String::from_utf8_lossy(&text));
            }
            text
        };
        let (text, ()) = tokio::join!(read, send);
        assert!(text.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&text));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_upload_of_unknown_length_has_the_limit_of_its_route() {
    let folder = tempfile::tempdir().unwrap();
    let client = TestClient::serve(uploads(folder.path())).await;
    let piece = Bytes::from(vec![1; 100_000]);
    let body = HttpBody::from_stream(stream::iter(vec![Ok::<_, Error>(piece); 60]));
    let refused = client.put("/files/a").body(body).send().await;
    refused.assert_status(413);
    client.get("/files/a").send().await.assert_status(404);
}
