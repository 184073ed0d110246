//! The steps of `cargo xtask ci`, as data, and what runs them.

use std::time::Instant;

use crate::{
    bench, browser, budget, compat, deps, fuzz, smoke, tidy,
    tools::{self, Failure, Style, paint, shown_time},
    workspace::Workspace,
};

/// One check. Its name is a command as well.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// What to do when it fails.
    advice: &'static str,
    /// What it needs and this machine lacks: then a person's run skips it, and CI fails.
    missing: fn(&Workspace) -> Option<String>,
    run: fn(&Workspace) -> Result<(), Failure>,
}

/// All checks, cheap ones first.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        what: "the code is formatted",
        advice: "`cargo fmt --all` formats it; bench/ and compat/ are workspaces of their own, so run it there as well",
        missing: |_| None,
        run: |workspace| {
            tools::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))?;
            for manifest in ["bench/Cargo.toml", "compat/Cargo.toml"] {
                let check = ["fmt", "--manifest-path", manifest, "--all", "--check"];
                tools::run(&mut workspace.cargo(&check))?;
            }
            Ok(())
        },
    },
    Step {
        name: "deps",
        what: "no crate imports what it must not know (ARCHITECTURE.md), and volga-sse stays small",
        advice: "remove the import, or move the code to the crate that may have it; glue between siblings belongs in crates/volga",
        missing: |_| None,
        run: check_deps,
    },
    Step {
        name: "tidy",
        what: "file sizes, module docs, reasons for what is silenced, links, examples and guide pages complete, no version of our crates",
        advice: "each line above names the file and what is expected there",
        missing: |_| None,
        run: tidy::run,
    },
    Step {
        name: "clippy",
        what: "no warning of rustc or clippy in any target",
        advice: "fix the warning; if it is wrong here, #[expect(…, reason = \"…\")] says why",
        missing: |_| None,
        run: |workspace| {
            tools::run(&mut workspace.cargo(&[
                "clippy",
                "--workspace",
                "--all-targets",
                "--all-features",
                "--",
                "-D",
                "warnings",
            ]))
        },
    },
    Step {
        name: "features",
        what: "each feature set compiles by itself, without a warning",
        advice: "a name lacks its #[cfg(feature = …)], or a feature lacks one that it needs",
        missing: |_| None,
        run: check_features,
    },
    Step {
        name: "test",
        what: "unit tests, integration tests, doc tests and the guide's code blocks",
        advice: "`cargo test -p CRATE TEST_NAME` repeats one",
        missing: |_| None,
        run: |workspace| {
            tools::run(&mut workspace.cargo(&["test", "--workspace", "--all-features"]))
        },
    },
    Step {
        name: "loom",
        what: "the hub's synchronisation holds in every order in which threads can meet",
        advice: "loom prints the schedule with LOOM_LOG=trace; crates/volga-sse/src/hub/loom_model.rs has the command",
        missing: |_| None,
        run: |workspace| {
            let mut command = workspace.cargo(&["test", "--package", "volga-sse"]);
            command.args(["--features", "hub", "--release", "--lib", "loom_model"]);
            // Its own folder: with other flags everything is another build.
            command.arg("--target-dir").arg(workspace.target_dir().join("loom"));
            tools::run(command.env("RUSTFLAGS", "--cfg loom"))
        },
    },
    Step {
        name: "doc",
        what: "rustdoc builds without a warning",
        advice: "mostly a link to a name that moved",
        missing: |_| None,
        run: |workspace| {
            let mut command =
                workspace.cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
            tools::run(command.env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step {
        name: "examples",
        what: "every example starts, answers and ends cleanly",
        advice: "run the example by hand: cargo run -p NAME",
        missing: |_| None,
        run: smoke::run,
    },
    Step {
        name: "browser",
        what: "the example page works in Chromium",
        advice: "target/browser/ holds what the page looked like; CONTRIBUTING.md says what the tests need",
        missing: browser::missing,
        run: browser::run,
    },
    Step {
        name: "fuzz",
        what: "each fuzz target builds, and a short run of it finds nothing",
        advice: "target/fuzz/found holds the input; give it to the target as its only argument, and add it to fuzz/corpus with the fix",
        // Not every machine of ours has a nightly toolchain: the step itself says what it skips.
        missing: |_| None,
        run: fuzz::run,
    },
    Step {
        name: "compat",
        what: "clients that are not ours read our streams, and our decoder reads theirs, as compat/departures.json says",
        advice: "if the departure is theirs, compat/departures.json lists it with its reason; `cargo xtask compat` writes the guide's tables",
        // A client without its program is skipped by itself.
        missing: |_| None,
        run: compat::run,
    },
    Step {
        name: "bench-check",
        what: "the benchmarks of bench/ compile without a warning, and the laboratory's own tests pass",
        advice: "an interface changed: change its benchmark as well; `cargo test --manifest-path bench/Cargo.toml -p bench-load` repeats the tests",
        missing: |_| None,
        run: bench::check,
    },
];

/// The feature sets that `features` compiles: package and arguments.
const FEATURE_SETS: &[(&str, &[&str])] = &[
    ("volga-sse", &["--no-default-features"]),
    ("volga-sse", &["--no-default-features", "--features", "json"]),
    ("volga-sse", &["--no-default-features", "--features", "body"]),
    ("volga-sse", &["--no-default-features", "--features", "hub"]),
    ("volga-sse", &["--no-default-features", "--features", "metrics"]),
    ("volga-sse", &["--no-default-features", "--features", "answers"]),
    ("volga-sse", &[]),
    ("volga-sse", &["--all-features"]),
    ("volga", &[]),
    ("volga", &["--all-features"]),
];

/// Runs the named steps, or all, in the order of the table; stops at the first failure.
///
/// # Errors
/// What failed, the command that repeats it, and what to do.
pub(crate) fn run(workspace: &Workspace, only: &[String]) -> Result<(), Failure> {
    let chosen: Vec<&Step> = STEPS
        .iter()
        .filter(|step| only.is_empty() || only.iter().any(|name| name == step.name))
        .collect();
    let begin = Instant::now();
    let mut ends = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        println!(
            "{}",
            paint(
                Style::Bold,
                &format!("[{}/{}] {}: {}", index + 1, chosen.len(), step.name, step.what)
            )
        );
        let start = Instant::now();
        let result = match (step.missing)(workspace) {
            Some(missing) if !tools::in_ci() => {
                println!("{}\n", paint(Style::Warn, &format!("{} SKIPPED: {missing}", step.name)));
                ends.push((step.name, "skipped".to_owned()));
                continue;
            }
            Some(missing) => Err(Failure::new(missing)),
            None => (step.run)(workspace),
        };
        let time = shown_time(start.elapsed());
        ends.push((step.name, time.clone()));
        if let Err(failure) = result {
            print_ends(&ends);
            return Err(explain(step, &failure, &time));
        }
        println!("{}\n", paint(Style::Good, &format!("{} passed after {time}", step.name)));
    }
    ends.push(("all", shown_time(begin.elapsed())));
    print_ends(&ends);
    Ok(())
}

/// Prints the names of the steps.
pub(crate) fn print_steps() {
    for step in STEPS {
        println!("{}", step.name);
    }
}

fn explain(step: &Step, failure: &Failure, time: &str) -> Failure {
    Failure::new(format!(
        "\n{}\n{failure}\n\nonly this step again:  cargo xtask {}\nwhat to do:            {}",
        paint(Style::Bad, &format!("{} FAILED after {time}", step.name)),
        step.name,
        step.advice
    ))
}

/// A table of steps and times, unless it was one step alone, which has said it already.
fn print_ends(ends: &[(&str, String)]) {
    if ends.len() > 2 {
        println!("{}", paint(Style::Bold, &format!("{:<13}{:>13}", "step", "time")));
        for (name, end) in ends {
            println!("{name:<13}{end:>13}");
        }
    }
}

fn check_deps(workspace: &Workspace) -> Result<(), Failure> {
    let mut found = deps::check(&workspace.graph());
    found.extend(budget::check(workspace)?);
    Failure::from_findings(&found, "an import crosses a line that keeps the crates apart")
}

fn check_features(workspace: &Workspace) -> Result<(), Failure> {
    for (package, set) in FEATURE_SETS {
        // clippy rather than `RUSTFLAGS=-Dwarnings cargo check`: other flags would throw the build cache away.
        let mut args = vec!["clippy", "--package", package];
        args.extend(*set);
        args.extend(["--", "-D", "warnings"]);
        tools::run(&mut workspace.cargo(&args))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_no_command_of_another_kind() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(STEPS[..index].iter().all(|other| other.name != step.name), "{}", step.name);
            assert!(!["ci", "bench", "help"].contains(&step.name), "{}", step.name);
        }
    }

    #[test]
    fn a_failure_says_how_to_repeat_it_and_what_to_do() {
        let text =
            explain(&STEPS[0], &Failure::new("`cargo fmt` ended with 1"), "2.0 s").to_string();
        assert!(text.contains("cargo xtask fmt") && text.contains("cargo fmt --all"), "{text}");
    }
}
