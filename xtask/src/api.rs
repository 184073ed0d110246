//! Compares the public API of each crate with its snapshot in `api/`, so that a reviewer sees each
//! name that changes.
//!
//! rustdoc writes the API as JSON, in a format that changes with its version, and the crate
//! `public-api` reads one version of that format. The toolchain is therefore fixed: `api/toolchain`
//! names it. Change it together with the version of `public-api` in the root manifest. A fixed
//! toolchain also keeps changes of the standard library out of the snapshots.

mod snapshot;

use std::{
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    tools::{self, Failure, Style, paint},
    workspace::{Library, Workspace},
};

/// The folder of the snapshots.
const FOLDER: &str = "api";

/// The version of the toolchain whose rustdoc writes the format that `public-api` reads.
const VERSION: &str = include_str!("../../api/toolchain");

/// A script that runs rustdoc with its unstable options allowed, because writing JSON is one.
///
/// Only rustdoc gets the variable. Build scripts of dependencies watch it too: if cargo had it,
/// they would run again, and everything above them would be compiled again, here and by the next
/// command.
const RUSTDOC: &str = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec \"$VOLGA_RUSTDOC\" \"$@\"\n";

/// The toolchain of `api/toolchain`.
struct Toolchain {
    rustdoc: PathBuf,
    /// Whether this program's own cargo belongs to it.
    is_active: bool,
}

/// Says which toolchain is missing on this machine and how to install it; `None` if it is there.
pub(crate) fn missing_program(workspace: &Workspace) -> Option<String> {
    Toolchain::find(workspace).err().map(|failure| failure.to_string())
}

/// Compares the API of each crate with its snapshot.
///
/// # Errors
/// Fails when an API differs, and shows the difference; or when the documentation does not build.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let mut found = Vec::new();
    for (path, api) in current_apis(workspace)? {
        let committed = fs::read_to_string(workspace.root.join(&path)).unwrap_or_default();
        let changes = snapshot::changes(&committed, &api);
        if !changes.is_empty() {
            found.push(format!("the public API differs from {path}:\n{}", changes.join("\n")));
        }
    }
    for path in stray_snapshots(workspace)? {
        found.push(format!("{path} is a snapshot, but the workspace has no crate of this name"));
    }
    if found.is_empty() { Ok(()) } else { Err(Failure::new(found.join("\n\n"))) }
}

/// Writes the API as it is now into the snapshots.
///
/// # Errors
/// Fails when the documentation does not build, or when a file cannot be written.
pub(crate) fn write(workspace: &Workspace) -> Result<(), Failure> {
    for (path, api) in current_apis(workspace)? {
        let file = workspace.root.join(&path);
        if fs::read_to_string(&file).unwrap_or_default() != api {
            fs::write(&file, api).map_err(|error| cannot("write", &file, &error))?;
            println!("{}", paint(Style::Good, &format!("{path} was written")));
        }
    }
    for path in stray_snapshots(workspace)? {
        let file = workspace.root.join(&path);
        fs::remove_file(&file).map_err(|error| cannot("remove", &file, &error))?;
        println!("{}", paint(Style::Good, &format!("{path} was removed")));
    }
    Ok(())
}

/// The path of each crate's snapshot, from the root, with the text that belongs into it.
fn current_apis(workspace: &Workspace) -> Result<Vec<(String, String)>, Failure> {
    let libraries = workspace.libraries();
    let docs = build(workspace, &libraries)?;
    let api = |library: &Library<'_>| {
        let json = docs.join(format!("{}.json", library.target));
        let api = public_api::Builder::from_rustdoc_json(&json)
            .omit_blanket_impls(true)
            .build()
            .map_err(|error| Failure::new(format!("cannot read {}: {error}", json.display())))?;
        let lines: Vec<String> = api.items().map(ToString::to_string).collect();
        Ok((snapshot_path(library.name), snapshot::text(lines.iter().map(String::as_str))))
    };
    libraries.iter().map(api).collect()
}

/// Writes the JSON of all libraries, each with all its features, and returns its folder.
fn build(workspace: &Workspace, libraries: &[Library<'_>]) -> Result<PathBuf, Failure> {
    let toolchain = Toolchain::find(workspace)?;
    let folder = workspace.target_dir().join("api");
    let script = folder.join("rustdoc");
    write_script(&script).map_err(|error| cannot("write", &script, &error))?;

    let mut docs = workspace.target_dir();
    let mut cargo = if toolchain.is_active {
        // The usual target folder: `clippy` and `features` have compiled the dependencies there.
        workspace.cargo(&[])
    } else {
        docs = folder;
        tools::rustup(&workspace.root, version(), "cargo")
    };
    cargo.args(["doc", "--no-deps", "--all-features", "--target-dir"]).arg(&docs);
    for library in libraries {
        cargo.args(["--package", library.name]);
    }
    cargo.env("RUSTDOC", script).env("VOLGA_RUSTDOC", toolchain.rustdoc);
    cargo.env("RUSTDOCFLAGS", "-Zunstable-options --output-format json");
    tools::run(&mut cargo)?;
    Ok(docs.join("doc"))
}

impl Toolchain {
    /// Returns the toolchain that runs this program, if it has the version, or else rustup's.
    fn find(workspace: &Workspace) -> Result<Self, Failure> {
        let rustc = || {
            let mut rustc = Command::new("rustc");
            rustc.current_dir(&workspace.root);
            rustc
        };
        let active = tools::read(rustc().arg("--version"))
            .is_ok_and(|shown| shown.split_whitespace().nth(1) == Some(version()));
        let mut of_version =
            if active { rustc() } else { tools::rustup(&workspace.root, version(), "rustc") };
        let sysroot = tools::read(of_version.args(["--print", "sysroot"])).map_err(|_| {
            Failure::new(format!(
                "Rust {0} is missing: rustup toolchain install {0} --profile minimal",
                version()
            ))
        })?;
        Ok(Self { rustdoc: Path::new(sysroot.trim()).join("bin/rustdoc"), is_active: active })
    }
}

/// Snapshots whose crate the workspace does not have.
fn stray_snapshots(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let ours: Vec<String> =
        workspace.libraries().iter().map(|library| snapshot_path(library.name)).collect();
    let is_stray =
        |path: &String| path.starts_with("api/") && path.ends_with(".txt") && !ours.contains(path);
    Ok(workspace.paths()?.into_iter().filter(is_stray).collect())
}

fn snapshot_path(name: &str) -> String {
    format!("{FOLDER}/{name}.txt")
}

fn version() -> &'static str {
    VERSION.trim()
}

fn write_script(script: &Path) -> io::Result<()> {
    // If the script were newer than the documentation, cargo would document everything again.
    if fs::read_to_string(script).is_ok_and(|written| written == RUSTDOC) {
        return Ok(());
    }
    fs::create_dir_all(script.parent().unwrap_or(script))?;
    fs::write(script, RUSTDOC)?;
    fs::set_permissions(script, fs::Permissions::from_mode(0o755))
}

fn cannot(verb: &str, file: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("cannot {verb} {}: {error}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_has_a_snapshot_and_each_snapshot_a_crate() {
        let workspace = Workspace::read().unwrap();
        let libraries = workspace.libraries();
        assert!(libraries.iter().any(|library| library.target == "volga_sse"));
        for library in libraries {
            assert!(workspace.root.join(snapshot_path(library.name)).is_file(), "{}", library.name);
        }
        assert_eq!(stray_snapshots(&workspace).unwrap(), [""; 0]);
    }
}
