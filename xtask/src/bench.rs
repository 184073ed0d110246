//! Runs the benchmarks of `bench/`, which is a workspace of its own, so that the peers that it
//! measures stay out of our lock file.
//!
//! There are two kinds of benchmarks: whole servers under load (the laboratory, `bench/load`), and
//! micro benchmarks of one function each.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    tools::{self, Failure},
    workspace::Workspace,
};

/// The programs of the laboratory: the load generator, and the servers that are written in Rust.
const PROGRAMS: &[&str] = &[
    "bench-load",
    "bench-volga",
    "bench-hyper",
    "bench-axum",
    "bench-actix",
    "bench-h3",
    "bench-limit",
];

/// The programs of the rows of several nodes.
const NODE_PROGRAMS: &[&str] = &["bench-load", "bench-node", "bench-xread"];

/// The environment variable by which the laboratory asks a server for worker threads.
const WORKERS_VARIABLE: &str = "BENCH_WORKERS";

/// Runs the laboratory with these arguments, or the micro benchmarks if the arguments are for
/// `cargo bench`.
///
/// # Errors
/// Fails when a program does not build, or when it ends with an error.
pub(crate) fn run(workspace: &Workspace, args: &[String]) -> Result<(), Failure> {
    println!("the benchmarks of bench/, optimised; the first build takes a while");
    if is_micro(args) {
        // All micro benchmarks, unless the arguments choose some.
        let chooses = args.iter().any(|arg| ["--bench", "--benches"].contains(&arg.as_str()));
        let all: &[&str] = if chooses { &[] } else { &["--benches"] };
        return tools::run(command(workspace, "bench", all).args(args));
    }
    let (revision, args) = take_revision(args)?;
    let has_workers = args.iter().any(|arg| arg == "--workers");
    let before = revision.map(|revision| build_before(workspace, &revision, has_workers));
    let before = before.transpose()?;
    let programs = if args.iter().any(|arg| arg == "--nodes") { NODE_PROGRAMS } else { PROGRAMS };
    for program in programs {
        // Each program is built alone, as its user would build it. Built together, all of them
        // would get the features that one of them enables in a library that they share. With the
        // feature `log` of `tracing`, which actix enables, every HTTP/2 frame costs any server half
        // as much again.
        tools::run(&mut command(workspace, "build", &["--release", "--package", program]))?;
    }
    let mut lab = Command::new(workspace.target_dir().join("bench/release/lab"));
    if let Some(before) = before {
        lab.arg("--before").arg(before);
    }
    tools::run(lab.args(args))
}

/// Runs the rows of the laboratory in which clients attack, for Volga and hyper.
///
/// # Errors
/// Fails when a program does not build, or when Volga fails in a row.
pub(crate) fn abuse(workspace: &Workspace, args: &[String]) -> Result<(), Failure> {
    for program in ["bench-load", "bench-volga", "bench-hyper"] {
        tools::run(&mut command(workspace, "build", &["--release", "--package", program]))?;
    }
    let mut lab = Command::new(workspace.target_dir().join("bench/release/lab"));
    tools::run(lab.arg("--abuse").args(args))
}

/// Runs short attacks on Volga alone, and checks the bounds of its memory, and that an innocent
/// client gets all its responses. Nothing is optimised, because no time is checked.
///
/// # Errors
/// Fails when a program does not build, or when a bound does not hold.
pub(crate) fn check_abuse(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(&mut command(
        workspace,
        "build",
        &["--package", "bench-load", "--package", "bench-volga"],
    ))?;
    let mut lab = Command::new(workspace.target_dir().join("bench/debug/lab"));
    tools::run(lab.args(["--abuse", "--quick", "--bounds", "--servers", "volga"]))
}

/// Writes the attacks over HTTP/2 as inputs of the fuzz target `http2` into the folder.
///
/// # Errors
/// Fails when the laboratory does not build, or when the folder cannot be written.
pub(crate) fn write_corpus(workspace: &Workspace, folder: &Path) -> Result<(), Failure> {
    tools::run(&mut command(workspace, "build", &["--package", "bench-load"]))?;
    let mut lab = Command::new(workspace.target_dir().join("bench/debug/lab"));
    tools::run(lab.arg("--write-corpus").arg(folder))
}

/// Takes `--against REVISION` out of the arguments, because the laboratory wants a program instead.
fn take_revision(args: &[String]) -> Result<(Option<String>, Vec<String>), Failure> {
    let mut rest = args.to_vec();
    let Some(at) = rest.iter().position(|arg| arg == "--against") else {
        return Ok((None, rest));
    };
    if at + 1 >= rest.len() {
        return Err(Failure::new(
            "`--against` wants a revision: cargo xtask bench --against HEAD~1",
        ));
    }
    let revision = rest.remove(at + 1);
    rest.remove(at);
    Ok((Some(revision), rest))
}

/// Builds the laboratory's volga server as it was at this revision, and returns the program.
fn build_before(
    workspace: &Workspace,
    revision: &str,
    has_workers: bool,
) -> Result<PathBuf, Failure> {
    let folder = workspace.target_dir().join("bench-before");
    let source = folder.join("source");
    let git = |args: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(&workspace.root).args(args);
        tools::run(&mut git)
    };
    let source_text = source.to_string_lossy();
    if source.exists() {
        git(&["worktree", "remove", "--force", &source_text])?;
    }
    git(&["worktree", "add", "--force", "--detach", &source_text, revision])?;
    if has_workers {
        give_workers(&source, revision)?;
    }
    let target = folder.join("build");
    let mut build = tools::cargo(&source, &["build", "--manifest-path", "bench/Cargo.toml"]);
    build.args(["--release", "--package", "bench-volga", "--target-dir"]).arg(&target);
    tools::run(&mut build)?;
    Ok(target.join("release/bench-volga"))
}

