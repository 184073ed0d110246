//! Runs `compat/`, in which foreign clients read our streams.
//!
//! It is a workspace of its own, so that its dependencies stay out of our lock file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    programs::{self, NodeVersion},
    tools::{self, Failure, Style, find_program, paint},
    workspace::Workspace,
};

/// The first version of node that the npm packages support.
const MIN_NODE: NodeVersion = (22, 12);
/// The page of the guide whose tables the run writes.
const PAGE: &str = "docs/src/what-clients-do.md";

/// Runs every client that this machine can run. In CI no client may be skipped.
///
/// The run writes the tables of the guide's page. In CI it only compares them.
///
/// # Errors
/// Fails when a client departs from the standard in a way that is not listed. In CI it also fails
/// when a program is missing, or when a table differs from the page.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let python = required_in_ci("some clients", python(workspace))?;
    let node = required_in_ci("some clients", node(workspace))?;
    let chromium = required_in_ci("some clients", programs::chromium())?;

    tools::run(&mut command(workspace, "test"))?;
    let page = workspace.root.join(PAGE);
    let mut compat = command(workspace, "run");
    compat.args(["--", if tools::in_ci() { "--check" } else { "--write" }]).arg(page);
    for (name, program) in
        [("COMPAT_PYTHON", python), ("COMPAT_NODE", node), ("CHROMIUM", chromium)]
    {
        compat.env(name, program.unwrap_or_default());
    }
    tools::run(&mut compat)?;
    web(workspace)
}

/// Tests forms and files with foreign programs. The packages are installed.
fn web(workspace: &Workspace) -> Result<(), Failure> {
    let mut compat = command(workspace, "run");
    compat.args(["--", "web"]);
    for (name, program) in [
        ("COMPAT_PYTHON", python(workspace)),
        ("COMPAT_NODE", node(workspace)),
        ("CHROMIUM", programs::chromium()),
        ("COMPAT_CURL", system_program("curl")),
        ("COMPAT_WGET", system_program("wget")),
        ("COMPAT_NGINX", system_program("nginx")),
        ("COMPAT_GZIP", system_program("gzip")),
        ("COMPAT_ZSTD", system_program("zstd")),
        ("COMPAT_BROTLI", system_program("brotli")),
    ] {
        let program = required_in_ci("a test of forms or files", program)?;
        compat.env(name, program.unwrap_or_default());
    }
    tools::run(&mut compat)
}

/// Lets foreign programs look at an app with HTTPS. In CI none of them may be missing.
///
/// # Errors
/// Fails when a program finds a fault. In CI it also fails when a program is missing.
pub(crate) fn run_tls(workspace: &Workspace) -> Result<(), Failure> {
    let python = required_in_ci("Python's h2", python(workspace))?;
    let node = required_in_ci("Chromium", node(workspace))?;
    let chromium = required_in_ci("Chromium", programs::chromium())?;
    let mut look = command(workspace, "run");
    look.args(["--", "tls"]);
    for (name, program) in
        [("COMPAT_PYTHON", python), ("COMPAT_NODE", node), ("CHROMIUM", chromium)]
    {
        look.env(name, program.unwrap_or_default());
    }
    tools::run(&mut look)
}

/// Lets foreign clients speak HTTP/3 with an app. In CI none of them may be missing.
///
/// # Errors
/// Fails when a client finds a fault. In CI it also fails when a program is missing.
pub(crate) fn run_http3(workspace: &Workspace) -> Result<(), Failure> {
    let python = environment(workspace, "compat/http3/requirements.txt", "compat/venv-http3");
    let mut clients = command(workspace, "run");
    clients.args(["--", "http3"]);
    for (name, program) in [
        ("COMPAT_PYTHON", python),
        ("COMPAT_NODE", node(workspace)),
        ("CHROMIUM", programs::chromium()),
    ] {
        let program = required_in_ci("a client of HTTP/3", program)?;
        clients.env(name, program.unwrap_or_default());
    }
    tools::run(&mut clients)
}

