//! What goes wrong with todos, and what the client reads then.

use volga::error::{Error, Problem};

/// The longest title, in characters.
pub(crate) const MAX_TITLE: usize = 200;

/// Why something could not be done. It decides its own status, so it is no `std::error::Error`.
pub(crate) enum TodoError {
    /// There is no todo with this number.
    Unknown(i64),
    /// A title of so many characters: none, or too many.
    Title { length: usize },
    /// The database failed, or the work on it panicked.
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
