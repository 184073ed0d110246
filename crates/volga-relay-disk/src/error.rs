//! Why a log is not opened, or does not accept a message.

use std::path::PathBuf;

use redb::StorageError;

/// Why a log on the disk is not opened.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum DiskLogError {
    /// Another process has the file open, or another hub of this process.
    #[error(
        "the log `{}` is in use; end the process that has it open, drop the hub that has it open \
         in this process, or choose another path",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file is torn, was changed by another program, or is not a log.
    #[error(
        "the log `{}` is damaged ({reason}); restore it from a backup, or move it away to begin \
         with an empty log, of which clients are told by a gap",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The damage that was found.
        reason: String,
    },
    /// The file has the format of another version.
    #[error(
        "the log `{}` has format {found}, but this program reads format {expected}; \
         use the version of the program that wrote it, or move the file away",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// The format of the file.
        found: u64,
        /// The format of this program.
        expected: u64,
    },
    /// The file cannot be read or written.
    #[error(
        "the log `{}` cannot be read or written; check that its folder exists, that the program \
         may write there, and that the disk has room",
        path.display()
    )]
    Io {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The thread of the log cannot be started.
    #[error("the thread of the log cannot be started; check the system's limit of threads")]
    Thread(#[source] std::io::Error),
}

/// Why the store fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error("the log is in use")]
    InUse,
    #[error("the log is damaged: {0}")]
    Damaged(String),
    #[error("the log has another format")]
    Format(u64),
    #[error("the log cannot be written; check that the disk has room")]
    Io(#[source] std::io::Error),
}

impl StoreError {
    pub(crate) fn at(self, path: PathBuf) -> DiskLogError {
        match self {
            Self::InUse => DiskLogError::InUse { path },
            Self::Damaged(reason) => DiskLogError::Damaged { path, reason },
            Self::Format(found) => {
                DiskLogError::Format { path, found, expected: crate::store::FORMAT }
            }
            Self::Io(source) => DiskLogError::Io { path, source },
        }
    }
}

impl<E: Into<redb::Error>> From<E> for StoreError {
    fn from(error: E) -> Self {
        match error.into() {
            redb::Error::DatabaseAlreadyOpen => Self::InUse,
            // A file that ends early, or that redb did not write.
            redb::Error::Io(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::Damaged(error.to_string())
            }
            redb::Error::Io(error) => Self::Io(error),
            error @ (redb::Error::PreviousIo | redb::Error::DatabaseClosed) => {
                Self::Io(std::io::Error::other(error.to_string()))
            }
            error => Self::Damaged(error.to_string()),
        }
    }
}

const _: fn(StorageError) -> StoreError = StoreError::from;
