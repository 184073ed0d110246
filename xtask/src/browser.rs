//! Finds the programs that the browser tests of `browser/` need, and runs the tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    programs::{self, NodeVersion},
    tools::{self, Failure},
    workspace::Workspace,
};

/// The examples that the tests start.
const SERVERS: &[&str] =
    &["chat", "login", "sse", "ticker", "todo", "tokens", "upload", "webtransport", "whiteboard"];
/// The features with which they are built: `chat` runs on two nodes and with a log on the disk too.
const FEATURES: &str = "chat/disk-log,chat/redis";
/// The programs that `examples/chat/two-nodes` starts, with the folder of Debian's nginx, which may
/// be missing in a person's `PATH`.
const NODE_PROGRAMS: &[&str] = &["redis-server", "nginx"];
const FOLDER: &str = "/usr/sbin";
/// The first version of node whose test runner has all the options that we use.
const MIN_NODE: NodeVersion = (20, 0);

/// The programs that the tests need.
struct Programs {
    chromium: PathBuf,
    node: PathBuf,
}

/// Says which program is missing on this machine and how to install it; `None` if all are there.
pub(crate) fn missing_program(workspace: &Workspace) -> Option<String> {
    find_programs(&workspace.target_dir()).err().map(|failure| failure.to_string())
}

/// Builds the servers, fetches the driver and runs the tests.
///
/// # Errors
/// Fails when a test fails, or when a program is missing.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let target = workspace.target_dir();
    let Programs { chromium, node } = find_programs(&target)?;
    let mut build = workspace.cargo(&["build", "--features", FEATURES]);
    for name in SERVERS {
        build.args(["--package", name]);
    }
    tools::run(&mut build)?;
    programs::install_npm_packages(workspace, "browser")?;

    let folder = workspace.root.join("browser");
    let mut tests = Command::new(node);
    // One file at a time: some examples listen on a fixed port.
    tests
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(test_files(&folder)?);
    tests.current_dir(&folder).env("CHROMIUM", chromium);
    tests.env("VOLGA_BIN_DIR", target.join("debug")).env("VOLGA_OUT_DIR", target.join("browser"));
    tools::run(&mut tests)
}

fn find_programs(target: &Path) -> Result<Programs, Failure> {
    let chromium = programs::chromium()?;
    let node = programs::node(target, MIN_NODE)?;
    programs::npm()?;
    for name in NODE_PROGRAMS {
        let is_there =
            tools::find_program(&[name]).is_some() || Path::new(FOLDER).join(name).is_file();
        if !is_there {
            return Err(Failure::new(format!("{name} is missing: apt-get install {name}")));
        }
    }
    Ok(Programs { chromium, node })
}

/// The test files, sorted by name.
///
/// They are passed to node one by one, because `node --test FOLDER` means different things in
/// different versions of node.
fn test_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let tests = folder.join("tests");
    let cannot = |error| Failure::new(format!("cannot list {}: {error}", tests.display()));
    let mut files = Vec::new();
    for entry in fs::read_dir(&tests).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if path.to_string_lossy().ends_with(".test.mjs") {
            files.push(path.strip_prefix(folder).unwrap_or(&path).to_owned());
        }
    }
    if files.is_empty() {
        return Err(Failure::new(format!("{} has no file *.test.mjs", tests.display())));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_tests_and_each_server_is_an_example() {
        let workspace = Workspace::read().unwrap();
        assert!(!test_files(&workspace.root.join("browser")).unwrap().is_empty());
        let examples = workspace.examples();
        for name in SERVERS {
            assert!(examples.iter().any(|example| example.name == *name), "examples/{name}");
        }
    }
}