/// The path of a program that a package of its name installs.
fn system_program(name: &str) -> Result<PathBuf, Failure> {
    // Debian has nginx where the PATH of a user may not lead.
    let system = Path::new("/usr/sbin").join(name);
    find_program(&[name])
        .or_else(|| system.is_file().then_some(system))
        .ok_or_else(|| Failure::new(format!("{name} is missing: apt-get install {name}")))
}

/// A command of cargo in the workspace of `compat/`.
pub(crate) fn command(workspace: &Workspace, command: &str) -> Command {
    let mut cargo = workspace.cargo(&[command, "--quiet", "--manifest-path", "compat/Cargo.toml"]);
    // A target folder of its own, so that this build neither waits for a build of the main
    // workspace nor replaces its results.
    cargo.arg("--target-dir").arg(workspace.target_dir().join("compat"));
    cargo
}

/// The program, or `None` after a warning that says what is skipped. In CI a missing program is a
/// failure.
///
/// # Errors
/// The program is missing, and this is CI.
pub(crate) fn required_in_ci(
    skipped: &str,
    found: Result<PathBuf, Failure>,
) -> Result<Option<PathBuf>, Failure> {
    match found {
        Ok(program) => Ok(Some(program)),
        Err(failure) if tools::in_ci() => Err(failure),
        Err(failure) => {
            println!("{}", paint(Style::Warn, &format!("SKIPPED, {skipped}: {failure}")));
            Ok(None)
        }
    }
}

/// The path of node, after the packages of `compat/` are installed.
///
/// # Errors
/// Says which program is missing, or that the packages cannot be installed.
pub(crate) fn node(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let node = programs::node(&workspace.target_dir(), MIN_NODE)?;
    programs::install_npm_packages(workspace, "compat")?;
    Ok(node)
}

/// The path of Python in a virtual environment with the packages of `compat/requirements.txt`.
fn python(workspace: &Workspace) -> Result<PathBuf, Failure> {
    environment(workspace, "compat/requirements.txt", "compat/venv")
}

/// The path of Python in a virtual environment with the packages of this list, in this folder below
/// `target/`.
fn environment(workspace: &Workspace, list: &str, folder: &str) -> Result<PathBuf, Failure> {
    let system = find_program(&["python3"])
        .ok_or_else(|| Failure::new("python3 is missing: apt-get install python3 python3-venv"))?;
    let requirements = workspace.root.join(list);
    let wanted = fs::read_to_string(&requirements).map_err(|error| {
        Failure::new(format!("cannot read {}: {error}", requirements.display()))
    })?;
    let environment = workspace.target_dir().join(folder);
    let python = environment.join("bin/python");
    // This file is written last, so an interrupted installation is not taken for a complete one.
    let installed = environment.join("requirements.txt");
    if fs::read_to_string(&installed).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    tools::read(Command::new(&system).args(["-c", "import ensurepip, venv"])).map_err(|_| {
        Failure::new("python3 cannot make virtual environments: apt-get install python3-venv")
    })?;
    install(&system, &environment, &python, &requirements)?;
    fs::write(&installed, wanted)
        .map_err(|error| Failure::new(format!("cannot write {}: {error}", installed.display())))?;
    Ok(python)
}

fn install(
    system: &Path,
    environment: &Path,
    python: &Path,
    requirements: &Path,
) -> Result<(), Failure> {
    tools::run(Command::new(system).args(["-m", "venv", "--clear"]).arg(environment))?;
    let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    tools::run(Command::new(python).args(pip).arg(requirements))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_and_the_lists_of_requirements_exist() {
        let root = Workspace::read().unwrap().root;
        for path in [
            PAGE,
            "compat/requirements.txt",
            "compat/http3/requirements.txt",
            "compat/package-lock.json",
            "compat/Cargo.lock",
        ] {
            assert!(root.join(path).is_file(), "{path}");
        }
    }
}
