//! `Saver`: writes a file under a temporary name, and gives it its own name when it is complete.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use tempfile::{NamedTempFile, PathPersistError, TempPath};

use crate::files::blocking;

/// How many bytes are collected before they are written: 64 KiB.
const BLOCK: usize = 64 * 1024;

/// What happens to a file that has the same name already.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ExistingFilePolicy {
    Replace,
    Keep,
}

/// A file that is being written. Unless it is persisted, it is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Saver {
    /// `None` while a blocking thread has the file, and after an error.
    file: Option<NamedTempFile>,
    pending: Vec<u8>,
    len: u64,
}

impl Saver {
    /// Creates a temporary file in a folder. Its name begins with a dot.
    pub(crate) async fn create(folder: PathBuf) -> io::Result<Self> {
        let file = blocking::run(move || create_in(&folder)).await?;
        Ok(Self { file: Some(file), pending: Vec::new(), len: 0 })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        self.len += bytes.len() as u64;
        if self.pending.len() + bytes.len() < BLOCK {
            self.pending.extend_from_slice(&bytes);
            return Ok(());
        }
        let pending = std::mem::take(&mut self.pending);
        self.change(move |file| {
            file.write_all(&pending)?;
            file.write_all(&bytes)
        })
        .await
    }

    /// Writes everything and closes the file, which still has its temporary name.
    pub(crate) async fn finish(mut self) -> io::Result<TempPath> {
        let pending = std::mem::take(&mut self.pending);
        self.change(move |file| file.write_all(&pending)).await?;
        self.file.take().map(NamedTempFile::into_temp_path).ok_or_else(failed_before)
    }

    /// Calls a function with the file on a blocking thread.
    ///
    /// If the caller is dropped meanwhile, the thread drops the file, which deletes it.
    async fn change(
        &mut self,
        change: impl FnOnce(&mut NamedTempFile) -> io::Result<()> + Send + 'static,
    ) -> io::Result<()> {
        let mut file = self.file.take().ok_or_else(failed_before)?;
        let file = blocking::run(move || change(&mut file).map(|()| file)).await?;
        self.file = Some(file);
        Ok(())
    }
}

impl Drop for Saver {
    fn drop(&mut self) {
        if let Some(file) = self.file.take() {
            blocking::drop_later(file);
        }
    }
}

fn failed_before() -> io::Error {
    io::Error::other("writing the file has failed before")
}

/// Creates a temporary file, with the permissions that a program gives to any new file.
fn create_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".upload-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// The folder of a path.
pub(crate) fn folder_of(path: &Path) -> io::Result<PathBuf> {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Ok(PathBuf::from(".")),
        Some(folder) if path.file_name().is_some() => Ok(folder.to_owned()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "the path has no name of a file")),
    }
}

/// Gives a temporary file its own name, after its bytes are on the disk. Call this on a blocking
/// thread.
pub(crate) fn persist(temp: TempPath, path: &Path, existing: ExistingFilePolicy) -> io::Result<()> {
    File::options().write(true).open(&temp)?.sync_all()?;
    let temp = match rename(temp, path, existing) {
        Ok(()) => return sync_folder(path),
        Err(failed) if failed.error.kind() == io::ErrorKind::CrossesDevices => failed.path,
        Err(failed) => return Err(failed.error),
    };
    // A rename cannot move a file to another file system, so it is copied there first.
    let mut copy = create_in(&folder_of(path)?)?;
    io::copy(&mut File::open(&temp)?, &mut copy)?;
    copy.as_file().sync_all()?;
    rename(copy.into_temp_path(), path, existing)?;
    sync_folder(path)
}

fn rename(
    temp: TempPath,
    path: &Path,
    existing: ExistingFilePolicy,
) -> Result<(), PathPersistError> {
    match existing {
        ExistingFilePolicy::Replace => temp.persist(path),
        ExistingFilePolicy::Keep => temp.persist_noclobber(path),
    }
}

/// Waits until the new name is on the disk, too.
fn sync_folder(path: &Path) -> io::Result<()> {
    // Other systems than Unix do not open folders as files.
    if cfg!(unix) { File::open(folder_of(path)?)?.sync_all() } else { Ok(()) }
}
