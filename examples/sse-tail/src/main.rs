//! Prints the events of a stream as lines of JSON, and returns to the stream as the standard says.
//!
//! ```sh
//! cargo run -p sse
//! cargo run -p sse-tail -- http://localhost:7878/events
//! printf 'data: one\n\n' | cargo run -p sse-tail -- -
//! ```
//!
//! `sse-tail --help` has the options and the exit codes.

mod args;
mod fetch;
mod pipe;
mod print;
mod tail;
mod target;

use std::{env, error::Error, io, process::ExitCode};

use args::{Command, HELP};
use volga_sse::{DecodeError, reconnect::Rejection};

/// Why the program ends badly. Each has an exit code, and `--help` lists them.
#[derive(Debug)]
enum Failure {
    /// The command line, or a URL that the server sent us to: what is wrong, and what to write
    /// instead.
    Usage(String),
    /// The server answers, but with no event stream.
    Refused(Rejection),
    /// The time was over before there were as many events as asked for.
    TooLate { printed: u64 },
    /// The stream exceeds a limit of the decoder.
    Stream(DecodeError),
    /// Input that cannot be read, or output that cannot be written.
    Io(io::Error),
}

impl Failure {
    fn code(&self) -> u8 {
        match self {
            Self::Refused(_) => 1,
            Self::Usage(_) => 2,
            Self::TooLate { .. } => 3,
            Self::Stream(_) => 4,
            Self::Io(_) => 5,
        }
    }

    /// What happened, and what to do about it.
    fn text(&self) -> String {
        match self {
            Self::Usage(text) => text.clone(),
            Self::Refused(refusal) => format!("{refusal}; {}", advice(*refusal)),
            Self::TooLate { printed } => format!(
                "the time is over after {printed} events; ask for fewer with --max, or wait longer with --timeout"
            ),
            Self::Stream(error) => {
                format!("{error}, which sse-tail does not offer: is this an event stream at all?")
            }
            Self::Io(error) => error.to_string(),
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Stream(error)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read our output has had enough, as `head` has. That is no failure.
        Err(Failure::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(failure) => {
            print::say(&failure.text());
            ExitCode::from(failure.code())
        }
    }
}

fn run() -> Result<(), Failure> {
    let args = env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned());
    match Command::parse(args, env::var("CHUNK").ok().as_deref()).map_err(Failure::Usage)? {
        Command::Help => print::help(HELP).map_err(Failure::from),
        Command::Pipe { chunk, max } => pipe::run(chunk, max),
        Command::Tail(options) => tail::run(options),
    }
}

fn advice(refusal: Rejection) -> &'static str {
    match refusal {
        Rejection::Status(401 | 403) => "give credentials with -H 'authorization: …'",
        Rejection::Status(404 | 405 | 410) => "check the path",
        Rejection::Status(429 | 500..=599) => "try again later; the server's log may say more",
        Rejection::ContentType => "check the path; curl -i shows what is there",
        _ => "curl -i shows the answer",
    }
}

/// An error and its causes, as one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some errors repeat their cause.
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
