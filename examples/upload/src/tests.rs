//! The app without a socket.

use volga::{multipart::MultipartBuilder, test::TestClient};

use crate::app;

#[tokio::test]
async fn files_are_uploaded_listed_served_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let client = TestClient::new(app(folder.path()));
    let form = MultipartBuilder::new().bytes("file", "../b.txt", "hello").bytes(
        "file",
        "a.txt",
        "0123456789",
    );
    let (content_type, body) = form.into_content_type_and_body();
    let request = client.post("/files").header("content-type", content_type.to_str().unwrap());
    request.body(body).send().await.assert_status(201);
    client.put("/files/c.txt").body("c").send().await.assert_status(201);
    let list = client.get("/files").send().await.text().await;
    assert_eq!(
        list,
        r#"[{"name":"a.txt","size":10},{"name":"b.txt","size":5},{"name":"c.txt","size":1}]"#
    );
    let rest = client.get("/files/a.txt").header("range", "bytes=7-").send().await;
    rest.assert_status(206);
    assert_eq!(rest.text().await, "789");
    client.delete("/files/a.txt").send().await.assert_status(204);
    client.delete("/files/a.txt").send().await.assert_status(404);
    client.get("/files/a.txt").send().await.assert_status(404);
    client.get("/files/..%2Fa.txt").send().await.assert_status(400);
}

#[tokio::test]
async fn the_page_and_its_files_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let client = TestClient::new(app(folder.path()));
    for (path, content_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/upload.css", "text/css; charset=utf-8"),
        ("/upload.js", "text/javascript; charset=utf-8"),
    ] {
        let response = client.get(path).send().await;
        response.assert_status(200);
        response.assert_header("content-type", content_type);
    }
    client.get("/none").send().await.assert_status(404);
}

#[tokio::test]
async fn a_form_without_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let client = TestClient::new(app(folder.path()));
    let (content_type, body) =
        MultipartBuilder::new().bytes("file", "", "").into_content_type_and_body();
    let request = client.post("/files").header("content-type", content_type.to_str().unwrap());
    let refused = request.body(body).send().await;
    refused.assert_status(400);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
