//! `Part`: one part of a form.

use std::{fmt, path::Path};

use bytes::Bytes;
use http::{HeaderMap, header};
use volga_core::Error;

use crate::files::file_name::FileName;
use crate::files::saver::{ExistingFilePolicy, Saver, folder_of};
use crate::files::upload::finish;
use crate::multipart::error::MultipartError;
use crate::multipart::part_reader::PartReader;
use crate::multipart::temp_file::TempFile;

/// One part of a [`Multipart`](crate::Multipart) form: a field of the form, or a file. Its content
/// is read once.
pub struct Part<'a> {
    form: &'a mut PartReader,
    headers: HeaderMap,
    file_name: Option<String>,
}

/// A file that was saved under the name that the client gave it.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SavedFile {
    /// The name of the file.
    pub name: FileName,
    /// The number of bytes.
    pub size: u64,
}

impl<'a> Part<'a> {
    pub(crate) fn new(form: &'a mut PartReader) -> Self {
        let field = form.field();
        let headers = field.map(|field| field.headers().clone()).unwrap_or_default();
        let file_name = field.and_then(|field| field.file_name().map(str::to_owned));
        Self { form, headers, file_name }
    }

    /// The name of the field.
    #[must_use]
    pub fn name(&self) -> &str {
        self.form.part_name()
    }

    /// Whether the part is a file: it has a name of a file, which may be empty. A browser sends an
    /// empty name and no content for a file that the user did not choose.
    #[must_use]
    pub fn is_file(&self) -> bool {
        self.file_name.is_some()
    }

    /// The name of the file: the last component of what the client sent, without characters that no
    /// name of a file has. `None` if the client sent no name, or nothing of it is left.
    #[must_use]
    pub fn file_name(&self) -> Option<FileName> {
        FileName::from_client(self.file_name.as_deref()?).ok()
    }

    /// The name of the file as the client sent it. Do not use it in a path.
    #[must_use]
    pub fn raw_file_name(&self) -> Option<&str> {
        self.file_name.as_deref()
    }

    /// The content type that the client gives. It may be wrong.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.headers.get(header::CONTENT_TYPE)?.to_str().ok()
    }

    /// The headers of the part.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Waits for the next bytes of the content. `None` means the end of the part.
    ///
    /// # Errors
    ///
    /// As for [`Multipart::next`](crate::Multipart::next).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: dropping the future loses nothing.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Error> {
        self.form.chunk().await
    }

    /// Reads the rest of the content into memory.
    ///
    /// # Errors
    ///
    /// As for [`Multipart::next`](crate::Multipart::next). All parts that are read into memory
    /// together have at most [`with_max_memory`](crate::Multipart::with_max_memory) bytes. The
    /// status is 503 if all requests of the app collect too much at a time.
    pub async fn bytes(&mut self) -> Result<Bytes, Error> {
        let (mut all, mut collected) = (Vec::new(), self.form.new_count());
        while let Some(chunk) = self.form.chunk().await? {
            self.form.hold(chunk.len())?;
            collected.resize(all.len() + chunk.len())?;
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    /// Reads the rest of the content as text in UTF-8.
    ///
    /// # Errors
    ///
    /// As for [`bytes`](Self::bytes); and status 400 if the content is not UTF-8.
    pub async fn text(&mut self) -> Result<String, Error> {
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into())
            .map_err(|_| MultipartError::NotText { field: self.name().to_owned() }.into_error())
    }

    /// Saves the content in a folder, under the [name](Self::file_name) that the client gave it,
    /// and replaces a file with the same name. Saving is atomic, as for
    /// [`Upload`](crate::Upload).
    ///
    /// # Errors
    ///
    /// Returns an error with status 400 if the part has no name of a file, and otherwise the errors
    /// of [`save_as`](Self::save_as).
    pub async fn save_in(&mut self, folder: impl AsRef<Path>) -> Result<SavedFile, Error> {
        let Some(name) = self.file_name() else {
            let field = self.name().to_owned();
            return Err(MultipartError::NoFileName { field }.into_error());
        };
        let size = self.save_as(name.within(folder)).await?;
        Ok(SavedFile { name, size })
    }

    /// Saves the content at this path, and replaces what is there. Returns the number of bytes.
    /// Saving is atomic, as for [`Upload`](crate::Upload).
    ///
    /// # Errors
    ///
    /// As for [`Multipart::next`](crate::Multipart::next), or a server error if the file cannot be
    /// written.
    pub async fn save_as(&mut self, path: impl AsRef<Path>) -> Result<u64, Error> {
        self.save(path.as_ref(), ExistingFilePolicy::Replace).await
    }

    /// Saves the content at this path, unless something is there. Returns the number of bytes.
    ///
    /// # Errors
    ///
    /// Returns an error with status 409 if the path exists, and otherwise the errors of
    /// [`save_as`](Self::save_as).
    pub async fn save_new(&mut self, path: impl AsRef<Path>) -> Result<u64, Error> {
        self.save(path.as_ref(), ExistingFilePolicy::Keep).await
    }

    async fn save(&mut self, path: &Path, existing: ExistingFilePolicy) -> Result<u64, Error> {
        let mut saver = Saver::create(folder_of(path)?).await?;
        self.write_to(&mut saver).await?;
        finish(saver, path, existing).await
    }

    /// Writes the content to a [temporary file](TempFile).
    ///
    /// # Errors
    ///
    /// As for [`save_as`](Self::save_as).
    pub async fn temp_file(&mut self) -> Result<TempFile, Error> {
        let mut saver = Saver::create(self.form.folder()).await?;
        self.write_to(&mut saver).await?;
        let size = saver.len();
        let file = saver.finish().await?;
        let content_type = self.content_type().map(str::to_owned);
        Ok(TempFile::new(file, size, self.file_name(), content_type))
    }

    async fn write_to(&mut self, saver: &mut Saver) -> Result<(), Error> {
        while let Some(chunk) = self.form.chunk().await? {
            saver.write(chunk).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name())
            .field("file_name", &self.file_name)
            .finish_non_exhaustive()
    }
}
