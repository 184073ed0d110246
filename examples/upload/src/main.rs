//! Files that are uploaded, listed and served back.
//!
//! ```sh
//! cargo run -p upload
//! cargo run -p upload -- my-folder
//! cargo run -p upload -- my-folder localhost:8080
//! curl localhost:7878/files -F file=@sea.jpg -F file=@sky.jpg
//! curl -T notes.txt localhost:7878/files/
//! curl localhost:7878/files
//! curl -C - -O localhost:7878/files/sea.jpg
//! ```
//!
//! Open <http://localhost:7878> for a page with the progress of each upload and download. Without
//! an argument, the files are in a folder of the system for temporary files.

mod routes;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use volga::App;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let folder = match std::env::args_os().nth(1) {
        Some(folder) => PathBuf::from(folder),
        None => std::env::temp_dir().join("volga-upload"),
    };
    tokio::fs::create_dir_all(&folder).await?;
    println!("the files are in {}", folder.display());
    app(&folder).with_env().with_addresses(std::env::args().skip(2)).run().await
}

/// Builds the app. It is separate from `main`, so that the tests use the same app.
fn app(folder: &Path) -> App {
    let mut app = App::new();
    routes::map(&mut app, folder);
    app
}
