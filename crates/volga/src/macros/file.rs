//! `file!`: a response with a file.

use std::path::Path;

use volga_core::HttpResult;
use volga_web::{FileRequest, FileResponse};

/// Creates a response with a file, or with the part of it that the client needs. Use it in an async
/// handler that takes a [`FileRequest`](crate::files::FileRequest).
///
/// | Form | The browser |
/// |---|---|
/// | `file!(request, path)` | shows the file |
/// | `file!(request, path, name)` | saves the file under this name, which may be any text |
///
/// Each form takes headers after a semicolon, as [`ok!`](crate::ok) does. The response is that of
/// [`FileResponse`](crate::files::FileResponse): ranges, preconditions, `ETag`, and status 404 if
/// the file does not exist.
///
/// The path is used as it is. If a part of it comes from the client, take that part as a
/// [`FileName`](crate::files::FileName), which never leaves its folder.
///
/// ```
/// use volga::{App, file, files::{FileName, FileRequest}};
///
/// let mut app = App::new();
/// app.map_get("/video", async |request: FileRequest| file!(request, "video.mp4"));
/// app.map_get("/files/{name}", async |name: FileName, request: FileRequest| {
///     file!(request, name.within("uploads"), name; [("cache-control", "private")])
/// });
/// # app.check().unwrap();
/// ```
#[macro_export]
macro_rules! file {
    ($request:expr, $path:expr $(; $headers:tt)?) => {
        $crate::__with_headers!($crate::__private::file(&$request, $path).await $(, $headers)?)
    };
    ($request:expr, $path:expr, $name:expr $(; $headers:tt)?) => {
        $crate::__with_headers!(
            $crate::__private::attachment(&$request, $path, $name).await $(, $headers)?
        )
    };
}

/// Creates a response with a file.
pub async fn file(request: &FileRequest, path: impl AsRef<Path>) -> HttpResult {
    FileResponse::open(path).await?.respond(request)
}

/// Creates a response with a file to save.
pub async fn attachment(
    request: &FileRequest,
    path: impl AsRef<Path>,
    name: impl AsRef<str>,
) -> HttpResult {
    FileResponse::open(path).await?.attachment(name).respond(request)
}
