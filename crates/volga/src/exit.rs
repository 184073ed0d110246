//! How an app ended, for the one who started it: errors and exit codes.

use std::{
    error::Error as StdError,
    fmt,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

/// Why an app that was told to end did not end in order; the cause of an error of [`App::run`](crate::App::run).
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ShutdownError {
    /// What was still busy at the [deadline](crate::App::with_shutdown_timeout) was cut.
    Cut {
        /// How many connections.
        connections: usize,
        /// How many [`detached`](crate::detached) handlers. They end with the runtime.
        tasks: usize,
        /// The deadline.
        deadline: Duration,
    },
    /// A second signal asked to end at once, and everything was cut.
    Forced,
}

impl ShutdownError {
    /// The one that is the cause of an error.
    ///
    /// ```
    /// use volga::{App, error::ShutdownError};
    ///
    /// # async fn run(app: App) {
    /// if let Err(error) = app.run().await {
    ///     match ShutdownError::of(&error) {
    ///         Some(ShutdownError::Cut { connections, .. }) => eprintln!("{connections} were cut"),
    ///         _ => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The exit code that says so: 2 for [`Cut`](Self::Cut), 3 for [`Forced`](Self::Forced).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Cut { .. } => 2,
            Self::Forced => 3,
        }
    }
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { connections, tasks, deadline } => {
                match (connections, tasks) {
                    (connections, 0) => write!(f, "{connections} connections")?,
                    (0, tasks) => write!(f, "{tasks} detached handlers")?,
                    _ => write!(f, "{connections} connections and {tasks} detached handlers")?,
                }
                write!(f, " were still busy {deadline:?} after the end began, and were cut")
            }
            Self::Forced => f.write_str("a second signal asked to end at once, and all was cut"),
        }
    }
}

impl StdError for ShutdownError {}

impl From<ShutdownError> for io::Error {
    fn from(error: ShutdownError) -> Self {
        let kind = match error {
            ShutdownError::Cut { .. } => io::ErrorKind::TimedOut,
            ShutdownError::Forced => io::ErrorKind::Interrupted,
        };
        Self::new(kind, error)
    }
}

/// The exit code of a program that runs an app, after its error, if there is one, is written to standard error.
///
/// | Code | How it ended |
/// |---|---|
/// | 0 | in order |
/// | 1 | it could not start: a fault of the routes, an address that is in use |
/// | 2 | what was busy at the deadline was cut |
/// | 3 | a second signal ended it at once |
///
/// A `main` that returns the result of `run` itself exits with 0 or 1.
///
/// ```no_run
/// use std::process::ExitCode;
/// use volga::App;
///
/// #[tokio::main]
/// async fn main() -> ExitCode {
///     let app = App::new();
///     volga::exit_code(app.run().await)
/// }
/// ```
pub fn exit_code(ended: io::Result<()>) -> ExitCode {
    let Err(error) = ended else { return ExitCode::SUCCESS };
    // Nobody may be reading, and that changes nothing.
    let _ = io::stderr().write_all(format!("Error: {error}\n").as_bytes());
    ShutdownError::of(&error).map_or(ExitCode::FAILURE, |error| error.exit_code().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(connections: usize, tasks: usize) -> io::Error {
        ShutdownError::Cut { connections, tasks, deadline: Duration::from_secs(10) }.into()
    }

    #[test]
    fn a_cut_names_what_was_cut() {
        let rest = "were still busy 10s after the end began, and were cut";
        assert_eq!(cut(2, 0).to_string(), format!("2 connections {rest}"));
        assert_eq!(cut(0, 1).to_string(), format!("1 detached handlers {rest}"));
        assert_eq!(cut(2, 1).to_string(), format!("2 connections and 1 detached handlers {rest}"));
    }

    #[test]
    fn each_end_has_an_exit_code_of_its_own() {
        for (ended, code) in [
            (Ok(()), 0),
            (Err(io::ErrorKind::AddrInUse.into()), 1),
            (Err(io::ErrorKind::TimedOut.into()), 1),
            (Err(cut(1, 0)), 2),
            (Err(ShutdownError::Forced.into()), 3),
        ] {
            // An `ExitCode` can be compared in no other way.
            assert_eq!(format!("{:?}", exit_code(ended)), format!("{:?}", ExitCode::from(code)));
        }
    }
}
