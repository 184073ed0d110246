//! `FileSessions`: a store in a folder, with a file for each session.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use std::{fmt, io};

use http::StatusCode;
use volga_core::Error;

use crate::random_id::is_random_id;
use crate::sessions::id::SessionId;
use crate::sessions::memory::DEFAULT_MAX_SESSIONS;
use crate::sessions::record::SessionRecord;
use crate::sessions::store::SessionStore;

/// How often the files of sessions that have ended are deleted, at most.
const CLEAN_UP_INTERVAL: Duration = Duration::from_secs(600);
/// The file that a session is written to before it gets its name.
const UNFINISHED: &str = "unfinished";

/// Sessions in the files of a folder, which survive a restart. It is enough for an app with one
/// process; several processes need a database. Clones share the folder.
///
/// The names of the files are the IDs of the sessions, which are secrets. On Unix only the user of
/// the process can read the folder (mode 0700) and the files (mode 0600). On other systems, choose
/// a folder that other users cannot read.
///
/// A file is replaced in one step, and written to the disk before. So after `kill -9` or a power
/// failure a session is there in its old or its new state. A file that cannot be read as a session
/// counts as no session.
///
/// When a session begins, and at most every ten minutes, the store deletes the files of the
/// sessions that have ended. At the maximum, a new session is refused with status 503.
///
/// ```
/// use volga_web::{FileSessions, Sessions};
///
/// # fn main() -> std::io::Result<()> {
/// # let temporary = tempfile::tempdir()?;
/// let folder = "data/sessions";
/// # let folder = temporary.path().join(folder);
/// let sessions = Sessions::new(FileSessions::open(folder)?);
/// # drop(sessions);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct FileSessions {
    folder: Arc<Path>,
    max: usize,
    /// Locked while a file changes, so that a change cannot undo another one.
    kept: Arc<Mutex<Kept>>,
}

/// The number of files, and the time of the last cleaning.
struct Kept {
    count: usize,
    cleaned_at: Option<SystemTime>,
}

