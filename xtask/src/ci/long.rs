//! Tests of the everyday run with more patience: more generated cases, and what is ignored there.

use std::process::Command;

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// How many cases a property test generates. proptest lets this number win over those in the code.
const CASES: &str = "3000";

/// Runs the tests of our crates with more cases for each property.
///
/// # Errors
/// When a test fails.
pub(super) fn cases(workspace: &Workspace) -> Result<(), Failure> {
    let mut tests = tests(workspace);
    tests.env("PROPTEST_CASES", CASES);
    // These compile programs that must not compile, and have no cases.
    tools::run(tests.args(["--skip", "compile_fail"]))
}

/// Runs what is ignored, and shows what it measures.
///
/// # Errors
/// When a test fails.
pub(super) fn soak(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(tests(workspace).args(["--ignored", "--nocapture"]))
}

/// The tests as the step `test` builds them, so nothing is compiled again; arguments of theirs may
/// follow.
fn tests(workspace: &Workspace) -> Command {
    workspace.cargo(&["test", "--workspace", "--all-features", "--lib", "--tests", "--"])
}
