//! `Store`: where static files come from. `Entry`: what is at a path.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use bytes::Bytes;
use volga_core::headers::ETag;

use crate::files::blocking;
use crate::files::file_name;
use crate::files::open::{OpenFile, is_missing};
use crate::files::validators::{Validators, whole_seconds};
use crate::static_files::coding::Coding;
use crate::static_files::request_path::RequestPath;

/// How many files a listing of a folder has at most: 10,000.
pub const MAX_LISTED_FILES: usize = 10_000;

/// Where static files come from.
#[derive(Clone, Debug)]
pub(crate) enum Store {
    Folder(PathBuf),
    Embedded(Arc<BTreeMap<String, EmbeddedFile>>),
}

#[derive(Debug)]
pub(crate) struct EmbeddedFile {
    bytes: Bytes,
    validators: Validators,
}

/// What a request asks a store for.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    pub(crate) path: RequestPath,
    /// The name of the file that stands for its folder.
    pub(crate) index: Option<Cow<'static, str>>,
    pub(crate) has_listing: bool,
    pub(crate) dot_files: bool,
    /// The codings of which a file may be sent, the best one first.
    pub(crate) codings: Vec<Coding>,
}

/// What a store has at a path.
#[derive(Debug)]
pub(crate) enum Entry {
    /// A file. The path is that of the plain file, even if a compressed one was found.
    File {
        path: String,
        content: FileContent,
        coding: Option<Coding>,
    },
    /// A folder, whose path needs a slash at its end.
    FolderWithoutSlash,
    /// The names in a folder. Those of folders end in a slash.
    Listing(Listing),
    Missing,
}

#[derive(Debug)]
pub(crate) enum FileContent {
    Open(OpenFile),
    Bytes(Bytes, Validators),
}

/// The names in a folder.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct Listing {
    pub(crate) names: BTreeSet<String>,
    /// Whether the folder has more than [`MAX_LISTED_FILES`].
    pub(crate) is_cut: bool,
}

impl Listing {
    fn add(&mut self, name: String) {
        self.names.insert(name);
        if self.names.len() > MAX_LISTED_FILES {
            self.names.pop_last();
            self.is_cut = true;
        }
    }
}

impl Store {
    pub(crate) fn embedded<P, C>(files: impl IntoIterator<Item = (P, C)>) -> Self
    where
        P: Into<String>,
        C: Into<Cow<'static, [u8]>>,
    {
        let file = |(path, content): (P, C)| {
            // Windows has backslashes in the paths that macros embed.
            let path = path.into().replace('\\', "/");
            let bytes = match content.into() {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            };
            let validators = Validators::of_bytes(&bytes);
            (path.trim_start_matches('/').to_owned(), EmbeddedFile { bytes, validators })
        };
        Self::Embedded(Arc::new(files.into_iter().map(file).collect()))
    }

    /// Looks a path up. Disks are read on blocking threads.
    pub(crate) async fn find(&self, query: Query) -> io::Result<Entry> {
        match self {
            Self::Embedded(files) => Ok(find_embedded(files, &query)),
            Self::Folder(root) => {
                let root = root.clone();
                blocking::run(move || {
                    match Folder::open(&root)?.find(&query) {
                        // Something was deleted between two looks at it.
                        Err(error) if is_missing(&error) => Ok(Entry::Missing),
                        found => found,
                    }
                })
                .await
            }
        }
    }
}

fn find_embedded(files: &BTreeMap<String, EmbeddedFile>, query: &Query) -> Entry {
    let RequestPath { relative, has_slash } = &query.path;
    let file = |path: &str| {
        let plain = files.get(path)?;
        let coded = query.codings.iter().find_map(|coding| {
            Some((files.get(&format!("{path}{}", coding.extension()))?, *coding))
        });
        let (file, coding) = coded.map_or((plain, None), |(file, coding)| (file, Some(coding)));
        let validators = coded_validators(file.validators.clone(), coding);
        let content = FileContent::Bytes(file.bytes.clone(), validators);
        Some(Entry::File { path: path.to_owned(), content, coding })
    };
    if !has_slash && let Some(found) = file(relative) {
        return found;
    }
    let prefix = if relative.is_empty() { String::new() } else { format!("{relative}/") };
    let below = files.range(prefix.clone()..).map_while(|(path, _)| path.strip_prefix(&*prefix));
    if below.clone().next().is_none() && !relative.is_empty() {
        return Entry::Missing;
    }
    if !has_slash {
        return Entry::FolderWithoutSlash;
    }
    if let Some(found) = query.index.as_deref().and_then(|index| file(&query.path.join(index))) {
        return found;
    }
    if !query.has_listing {
        return Entry::Missing;
    }
    let mut listing = Listing::default();
    for path in below {
        let (name, slash) = match path.split_once('/') {
            Some((folder, _)) => (folder, "/"),
            None => (path, ""),
        };
        if is_listed(name, query.dot_files) {
            listing.add(format!("{name}{slash}"));
        }
    }
    Entry::Listing(listing)
}

