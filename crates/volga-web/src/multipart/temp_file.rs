//! `TempFile`: a file of a form that has no place yet.

use std::{cell::RefCell, collections::HashMap, fmt, path::Path};

use serde::{Deserialize, Deserializer, de};
use tempfile::TempPath;
use volga_core::{Error, FileNumber};

use crate::files::blocking;
use crate::files::file_name::FileName;
use crate::files::saver::{ExistingFilePolicy, persist};
use crate::files::upload::error_of_persist;

/// A file of a form, on the disk, without a place of its own. It is deleted when it is dropped,
/// unless it was [saved](Self::save_as).
///
/// It is a field of a [`MultipartForm`](crate::MultipartForm), also as `Option<TempFile>` and
/// `Vec<TempFile>`.
pub struct TempFile {
    /// `None` only while the file is dropped or saved.
    file: Option<TempPath>,
    size: u64,
    name: Option<FileName>,
    content_type: Option<String>,
    /// The number by which the fields of its form name the file.
    number: FileNumber,
}

impl TempFile {
    pub(crate) fn new(
        file: TempPath,
        size: u64,
        name: Option<FileName>,
        content_type: Option<String>,
    ) -> Self {
        Self { file: Some(file), size, name, content_type, number: FileNumber(0) }
    }

    pub(crate) fn with_number(mut self, number: FileNumber) -> Self {
        self.number = number;
        self
    }

    /// The number of bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The name that the client gave the file, made [safe](FileName::from_client).
    #[must_use]
    pub fn name(&self) -> Option<&FileName> {
        self.name.as_ref()
    }

    /// The content type that the client gives. It may be wrong.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Where the file is now.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or_else(|| Path::new(""))
    }

    /// Gives the file its place, and replaces what is there. The path has either the whole file or
    /// what it had before.
    ///
    /// # Errors
    ///
    /// Returns a server error if the file cannot be written.
    pub async fn save_as(self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.save(path.as_ref(), ExistingFilePolicy::Replace).await
    }

    /// Gives the file its place, unless something is there.
    ///
    /// # Errors
    ///
    /// Returns an error with status 409 if the path exists, and a server error if the file cannot
    /// be written.
    pub async fn save_new(self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.save(path.as_ref(), ExistingFilePolicy::Keep).await
    }

    async fn save(mut self, path: &Path, existing: ExistingFilePolicy) -> Result<(), Error> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let path = path.to_owned();
        blocking::run(move || persist(file, &path, existing)).await.map_err(error_of_persist)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let Some(file) = self.file.take() else { return };
        let dropped = Self {
            file: Some(file),
            size: self.size,
            name: self.name.take(),
            content_type: self.content_type.take(),
            number: self.number,
        };
        if let Some(mut dropped) = put_back(dropped)
            && let Some(file) = dropped.file.take()
        {
            blocking::drop_later(file);
        }
    }
}

impl fmt::Debug for TempFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TempFile")
            .field("name", &self.name)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

thread_local! {
    /// The files of the form that this thread deserializes now, by their numbers. serde cannot pass
    /// on a value that is not part of its data model, so it passes on the number of the file.
    ///
    /// A form may be deserialized several times until it fits. A file that was taken by a value
    /// that did not fit is put back when that value is dropped.
    static FILES: RefCell<HashMap<FileNumber, Option<TempFile>>> = RefCell::default();
}

/// The name of the type by which a deserializer of forms knows that a file is wanted.
pub(crate) const FILE_TYPE: &str = "volga_web::TempFile";

/// Makes the files available to [`TempFile::deserialize`] while `work` runs.
pub(crate) fn with_files<T>(files: Vec<TempFile>, work: impl FnOnce() -> T) -> T {
    /// Drops the files that were not taken, also after a panic.
    struct FileSweeper;

    impl Drop for FileSweeper {
        fn drop(&mut self) {
            // Outside of the borrow, because a file that is dropped looks for its place here.
            drop(FILES.take());
        }
    }

    let _sweeper = FileSweeper;
    FILES.replace(files.into_iter().map(|file| (file.number, Some(file))).collect());
    work()
}

/// Takes the file with this number, unless it was taken.
fn take(number: FileNumber) -> Option<TempFile> {
    FILES.with_borrow_mut(|files| files.get_mut(&number).and_then(Option::take))
}

/// Puts a file back if this thread still deserializes its form. Otherwise returns it.
fn put_back(file: TempFile) -> Option<TempFile> {
    let mut file = Some(file);
    // The thread may be about to end, and have no files any more.
    let _ = FILES.try_with(|files| {
        if let Ok(mut files) = files.try_borrow_mut()
            && let Some(number) = file.as_ref().map(|file| file.number)
            && let Some(place @ None) = files.get_mut(&number)
        {
            *place = file.take();
        }
    });
    file
}

impl<'de> Deserialize<'de> for TempFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TempFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a file")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(
                self,
                deserializer: D,
            ) -> Result<TempFile, D::Error> {
                let file = take(FileNumber::deserialize(deserializer)?);
                file.ok_or_else(|| de::Error::custom("a file is read only from a multipart form"))
            }
        }

        deserializer.deserialize_newtype_struct(FILE_TYPE, Visitor)
    }
}