impl FileSessions {
    /// Opens the folder, and creates it if it does not exist. This blocks, so call it when the
    /// program starts.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder cannot be created or read. The kind is
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) if other users can read the folder and it
    /// has files that are no sessions: the store then does not change who may read it.
    pub fn open(folder: impl Into<PathBuf>) -> io::Result<Self> {
        let folder = folder.into();
        create_folder(&folder)?;
        let mut count = 0;
        let mut has_other_files = false;
        for file in fs::read_dir(&folder)? {
            let name = file?.file_name();
            let is_session = name.to_str().is_some_and(is_random_id);
            count += usize::from(is_session);
            has_other_files |= !is_session && name != UNFINISHED;
        }
        close_folder(&folder, has_other_files)?;
        let kept = Kept { count, cleaned_at: None };
        Ok(Self {
            folder: folder.into(),
            max: DEFAULT_MAX_SESSIONS,
            kept: Arc::new(Mutex::new(kept)),
        })
    }

    /// Sets the maximum number of sessions, [`DEFAULT_MAX_SESSIONS`] by default. It is at least 1.
    #[must_use]
    pub fn with_max(mut self, count: usize) -> Self {
        self.max = count.max(1);
        self
    }

    /// Runs work on a thread that may block. Once begun, it is finished even if the client leaves.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || work(&store)).await?
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, name: &str) -> Result<Option<SessionRecord>, Error> {
        let bytes = match fs::read(self.folder.join(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        Ok(serde_json::from_slice(&bytes).ok().map(|(user, data, created_at, expires_at)| {
            SessionRecord { user, data, created_at, expires_at }
        }))
    }

    fn write(&self, name: &str, record: SessionRecord) -> Result<(), Error> {
        let SessionRecord { user, data, created_at, expires_at } = record;
        let bytes = serde_json::to_vec(&(user, data, created_at, expires_at))?;
        let unfinished = self.folder.join(UNFINISHED);
        let mut file = create_file(&unfinished)?;
        file.write_all(&bytes)?;
        // Otherwise a power failure could leave an empty file under the name of the session.
        file.sync_all()?;
        Ok(fs::rename(unfinished, self.folder.join(name))?)
    }

    fn delete_file(&self, name: &str, kept: &mut Kept) -> Result<(), Error> {
        match fs::remove_file(self.folder.join(name)) {
            Ok(()) => kept.count = kept.count.saturating_sub(1),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Deletes the files for which the function returns true. `None` stands for a file that is not
    /// readable as a session.
    fn delete_if(
        &self,
        kept: &mut Kept,
        is_over: impl Fn(Option<&SessionRecord>) -> bool,
    ) -> Result<(), Error> {
        for file in fs::read_dir(&self.folder)? {
            let name = file?.file_name();
            let Some(name) = name.to_str().filter(|name| is_random_id(name)) else { continue };
            if is_over(self.read(name)?.as_ref()) {
                self.delete_file(name, kept)?;
            }
        }
        Ok(())
    }

    fn clean_up(&self, kept: &mut Kept, now: SystemTime) -> Result<(), Error> {
        let is_due = kept.cleaned_at.is_none_or(|last| match now.duration_since(last) {
            Ok(passed) => passed >= CLEAN_UP_INTERVAL,
            // The clock was set back.
            Err(_) => true,
        });
        if is_due {
            kept.cleaned_at = Some(now);
            self.delete_if(kept, |record| record.is_none_or(|record| record.expires_at <= now))?;
        }
        Ok(())
    }
}

impl SessionStore for FileSessions {
    async fn load(&self, id: &SessionId) -> Result<Option<SessionRecord>, Error> {
        let id = id.clone();
        self.run(move |store| store.read(id.as_str())).await
    }

    async fn insert(&self, id: &SessionId, record: SessionRecord) -> Result<(), Error> {
        let id = id.clone();
        self.run(move |store| {
            let mut kept = store.kept();
            store.clean_up(&mut kept, SystemTime::now())?;
            if kept.count >= store.max {
                let text = format!("there are {} sessions, the maximum of the store", store.max);
                return Err(Error::new(StatusCode::SERVICE_UNAVAILABLE, text));
            }
            store.write(id.as_str(), record)?;
            kept.count += 1;
            Ok(())
        })
        .await
    }

    async fn update(&self, id: &SessionId, record: SessionRecord) -> Result<(), Error> {
        let id = id.clone();
        self.run(move |store| {
            let _kept = store.kept();
            match store.read(id.as_str())? {
                Some(_) => store.write(id.as_str(), record),
                None => Ok(()),
            }
        })
        .await
    }

    async fn touch(&self, id: &SessionId, expires_at: SystemTime) -> Result<(), Error> {
        let id = id.clone();
        self.run(move |store| {
            let _kept = store.kept();
            match store.read(id.as_str())? {
                Some(record) => store.write(id.as_str(), SessionRecord { expires_at, ..record }),
                None => Ok(()),
            }
        })
        .await
    }

    async fn delete(&self, id: &SessionId) -> Result<(), Error> {
        let id = id.clone();
        self.run(move |store| store.delete_file(id.as_str(), &mut store.kept())).await
    }

    async fn delete_of_user(&self, user: &str) -> Result<(), Error> {
        let user = user.to_owned();
        self.run(move |store| {
            store.delete_if(&mut store.kept(), |record| {
                record.is_some_and(|record| record.user.as_ref() == Some(&user))
            })
        })
        .await
    }
}

impl fmt::Debug for FileSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSessions").field("folder", &self.folder).finish_non_exhaustive()
    }
}

#[cfg(unix)]
fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// Makes sure that no other user can read the folder.
#[cfg(unix)]
fn close_folder(folder: &Path, has_other_files: bool) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = fs::metadata(folder)?.permissions();
    if permissions.mode() & 0o077 == 0 {
        return Ok(());
    }
    // The folder may be one such as /tmp, which other programs need.
    if has_other_files {
        let text = "the folder of the sessions has other files, and other users can read it; \
                    give the sessions a folder of their own";
        return Err(io::Error::new(ErrorKind::PermissionDenied, text));
    }
    permissions.set_mode(0o700);
    fs::set_permissions(folder, permissions)
}

#[cfg(not(unix))]
fn close_folder(_folder: &Path, _has_other_files: bool) -> io::Result<()> {
    Ok(())
}

fn create_file(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
