//! The browser tests of `browser/`: what they need, and how they are started.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::SystemTime,
};

use crate::{
    tools::{self, Failure, find_program},
    workspace::Workspace,
};

/// The examples that the tests start.
const SERVERS: &[&str] = &["sse"];
/// The first major version of node whose test runner does what we ask of it.
const MIN_NODE: u32 = 20;
const CHROMIUM: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// The programs that the tests need.
struct Programs {
    chromium: PathBuf,
    node: PathBuf,
    npm: PathBuf,
}

/// What the tests need and this machine lacks, and how to get it.
pub(crate) fn missing() -> Option<String> {
    find_programs().err().map(|failure| failure.to_string())
}

/// Builds the servers, fetches the driver and runs the tests.
///
/// # Errors
/// When a test fails or a program is missing.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let Programs { chromium, node, npm } = find_programs()?;
    let mut build = workspace.cargo(&["build"]);
    for name in SERVERS {
        build.args(["--package", name]);
    }
    tools::run(&mut build)?;

    let folder = workspace.root.join("browser");
    if is_stale(&folder) {
        let install = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
        tools::run(Command::new(npm).args(install).current_dir(&folder))?;
    }

    let target = workspace.target_dir();
    let mut tests = Command::new(node);
    // One file at a time: the examples listen on fixed ports.
    tests
        .args(["--test", "--test-concurrency=1", "--test-reporter=spec"])
        .args(test_files(&folder)?);
    tests.current_dir(&folder).env("CHROMIUM", chromium);
    tests.env("VOLGA_BIN_DIR", target.join("debug")).env("VOLGA_OUT_DIR", target.join("browser"));
    tools::run(&mut tests)
}

fn find_programs() -> Result<Programs, Failure> {
    let chromium = match env::var_os("CHROMIUM") {
        Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
        None => find_program(CHROMIUM),
    };
    let chromium = chromium.ok_or_else(|| {
        Failure::new(
            "Chromium is missing: apt-get install chromium, or set CHROMIUM to the program's path",
        )
    })?;
    let node = find_program(&["node"])
        .ok_or_else(|| Failure::new("node is missing: apt-get install nodejs npm"))?;
    let version = tools::read(Command::new(&node).arg("--version"))?;
    if major(&version).is_none_or(|major| major < MIN_NODE) {
        let (node, version) = (node.display(), version.trim());
        return Err(Failure::new(format!(
            "{node} is {version}, {MIN_NODE} or later is needed: .ci/run installs one"
        )));
    }
    let npm = find_program(&["npm"])
        .ok_or_else(|| Failure::new("npm is missing: apt-get install npm"))?;
    Ok(Programs { chromium, node, npm })
}

/// 20 of `v20.11.1`.
fn major(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// Whether the packages are older than the lock file, or absent.
fn is_stale(folder: &Path) -> bool {
    let changed =
        |path: &str| fs::metadata(folder.join(path)).and_then(|data| data.modified()).ok();
    // npm writes this file last.
    let installed: Option<SystemTime> = changed("node_modules/.package-lock.json");
    installed.is_none() || installed < changed("package-lock.json")
}

/// The test files by name: `node --test FOLDER` means different things in different versions of node.
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
        return Err(Failure::new(format!("{} holds no *.test.mjs", tests.display())));
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

    #[test]
    fn a_version_has_a_major_part() {
        assert_eq!(major("v20.11.1\n"), Some(20));
        assert_eq!(major("node"), None);
    }

    #[test]
    fn a_folder_without_packages_is_stale() {
        assert!(is_stale(Path::new("/nowhere")));
    }
}
