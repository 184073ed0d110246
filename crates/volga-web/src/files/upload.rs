//! `Upload`: a request body that is saved to a file.

use std::{io, path::Path};

use http::StatusCode;
use volga_core::{Description, Error, FromRequest, HttpBody, RequestParts};

use crate::files::blocking;
use crate::files::saver::{ExistingFilePolicy, Saver, folder_of, persist};

/// A request body that a handler saves to a file, as the last argument of the handler.
///
/// Saving is atomic. The bytes go to a temporary file in the same folder, whose name begins with
/// `.upload-`. The file gets its own name only when all bytes are on the disk. If the client
/// leaves, the body is too large or the disk is full, the temporary file is deleted, and what was
/// at the path before stays as it is.
///
/// The body may have as many bytes as the [`BodyLimit`](volga_core::BodyLimit) of the route allows,
/// 5 MiB by default. A larger one has status 413.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, Router};
/// use volga_web::{FileName, Upload};
///
/// let mut router = Router::new();
/// let save = HandlerEndpoint::new(async |name: FileName, upload: Upload| {
///     let size = upload.save_as(name.within("uploads")).await?;
///     Ok::<_, Error>(format!("{size} bytes"))
/// });
/// router.map(http::Method::PUT, "/files/{name}", save);
/// ```
///
/// For a form with files, use `Multipart`, which needs the feature `multipart`.
#[derive(Debug)]
pub struct Upload {
    body: HttpBody,
}

impl Upload {
    /// Saves the body at this path, and replaces what is there. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// - The error of the body: status 413 if it is too large, 408 if it does not come in time, and
    ///   400 if it breaks off.
    /// - A server error if the file cannot be written.
    ///
    /// # Cancel safety
    ///
    /// Not cancel safe: dropping the future drops the body. Nothing is left behind then.
    pub async fn save_as(self, path: impl AsRef<Path>) -> Result<u64, Error> {
        self.save(path.as_ref(), ExistingFilePolicy::Replace).await
    }

    /// Saves the body at this path, unless something is there. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Returns an error with status 409 if the path exists, and otherwise the errors of
    /// [`save_as`](Self::save_as).
    ///
    /// # Cancel safety
    ///
    /// As for [`save_as`](Self::save_as).
    pub async fn save_new(self, path: impl AsRef<Path>) -> Result<u64, Error> {
        self.save(path.as_ref(), ExistingFilePolicy::Keep).await
    }

    async fn save(mut self, path: &Path, existing: ExistingFilePolicy) -> Result<u64, Error> {
        let mut saver = Saver::create(folder_of(path)?).await?;
        while let Some(bytes) = self.body.next().await {
            saver.write(bytes?).await?;
        }
        finish(saver, path, existing).await
    }
}

/// Gives a complete file its name. Returns its length.
pub(crate) async fn finish(
    saver: Saver,
    path: &Path,
    existing: ExistingFilePolicy,
) -> Result<u64, Error> {
    let len = saver.len();
    let file = saver.finish().await?;
    let path = path.to_owned();
    blocking::run(move || persist(file, &path, existing)).await.map_err(error_of_persist)?;
    Ok(len)
}

/// The error of a file that could not get its name: status 409 if the name is taken.
pub(crate) fn error_of_persist(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::AlreadyExists => Error::new(StatusCode::CONFLICT, ExistingFileError(error)),
        _ => Error::server_error(error),
    }
}

/// The client sees this text, so it has no path.
#[derive(Debug, thiserror::Error)]
#[error("a file with this name exists")]
struct ExistingFileError(#[source] io::Error);

impl FromRequest for Upload {
    fn describe(description: &mut Description) {
        HttpBody::describe(description);
    }

    async fn from_request(_: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Ok(Self { body })
    }
}
