//! Errors and exit codes of an app that has ended.

use std::{
    error::Error as StdError,
    fmt,
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use volga_http::BindError;

use crate::app_faults::AppFaults;

/// Why an app did not shut down in order. It is the cause of an error of
/// [`App::run`](crate::App::run).
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ShutdownError {
    /// Connections or tasks were still busy at the [deadline](crate::App::with_shutdown_timeout),
    /// and were aborted.
    DeadlineExceeded {
        /// The number of connections that were aborted.
        connections: usize,
        /// The number of [`detached`](crate::detached) handlers, which end with the runtime, and of
        /// [background tasks](crate::App::add_background_task).
        tasks: usize,
        /// The names of the background tasks among them.
        background: Vec<&'static str>,
        /// The deadline.
        deadline: Duration,
    },
    /// A second signal came, and everything was aborted.
    SecondSignal,
    /// A [background task](crate::App::add_background_task) ended, and its policy is to [stop the
    /// app](crate::TaskPolicy::StopApp).
    TaskEnded {
        /// The name of the task.
        name: &'static str,
    },
}

impl ShutdownError {
    /// Returns the `ShutdownError` that is the cause of an error, if there is one.
    ///
    /// ```
    /// use volga::{App, error::ShutdownError};
    ///
    /// # async fn run(app: App) {
    /// if let Err(error) = app.run().await {
    ///     match ShutdownError::of(&error) {
    ///         Some(ShutdownError::DeadlineExceeded { connections, .. }) => {
    ///             eprintln!("{connections} connections were aborted");
    ///         }
    ///         _ => eprintln!("{error}"),
    ///     }
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The exit code: 2 for [`DeadlineExceeded`](Self::DeadlineExceeded), 3 for
    /// [`SecondSignal`](Self::SecondSignal), 4 for [`TaskEnded`](Self::TaskEnded).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::DeadlineExceeded { .. } => 2,
            Self::SecondSignal => 3,
            Self::TaskEnded { .. } => 4,
        }
    }
}

impl fmt::Display for ShutdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeadlineExceeded { connections, tasks, background, deadline } => {
                let (connections, tasks) = (*connections, *tasks);
                if connections > 0 || tasks == 0 {
                    write_count(f, connections, "connection")?;
                }
                if connections > 0 && tasks > 0 {
                    f.write_str(" and ")?;
                }
                if tasks > 0 {
                    write_count(f, tasks, "task")?;
                }
                let were = if connections + tasks == 1 { "was" } else { "were" };
                write!(
                    f,
                    " {were} still busy {deadline:?} after the shutdown began, and {were} aborted"
                )?;
                if background.is_empty() {
                    return Ok(());
                }
                let names: Vec<_> = background.iter().map(|name| format!("`{name}`")).collect();
                let names = names.join(", ");
                write!(f, "; background tasks must end when their token is cancelled: {names}")
            }
            Self::SecondSignal => f.write_str("a second signal came, and everything was aborted"),
            Self::TaskEnded { name } => {
                write!(f, "the background task `{name}` ended, so the app was stopped")
            }
        }
    }
}

/// Writes a number and a noun: "1 connection", "2 connections".
fn write_count(f: &mut fmt::Formatter<'_>, count: usize, noun: &str) -> fmt::Result {
    write!(f, "{count} {noun}{}", if count == 1 { "" } else { "s" })
}

impl StdError for ShutdownError {}

