//! Builds the fuzz targets of `fuzz/` with a nightly toolchain and runs each for a short time.
//!
//! The compiler flags are the same as those of `cargo fuzz`, so that a machine without it can build
//! the targets too. A run reads the corpus of the repository but never writes to it: new inputs go
//! to `target/fuzz`. The target `http2` also gets the attacks of `cargo xtask abuse` as inputs.
//!
//! To add a target, write `fuzz/fuzz_targets/NAME.rs`, give it a `[[bin]]` in `fuzz/Cargo.toml`,
//! and commit at least one input in `fuzz/corpus/NAME`. Nothing has to be changed here: each file
//! in `fuzz_targets` is a target. `decode.rs` is a short example.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    bench,
    tools::{self, Failure},
    workspace::Workspace,
};

/// How long each target runs every day, in seconds.
pub(crate) const EVERYDAY_SECONDS: u32 = 10;
/// How long each target runs when a schedule starts it, in seconds.
pub(crate) const LONG_SECONDS: u32 = 120;

/// The flags that instrument a program for libFuzzer and the address sanitizer.
const RUSTFLAGS: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Ccodegen-units=1 -Zsanitizer=address";

/// Says which toolchain is missing on this machine and how to install it; `None` if it is there.
pub(crate) fn missing_program(workspace: &Workspace) -> Option<String> {
    host(workspace).err().map(|failure| failure.to_string())
}

/// Builds every target and runs each of them for `seconds`.
///
/// # Errors
/// Fails when a target does not build, or when a run finds a fault.
pub(crate) fn run(workspace: &Workspace, seconds: u32) -> Result<(), Failure> {
    let host = host(workspace)?;
    let target_dir = workspace.target_dir().join("fuzz");
    let mut build = tools::rustup(&workspace.root, "nightly", "cargo");
    build
        .args([
            "build",
            "--release",
            "--manifest-path",
            "fuzz/Cargo.toml",
            "--target",
            &host,
            "--target-dir",
        ])
        .arg(&target_dir)
        .env("RUSTFLAGS", RUSTFLAGS);
    tools::run(&mut build)?;

    let generated = target_dir.join("generated/http2");
    bench::write_corpus(workspace, &generated)?;
    for target in targets(&workspace.root)? {
        let found = target_dir.join("found").join(&target);
        fs::create_dir_all(&found)
            .map_err(|error| Failure::new(format!("cannot make {}: {error}", found.display())))?;
        let mut fuzz = Command::new(target_dir.join(&host).join("release").join(&target));
        fuzz.arg(&found)
            .arg(workspace.root.join("fuzz/corpus").join(&target))
            .args((target == "http2").then_some(&generated))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", found.display()))
            .args(["-verbosity=0", "-print_final_stats=1"])
            .current_dir(&workspace.root);
        tools::run(&mut fuzz)?;
    }
    Ok(())
}

fn host(workspace: &Workspace) -> Result<String, Failure> {
    nightly_host(&workspace.root).ok_or_else(|| {
        Failure::new(
            "a nightly toolchain is missing: rustup toolchain install nightly --profile minimal",
        )
    })
}

/// The platform for which the nightly compiler builds, or `None` without such a compiler.
fn nightly_host(root: &Path) -> Option<String> {
    let output =
        tools::rustup(root, "nightly", "rustc").arg("-vV").stdin(Stdio::null()).output().ok()?;
    host_of(&String::from_utf8(output.stdout).ok()?)
}

fn host_of(version: &str) -> Option<String> {
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned)
}

/// The names of the targets. Each target is a file of that name.
fn targets(root: &Path) -> Result<Vec<String>, Failure> {
    let folder = root.join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder)
        .map_err(|error| Failure::new(format!("cannot read {}: {error}", folder.display())))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| {
            entry.ok()?.file_name().to_str()?.strip_suffix(".rs").map(str::to_owned)
        })
        .collect();
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_read_from_the_version_of_the_compiler() {
        let version = "rustc 1.97.0-nightly\nbinary: rustc\nhost: x86_64-unknown-linux-gnu\n";
        assert_eq!(host_of(version).as_deref(), Some("x86_64-unknown-linux-gnu"));
        assert_eq!(host_of("rustc 1.97.0-nightly\n"), None);
    }
}
