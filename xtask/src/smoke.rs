//! Starts every example once, asks it for a page, ends it: `[package.metadata.smoke]` of its manifest says what to expect.

pub(crate) mod metadata;
mod process;

use std::{
    thread,
    time::{Duration, Instant},
};

use metadata::{Exit, Expect, Smoke};
use process::Running;

use crate::{
    http_get::Url,
    tools::{self, Failure, Style, paint, shown_time},
    workspace::{Example, Workspace},
};

/// How long an example may take to answer, or a command-line example to finish.
const ANSWER: Duration = Duration::from_secs(30);
/// How long an example may take to end when told to.
const END: Duration = Duration::from_secs(15);
/// How often a port is tried.
const RETRY: Duration = Duration::from_millis(50);

/// Builds all examples at once and tries each.
///
/// # Errors
/// The first example that does not build, answer or end as its manifest says.
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
            .and_then(|smoke| attempt(workspace, example, &smoke))
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

/// Runs one example and returns what it did, for people.
fn attempt(workspace: &Workspace, example: &Example<'_>, smoke: &Smoke) -> Result<String, Failure> {
    let log = workspace.target_dir().join("smoke").join(format!("{}.log", example.name));
    match &smoke.expect {
        Expect::Page { url, contains } => {
            let page = Url::parse(url)
                .ok_or_else(|| Failure::new(format!("`{url}` is not http://HOST:PORT/PATH")))?;
            if page.connect().is_ok() {
                return Err(Failure::new(format!(
                    "something listens at {url} already: end it first (`ss -ltnp` shows what it is)"
                )));
            }
            let running =
                Running::start(&example.binary, &smoke.args, smoke.stdin.as_deref(), &log)?;
            serve(running, &page, contains, smoke.exit).map(|()| format!("{url} answered"))
        }
        Expect::Output { contains } => {
            let mut running =
                Running::start(&example.binary, &smoke.args, smoke.stdin.as_deref(), &log)?;
            running.wait_for_success(ANSWER)?;
            if running.output().contains(contains) {
                Ok("finished".to_owned())
            } else {
                Err(running.failure(&format!("its output does not contain {contains:?}")))
            }
        }
    }
}

fn serve(mut running: Running, page: &Url, contains: &str, exit: Exit) -> Result<(), Failure> {
    let deadline = Instant::now() + ANSWER;
    let stream = loop {
        match page.connect() {
            Ok(stream) => break stream,
            Err(error) if Instant::now() >= deadline => {
                return Err(running
                    .failure(&format!("did not listen within {}: {error}", shown_time(ANSWER))));
            }
            Err(_) => thread::sleep(RETRY),
        }
        if let Some(status) = running.ended()? {
            return Err(running.failure(&format!("ended with {status} before it listened")));
        }
    };
    let answer = page
        .get(stream, contains, deadline)
        .map_err(|error| running.failure(&format!("did not answer: {error}")))?;
    if answer.status != 200 {
        return Err(running.failure(&format!("answered with status {}", answer.status)));
    }
    if !answer.contains {
        return Err(running.failure(&format!("its answer does not contain {contains:?}")));
    }
    match exit {
        Exit::Clean => {
            running.terminate()?;
            running.wait_for_success(END)
        }
        // Dropping it ends it.
        Exit::Any => Ok(()),
    }
}