impl From<ShutdownError> for io::Error {
    fn from(error: ShutdownError) -> Self {
        let kind = match error {
            ShutdownError::DeadlineExceeded { .. } => io::ErrorKind::TimedOut,
            ShutdownError::SecondSignal => io::ErrorKind::Interrupted,
            ShutdownError::TaskEnded { .. } => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

/// Returns the exit code of a program that has run an app.
///
/// The error of [`run`](crate::App::run) was written to standard error by `run`. An error from
/// elsewhere, such as one of your own before `run`, is written here.
///
/// | Code | End of the app |
/// |---|---|
/// | 0 | It shut down in order. |
/// | 1 | It could not start: a faulty route, or an address that is in use. |
/// | 2 | Connections or tasks were still busy at the deadline, and were aborted. |
/// | 3 | A second signal ended it at once. |
/// | 4 | A background task ended, and its policy is to stop the app. |
///
/// A `main` that returns the result of `run` exits with 0 or 1.
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
    if !is_of_run(&error) {
        write_line(&error);
    }
    ShutdownError::of(&error).map_or(ExitCode::FAILURE, |error| error.exit_code().into())
}

/// `App::run_blocking` was called where it would block a thread of a runtime for ever.
#[derive(Debug, thiserror::Error)]
#[error("`run_blocking` was called inside a runtime; use `run().await` there")]
pub(crate) struct NestedRuntime;

/// Whether `run` writes its error to standard error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ErrorLine {
    Written,
    Off,
}

impl ErrorLine {
    /// Writes the error, if there is one and if this is not switched off. Returns the result as it
    /// is.
    pub(crate) fn write<T>(self, ended: io::Result<T>) -> io::Result<T> {
        if let (Self::Written, Err(error)) = (self, &ended) {
            write_line(error);
        }
        ended
    }
}

/// Whether this is an error of an app, which `run` has written if it is not to be quiet.
fn is_of_run(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|cause| {
        cause.is::<ShutdownError>()
            || cause.is::<BindError>()
            || cause.is::<AppFaults>()
            || cause.is::<NestedRuntime>()
    })
}

/// Writes an error to standard error. The program goes on if standard error is closed.
fn write_line(error: &io::Error) {
    let _ = io::stderr().write_all(line(error).as_bytes());
}

/// The error and its causes, as far as the message does not have them already.
fn line(error: &io::Error) -> String {
    let mut text = format!("Error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text += &format!(": {part}");
        }
        cause = error.source();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exceeded(connections: usize, tasks: usize, background: &[&'static str]) -> io::Error {
        let (background, deadline) = (background.to_vec(), Duration::from_secs(10));
        ShutdownError::DeadlineExceeded { connections, tasks, background, deadline }.into()
    }

    #[test]
    fn the_message_counts_what_was_aborted() {
        let rest = "were still busy 10s after the shutdown began, and were aborted";
        let text = |connections, tasks, background: &[&'static str]| {
            exceeded(connections, tasks, background).to_string()
        };
        assert_eq!(text(2, 0, &[]), format!("2 connections {rest}"));
        assert_eq!(text(0, 1, &[]), format!("1 task {}", rest.replace("were", "was")));
        assert_eq!(text(2, 1, &[]), format!("2 connections and 1 task {rest}"));
        let named = "background tasks must end when their token is cancelled: `feed`, `clean-up`";
        assert_eq!(text(0, 3, &["feed", "clean-up"]), format!("3 tasks {rest}; {named}"));
    }

    #[test]
    fn a_line_has_the_error_and_the_causes_that_it_does_not_name() {
        #[derive(Debug)]
        struct Outer(io::Error);

        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("cannot read the settings")
            }
        }

        impl StdError for Outer {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&self.0)
            }
        }

        let error = io::Error::other(Outer(io::Error::other("no such file")));
        assert_eq!(line(&error), "Error: cannot read the settings: no such file\n");
        assert_eq!(line(&io::Error::other("busy")), "Error: busy\n");
    }

    #[test]
    fn each_kind_of_end_has_its_own_exit_code() {
        for (ended, code) in [
            (Ok(()), 0),
            (Err(io::ErrorKind::AddrInUse.into()), 1),
            (Err(io::ErrorKind::TimedOut.into()), 1),
            (Err(exceeded(1, 0, &[])), 2),
            (Err(ShutdownError::SecondSignal.into()), 3),
        ] {
            // An `ExitCode` cannot be compared in any other way.
            assert_eq!(format!("{:?}", exit_code(ended)), format!("{:?}", ExitCode::from(code)));
        }
    }
}
