//! The errors of the service, and the responses that clients get.

use volga::error::{Error, Problem};

/// The longest title, in characters.
pub(crate) const MAX_TITLE: usize = 200;

/// An error of the service. It chooses its own status, so it does not implement
/// `std::error::Error`.
pub(crate) enum TodoError {
    /// No todo has this number.
    Unknown(i64),
    /// A title with this number of characters, which is 0 or too large.
    Title { length: usize },
    /// The database failed, or the task that used it panicked.
    Store(Error),
}

impl From<TodoError> for Error {
    fn from(error: TodoError) -> Self {
        match error {
            TodoError::Unknown(id) => Problem::new(404)
                .with_title("no such todo")
                .with_detail(format!("there is no todo {id}"))
                .into(),
            TodoError::Title { length } => Problem::new(422)
                .with_title("unfit title")
                .with_detail(format!("a title has 1 to {MAX_TITLE} characters, not {length}"))
                .with_extension("field", "title")
                .with_extension("max", MAX_TITLE)
                .into(),
            TodoError::Store(error) => error,
        }
    }
}

impl From<rusqlite::Error> for TodoError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(Error::server_error(error))
    }
}

impl From<tokio::task::JoinError> for TodoError {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Store(Error::server_error(error))
    }
}
