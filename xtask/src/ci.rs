//! The steps of `cargo xtask ci`, as data, and what runs them.

mod long;
mod summary;
mod versions;

use std::time::{Duration, Instant};

use crate::{
    api, bench, browser, budget, compat, deps, fuzz, smoke, tidy,
    tools::{self, Failure, Style, paint, shown_time},
    workspace::Workspace,
};
use summary::{Ended, Ending};

/// How long all everyday steps may take on a machine with two cores that has built nothing yet.
const EVERYDAY_BUDGET: Duration = Duration::from_secs(35 * 60);

/// One check. Its name is a command as well.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) depth: Depth,
    /// What to do when it fails.
    advice: &'static str,
    /// What it needs and this machine lacks.
    missing: fn(&Workspace) -> Option<Missing>,
    run: fn(&Workspace) -> Result<(), Failure>,
}

/// Which run a step belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Depth {
    /// Every run, so before each change is handed over.
    Everyday,
    /// `cargo xtask ci --all` alone, which a schedule starts: what is long or needs foreign
    /// programs.
    Long,
}

/// Which steps to run.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Choice {
    Everyday,
    All,
    Named(Vec<String>),
}

impl Choice {
    fn has(&self, step: &Step) -> bool {
        match self {
            Self::Everyday => step.depth == Depth::Everyday,
            Self::All => true,
            Self::Named(names) => names.iter().any(|name| name == step.name),
        }
    }
}

/// What a step needs and this machine lacks, with how to get it.
pub(crate) enum Missing {
    /// The step is skipped, in CI as well.
    Optional(String),
    /// A person's run skips the step, and CI fails.
    Required(String),
}

