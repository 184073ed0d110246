//! Runs the benchmarks of `bench/`, which is a workspace of its own, so that the peers that it
//! measures stay out of our lock file.
//!
//! There are two kinds of benchmarks: whole servers under load (the laboratory, `bench/load`), and
//! micro benchmarks of one function each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// The programs of the laboratory: the load generator, and the servers that are written in Rust.
const PROGRAMS: &[&str] = &[
    "bench-load",
    "bench-volga",
    "bench-hyper",
    "bench-axum",
    "bench-actix",
    "bench-h3",
    "bench-limit",
];

/// The programs of the rows of several nodes.
const NODE_PROGRAMS: &[&str] = &["bench-load", "bench-node", "bench-xread"];

/// The environment variable by which the laboratory asks a server for worker threads.
const WORKERS_VARIABLE: &str = "BENCH_WORKERS";

/// Runs the laboratory with these arguments, or the micro benchmarks if the arguments are for
/// `cargo bench`.
///
/// # Errors
/// Fails when a program does not build, or when it ends with an error.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<(), Failure> {
    println!("the benchmarks of bench/, optimised; the first build takes a while");
    if is_micro(args) {
        // All micro benchmarks, unless the arguments choose some.
        let chooses = args.iter().any(|arg| ["--bench", "--benches"].contains(&arg.as_str()));
        let all: &[&str] = if chooses { &[] } else { &["--benches"] };
        return tools::run(command(workspace, "bench", all).args(args));
    }
    let (revision, args) = take_revision(args)?;
    let has_workers = args.iter().any(|arg| arg == "--workers");
    let before = revision.map(|revision| build_before(workspace, &revision, has_workers));
    let before = before.transpose()?;
    let programs = if args.iter().any(|arg| arg == "--nodes") { NODE_PROGRAMS } else { PROGRAMS };
    for program in programs {
        // Each program is built alone, as its user would build it. Built together, all of them
        // would get the features that one of them enables in a library that they share. With the
        // feature `log` of `tracing`, which actix enables, every HTTP/2 frame costs any server half
        // as much again.
        tools::run(&mut command(workspace, "build", &["--release", "--package", program]))?;
    }
    let mut lab = Command::new(workspace.target_dir().join("bench/release/lab"));
    if let Some(before) = before {
        lab.arg("--before").arg(before);
    }
    tools::run(lab.args(args))
}

/// Runs the rows of the laboratory in which clients attack, for Volga and hyper.
///
/// # Errors
/// Fails when a program does not build, or when Volga fails in a row.
pub(crate) fn abuse(workspace: &Workspace, args: &[String]) -> Result<(), Failure> {
    for program in ["bench-load", "bench-volga", "bench-hyper"] {
        tools::run(&mut command(workspace, "build", &["--release", "--package", program]))?;
    }
    let mut lab = Command::new(workspace.target_dir().join("bench/release/lab"));
    tools::run(lab.arg("--abuse").args(args))
}

/// Runs short attacks on Volga alone, and checks the bounds of its memory, and that an innocent
/// client gets all its responses. Nothing is optimised, because no time is checked.
///
/// # Errors
/// Fails when a program does not build, or when a bound does not hold.
pub(crate) fn check_abuse(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(&mut command(
        workspace,
        "build",
        &["--package", "bench-load", "--package", "bench-volga"],
    ))?;
    let mut lab = Command::new(workspace.target_dir().join("bench/debug/lab"));
    tools::run(lab.args(["--abuse", "--quick", "--bounds", "--servers", "volga"]))
}

/// Writes the attacks over HTTP/2 as inputs of the fuzz target `http2` into the folder.
///
/// # Errors
/// Fails when the laboratory does not build, or when the folder cannot be written.
pub(crate) fn write_corpus(workspace: &Workspace, folder: &Path) -> Result<(), Failure> {
    tools::run(&mut command(workspace, "build", &["--package", "bench-load"]))?;
    let mut lab = Command::new(workspace.target_dir().join("bench/debug/lab"));
    tools::run(lab.arg("--write-corpus").arg(folder))
}

