//! Packs every crate as for crates.io, and builds two programs outside the workspace from the
//! packed files.
//!
//! Publication is off in the repository (`publish = false`). This step shows that each package has
//! all of its files and names all of its dependencies.
//!
//! Some of our names belong to other authors on crates.io, so two packages have another name
//! there: see [`PUBLIC_NAMES`]. Their libraries keep their names, so `use volga::App` stays as it
//! is. In the repository the packages have the names of their libraries. The step therefore works
//! on a copy of the crates, in which it changes the manifests.

use std::{fs, io, path::Path, process::Command};

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// The packages whose names on crates.io differ from those in the repository, because other authors
/// have these names.
const PUBLIC_NAMES: &[(&str, &str)] =
    &[("volga", "volga-framework"), ("volga-macros", "volga-proc-macros")];

const FACADE: &str = include_str!("../packed/facade.rs");
const IN_AXUM: &str = include_str!("../packed/in_axum.rs");

/// Packs the crates, unpacks them again, and builds and runs the programs.
///
/// # Errors
/// Fails when a crate cannot be packed, or when a program does not compile or ends with an error.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let folder = workspace.target_dir().join("package");
    let (source, build) = (folder.join("source"), folder.join("build"));
    copy_crates(workspace, &source)?;

    // The packed files are compiled by the programs below, so cargo need not compile them here.
    let mut pack = tools::cargo(&source, &["package", "--workspace", "--no-verify", "--quiet"]);
    tools::run(pack.arg("--target-dir").arg(&build))?;
    let unpacked = folder.join("unpacked");
    empty(&unpacked)?;
    let version = workspace.version();
    let mut packages = Vec::new();
    for library in workspace.libraries() {
        let package = format!("{}-{version}", public_name(library.name));
        let mut tar = Command::new("tar");
        // With the present time as the time of each file (`-m`), so that cargo compiles them again.
        tar.arg("-xmzf").arg(build.join(format!("package/{package}.crate")));
        tools::run(tar.arg("-C").arg(&unpacked))?;
        packages.push((public_name(library.name), unpacked.join(package)));
    }

    let features = workspace.features("volga").join("\", \"");
    let facade = format!(
        "futures-core = \"0.3\"\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n\
         volga = {{ package = \"{}\", version = \"{version}\", features = [\"{features}\"] }}\n",
        public_name("volga")
    );
    let in_axum = format!(
        "axum = \"0.8\"\n\
         tokio = {{ version = \"1\", features = [\"macros\", \"rt-multi-thread\"] }}\n\
         tower = {{ version = \"0.5\", features = [\"util\"] }}\n\
         volga-sse = {{ version = \"{version}\", features = [\"axum\", \"body\", \"hub\"] }}\n"
    );
    for (name, dependencies, main) in [("facade", facade, FACADE), ("in-axum", in_axum, IN_AXUM)] {
        let mut manifest = format!(
            "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}\n\
             [patch.crates-io]\n"
        );
        for (package, path) in &packages {
            manifest.push_str(&format!("{package} = {{ path = \"{}\" }}\n", path.display()));
        }
        manifest.push_str("\n[workspace]\n");
        let program = folder.join(name);
        empty(&program.join("src"))?;
        write(&program.join("Cargo.toml"), &manifest)?;
        write(&program.join("src/main.rs"), main)?;
        // The same versions of all other dependencies as in the workspace.
        write(&program.join("Cargo.lock"), &read(&workspace.root.join("Cargo.lock"))?)?;
        let mut cargo = tools::cargo(&program, &["run", "--quiet"]);
        cargo.env("CARGO_TARGET_DIR", workspace.target_dir());
        // The profile of the workspace, so that the dependencies are not compiled again.
        cargo.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        tools::run(&mut cargo)?;
    }
    Ok(())
}

/// The name of a package on crates.io.
fn public_name(name: &str) -> &str {
    PUBLIC_NAMES.iter().find(|(here, _)| *here == name).map_or(name, |(_, public)| public)
}

/// Copies what the packages need, with manifests for crates.io.
fn copy_crates(workspace: &Workspace, to: &Path) -> Result<(), Failure> {
    empty(to)?;
    let version = workspace.version();
    let license = read(&workspace.root.join("LICENSE"))?;
    for library in workspace.libraries() {
        write(&to.join(format!("crates/{}/LICENSE", library.name)), &license)?;
    }
    for path in workspace.paths()? {
        let in_crate = path.strip_prefix("crates/").and_then(|path| path.split_once('/'));
        let (from, target) = (workspace.root.join(&path), to.join(&path));
        match in_crate {
            Some((_, "Cargo.toml")) => write(&target, &crate_manifest(&read(&from)?))?,
            // The tests of a package need the whole repository.
            Some((_, rest)) if !rest.starts_with("tests/") => copy(&from, &target)?,
            _ if path == "Cargo.toml" => write(&target, &root_manifest(&read(&from)?, &version))?,
            _ if path == "Cargo.lock" => copy(&from, &target)?,
            _ => {}
        }
    }
    Ok(())
}

