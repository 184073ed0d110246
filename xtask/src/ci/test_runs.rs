//! Other runs of the tests: property tests with more generated cases, the ignored tests, and the
//! models of the hub in every order of their threads' steps.

use std::process::Command;

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// How many cases a property test generates. In proptest, this number overrides those in the code.
const CASES: &str = "3000";

/// Runs the tests of our crates with more cases for each property.
///
/// # Errors
/// Fails when a test fails.
pub(super) fn cases(workspace: &Workspace) -> Result<(), Failure> {
    let mut tests = tests(workspace);
    tests.env("PROPTEST_CASES", CASES);
    // These tests compile programs that must not compile. They have no generated cases.
    tools::run(tests.args(["--skip", "mistakes_are_explained"]))
}

/// Runs the ignored tests and shows their measurements.
///
/// # Errors
/// Fails when a test fails.
pub(super) fn soak(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(tests(workspace).args(["--ignored", "--nocapture"]))
}

/// Runs the models of the hub in every order of their threads' steps, up to the models' own bound
/// on forced switches between threads.
///
/// # Errors
/// Fails when a model fails.
pub(super) fn loom(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(&mut loom_models(workspace))
}

/// Runs the models with one more forced switch.
///
/// # Errors
/// Fails when a model fails.
pub(super) fn loom_long(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(loom_models(workspace).env("LOOM_MAX_PREEMPTIONS", "3"))
}

fn loom_models(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo(&["test", "--package", "volga-sse"]);
    command.args(["--features", "hub", "--release", "--lib", "loom_model"]);
    // A target folder of its own: other flags would make cargo build everything again.
    command.arg("--target-dir").arg(workspace.target_dir().join("loom"));
    command.env("RUSTFLAGS", "--cfg loom");
    command
}

/// The command that runs the tests, built as in the step `test`, so that nothing is compiled again.
/// Arguments for the tests may be added at its end.
fn tests(workspace: &Workspace) -> Command {
    workspace.cargo(&["test", "--workspace", "--all-features", "--lib", "--tests", "--"])
}