/// Takes `--against REVISION` out of the arguments, because the laboratory wants a program instead.
fn take_revision(args: &[String]) -> Result<(Option<String>, Vec<String>), Failure> {
    let mut rest = args.to_vec();
    let Some(at) = rest.iter().position(|arg| arg == "--against") else {
        return Ok((None, rest));
    };
    if at + 1 >= rest.len() {
        return Err(Failure::new(
            "`--against` wants a revision: cargo xtask bench --against HEAD~1",
        ));
    }
    let revision = rest.remove(at + 1);
    rest.remove(at);
    Ok((Some(revision), rest))
}

/// Builds the laboratory's volga server as it was at this revision, and returns the program.
fn build_before(
    workspace: &Workspace,
    revision: &str,
    has_workers: bool,
) -> Result<PathBuf, Failure> {
    let folder = workspace.target_dir().join("bench-before");
    let source = folder.join("source");
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(&workspace.root).args(args);
        tools::run(&mut git)
    };
    let source_text = source.to_string_lossy();
    if source.exists() {
        git(&["worktree", "remove", "--force", &source_text])?;
    }
    git(&["worktree", "add", "--force", "--detach", &source_text, revision])?;
    // Older servers ignore the number of workers. Their figures would be those of one thread.
    let servers = fs::read_to_string(source.join("bench/servers/common/src/lib.rs"));
    if has_workers && !servers.is_ok_and(|text| text.contains(WORKERS_VARIABLE)) {
        return Err(Failure::new(format!(
            "the server of {revision} always runs on one thread, because it does not read \
             {WORKERS_VARIABLE}; choose a later revision, or leave out `--workers`",
        )));
    }
    let target = folder.join("build");
    let mut build = tools::cargo(&source, &["build", "--manifest-path", "bench/Cargo.toml"]);
    build.args(["--release", "--package", "bench-volga", "--target-dir"]).arg(&target);
    tools::run(&mut build)?;
    Ok(target.join("release/bench-volga"))
}

/// Compiles all benchmarks without optimising or running them, and runs the laboratory's tests.
///
/// # Errors
/// Fails when something does not compile, or when a test fails.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(&mut command(
        workspace,
        "clippy",
        &["--workspace", "--all-targets", "--", "-D", "warnings"],
    ))?;
    tools::run(&mut command(workspace, "test", &["--package", "bench-load"]))
}

/// Whether the arguments are for micro benchmarks: `--bench NAME`, `--benches`, or anything
/// after `--`.
fn is_micro(args: &[String]) -> bool {
    args.iter().any(|arg| ["--bench", "--benches", "--"].contains(&arg.as_str()))
}

fn command(workspace: &Workspace, command: &str, args: &[&str]) -> Command {
    let mut cargo = workspace.cargo(&[command, "--manifest-path", "bench/Cargo.toml"]);
    // A target folder of its own, so that this build neither waits for a build of the main
    // workspace nor replaces its results.
    cargo.arg("--target-dir").arg(workspace.target_dir().join("bench")).args(args);
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_tell_the_two_kinds_apart() {
        let is_micro =
            |line: &str| is_micro(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for line in ["--bench route", "--benches", "--bench encode -- short"] {
            assert!(is_micro(line), "{line}");
        }
        for line in ["", "--quick", "--only idle --rounds 3"] {
            assert!(!is_micro(line), "{line}");
        }
    }

    #[test]
    fn the_revision_is_taken_out_of_the_arguments() {
        let take = |line: &str| {
            take_revision(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let (revision, rest) = take("--rounds 3 --against HEAD~1 --quick").expect("a revision");
        assert_eq!(revision.as_deref(), Some("HEAD~1"));
        assert_eq!(rest, ["--rounds", "3", "--quick"]);
        assert!(take("--quick").expect("no revision").0.is_none());
        assert!(take("--against").is_err());
    }
}
