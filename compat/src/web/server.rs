//! The app that the foreign programs use.

use std::{fs, path::Path, time::Duration};

use tokio::{net::TcpListener, task::AbortHandle};
use volga::{
    App,
    error::Error,
    files::StaticFiles,
    multipart::{Multipart, MultipartBuilder},
    ok,
};

use super::forms::{FILE, FILE_NAME, Field, TEXT};

/// A running app, and the folder that it serves below `/static`.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) port: u16,
    pub(crate) folder: tempfile::TempDir,
    task: AbortHandle,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The files of the folder.
pub(crate) const FILES: [(&str, usize); 4] =
    [("small.txt", 36), ("large.bin", 300_000), ("empty.txt", 0), ("one.txt", 1)];

/// The content of a file: bytes of which any two ranges differ.
pub(crate) fn content(len: usize) -> Vec<u8> {
    (0_u32..).flat_map(|at| (at * 7).to_be_bytes()).map(|byte| byte | 1).take(len).collect()
}

pub(crate) async fn start() -> std::io::Result<Server> {
    let folder = tempfile::tempdir()?;
    for (name, len) in FILES {
        write(&folder.path().join(name), &content(len))?;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let mut app = App::new().without_greeter();
    app.map_get("/", || ok!("<!doctype html>"; [("content-type", "text/html")]));
    app.map_post("/form", async |mut form: Multipart| {
        let mut fields = Vec::new();
        while let Some(mut part) = form.next().await? {
            let (name, file) = (part.name().to_owned(), part.raw_file_name().map(str::to_owned));
            let content = part.bytes().await?.to_vec();
            fields.push(Field { name, file, content });
        }
        ok!(fields)
    });
    app.map_get("/form", async || {
        Ok::<_, Error>(
            MultipartBuilder::new()
                .text("text", TEXT)
                .text("tag", "a")
                .text("tag", "b")
                .bytes("file", FILE_NAME, FILE),
        )
    });
    app.map_static("/static", StaticFiles::folder(folder.path()));
    let task = tokio::spawn(app.run_with_listener(listener)).abort_handle();
    Ok(Server { url: format!("http://127.0.0.1:{port}"), port, folder, task })
}

/// Writes a file that is a minute old, so that its date identifies it.
fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    fs::write(path, content)?;
    let file = fs::File::options().write(true).open(path)?;
    file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60))
}
