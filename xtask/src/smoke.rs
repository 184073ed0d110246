//! The smoke test: starts every example once, asks it for a page and ends it.
//!
//! `[package.metadata.smoke]` in the example's manifest says what the test expects.

pub(crate) mod metadata;
mod process;

use std::{
    thread,
    time::{Duration, Instant},
};

use metadata::{Exit, Expectation, Smoke};
use process::ExampleProcess;

use crate::{
    http_get::Url,
    tools::{self, Failure, Style, paint, shown_time},
    workspace::{Example, Workspace},
};

/// How long an example may take to respond, or a command-line example to finish.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// How long an example may take to exit after SIGTERM.
const EXIT_TIMEOUT: Duration = Duration::from_secs(15);
/// The time between two attempts to connect.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Builds all examples at once and tests each of them.
///
/// # Errors
/// Fails at the first example that does not build, or does not respond or end as its manifest says.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let examples = workspace.examples();
    let mut build = workspace.cargo(&["build"]);
    for example in &examples {
        build.args(["--package", example.name]);
    }
    if examples.is_empty() {
        return Err(Failure::new("there is no package under examples/"));
    }
    tools::run(&mut build)?;
    for example in &examples {
        let start = Instant::now();
        let smoke = Smoke::parse(&example.smoke)
            .and_then(|smoke| test_example(workspace, example, &smoke))
            .map_err(|failure| Failure::new(format!("example {}: {failure}", example.name)))?;
        println!(
            "{}",
            paint(
                Style::Good,
                &format!("{}: {smoke}, {}", example.name, shown_time(start.elapsed()))
            )
        );
    }
    Ok(())
}

/// Runs one example and returns a summary for people.
fn test_example(
    workspace: &Workspace,
    example: &Example<'_>,
    smoke: &Smoke,
) -> Result<String, Failure> {
    let log = workspace.target_dir().join("smoke").join(format!("{}.log", example.name));
    match &smoke.expect {
        Expectation::Page { url, contains } => {
            let page = Url::parse(url)
                .ok_or_else(|| Failure::new(format!("`{url}` is not http://HOST:PORT/PATH")))?;
            if page.connect().is_ok() {
                return Err(Failure::new(format!(
                    "another program already listens at {url}: end it first (`ss -ltnp` shows it)"
                )));
            }
            let process =
                ExampleProcess::start(&example.binary, &smoke.args, smoke.stdin.as_deref(), &log)?;
            test_server(process, &page, contains, smoke.exit).map(|()| format!("{url} responded"))
        }
        Expectation::Output { contains } => {
            let mut process =
                ExampleProcess::start(&example.binary, &smoke.args, smoke.stdin.as_deref(), &log)?;
            process.wait_for_success(RESPONSE_TIMEOUT)?;
            if process.output().contains(contains) {
                Ok("finished".to_owned())
            } else {
                Err(process.failure(&format!("its output does not contain {contains:?}")))
            }
        }
    }
}

fn test_server(
    mut process: ExampleProcess,
    page: &Url,
    contains: &str,
    exit: Exit,
) -> Result<(), Failure> {
    let deadline = Instant::now() + RESPONSE_TIMEOUT;
    let stream = loop {
        match page.connect() {
            Ok(stream) => break stream,
            Err(error) if Instant::now() >= deadline => {
                return Err(process.failure(&format!(
                    "did not listen within {}: {error}",
                    shown_time(RESPONSE_TIMEOUT)
                )));
            }
            Err(_) => thread::sleep(RETRY_INTERVAL),
        }
        if let Some(status) = process.exit_status()? {
            return Err(process.failure(&format!("ended with {status} before it listened")));
        }
    };
    let response = page
        .get(stream, contains, deadline)
        .map_err(|error| process.failure(&format!("did not respond: {error}")))?;
    if response.status != 200 {
        return Err(process.failure(&format!("responded with status {}", response.status)));
    }
    if !response.contains_text {
        return Err(process.failure(&format!("its response does not contain {contains:?}")));
    }
    match exit {
        Exit::Clean => {
            process.terminate()?;
            process.wait_for_success(EXIT_TIMEOUT)
        }
        // Dropping the process kills it.
        Exit::Any => Ok(()),
    }
}
