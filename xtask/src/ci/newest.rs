//! Runs the tests with the newest versions of our dependencies, as a user's `cargo update` brings
//! them.
//!
//! The tests run in a copy of the repository, so that the lock file of the repository never
//! changes.

use std::{fs, io, path::Path};

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// Copies the repository, updates the copy's lock file and runs all tests there.
///
/// # Errors
/// Fails when the copy cannot be written, when the registry cannot be reached, or when a test
/// fails.
pub(super) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let folder = workspace.target_dir().join("newest");
    let copy = folder.join("source");
    copy_sources(workspace, &copy).map_err(|error| {
        Failure::new(format!("cannot copy the repository to {}: {error}", copy.display()))
    })?;
    tools::run(&mut tools::cargo(&copy, &["update"]))?;
    // The direct data path of HTTP/2 relies on the behaviour of h2, so the run prints its version.
    let versions = ["tree", "--workspace", "--invert", "h2", "--depth", "0"];
    tools::run(&mut tools::cargo(&copy, &versions))?;
    // The tests of xtask need a git clone, and the copy is not a git clone.
    let packages = ["--workspace", "--exclude", "xtask", "--all-features"];
    let mut tests = tools::cargo(&copy, &["test"]);
    tests.args(packages).args(["--lib", "--tests", "--target-dir"]).arg(folder.join("build"));
    // These tests compare messages of the compiler, which do not depend on the dependencies.
    tools::run(tests.args(["--", "--skip", "compile_fail"]))
}

/// Replaces the folder `copy` by a copy of the files of the repository.
fn copy_sources(workspace: &Workspace, copy: &Path) -> io::Result<()> {
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    for path in workspace.paths().map_err(|failure| io::Error::other(failure.to_string()))? {
        let to = copy.join(&path);
        fs::create_dir_all(to.parent().unwrap_or(copy))?;
        fs::copy(workspace.root.join(&path), &to)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_has_our_files_and_no_others() {
        let workspace = Workspace::read().unwrap();
        let copy = workspace.target_dir().join("newest-test");
        fs::create_dir_all(copy.join("crates/gone")).unwrap();
        copy_sources(&workspace, &copy).unwrap();
        assert!(!copy.join("crates/gone").exists() && !copy.join("target").exists());
        for path in ["Cargo.lock", "crates/volga/Cargo.toml", ".cargo/config.toml"] {
            let (ours, copied) = (fs::read(workspace.root.join(path)), fs::read(copy.join(path)));
            assert_eq!(ours.unwrap(), copied.unwrap(), "{path}");
        }
        fs::remove_dir_all(copy).unwrap();
    }
}
