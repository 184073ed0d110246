//! The workspace and its files, as `cargo metadata` and `git` report them.

use std::{fs, path::PathBuf, process::Command};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, TargetKind};

use crate::{
    deps::{Dependency, Graph, Kind, Member},
    smoke::metadata::Table,
    tools::{self, Failure},
};

/// The workspace that this program was built from.
pub(crate) struct Workspace {
    /// The folder of the root manifest.
    pub(crate) root: PathBuf,
    metadata: Metadata,
}

/// A package under `examples/`, with the parts that a smoke test needs.
pub(crate) struct Example<'a> {
    pub(crate) name: &'a str,
    /// The path of its first binary.
    pub(crate) binary: PathBuf,
    /// `[package.metadata.smoke]`
    pub(crate) smoke: Table,
}

/// A package under `crates/`.
pub(crate) struct Library<'a> {
    pub(crate) name: &'a str,
    /// The name of the crate in Rust code, which has `_` in place of `-`.
    pub(crate) target: String,
}

/// One file that git tracks, or a new file that git does not ignore.
pub(crate) struct SourceFile {
    /// The path from the root, with `/` between its parts.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    /// `None` when the file is not UTF-8.
    pub(crate) text: Option<String>,
}

impl Workspace {
    /// Asks `cargo metadata` without resolving dependencies, so it needs no network.
    ///
    /// # Errors
    /// Fails when a manifest is malformed. The text is cargo's, which names the manifest.
    pub(crate) fn read() -> Result<Self, Failure> {
        let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .map_err(|error| Failure::new(format!("cargo metadata failed: {error}")))?;
        Ok(Self { root: metadata.workspace_root.clone().into_std_path_buf(), metadata })
    }

    /// The folder into which cargo builds.
    pub(crate) fn target_dir(&self) -> PathBuf {
        self.metadata.target_directory.clone().into_std_path_buf()
    }

    /// `cargo` in the root.
    pub(crate) fn cargo(&self, args: &[&str]) -> Command {
        tools::cargo(&self.root, args)
    }

    /// The version that all packages have.
    pub(crate) fn version(&self) -> String {
        self.metadata
            .packages
            .first()
            .map(|package| package.version.to_string())
            .unwrap_or_default()
    }

    /// The features of this package, without `default`.
    pub(crate) fn features(&self, name: &str) -> Vec<&str> {
        let package = self.metadata.packages.iter().find(|package| package.name.as_str() == name);
        let features = package.into_iter().flat_map(|package| package.features.keys());
        features.map(String::as_str).filter(|name| *name != "default").collect()
    }

    /// Whether the workspace has a package of this name.
    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.metadata.packages.iter().any(|package| package.name.as_str() == name)
    }

    /// The packages under `examples/`, by name.
    pub(crate) fn examples(&self) -> Vec<Example<'_>> {
        let debug = self.target_dir().join("debug");
        let mut examples: Vec<_> = self
            .metadata
            .packages
            .iter()
            .filter(|package| self.folder(package).starts_with("examples/"))
            .filter_map(|package| {
                let binary =
                    package.targets.iter().find(|target| target.kind.contains(&TargetKind::Bin))?;
                Some(Example {
                    name: package.name.as_str(),
                    binary: debug.join(&binary.name),
                    smoke: smoke_table(package),
                })
            })
            .collect();
        examples.sort_by_key(|example| example.name);
        examples
    }

    /// The packages under `crates/`, by name.
    pub(crate) fn libraries(&self) -> Vec<Library<'_>> {
        let packages = self.metadata.packages.iter();
        let mut libraries: Vec<_> = packages
            .filter(|package| self.folder(package).starts_with("crates/"))
            .map(|package| package.name.as_str())
            .map(|name| Library { name, target: name.replace('-', "_") })
            .collect();
        libraries.sort_by_key(|library| library.name);
        libraries
    }

    /// The packages and the dependencies that they declare, as the import rules need them.
    pub(crate) fn graph(&self) -> Graph {
        let members = self.metadata.packages.iter().map(|package| Member {
            name: package.name.to_string(),
            folder: self.folder(package),
            dependencies: package.dependencies.iter().map(dependency).collect(),
            features: package.features.clone(),
        });
        Graph { members: members.collect() }
    }

    /// The paths of the files that belong to the repository: tracked, or new and not ignored.
    ///
    /// # Errors
    /// Fails when `git` is missing.
    pub(crate) fn paths(&self) -> Result<Vec<String>, Failure> {
        let mut git = Command::new("git");
        git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"])
            .current_dir(&self.root);
        let listed = tools::read(&mut git)?;
        let paths = listed.split('\0').filter(|path| !path.is_empty());
        // git also lists files that are deleted but not yet committed, and links to folders.
        Ok(paths.filter(|path| self.root.join(path).is_file()).map(str::to_owned).collect())
    }

    /// The files that belong to the repository, with their contents.
    ///
    /// # Errors
    /// Fails when `git` is missing, or when a listed file cannot be read.
    pub(crate) fn files(&self) -> Result<Vec<SourceFile>, Failure> {
        let read = |path: String| {
            let content = fs::read(self.root.join(&path))
                .map_err(|error| Failure::new(format!("cannot read {path}: {error}")))?;
            let bytes = content.len() as u64;
            Ok(SourceFile { path, bytes, text: String::from_utf8(content).ok() })
        };
        self.paths()?.into_iter().map(read).collect()
    }

    /// The package's folder, from the root.
    fn folder(&self, package: &Package) -> String {
        let folder = package.manifest_path.parent().unwrap_or(&package.manifest_path);
        folder.strip_prefix(&self.metadata.workspace_root).unwrap_or(folder).to_string()
    }
}

/// The table `[package.metadata.smoke]`. A single string becomes a list with one element.
fn smoke_table(package: &Package) -> Table {
    let table = package.metadata.get("smoke").and_then(|smoke| smoke.as_object());
    let texts = table.into_iter().flatten().map(|(key, value)| {
        let text = value.as_str().into_iter();
        let list = value.as_array().into_iter().flatten().filter_map(|value| value.as_str());
        (key.clone(), text.chain(list).map(str::to_owned).collect())
    });
    texts.collect()
}

fn dependency(declared: &cargo_metadata::Dependency) -> Dependency {
    Dependency {
        name: declared.name.clone(),
        kind: match declared.kind {
            DependencyKind::Development => Kind::Dev,
            _ => Kind::Normal,
        },
        optional: declared.optional,
        features: declared.features.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_has_our_packages_and_files() {
        let workspace = Workspace::read().unwrap();
        assert!(workspace.has_package("volga-sse"));
        let graph = workspace.graph();
        let sse = graph.members.iter().find(|member| member.name == "volga-sse").unwrap();
        assert_eq!(sse.folder, "crates/volga-sse");
        assert!(sse.dependencies.iter().any(|dependency| dependency.name == "bytes"));
        assert!(sse.dependencies.iter().any(|dependency| dependency.kind == Kind::Dev));
        assert!(
            workspace.files().unwrap().iter().any(|file| file.path == "xtask/src/workspace.rs")
        );
    }
}
