//! Runs the tests of several nodes that share a real engine.

use std::process::{Command, Stdio};

use crate::{
    test_programs::TestPrograms,
    tools::{self, Failure},
    workspace::Workspace,
};

/// Says how to install Redis if it is missing on this machine.
pub(crate) fn missing_program() -> Option<String> {
    let mut command = Command::new("redis-server");
    let status = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let is_there = status.is_ok_and(|status| status.success());
    (!is_there).then(|| "redis-server: apt-get install redis-server".to_owned())
}

/// Runs the tests of the crate that connects Redis.
///
/// # Errors
/// Fails when a test fails.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let programs = TestPrograms::build(workspace)?;
    for mut command in programs.commands(workspace, "volga-relay-redis", &["it"])? {
        tools::run(command.env("VOLGA_TEST_ENGINES", "1"))?;
    }
    Ok(())
}
