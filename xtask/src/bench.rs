//! `bench/` is a workspace of its own, so that the peers it measures against stay out of our lock file.
//!
//! It has two kinds of benchmarks: whole servers under load (the laboratory, `bench/load`), and micro benchmarks of one function each.

use std::process::Command;

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// The programs of the laboratory: the load, and the servers that are Rust.
const PROGRAMS: &[&str] =
    &["bench-load", "bench-volga", "bench-hyper", "bench-axum", "bench-actix", "bench-limit"];

/// Runs the laboratory with these arguments; or the micro benchmarks, if the arguments are ones of `cargo bench`.
///
/// # Errors
/// When they do not build or end badly.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<(), Failure> {
    println!("the benchmarks of bench/, optimised; the first build takes a while");
    if is_micro(args) {
        // All of them, unless the arguments choose.
        let chooses = args.iter().any(|arg| ["--bench", "--benches"].contains(&arg.as_str()));
        let all: &[&str] = if chooses { &[] } else { &["--benches"] };
        return tools::run(command(workspace, "bench", all).args(args));
    }
    for program in PROGRAMS {
        // Each by itself, as its user would build it: built together, all would have the features that one of them asks of a library they share. With the `log`
        // that actix asks of `tracing`, every HTTP/2 frame costs any server half as much again.
        tools::run(&mut command(workspace, "build", &["--release", "--package", program]))?;
    }
    let mut lab = Command::new(workspace.target_dir().join("bench/release/lab"));
    tools::run(lab.args(args))
}

/// Compiles all of it without optimising or running it, and runs the laboratory's own tests.
///
/// # Errors
/// When something does not compile, or a test fails.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(&mut command(
        workspace,
        "clippy",
        &["--workspace", "--all-targets", "--", "-D", "warnings"],
    ))?;
    tools::run(&mut command(workspace, "test", &["--package", "bench-load"]))
}

/// `--bench NAME` and `--benches` choose micro benchmarks, and what follows `--` is for them.
fn is_micro(args: &[String]) -> bool {
    args.iter().any(|arg| ["--bench", "--benches", "--"].contains(&arg.as_str()))
}

fn command(workspace: &Workspace, command: &str, args: &[&str]) -> Command {
    let mut cargo = workspace.cargo(&[command, "--manifest-path", "bench/Cargo.toml"]);
    // Its own folder, so that it never waits for a build of the main workspace, nor unbuilds it.
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
}
