//! The routes: the files, and the page.

use std::{path::Path, sync::Arc};

use serde::Serialize;
use volga::{
    App, HttpResult, created,
    error::Error,
    file,
    files::{FileName, FileRequest, StaticFiles, Upload},
    http::StatusCode,
    multipart::Multipart,
    no_content, ok,
};

/// The largest upload: 1 GiB.
const MAX_UPLOAD: usize = 1024 * 1024 * 1024;

/// The folder of the files.
type Folder = Arc<Path>;

#[derive(Serialize)]
struct Entry {
    name: String,
    size: u64,
}

pub(crate) fn map(app: &mut App, folder: &Path) {
    let folder: Folder = folder.into();
    let at = || Arc::clone(&folder);

    app.group("/files", |files| {
        files.body_limit(MAX_UPLOAD);
        let folder = at();
        files.map_get("/", move || list(Arc::clone(&folder)));
        let folder = at();
        files.map_post("/", move |form: Multipart| save_form(Arc::clone(&folder), form));
        let folder = at();
        files.map_put("/{name}", async move |name: FileName, upload: Upload| {
            let size = upload.save_as(name.within(&folder)).await?;
            created!(Entry { name: name.to_string(), size })
        });
        let folder = at();
        // As an attachment, because a user may upload a page with scripts.
        files.map_get("/{name}", async move |name: FileName, request: FileRequest| {
            file!(request, name.within(&folder), name)
        });
        let folder = at();
        files.map_delete("/{name}", async move |name: FileName| {
            match tokio::fs::remove_file(name.within(&folder)).await {
                Ok(()) => no_content!(),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    Err(Error::new(StatusCode::NOT_FOUND, "there is no such file"))
                }
                Err(error) => Err(error.into()),
            }
        });
    });

    app.fallback_static(StaticFiles::embedded([
        ("index.html", &include_bytes!("../page/index.html")[..]),
        ("upload.css", include_bytes!("../page/upload.css")),
        ("upload.js", include_bytes!("../page/upload.js")),
    ]));
}

/// Lists the files. Names that begin with a dot are left out, such as those of unfinished uploads.
async fn list(folder: Folder) -> HttpResult {
    let mut entries = Vec::new();
    let mut files = tokio::fs::read_dir(&folder).await?;
    while let Some(file) = files.next_entry().await? {
        let Ok(name) = file.file_name().into_string() else { continue };
        let metadata = file.metadata().await?;
        if metadata.is_file() && !name.starts_with('.') {
            entries.push(Entry { name, size: metadata.len() });
        }
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    ok!(entries)
}

/// Saves the files of a form.
async fn save_form(folder: Folder, mut form: Multipart) -> HttpResult {
    let mut saved = Vec::new();
    while let Some(mut part) = form.next().await? {
        // A browser sends a part without a name if the user has chosen no file.
        if part.file_name().is_some() {
            let file = part.save_in(&folder).await?;
            saved.push(Entry { name: file.name.to_string(), size: file.size });
        }
    }
    if saved.is_empty() {
        return Err(Error::client_error("the form has no file"));
    }
    created!(saved)
}
