//! The public API of each crate, compared with its snapshot in `api/`, so that a changed name is
//! seen in review.
//!
//! rustdoc writes the API as JSON, in a format that changes with its version, and the crate
//! `public-api` reads one version of that format. So the toolchain is fixed: `api/toolchain` names
//! it, and moves together with the version of `public-api` in the root manifest. A fixed toolchain
//! also keeps changes of the standard library out of the snapshots.

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

/// Where the snapshots are.
const FOLDER: &str = "api";

/// The version whose rustdoc writes what `public-api` reads.
const VERSION: &str = include_str!("../../api/toolchain");

/// Runs rustdoc with its unstable options allowed, since writing JSON is one.
///
/// Only rustdoc gets the variable. Build scripts of dependencies watch it too: with it they would
/// run again, and everything above them would be compiled again, here and by the next command.
const RUSTDOC: &str = "#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec \"$VOLGA_RUSTDOC\" \"$@\"\n";

/// The toolchain of `api/toolchain`.
struct Toolchain {
    rustdoc: PathBuf,
    /// Whether this program's own cargo belongs to it.
    is_active: bool,
}

/// What the snapshots need and this machine lacks, and how to get it.
pub(crate) fn missing(workspace: &Workspace) -> Option<String> {
    Toolchain::find(workspace).err().map(|failure| failure.to_string())
}

/// Compares the API of each crate with its snapshot.
///
/// # Errors
/// When an API differs, with the difference; or when the documentation does not build.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let mut found = Vec::new();
    for (path, api) in apis(workspace)? {
        let committed = fs::read_to_string(workspace.root.join(&path)).unwrap_or_default();
        let changes = snapshot::changes(&committed, &api);
        if !changes.is_empty() {
            found.push(format!("the public API is not what {path} says:\n{}", changes.join("\n")));
        }
    }
    for path in stray(workspace)? {
        found.push(format!("{path} is the snapshot of no crate"));
    }
    if found.is_empty() { Ok(()) } else { Err(Failure::new(found.join("\n\n"))) }
}

/// Makes the snapshots what the API is now.
///
/// # Errors
/// When the documentation does not build, or a file cannot be written.
pub(crate) fn write(workspace: &Workspace) -> Result<(), Failure> {
    for (path, api) in apis(workspace)? {
        let file = workspace.root.join(&path);
        if fs::read_to_string(&file).unwrap_or_default() != api {
            fs::write(&file, api).map_err(|error| cannot("write", &file, &error))?;
            println!("{}", paint(Style::Good, &format!("{path} is new")));
        }
    }
    for path in stray(workspace)? {
        let file = workspace.root.join(&path);
        fs::remove_file(&file).map_err(|error| cannot("remove", &file, &error))?;
        println!("{}", paint(Style::Good, &format!("{path} is gone")));
    }
    Ok(())
}

/// The path of each crate's snapshot, from the root, and what belongs into it.
fn apis(workspace: &Workspace) -> Result<Vec<(String, String)>, Failure> {
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

/// Writes the JSON of all libraries, each with all its features, and returns the folder.
fn build(workspace: &Workspace, libraries: &[Library<'_>]) -> Result<PathBuf, Failure> {
    let toolchain = Toolchain::find(workspace)?;
    let folder = workspace.target_dir().join("api");
    let script = folder.join("rustdoc");
    write_script(&script).map_err(|error| cannot("write", &script, &error))?;

    let mut docs = workspace.target_dir();
    let mut cargo = if toolchain.is_active {
        // What `clippy` and `features` have checked is not checked again.
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
    /// The toolchain that runs this program, if it has the version, or else one that rustup has.
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

/// Snapshots of crates that the workspace does not have.
fn stray(workspace: &Workspace) -> Result<Vec<String>, Failure> {
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
    // Cargo would document everything again if the script were newer.
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
        assert_eq!(stray(&workspace).unwrap(), [""; 0]);
    }
}
