//! `bench/` is a workspace of its own, so that the peers it measures against stay out of our lock file.

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// Runs the benchmarks; `args` go to `cargo bench`, and after `--` to the benchmark itself.
///
/// # Errors
/// When they do not build or end badly.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<(), Failure> {
    println!("the benchmarks of bench/, optimised; the first build takes a while");
    tools::run(command(workspace, "bench", &["--benches"]).args(args))
}

/// Compiles the benchmarks without optimising or running them.
///
/// # Errors
/// When they do not compile.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(&mut command(workspace, "check", &["--benches"]))
}

fn command(workspace: &Workspace, command: &str, args: &[&str]) -> std::process::Command {
    let mut cargo = workspace.cargo(&[command, "--manifest-path", "bench/Cargo.toml"]);
    // Its own folder, so that it never waits for a build of the main workspace, nor unbuilds it.
    cargo.arg("--target-dir").arg(workspace.target_dir().join("bench")).args(args);
    cargo
}