/// The manifest of a crate without its dependencies for tests, and with its name on crates.io.
fn crate_manifest(manifest: &str) -> String {
    let mut kept = String::new();
    let mut is_kept = true;
    let mut library = None;
    for line in manifest.lines() {
        if line.starts_with('[') {
            is_kept = !line.starts_with("[dev-dependencies");
        }
        let name = line.strip_prefix("name = \"").and_then(|rest| rest.strip_suffix('"'));
        match name {
            Some(name) if public_name(name) != name => {
                library = Some(name.replace('-', "_"));
                kept.push_str(&format!("name = \"{}\"\n", public_name(name)));
            }
            _ if is_kept => {
                kept.push_str(line);
                kept.push('\n');
            }
            _ => {}
        }
    }
    let Some(library) = library else { return kept };
    let table = format!("[lib]\nname = \"{library}\"\n");
    if kept.contains("[lib]\n") {
        kept.replace("[lib]\n", &table)
    } else {
        format!("{kept}\n{table}")
    }
}

/// The manifest of the workspace, with the crates as its only members and with their versions
/// wherever one depends on another.
fn root_manifest(manifest: &str, version: &str) -> String {
    let mut changed = String::new();
    for line in manifest.lines() {
        let dependency = line.split_once(" = { path = \"crates/");
        match dependency {
            Some((name, rest)) => {
                let package = public_name(name);
                changed.push_str(&format!(
                    "{name} = {{ package = \"{package}\", version = \"={version}\", \
                     path = \"crates/{rest}\n"
                ));
            }
            None if line.starts_with("members = ") => {
                changed.push_str("members = [\"crates/*\"]\n");
            }
            // Only for packages that could be published does cargo find the others that they need.
            None if line == "publish = false" => changed.push_str("publish = true\n"),
            None => {
                changed.push_str(line);
                changed.push('\n');
            }
        }
    }
    changed
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(|error| failure(file, &error))
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    make_parent(file)?;
    fs::write(file, text).map_err(|error| failure(file, &error))
}

fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    make_parent(to)?;
    fs::copy(from, to).map(|_| ()).map_err(|error| failure(from, &error))
}

fn make_parent(file: &Path) -> Result<(), Failure> {
    let parent = file.parent().unwrap_or(file);
    fs::create_dir_all(parent).map_err(|error| failure(parent, &error))
}

/// Makes the folder, without what an earlier run left in it.
fn empty(folder: &Path) -> Result<(), Failure> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(folder, &error)),
        _ => fs::create_dir_all(folder).map_err(|error| failure(folder, &error)),
    }
}

fn failure(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_on_one_of_our_crates_gets_its_version_and_its_public_name() {
        let manifest = "members = [\"crates/*\", \"xtask\"]\n\
                        publish = false\n\
                        bytes = \"1\"\n\
                        volga = { path = \"crates/volga\" }\n\
                        volga-sse = { path = \"crates/volga-sse\", default-features = false }\n";
        let expected = "members = [\"crates/*\"]\n\
                        publish = true\n\
                        bytes = \"1\"\n\
                        volga = { package = \"volga-framework\", version = \"=1.2.3\", path = \"crates/volga\" }\n\
                        volga-sse = { package = \"volga-sse\", version = \"=1.2.3\", path = \"crates/volga-sse\", default-features = false }\n";
        assert_eq!(root_manifest(manifest, "1.2.3"), expected);
    }

    #[test]
    fn a_package_with_another_public_name_keeps_the_name_of_its_library() {
        let manifest =
            "[package]\nname = \"volga\"\n\n[dev-dependencies]\nhyper = \"1\"\n\n[lints]\n";
        let expected =
            "[package]\nname = \"volga-framework\"\n\n[lints]\n\n[lib]\nname = \"volga\"\n";
        assert_eq!(crate_manifest(manifest), expected);
        let manifest = "[package]\nname = \"volga-macros\"\n[lib]\nproc-macro = true\n";
        let expected = "[package]\nname = \"volga-proc-macros\"\n[lib]\nname = \"volga_macros\"\n\
                        proc-macro = true\n";
        assert_eq!(crate_manifest(manifest), expected);
        let manifest = "[package]\nname = \"volga-sse\"\n";
        assert_eq!(crate_manifest(manifest), manifest);
    }
}
