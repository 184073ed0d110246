//! The tests with the newest versions of our dependencies, as a user's `cargo update` brings them,
//! and those of HTTP with the oldest `h2` that `Cargo.toml` allows.
//!
//! The tests run in a copy of the repository, so that the lock file of the repository never
//! changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// Copies the repository, updates the copy's lock file and runs all tests there.
///
/// # Errors
/// Fails when the copy cannot be written, when the registry cannot be reached, or when a test
/// fails.
pub(super) fn newest(workspace: &Workspace) -> Result<(), Failure> {
    let folder = workspace.target_dir().join("newest");
    let copy = copy_sources_to(workspace, &folder)?;
    tools::run(&mut tools::cargo(&copy, &["update"]))?;
    // The direct data path of HTTP/2 relies on the behaviour of h2, so the run prints its version.
    let versions = ["tree", "--workspace", "--invert", "h2", "--depth", "0"];
    tools::run(&mut tools::cargo(&copy, &versions))?;
    // The tests of xtask need a git clone, and the copy is not a git clone. `compile-fail` compares
    // messages of the compiler, which do not depend on the dependencies.
    let packages = ["--exclude", "xtask", "--exclude", "compile-fail", "--all-features"];
    let mut tests = tools::cargo(&copy, &["test"]);
    tests.arg("--workspace").args(packages).args(["--lib", "--tests", "--target-dir"]);
    tools::run(tests.arg(folder.join("build")).env("VOLGA_TEST_ENGINES", "0"))
}

/// Copies the repository, sets `h2` to the oldest version that `Cargo.toml` allows and runs the
/// tests of HTTP there: the direct data path relies on how `h2` behaves.
///
/// # Errors
/// Fails when `Cargo.toml` names no full version, the registry cannot be reached, or a test fails.
pub(super) fn oldest(workspace: &Workspace) -> Result<(), Failure> {
    let folder = workspace.target_dir().join("oldest");
    let copy = copy_sources_to(workspace, &folder)?;
    let manifest = fs::read_to_string(copy.join("Cargo.toml"))
        .map_err(|error| Failure::new(format!("cannot read Cargo.toml: {error}")))?;
    let version = lower_bound(&manifest, "h2").ok_or_else(|| {
        Failure::new("Cargo.toml has no line like `h2 = \"0.4.19\"` with three numbers")
    })?;
    let update = ["update", "--package", "h2", "--precise", version];
    tools::run(&mut tools::cargo(&copy, &update))?;
    let mut tests = tools::cargo(&copy, &["test", "--package", "volga-http", "--all-features"]);
    tools::run(tests.args(["--lib", "--tests", "--target-dir"]).arg(folder.join("build")))
}

/// The version in the line `NAME = "VERSION"`, if it has three numbers.
fn lower_bound<'a>(manifest: &'a str, name: &str) -> Option<&'a str> {
    let line = manifest.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "))?;
    let version = line.trim().trim_matches('"');
    let numbers = version.split('.').filter(|number| number.parse::<u32>().is_ok());
    (numbers.count() == 3).then_some(version)
}

/// Copies the repository into a folder of its own below `folder`.
fn copy_sources_to(workspace: &Workspace, folder: &Path) -> Result<PathBuf, Failure> {
    let copy = folder.join("source");
    copy_sources(workspace, &copy).map_err(|error| {
        Failure::new(format!("cannot copy the repository to {}: {error}", copy.display()))
    })?;
    Ok(copy)
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
    fn a_lower_bound_has_three_numbers() {
        let manifest = "h2-extra = \"1.2.3\"\nh2 = \"0.4.19\"\nhttp = \"1\"\n";
        assert_eq!(lower_bound(manifest, "h2"), Some("0.4.19"));
        assert_eq!(lower_bound(manifest, "http"), None);
        assert_eq!(lower_bound(manifest, "bytes"), None);
    }

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
