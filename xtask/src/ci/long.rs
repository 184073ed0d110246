//! The long test runs: property tests with more generated cases, and the ignored tests.

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

/// The command that runs the tests, built as in the step `test`, so that nothing is compiled again.
/// Arguments for the tests may be added at its end.
fn tests(workspace: &Workspace) -> Command {
    workspace.cargo(&["test", "--workspace", "--all-features", "--lib", "--tests", "--"])
}
