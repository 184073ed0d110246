//! Files, forms with files, compression and rate limits.

/// The files of a folder, or files that are part of the program.
///
/// ```
/// use volga::{App, files::StaticFiles};
///
/// let mut app = App::new();
/// app.map_static("/assets", StaticFiles::folder("public").fingerprinted());
/// app.fallback_static(StaticFiles::embedded([("index.html", &b"<h1>Hello</h1>"[..])]));
/// # app.check().unwrap();
/// ```
#[cfg(feature = "static-files")]
pub use volga_web::StaticFiles;

/// A request for a file, and a name from a client that never leaves its folder.
///
/// ```
/// use volga::{App, file, files::{FileName, FileRequest}};
///
/// let mut app = App::new();
/// app.map_get("/files/{name}", async |name: FileName, request: FileRequest| {
///     file!(request, name.within("uploads"), name)
/// });
/// assert!(FileName::new("../secret").is_err());
/// # app.check().unwrap();
/// ```
#[cfg(feature = "files")]
pub use volga_web::{FileName, FileNameError, FileRequest};

/// A file as a response, with settings.
///
/// ```
/// use volga::{App, files::{FileRequest, FileResponse}};
///
/// let mut app = App::new();
/// app.map_get("/report", async |request: FileRequest| {
///     FileResponse::open("report.pdf").await?.attachment("Übersicht.pdf").respond(&request)
/// });
/// # app.check().unwrap();
/// ```
#[cfg(feature = "files")]
pub use volga_web::{Disposition, FileResponse};

/// The body of the request, saved to a file.
///
/// ```
/// use volga::{App, created, files::{FileName, Upload}};
///
/// let mut app = App::new();
/// app.map_put("/files/{name}", async |name: FileName, upload: Upload| {
///     let size = upload.save_as(name.within("uploads")).await?;
///     created!({ "size": size })
/// })
/// .body_limit(1024 * 1024 * 1024);
/// # app.check().unwrap();
/// ```
#[cfg(feature = "files")]
pub use volga_web::Upload;

/// Compresses responses, event streams included.
///
/// ```
/// use volga::{App, middleware::Compression, ok};
///
/// let mut app = App::new();
/// app.attach(Compression::new());
/// app.map_get("/", || ok!("hello"));
/// # app.check().unwrap();
/// ```
#[cfg(feature = "compression")]
pub use volga_web::Compression;

/// Takes request bodies that the client has compressed.
///
/// ```
/// use volga::{App, Text, middleware::Decompression, ok};
///
/// let mut app = App::new();
/// app.attach(Decompression::new().max_ratio(50));
/// app.map_post("/length", async |Text(text): Text| ok!("{}", text.len()));
/// # app.check().unwrap();
/// ```
#[cfg(feature = "decompression")]
pub use volga_web::Decompression;

/// Limits how often each client may ask.
///
/// ```
/// use volga::{App, http::client_ip, middleware::{Quota, RateLimit}, ok};
///
/// let mut app = App::new();
/// app.attach(RateLimit::by_address(Quota::per_second(20), client_ip));
/// app.map_get("/tea", || ok!("tea"));
/// # app.check().unwrap();
/// ```
#[cfg(feature = "rate-limit")]
pub use volga_web::{Quota, RateLimit};

/// The parts of a form with files, one by one.
///
/// ```
/// use volga::{App, multipart::Multipart, ok};
///
/// let mut app = App::new();
/// app.map_post("/upload", async |form: Multipart| {
///     let mut form = form.with_max_parts(20);
///     let mut saved = Vec::new();
///     while let Some(mut part) = form.next().await? {
///         if part.is_file() {
///             saved.push(part.save_in("uploads").await?.name.to_string());
///         }
///     }
///     ok!(saved)
/// });
/// # app.check().unwrap();
/// ```
#[cfg(feature = "multipart")]
pub use volga_web::{Multipart, Part, SavedFile};

/// A form with files as a type of your own.
///
/// ```
/// use serde::Deserialize;
/// use volga::{App, created, multipart::{MultipartForm, TempFile}};
///
/// #[derive(Deserialize)]
/// struct Profile {
///     name: String,
///     avatar: TempFile,
/// }
///
/// let mut app = App::new();
/// app.map_post("/profiles", async |MultipartForm(profile): MultipartForm<Profile>| {
///     let size = profile.avatar.size();
///     profile.avatar.save_as("avatar.png").await?;
///     created!({ "name": profile.name, "bytes": size })
/// });
/// # app.check().unwrap();
/// ```
#[cfg(feature = "multipart")]
pub use volga_web::{MultipartForm, TempFile};

/// A form as a response.
///
/// ```
/// use volga::{App, multipart::MultipartBuilder};
///
/// let mut app = App::new();
/// app.map_get("/export", async || {
///     MultipartBuilder::new().text("title", "Holiday").bytes("table", "table.csv", "a,b\n1,2\n")
/// });
/// # app.check().unwrap();
/// ```
#[cfg(feature = "multipart")]
pub use volga_web::MultipartBuilder;
