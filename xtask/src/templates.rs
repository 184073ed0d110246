//! Tests the templates for new projects: fills in their placeholders, as `cargo generate` does, and
//! runs the tests of the project.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

const FOLDER: &str = "templates";
/// The name of the project that a test makes.
const PROJECT: &str = "my-app";

/// Makes a project from each template, and tests it.
///
/// # Errors
/// Fails when a project cannot be made, or when its tests fail.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let projects = workspace.target_dir().join(FOLDER);
    for template in templates(&workspace.root)? {
        let name = template.file_name().unwrap_or_default();
        let project = projects.join(name).join(PROJECT);
        let failed = |error: io::Error| Failure::new(format!("{}: {error}", template.display()));
        if project.exists() {
            fs::remove_dir_all(&project).map_err(failed)?;
        }
        make(&template, &project, &workspace.root).map_err(failed)?;
        // The same versions of all dependencies as in the workspace.
        fs::copy(workspace.root.join("Cargo.lock"), project.join("Cargo.lock")).map_err(failed)?;

        let mut test = tools::cargo(&project, &["test", "--quiet"]);
        // The workspace's folder and profile, so that the dependencies are not compiled again. The
        // folder of the project is below the workspace, but it is a workspace of its own.
        test.env("CARGO_TARGET_DIR", workspace.target_dir());
        test.env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only");
        tools::run(&mut test)?;
    }
    Ok(())
}

/// The folders of the templates, by name.
fn templates(root: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = root.join(FOLDER);
    let read = || -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&folder)?.map(|entry| Ok(entry?.path())).collect()
    };
    let mut found =
        read().map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    found.sort();
    Ok(found)
}

/// Copies a template, with its placeholders filled in.
fn make(from: &Path, to: &Path, volga: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            make(&entry.path(), &target, volga)?;
        } else if entry.file_name() != "cargo-generate.toml" {
            fs::write(target, filled_in(&fs::read_to_string(entry.path())?, volga))?;
        }
    }
    Ok(())
}

fn filled_in(text: &str, volga: &Path) -> String {
    let text = text.replace("{{project-name}}", PROJECT);
    let mut text = text.replace("{{volga}}", &volga.display().to_string());
    if text.starts_with("[package]") {
        text.push_str("\n[lints.rust]\nwarnings = \"deny\"\n\n[workspace]\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_is_declared_and_filled_in() {
        let root = Workspace::read().unwrap().root;
        let templates = templates(&root).unwrap();
        assert!(!templates.is_empty());
        for template in templates {
            let declared = fs::read_to_string(template.join("cargo-generate.toml")).unwrap();
            assert!(declared.contains("[placeholders.volga]"), "{}", template.display());
            for file in ["Cargo.toml", "README.md", "src/main.rs"] {
                let text = fs::read_to_string(template.join(file)).unwrap();
                let filled = filled_in(&text, &root);
                assert!(!filled.contains("{{project") && !filled.contains("{{volga"), "{filled}");
            }
        }
    }
}
