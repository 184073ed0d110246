//! Opens files on blocking threads, and says which errors mean that a file does not exist.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::SystemTime,
};

use http::StatusCode;
use volga_core::Error;

use crate::files::blocking;
use crate::files::validators::{FileVersion, Validators};

/// A file that is open, and what its file system says about it.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    pub(crate) len: u64,
    pub(crate) validators: Validators,
}

impl OpenFile {
    /// Opens a regular file. Call this on a blocking thread.
    ///
    /// # Errors
    ///
    /// The error of the system. Something that is not a regular file does not exist.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        // Opening a named pipe would wait for its other end, so its kind is looked at before.
        if !std::fs::metadata(path)?.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        // Another program may have put something else at the path since then.
        if !metadata.is_file() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let version = FileVersion::new(&metadata);
        let validators = Validators::of_file(version.as_ref(), SystemTime::now());
        Ok(Self { file, len: metadata.len(), validators })
    }
}

/// Opens a regular file.
pub(crate) async fn open(path: PathBuf) -> Result<OpenFile, Error> {
    blocking::run(move || OpenFile::open(&path)).await.map_err(error_of_open)
}

/// The error for a file that could not be opened: status 404 if it does not exist, else 500.
pub(crate) fn error_of_open(error: io::Error) -> Error {
    match is_missing(&error) {
        true => Error::new(StatusCode::NOT_FOUND, MissingFile(error)),
        false => Error::server_error(error),
    }
}

/// Whether no file can exist at the path. That includes a name that is too long or has a NUL, and
/// links that lead back to themselves.
pub(crate) fn is_missing(error: &io::Error) -> bool {
    let is_missing_kind = matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::InvalidFilename
            | io::ErrorKind::InvalidInput
    );
    is_missing_kind || error.raw_os_error() == Some(TOO_MANY_LINKS)
}

/// The error of the system for a path with too many links. `io::ErrorKind` has no stable name for
/// it.
#[cfg(unix)]
const TOO_MANY_LINKS: i32 = rustix::io::Errno::LOOP.raw_os_error();
/// `ERROR_CANT_RESOLVE_FILENAME`.
#[cfg(not(unix))]
const TOO_MANY_LINKS: i32 = 1921;

/// The client sees this text, so it has no path.
#[derive(Debug, thiserror::Error)]
#[error("there is no such file")]
struct MissingFile(#[source] io::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_file_that_does_not_exist_is_404() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "text").unwrap();
        assert_eq!(open(path.clone()).await.unwrap().len, 4);
        for missing in ["none", "file/below", "nul\0", ".", &"long".repeat(100)] {
            let error = open(folder.path().join(missing)).await.unwrap_err();
            assert_eq!(
                (error.status(), error.to_string().as_str()),
                (StatusCode::NOT_FOUND, "there is no such file")
            );
        }
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::TimedOut, io::ErrorKind::Other]
        {
            assert!(error_of_open(kind.into()).status().is_server_error(), "{kind:?}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_pipe_is_not_a_file_and_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        assert_eq!(open(path).await.unwrap_err().status(), StatusCode::NOT_FOUND);
    }
}