/// All checks, cheap ones first, and the long ones after all others.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        what: "the code is formatted",
        depth: Depth::Everyday,
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
        depth: Depth::Everyday,
        advice: "remove the import, or move the code to the crate that may have it; glue between siblings belongs in crates/volga",
        missing: |_| None,
        run: check_deps,
    },
    Step {
        name: "tidy",
        what: "file sizes, module docs, reasons for what is silenced, links, examples and guide pages complete, no version of our crates",
        depth: Depth::Everyday,
        advice: "each line above names the file and what is expected there",
        missing: |_| None,
        run: tidy::run,
    },
    Step {
        name: "clippy",
        what: "no warning of rustc or clippy in any target",
        depth: Depth::Everyday,
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
        depth: Depth::Everyday,
        advice: "a name lacks its #[cfg(feature = …)], or a feature lacks one that it needs",
        missing: |_| None,
        run: check_features,
    },
    Step {
        name: "test",
        what: "unit tests, integration tests, doc tests and the guide's code blocks",
        depth: Depth::Everyday,
        advice: "`cargo test -p CRATE TEST_NAME` repeats one",
        missing: |_| None,
        run: |workspace| {
            tools::run(&mut workspace.cargo(&["test", "--workspace", "--all-features"]))
        },
    },
    Step {
        name: "via-h2",
        what: "the tests of HTTP/2 pass without the direct data path as well",
        depth: Depth::Everyday,
        advice: "docs/design/http2-direct-data.md says what the two modes are; `VOLGA_TEST_HTTP2_VIA_H2=1 cargo test -p volga-http NAME` repeats one",
        missing: |_| None,
        run: |workspace| {
            let mut command =
                workspace.cargo(&["test", "--package", "volga-http", "--all-features"]);
            command.args(["--lib", "--tests", "--", "http2", "tunnels", "streams_of_any_kind"]);
            tools::run(command.env("VOLGA_TEST_HTTP2_VIA_H2", "1"))
        },
    },
    Step {
        name: "loom",
        what: "the hub's synchronisation holds in every order in which threads can meet",
        depth: Depth::Everyday,
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
        depth: Depth::Everyday,
        advice: "mostly a link to a name that moved",
        missing: |_| None,
        run: |workspace| {
            let mut command =
                workspace.cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
            tools::run(command.env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step {
        name: "api",
        what: "the public API of each crate is what api/ says",
        depth: Depth::Everyday,
        advice: "if the change is meant, `cargo xtask api --write` accepts it: commit api/ with it, and tell users in CHANGELOG.md",
        missing: |workspace| api::missing(workspace).map(Missing::Required),
        run: api::check,
    },
    Step {
        name: "examples",
        what: "every example starts, answers and ends cleanly",
        depth: Depth::Everyday,
        advice: "run the example by hand: cargo run -p NAME",
        missing: |_| None,
        run: smoke::run,
    },
    Step {
        name: "browser",
        what: "the examples' pages work in Chromium",
        depth: Depth::Everyday,
        advice: "target/browser/ holds what the page looked like; CONTRIBUTING.md says what the tests need",
        missing: |workspace| browser::missing(workspace).map(Missing::Required),
        run: browser::run,
    },
    Step {
        name: "fuzz",
        what: "each fuzz target builds, and a short run of it finds nothing",
        depth: Depth::Everyday,
        advice: "target/fuzz/found holds the input; give it to the target as its only argument, and add it to fuzz/corpus with the fix",
        missing: |workspace| fuzz::missing(workspace).map(Missing::Optional),
        run: |workspace| fuzz::run(workspace, fuzz::EVERYDAY_SECONDS),
    },
    Step {
        name: "compat",
        what: "clients that are not ours read our streams, and our decoder reads theirs, as compat/departures.json says",
        depth: Depth::Everyday,
        advice: "if the departure is theirs, compat/departures.json lists it with its reason; `cargo xtask compat` writes the guide's tables",
        // A client without its program is skipped by itself.
        missing: |_| None,
        run: compat::run,
    },
    Step {
        name: "bench-check",
        what: "the benchmarks of bench/ compile without a warning, and the laboratory's own tests pass",
        depth: Depth::Everyday,
        advice: "an interface changed: change its benchmark as well; `cargo test --manifest-path bench/Cargo.toml -p bench-load` repeats the tests",
        missing: |_| None,
        run: bench::check,
    },
    Step {
        name: "cases",
        what: "property tests hold for many more cases than in the step `test`",
        depth: Depth::Long,
        advice: "proptest prints the smallest failing input and keeps its seed beside the test: commit that with the fix",
        missing: |_| None,
        run: long::cases,
    },
    Step {
        name: "soak",
        what: "what is ignored in the step `test` because it takes long",
        depth: Depth::Long,
        advice: "the test's `#[ignore]` has the command that runs it alone",
        missing: |_| None,
        run: long::soak,
    },
    Step {
        name: "newest",
        what: "all tests pass with the newest versions of the dependencies, `h2` among them",
        depth: Depth::Long,
        advice: "`cargo update --package NAME` brings one of them; if it has a fault, the manifest excludes that version and says why",
        missing: |_| None,
        run: versions::newest,
    },
    Step {
        name: "oldest",
        what: "the tests of HTTP pass with the oldest version of `h2` that Cargo.toml allows",
        depth: Depth::Long,
        advice: "if that version lacks what we need now, raise the bound in Cargo.toml to the oldest version that passes",
        missing: |_| None,
        run: versions::oldest,
    },
    Step {
        name: "fuzz-long",
        what: "a longer run of each fuzz target finds nothing",
        depth: Depth::Long,
        advice: "target/fuzz/found holds the input; give it to the target as its only argument, and add it to fuzz/corpus with the fix",
        missing: |workspace| fuzz::missing(workspace).map(Missing::Required),
        run: |workspace| fuzz::run(workspace, fuzz::LONG_SECONDS),
    },
];

/// The feature sets that `features` compiles: package and arguments.
const FEATURE_SETS: &[(&str, &[&str])] = &[
    ("volga-sse", &["--no-default-features"]),
    ("volga-sse", &["--no-default-features", "--features", "json"]),
    ("volga-sse", &["--no-default-features", "--features", "body"]),
    ("volga-sse", &["--no-default-features", "--features", "hub"]),
    ("volga-sse", &["--no-default-features", "--features", "metrics"]),
    ("volga-sse", &["--no-default-features", "--features", "replies"]),
    ("volga-sse", &[]),
    ("volga-sse", &["--all-features"]),
    ("volga", &[]),
    ("volga", &["--all-features"]),
];

/// Runs the chosen steps in the order of the table, then prints how each ended and after how long.
///
/// The first failure ends the run, except in a run of all steps: a schedule starts that one, so it
/// tells everything that it can find.
///
/// # Errors
/// What failed, the command that repeats it, and what to do.
pub(crate) fn run(workspace: &Workspace, choice: &Choice) -> Result<(), Failure> {
    let chosen: Vec<&Step> = STEPS.iter().filter(|step| choice.has(step)).collect();
    let mut ended = Vec::new();
    let mut failures = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        if !failures.is_empty() && *choice != Choice::All {
            ended.push(Ended { name: step.name, time: Duration::ZERO, result: Ending::NotRun });
            continue;
        }
        let title = format!("[{}/{}] {}: {}", index + 1, chosen.len(), step.name, step.what);
        println!("{}", paint(Style::Bold, &title));
        let start = Instant::now();
        let result = run_step(step, workspace);
        let time = start.elapsed();
        let result = result.unwrap_or_else(|failure| {
            let failure = explain(step, &failure, time);
            if *choice == Choice::All {
                println!("{failure}\n");
            }
            failures.push(failure);
            Ending::Failed
        });
        if result == Ending::Passed {
            let text = format!("{} passed after {}", step.name, shown_time(time));
            println!("{}\n", paint(Style::Good, &text));
        }
        ended.push(Ended { name: step.name, time, result });
    }
    if let [_, _, ..] = ended[..] {
        println!("{}", summary::table(&ended));
        let total = ended.iter().map(|step| step.time).sum::<Duration>();
        if *choice == Choice::Everyday && total > EVERYDAY_BUDGET {
            let warning = format!(
                "warning: this took {}, the everyday steps have {}: give a step `Depth::Long`",
                shown_time(total),
                shown_time(EVERYDAY_BUDGET)
            );
            println!("{}", paint(Style::Warn, &warning));
        }
    }
    failures.into_iter().next_back().map_or(Ok(()), Err)
}

/// Prints the names of the steps.
pub(crate) fn print_steps() {
    for step in STEPS {
        println!("{}", step.name);
    }
}

fn run_step(step: &Step, workspace: &Workspace) -> Result<Ending, Failure> {
    match (step.missing)(workspace) {
        Some(Missing::Required(missing)) if tools::in_ci() => Err(Failure::new(missing)),
        Some(Missing::Required(missing) | Missing::Optional(missing)) => {
            let text = format!("{} SKIPPED: {missing}", step.name);
            println!("{}\n", paint(Style::Warn, &text));
            Ok(Ending::Skipped)
        }
        None => (step.run)(workspace).map(|()| Ending::Passed),
    }
}

fn explain(step: &Step, failure: &Failure, time: Duration) -> Failure {
    let time = shown_time(time);
    Failure::new(format!(
        "\n{}\n{failure}\n\nonly this step again:  cargo xtask {}\nwhat to do:            {}",
        paint(Style::Bad, &format!("{} FAILED after {time}", step.name)),
        step.name,
        step.advice
    ))
}

fn check_deps(workspace: &Workspace) -> Result<(), Failure> {
    let mut found = deps::check(&workspace.graph());
    found.extend(budget::check(workspace)?);
    Failure::from_findings(&found, "an import crosses a line that keeps the crates apart")
}

fn check_features(workspace: &Workspace) -> Result<(), Failure> {
    for (package, set) in FEATURE_SETS {
        // clippy rather than `RUSTFLAGS=-Dwarnings cargo check`: other flags would throw the build
        // cache away.
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
    fn each_step_is_explained_to_contributors() {
        let page = include_str!("../../CONTRIBUTING.md");
        for step in STEPS {
            assert!(page.contains(&format!("\n| `{}` | ", step.name)), "{}", step.name);
        }
    }

    #[test]
    fn an_everyday_run_has_no_long_step_and_all_has_every_one() {
        let names = |choice: &Choice| -> Vec<&str> {
            STEPS.iter().filter(|step| choice.has(step)).map(|step| step.name).collect()
        };
        let everyday = names(&Choice::Everyday);
        assert!(everyday.contains(&"fuzz") && !everyday.contains(&"fuzz-long"));
        // The long steps come last, so all begins as every day does.
        assert_eq!(names(&Choice::All)[..everyday.len()], everyday);
        assert_eq!(names(&Choice::All).len(), STEPS.len());
        let named = Choice::Named(vec!["soak".to_owned(), "fmt".to_owned()]);
        assert_eq!(names(&named), ["fmt", "soak"]);
    }

    #[test]
    fn a_failure_says_how_to_repeat_it_and_what_to_do() {
        let text =
            explain(&STEPS[0], &Failure::new("`cargo fmt` ended with 1"), Duration::from_secs(2))
                .to_string();
        assert!(text.contains("cargo xtask fmt") && text.contains("cargo fmt --all"), "{text}");
    }
}
