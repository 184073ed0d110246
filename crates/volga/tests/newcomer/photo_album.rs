//! A photo album with uploads, from the pages "Working with Files", "Multipart forms", "Static
//! Files" and "Testing".

use std::{path::Path, sync::Arc};

use serde::Deserialize;
use volga::{
    App, created, file,
    files::{FileName, FileRequest, StaticFiles, Upload},
    multipart::{Multipart, MultipartBuilder, TempFile},
    ok,
    test::TestClient,
};

#[derive(Deserialize)]
struct Photo {
    title: String,
    year: Option<u16>,
    #[serde(default)]
    tags: Vec<String>,
    photo: TempFile,
}

fn app(folder: &Path) -> App {
    let mut app = App::new();
    let folder: Arc<Path> = folder.into();

    let to = Arc::clone(&folder);
    app.map_post("/photos", async move |form: Multipart| {
        let form: Photo = form.with_field_limit("photo", 1000).collect().await?;
        let name = FileName::new(format!("{}.jpg", form.title))?;
        let size = form.photo.size();
        form.photo.save_as(name.within(&to)).await?;
        created!({ "year": form.year, "tags": form.tags, "bytes": size })
    });

    let to = Arc::clone(&folder);
    app.map_put("/photos/{name}", async move |name: FileName, upload: Upload| {
        let size = upload.save_as(name.within(&to)).await?;
        created!({ "name": name.as_str(), "size": size })
    });

    app.map_get("/photos/{name}", async move |name: FileName, request: FileRequest| {
        file!(request, name.within(&folder), name)
    });

    app.map_get("/api/time", || ok!("now"));
    app.fallback_static(
        StaticFiles::embedded([
            ("index.html", &b"<!doctype html><h1>Album</h1>"[..]),
            ("site.css", b"h1 { color: teal }"),
        ])
        .single_page("index.html"),
    );
    app
}

#[tokio::test]
async fn a_photo_album_takes_shows_and_refuses_photos() {
    let folder = tempfile::tempdir().unwrap();
    let client = TestClient::new(app(folder.path()));

    let form = MultipartBuilder::new()
        .text("title", "sea")
        .text("tags", "blue")
        .text("tags", "wet")
        .bytes("photo", "C:\\photos\\sea.jpg", "12345");
    let (content_type, body) = form.into_content_type_and_body();
    let request = client.post("/photos").header("content-type", content_type.to_str().unwrap());
    let response = request.body(body).send().await;
    response.assert_status(201);
    assert_eq!(response.text().await, r#"{"bytes":5,"tags":["blue","wet"],"year":null}"#);

    let response = client.get("/photos/sea.jpg").header("range", "bytes=3-").send().await;
    response.assert_status(206);
    response.assert_header("content-type", "image/jpeg");
    assert_eq!(response.text().await, "45");

    let form = MultipartBuilder::new().text("title", "x").bytes("photo", "x", vec![0; 1001]);
    let (content_type, body) = form.into_content_type_and_body();
    let request = client.post("/photos").header("content-type", content_type.to_str().unwrap());
    let response = request.body(body).send().await;
    response.assert_status(413);
    assert!(response.text().await.contains("the field `photo` is larger than 1000 bytes"));

    client.put("/photos/sky.jpg").body("sky").send().await.assert_status(201);
    client.get("/photos/none.jpg").send().await.assert_status(404);
    client.get("/photos/..%2Fsecret").send().await.assert_status(400);

    client.get("/site.css").send().await.assert_header("content-type", "text/css; charset=utf-8");
    let page = client.get("/albums/7").header("sec-fetch-mode", "navigate").send().await;
    assert!(page.text().await.contains("Album"));
    client.get("/none.js").send().await.assert_status(404);
}
