//! Finds the programs that we use but do not build, or says how to install them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    tools::{self, Failure, find_program},
    workspace::Workspace,
};

const CHROMIUM: &[&str] = &["chromium", "chromium-browser", "google-chrome"];

/// A version of node: major and minor.
pub(crate) type NodeVersion = (u32, u32);

/// The path of a browser.
///
/// # Errors
/// Says how to install one.
pub(crate) fn chromium() -> Result<PathBuf, Failure> {
    let chromium = match env::var_os("CHROMIUM") {
        Some(path) => Some(PathBuf::from(path)).filter(|path| path.is_file()),
        None => find_program(CHROMIUM),
    };
    chromium.ok_or_else(|| {
        Failure::new(
            "Chromium is missing: apt-get install chromium, or set CHROMIUM to the program's path",
        )
    })
}

/// The path of a node of version `min` or later: the system's, or the one that `.ci/run` installs
/// into the target folder.
///
/// # Errors
/// Says how to install one.
pub(crate) fn node(target: &Path, min: NodeVersion) -> Result<PathBuf, Failure> {
    let system = find_program(&["node"])
        .ok_or_else(|| Failure::new("node is missing: apt-get install nodejs npm"))?;
    let version = tools::read(Command::new(&system).arg("--version"))?;
    if is_at_least(&version, min) {
        return Ok(system);
    }
    let own = target.join("node/node_modules/.bin/node");
    if own.is_file() && is_at_least(&tools::read(Command::new(&own).arg("--version"))?, min) {
        return Ok(own);
    }
    let ((major, minor), version) = (min, version.trim());
    Err(Failure::new(format!(
        "{} has version {version}, but {major}.{minor} or later is needed: .ci/run installs it",
        system.display()
    )))
}

/// The path of npm.
///
/// # Errors
/// Says how to install it.
pub(crate) fn npm() -> Result<PathBuf, Failure> {
    find_program(&["npm"]).ok_or_else(|| Failure::new("npm is missing: apt-get install npm"))
}

/// Installs the npm packages of a folder, unless the installed ones already match its lock file.
///
/// # Errors
/// Fails when npm is missing, or when it fails.
pub(crate) fn install_npm_packages(workspace: &Workspace, folder: &str) -> Result<(), Failure> {
    let folder = workspace.root.join(folder);
    if is_stale(&folder) {
        let install = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
        tools::run(Command::new(npm()?).args(install).current_dir(&folder))?;
    }
    Ok(())
}

/// Whether the packages are older than the lock file, or absent.
fn is_stale(folder: &Path) -> bool {
    let changed =
        |path: &str| fs::metadata(folder.join(path)).and_then(|data| data.modified()).ok();
    // npm writes this file last.
    let installed = changed("node_modules/.package-lock.json");
    installed.is_none() || installed < changed("package-lock.json")
}

/// Whether a version such as `v20.11.1` is `min` or later.
fn is_at_least(version: &str, min: NodeVersion) -> bool {
    let mut parts = version.trim().trim_start_matches('v').split('.').map(str::parse);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= min,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        for (version, expect) in [
            ("v20.11.1\n", true),
            ("v20.9.0", false),
            ("v21.0.0", true),
            ("v9.99.0", false),
            ("node", false),
        ] {
            assert_eq!(is_at_least(version, (20, 10)), expect, "{version}");
        }
    }

    #[test]
    fn a_folder_without_packages_is_stale() {
        assert!(is_stale(Path::new("/nowhere")));
    }
}