/// Whether a listing shows a name: not if a request for it is refused.
fn is_listed(name: &str, dot_files: bool) -> bool {
    file_name::check(name).is_ok() && (dot_files || !name.starts_with('.'))
}

/// Gives each coding of a file a tag of its own.
fn coded_validators(mut validators: Validators, coding: Option<Coding>) -> Validators {
    if let (Some(coding), Some(etag)) = (coding, &validators.etag) {
        let text = format!("{}-{}", etag.text(), coding.name());
        let etag = if etag.is_weak() { ETag::weak(text) } else { ETag::strong(text) };
        validators.etag = etag.ok();
    }
    validators
}

/// A folder on disk, as it is at the time of one request.
struct Folder {
    /// The path of the folder without symbolic links.
    root: PathBuf,
}

impl Folder {
    fn open(root: &Path) -> io::Result<Self> {
        match root.canonicalize() {
            Ok(root) => Ok(Self { root }),
            Err(error) => Err(io::Error::other(UnreadableRoot { root: root.to_owned(), error })),
        }
    }

    fn find(&self, query: &Query) -> io::Result<Entry> {
        let RequestPath { relative, has_slash } = &query.path;
        let Some(path) = self.resolve(relative, query)? else { return Ok(Entry::Missing) };
        if !fs::metadata(&path)?.is_dir() {
            return if *has_slash { Ok(Entry::Missing) } else { self.find_file(relative, query) };
        }
        if !has_slash {
            return Ok(Entry::FolderWithoutSlash);
        }
        if let Some(index) = &query.index {
            match self.find_file(&query.path.join(index), query)? {
                Entry::Missing => {}
                found => return Ok(found),
            }
        }
        if query.has_listing { list(&path, query.dot_files) } else { Ok(Entry::Missing) }
    }

    fn find_file(&self, relative: &str, query: &Query) -> io::Result<Entry> {
        let Some(plain) = self.open_file(relative, query)? else { return Ok(Entry::Missing) };
        for coding in &query.codings {
            let coded = self.open_file(&format!("{relative}{}", coding.extension()), query)?;
            // A compressed file that is older than the plain one is of an earlier version.
            if let Some(coded) = coded
                && modified(&coded)? >= modified(&plain)?
            {
                return Ok(found_file(relative, coded, Some(*coding)));
            }
        }
        Ok(found_file(relative, plain, None))
    }

    fn open_file(&self, relative: &str, query: &Query) -> io::Result<Option<OpenFile>> {
        let Some(path) = self.resolve(relative, query)? else { return Ok(None) };
        match OpenFile::open(&path) {
            Ok(open) => Ok(Some(open)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The path without symbolic links. `None` if nothing is there, if a link leads out of the
    /// folder, or if it leads to a hidden file.
    fn resolve(&self, relative: &str, query: &Query) -> io::Result<Option<PathBuf>> {
        let path = match self.root.join(relative).canonicalize() {
            Ok(path) => path,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let Ok(within) = path.strip_prefix(&self.root) else { return Ok(None) };
        let is_hidden = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b".");
        if !query.dot_files && within.iter().any(is_hidden) {
            return Ok(None);
        }
        Ok(Some(path))
    }
}

/// The time of modification in whole seconds. Files that one program unpacks have times that differ
/// by less, in any order.
fn modified(open: &OpenFile) -> io::Result<SystemTime> {
    open.file.metadata()?.modified().map(whole_seconds)
}

fn found_file(relative: &str, mut open: OpenFile, coding: Option<Coding>) -> Entry {
    open.validators = coded_validators(open.validators, coding);
    Entry::File { path: relative.to_owned(), content: FileContent::Open(open), coding }
}

/// Lists the files and folders in a folder. A link to a folder is listed as a file, because
/// following each link would cost much; the request for it redirects.
fn list(path: &Path, dot_files: bool) -> io::Result<Entry> {
    let mut listing = Listing::default();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if let Ok(mut name) = entry.file_name().into_string()
            && is_listed(&name, dot_files)
        {
            let kind = entry.file_type()?;
            if kind.is_dir() {
                name.push('/');
            }
            // Pipes, sockets and devices are not served.
            if kind.is_dir() || kind.is_file() || kind.is_symlink() {
                listing.add(name);
            }
        }
    }
    Ok(Entry::Listing(listing))
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the folder of static files `{}` cannot be read; a relative path starts at the folder in which the program was started",
    root.display()
)]
struct UnreadableRoot {
    root: PathBuf,
    #[source]
    error: io::Error,
}