/// Makes sure that the server in this source has as many workers as the laboratory asks for. Older
/// servers always run on one thread. They get a runtime like that of `bench-common`, because a
/// comparison of two runtimes would say nothing about the revisions.
fn give_workers(source: &Path, revision: &str) -> Result<(), Failure> {
    let servers = source.join("bench/servers");
    let common = fs::read_to_string(servers.join("common/src/lib.rs"));
    if common.is_ok_and(|text| text.contains(WORKERS_VARIABLE)) {
        return Ok(());
    }
    let (program, manifest) = (servers.join("volga/src/main.rs"), servers.join("volga/Cargo.toml"));
    let text = |file| fs::read_to_string(file).unwrap_or_default();
    let Some((new_program, new_manifest)) = with_workers(&text(&program), &text(&manifest)) else {
        return Err(Failure::new(format!(
            "the server of {revision} always runs on one thread, because it does not read \
             {WORKERS_VARIABLE}; choose a later revision, or leave out `--workers`",
        )));
    };
    fs::write(program, new_program).and_then(|()| fs::write(manifest, new_manifest)).map_err(
        |error| Failure::new(format!("cannot change the server of {revision}: {error}")),
    )?;
    println!(
        "the server of {revision} does not read {WORKERS_VARIABLE}: its `main` is replaced by one \
         that does"
    );
    Ok(())
}

/// The main function of servers that always run on one thread.
const ONE_THREAD: &str = "\
#[tokio::main(flavor = \"current_thread\")]
async fn main() -> std::io::Result<()> {
";

/// The main function that replaces it. The laboratory always asks for workers if it is compiled.
const WORKERS: &str = "\
fn main() -> std::io::Result<()> {
    let workers = std::env::var(\"BENCH_WORKERS\").expect(\"a number of workers\");
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(workers.parse().expect(\"a number of workers\"));
    runtime.enable_all().build()?.block_on(serve_all())
}

async fn serve_all() -> std::io::Result<()> {
";

/// The program and the manifest of an older server, with a runtime that has workers. `None` if the
/// texts are not as expected.
fn with_workers(program: &str, manifest: &str) -> Option<(String, String)> {
    let (begin, end) = program.split_once(ONE_THREAD)?;
    let (before, after) = manifest.split_once("\"rt\"")?;
    Some((format!("{begin}{WORKERS}{end}"), format!("{before}\"rt-multi-thread\"{after}")))
}

/// Compiles all benchmarks without optimising or running them, and runs the laboratory's tests.
///
/// # Errors
/// Fails when something does not compile, or when a test fails.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    tools::run(&mut command(
        workspace,
        "clippy",
        &["--workspace", "--all-targets", "--", "-D", "warnings"],
    ))?;
    tools::run(&mut command(workspace, "test", &["--package", "bench-load"]))
}

/// Whether the arguments are for micro benchmarks: `--bench NAME`, `--benches`, or anything
/// after `--`.
fn is_micro(args: &[String]) -> bool {
    args.iter().any(|arg| ["--bench", "--benches", "--"].contains(&arg.as_str()))
}

fn command(workspace: &Workspace, command: &str, args: &[&str]) -> Command {
    let mut cargo = workspace.cargo(&[command, "--manifest-path", "bench/Cargo.toml"]);
    // A target folder of its own, so that this build neither waits for a build of the main
    // workspace nor replaces its results.
    cargo.arg("--target-dir").arg(workspace.target_dir().join("bench")).args(args);
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_tell_the_two_kinds_apart() {
        let is_micro =
            |line: &str| is_micro(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        for line in ["--bench route", "--benches", "--bench encode -- short"] {
            assert!(is_micro(line), "{line}");
        }
        for line in ["", "--quick", "--only idle --rounds 3"] {
            assert!(!is_micro(line), "{line}");
        }
    }

    #[test]
    fn an_older_server_gets_workers_if_its_texts_are_as_expected() {
        let program = format!("//! A server.\n\n{ONE_THREAD}    let hub = Hub::new();\n}}\n");
        let manifest = "tokio = { workspace = true, features = [\"net\", \"rt\", \"sync\"] }\n";
        let (program, manifest) = with_workers(&program, manifest).expect("both are replaced");
        assert!(program.starts_with("//! A server.\n\nfn main()"), "{program}");
        assert!(program.contains(WORKERS_VARIABLE) && !program.contains("current_thread"));
        assert!(
            program
                .ends_with("serve_all() -> std::io::Result<()> {\n    let hub = Hub::new();\n}\n")
        );
        assert!(manifest.contains("[\"net\", \"rt-multi-thread\", \"sync\"]"), "{manifest}");
        assert!(with_workers("fn main() {}", &manifest).is_none());
        assert!(with_workers(ONE_THREAD, "[dependencies]").is_none());
    }

    #[test]
    fn the_revision_is_taken_out_of_the_arguments() {
        let take = |line: &str| {
            take_revision(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let (revision, rest) = take("--rounds 3 --against HEAD~1 --quick").expect("a revision");
        assert_eq!(revision.as_deref(), Some("HEAD~1"));
        assert_eq!(rest, ["--rounds", "3", "--quick"]);
        assert!(take("--quick").expect("no revision").0.is_none());
        assert!(take("--against").is_err());
    }
}
