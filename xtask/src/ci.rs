//! The steps of `cargo xtask ci`, as data, and the code that runs them.
//!
//! To add a check, add a [`Step`] to [`STEPS`]: everyday steps first, long ones last. Then add its
//! row to `CONTRIBUTING.md`; a test compares the two. A rule about the text of files is a module of
//! `tidy` instead.

mod over_http3;
mod summary;
mod test_runs;
mod versions;

use std::time::{Duration, Instant};

use crate::{
    api, bench, book, browser, budget, compat, deps, fuzz, nodes, package, proxies, smoke,
    templates,
    test_programs::TestPrograms,
    tidy,
    tools::{self, Failure, Style, paint, shown_time},
    workspace::Workspace,
};
use summary::{Outcome, StepResult};

/// How long all everyday steps together may take on a machine with two cores and an empty target
/// folder: 35 minutes for the servers, the framework and the hub, and a minute or two for each part
/// that has come since, from forms to several nodes.
const EVERYDAY_BUDGET: Duration = Duration::from_secs(50 * 60);

/// One check. Its name is also a command: `cargo xtask NAME`.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    /// The claim that the step verifies.
    pub(crate) claim: &'static str,
    pub(crate) depth: Depth,
    /// What a person does when the step fails.
    advice: &'static str,
    /// Returns the program that the step needs and that is missing on this machine.
    missing_program: fn(&Workspace) -> Option<MissingProgram>,
    run: fn(&Workspace) -> Result<(), Failure>,
}

/// The run to which a step belongs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Depth {
    /// Every run of `cargo xtask ci`, so also before each change is handed over.
    Everyday,
    /// Only `cargo xtask ci --all`, which a schedule starts. These steps take long, or they need
    /// foreign programs.
    Long,
}

/// The choice of the steps to run.
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

/// The name of a program that a step needs and that is missing on this machine, with the command
/// that installs it.
pub(crate) enum MissingProgram {
    /// The step is skipped, in CI as well.
    Optional(String),
    /// The step is skipped on a person's machine. In CI it fails.
    Required(String),
}

/// All checks: the cheap ones first, and the long ones last.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        claim: "the code is formatted",
        depth: Depth::Everyday,
        advice: "run `cargo fmt --all`, and run it in bench/ and compat/ as well, which are workspaces of their own",
        missing_program: |_| None,
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
        claim: "each crate imports only the crates that it may import (ARCHITECTURE.md), and volga-sse stays small",
        depth: Depth::Everyday,
        advice: "remove the import, or move the code to a crate that may have it; code that connects sibling crates belongs in crates/volga",
        missing_program: |_| None,
        run: check_deps,
    },
    Step {
        name: "tidy",
        claim: "files and lines are short, files have module docs, silenced lints have reasons, imports name the owner, links and guide pages are complete, no text names a version of our crates",
        depth: Depth::Everyday,
        advice: "each line above names a file and says what to do",
        missing_program: |_| None,
        run: tidy::run,
    },
    Step {
        name: "clippy",
        claim: "no target has a warning of rustc or clippy",
        depth: Depth::Everyday,
        advice: "fix the warning; if it is wrong here, silence it with #[expect(…, reason = \"…\")]",
        missing_program: |_| None,
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
        claim: "each set of features compiles without a warning",
        depth: Depth::Everyday,
        advice: "add the missing #[cfg(feature = …)], or let the feature enable another one that it needs",
        missing_program: |_| None,
        run: check_features,
    },
    Step {
        name: "test",
        claim: "unit, integration and doc tests pass, and so do the guide's code blocks",
        depth: Depth::Everyday,
        advice: "`cargo test -p CRATE TEST_NAME` repeats one test",
        missing_program: |_| None,
        run: |workspace| {
            let mut command = workspace.cargo(&["test", "--workspace", "--all-features"]);
            // The step `nodes` runs the tests that need an engine.
            tools::run(command.env("VOLGA_TEST_ENGINES", "0"))
        },
    },
    Step {
        name: "nodes",
        claim: "several nodes with a real Redis lose no message and repeat none, whatever fails, or report exactly what is missing",
        depth: Depth::Everyday,
        advice: "`cargo test -p volga-relay-redis --test it NAME` repeats one test",
        missing_program: |_| nodes::missing_program().map(MissingProgram::Required),
        run: nodes::run,
    },
    Step {
        name: "via-h2",
        claim: "the tests of HTTP/2 pass without the direct data path as well",
        depth: Depth::Everyday,
        advice: "docs/design/http2-direct-data.md explains the two modes; `VOLGA_TEST_HTTP2_VIA_H2=1 cargo test -p volga-http NAME` repeats one test",
        missing_program: |_| None,
        run: |workspace| {
            let programs = TestPrograms::build(workspace)?;
            for mut command in programs.commands(workspace, "volga-http", &[])? {
                command.args(["http2", "tunnels", "streams_of_any_kind"]);
                tools::run(command.env("VOLGA_TEST_HTTP2_VIA_H2", "1"))?;
            }
            Ok(())
        },
    },
    Step {
        name: "over-tls",
        claim: "the tests of requests, streams and shutdowns pass over TLS as well",
        depth: Depth::Everyday,
        advice: "`VOLGA_TEST_TLS=1 cargo test -p volga-http --all-features --test it NAME` repeats one test; tests/it/tls_relay.rs explains how it reaches the server",
        missing_program: |_| None,
        run: |workspace| {
            let programs = TestPrograms::build(workspace)?;
            for (package, names, skipped) in OVER_TLS {
                for mut command in programs.commands(workspace, package, &["it"])? {
                    command.args(*names).args(skipped.iter().flat_map(|name| ["--skip", name]));
                    tools::run(command.env("VOLGA_TEST_TLS", "1"))?;
                }
            }
            Ok(())
        },
    },
    Step {
        name: "over-http3",
        claim: "the tests of requests, streams and shutdowns pass over HTTP/3 as well",
        depth: Depth::Everyday,
        advice: "`cargo test -p volga-h3 --test over_http3 NAME` repeats one test, for the facade `VOLGA_TEST_HTTP3=1 cargo test -p volga --all-features --test it NAME`",
        missing_program: |_| None,
        run: over_http3::run,
    },
    Step {
        name: "loom",
        claim: "the hub's synchronisation is right in every order of the threads' steps with at most two forced switches",
        depth: Depth::Everyday,
        advice: "with LOOM_LOG=trace loom prints the order of the steps; crates/volga-sse/src/hub/loom_model.rs has the command",
        missing_program: |_| None,
        run: test_runs::loom,
    },
    Step {
        name: "doc",
        claim: "rustdoc builds without a warning",
        depth: Depth::Everyday,
        advice: "in most cases a link names an item that was moved or renamed: correct the link",
        missing_program: |_| None,
        run: |workspace| {
            let mut command =
                workspace.cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
            tools::run(command.env("RUSTDOCFLAGS", "-D warnings"))
        },
    },
    Step {
        name: "book",
        claim: "the guide builds as a book in both languages, and every link leads to a page and a heading",
        depth: Depth::Everyday,
        advice: "each line above names a page and a link; headings and their links change together",
        missing_program: |workspace| book::missing_program(workspace).map(MissingProgram::Required),
        run: book::run,
    },
    Step {
        name: "api",
        claim: "the public API of each crate equals its snapshot in api/",
        depth: Depth::Everyday,
        advice: "if the change is intended, `cargo xtask api --write` accepts it: commit api/ with it, and tell users in CHANGELOG.md",
        missing_program: |workspace| api::missing_program(workspace).map(MissingProgram::Required),
        run: api::check,
    },
    Step {
        name: "examples",
        claim: "every example starts, responds and exits cleanly",
        depth: Depth::Everyday,
        advice: "run the example by hand: cargo run -p NAME",
        missing_program: |_| None,
        run: smoke::run,
    },
    Step {
        name: "templates",
        claim: "a project that is made from each template compiles without a warning, and its tests pass",
        depth: Depth::Everyday,
        advice: "correct the template in templates/; target/templates has the project that was made from it",
        missing_program: |_| None,
        run: templates::run,
    },
    Step {
        name: "package",
        claim: "every crate can be packed, and programs outside the workspace compile and run with the packed files",
        depth: Depth::Everyday,
        advice: "target/package has the packed files and the programs; a package must have every file that its code includes",
        missing_program: |_| None,
        run: package::run,
    },
    Step {
        name: "browser",
        claim: "the examples' pages work in Chromium",
        depth: Depth::Everyday,
        advice: "look at the screenshots in target/browser/; CONTRIBUTING.md says which programs the tests need",
        missing_program: |workspace| {
            browser::missing_program(workspace).map(MissingProgram::Required)
        },
        run: browser::run,
    },
    Step {
        name: "fuzz",
        claim: "each fuzz target builds, and a short run finds no fault",
        depth: Depth::Everyday,
        advice: "target/fuzz/found has the input: pass it to the target as its only argument, and add it to fuzz/corpus with the fix",
        missing_program: |workspace| fuzz::missing_program(workspace).map(MissingProgram::Optional),
        run: |workspace| fuzz::run(workspace, fuzz::EVERYDAY_SECONDS),
    },
    Step {
        name: "compat",
        claim: "foreign clients read our streams, and our decoder reads foreign streams, except for the departures listed in compat/departures.json",
        depth: Depth::Everyday,
        advice: "if the foreign client departs from the standard, list that in compat/departures.json with the reason; `cargo xtask compat` writes the guide's tables",
        // The step itself skips each client whose program is missing.
        missing_program: |_| None,
        run: compat::run,
    },
    Step {
        name: "proxies",
        claim: "nginx, HAProxy, Caddy, Apache, Varnish and a dev server's proxy treat our streams as the guide's page says",
        depth: Depth::Everyday,
        advice: "`cargo xtask proxies` writes the page's tables and configuration files: look at what changed, and correct the prose around them",
        // The step itself skips each proxy whose program is missing.
        missing_program: |_| None,
        run: proxies::run,
    },
    Step {
        name: "tls",
        claim: "curl, OpenSSL, nghttp, h2load, Python's h2, Chromium and testssl find no fault in an app with HTTPS",
        depth: Depth::Everyday,
        advice: "compat/src/tls.rs has the command that failed",
        // The step itself skips each program that is missing.
        missing_program: |_| None,
        run: compat::run_tls,
    },
    Step {
        name: "http3",
        claim: "Chromium, aioquic, niquests and libcurl find no fault in an app with HTTP/3",
        depth: Depth::Everyday,
        advice: "compat/src/http3.rs has the app, compat/http3/ the clients",
        // The step itself skips each client whose program is missing.
        missing_program: |_| None,
        run: compat::run_http3,
    },
    Step {
        name: "bench-check",
        claim: "the benchmarks of bench/ compile without a warning, and the laboratory's own tests pass",
        depth: Depth::Everyday,
        advice: "if you changed an interface, change its benchmark as well; `cargo test --manifest-path bench/Cargo.toml -p bench-load` repeats the tests",
        missing_program: |_| None,
        run: bench::check,
    },
    Step {
        name: "abuse-check",
        claim: "short attacks on a server leave its memory within bounds, and an innocent client gets all its responses",
        depth: Depth::Everyday,
        advice: "`cargo xtask abuse --quick --bounds --servers volga --only ROW` repeats one attack; bench/README.md describes the rows",
        missing_program: |_| None,
        run: bench::check_abuse,
    },
    Step {
        name: "cases",
        claim: "property tests pass for many more cases than in the step `test`",
        depth: Depth::Long,
        advice: "proptest prints the smallest failing input and writes its seed to a file beside the test: commit that file with the fix",
        missing_program: |_| None,
        run: test_runs::cases,
    },
    Step {
        name: "soak",
        claim: "the tests pass that the step `test` ignores because they take long",
        depth: Depth::Long,
        advice: "the reason in the test's `#[ignore]` has the command that runs it alone",
        missing_program: |_| None,
        run: test_runs::soak,
    },
    Step {
        name: "loom-long",
        claim: "the step `loom` passes with three forced switches",
        depth: Depth::Long,
        advice: "as in the step `loom`",
        missing_program: |_| None,
        run: test_runs::loom_long,
    },
    Step {
        name: "newest",
        claim: "all tests pass with the newest versions of the dependencies, `h2` among them",
        depth: Depth::Long,
        advice: "`cargo update --package NAME` updates one dependency; if its new version has a fault, exclude that version in the manifest and say why",
        missing_program: |_| None,
        run: versions::newest,
    },
    Step {
        name: "oldest",
        claim: "the tests of HTTP pass with the oldest version of `h2` that Cargo.toml allows",
        depth: Depth::Long,
        advice: "if that version lacks something, raise the bound in Cargo.toml to the oldest version that passes",
        missing_program: |_| None,
        run: versions::oldest,
    },
    Step {
        name: "fuzz-long",
        claim: "a longer run of each fuzz target finds no fault",
        depth: Depth::Long,
        advice: "target/fuzz/found has the input: pass it to the target as its only argument, and add it to fuzz/corpus with the fix",
        missing_program: |workspace| fuzz::missing_program(workspace).map(MissingProgram::Required),
        run: |workspace| fuzz::run(workspace, fuzz::LONG_SECONDS),
    },
];

/// The tests of the step `over-tls`: the package, the parts of their names, and those to skip.
///
/// Each test that is skipped compares the addresses that the client and the server see. Between the
/// two is a relay here.
const OVER_TLS: &[(&str, &[&str], &[&str])] = &[
    (
        "volga-http",
        &["requests::", "long_lived::", "drain", "disconnects::", "http2::", "keep_alive::"],
        &[
            "requests_carry_both_addresses",
            "after_a_stream_the_connection_serves_its_next_request",
            "a_request_sent_during_a_stream_is_served_after_it",
            "a_drain_closes_an_idle_connection_after_a_stream",
            "at_the_deadline_a_stream_is_aborted",
        ],
    ),
    ("volga", &["streams::", "stream_ends::", "shutdown::", "replies::", "same_requests::"], &[]),
];

/// The sets of features that the step `features` compiles: the package and the arguments.
const FEATURE_SETS: &[(&str, &[&str])] = &[
    ("volga-sse", &["--no-default-features"]),
    ("volga-sse", &["--no-default-features", "--features", "json"]),
    ("volga-sse", &["--no-default-features", "--features", "body"]),
    ("volga-sse", &["--no-default-features", "--features", "axum"]),
    ("volga-sse", &["--no-default-features", "--features", "hub"]),
    ("volga-sse", &["--no-default-features", "--features", "metrics"]),
    ("volga-sse", &["--no-default-features", "--features", "replies"]),
    ("volga-sse", &[]),
    ("volga-sse", &["--all-features"]),
    ("volga-web", &[]),
    ("volga-web", &["--features", "compression"]),
    ("volga-web", &["--features", "decompression"]),
    ("volga-web", &["--features", "files"]),
    ("volga-web", &["--features", "rate-limit"]),
    ("volga-web", &["--features", "static-files"]),
    ("volga-web", &["--features", "multipart"]),
    ("volga-web", &["--features", "cookies"]),
    ("volga-web", &["--features", "cors"]),
    ("volga-web", &["--features", "csrf"]),
    ("volga-web", &["--features", "signed-cookies"]),
    ("volga-web", &["--features", "auth"]),
    ("volga-web", &["--features", "sessions"]),
    ("volga-http", &["--features", "tls"]),
    ("volga", &[]),
    ("volga", &["--features", "tls"]),
    ("volga", &["--features", "http3"]),
    ("volga", &["--features", "multipart"]),
    ("volga", &["--features", "signed-cookies"]),
    ("volga", &["--features", "auth,sessions"]),
    ("volga", &["--features", "redis"]),
    ("volga", &["--features", "redis-tls"]),
    ("volga", &["--all-features"]),
];

/// Runs the chosen steps in the order of the table, then prints the result and the time of each.
///
/// The first failure ends the run, except in a run of all steps: a schedule starts that run, so it
/// reports every failure.
///
/// # Errors
/// Says which step failed, which command repeats it, and what to do.
pub(crate) fn run(workspace: &Workspace, choice: &Choice) -> Result<(), Failure> {
    let chosen: Vec<&Step> = STEPS.iter().filter(|step| choice.has(step)).collect();
    let mut results = Vec::new();
    let mut failures = Vec::new();
    for (index, step) in chosen.iter().enumerate() {
        if !failures.is_empty() && *choice != Choice::All {
            results.push(StepResult {
                name: step.name,
                time: Duration::ZERO,
                outcome: Outcome::NotRun,
            });
            continue;
        }
        let title = format!("[{}/{}] {}: {}", index + 1, chosen.len(), step.name, step.claim);
        println!("{}", paint(Style::Bold, &title));
        let start = Instant::now();
        let result = run_step(step, workspace);
        let time = start.elapsed();
        let outcome = result.unwrap_or_else(|failure| {
            let failure = explain(step, &failure, time);
            if *choice == Choice::All {
                println!("{failure}\n");
            }
            failures.push(failure);
            Outcome::Failed
        });
        if outcome == Outcome::Passed {
            let text = format!("{} passed after {}", step.name, shown_time(time));
            println!("{}\n", paint(Style::Good, &text));
        }
        results.push(StepResult { name: step.name, time, outcome });
    }
    if let [_, _, ..] = results[..] {
        println!("{}", summary::table(&results));
        let total = results.iter().map(|step| step.time).sum::<Duration>();
        if *choice == Choice::Everyday && total > EVERYDAY_BUDGET {
            let warning = format!(
                "warning: the everyday steps took {}, but may take {}: give one of them `Depth::Long`",
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

fn run_step(step: &Step, workspace: &Workspace) -> Result<Outcome, Failure> {
    match (step.missing_program)(workspace) {
        Some(MissingProgram::Required(missing)) if tools::in_ci() => Err(Failure::new(missing)),
        Some(MissingProgram::Required(missing) | MissingProgram::Optional(missing)) => {
            let text = format!("{} SKIPPED: {missing}", step.name);
            println!("{}\n", paint(Style::Warn, &text));
            Ok(Outcome::Skipped)
        }
        None => (step.run)(workspace).map(|()| Outcome::Passed),
    }
}

fn explain(step: &Step, failure: &Failure, time: Duration) -> Failure {
    let time = shown_time(time);
    Failure::new(format!(
        "\n{}\n{failure}\n\nto repeat this step:  cargo xtask {}\nwhat to do:           {}",
        paint(Style::Bad, &format!("{} FAILED after {time}", step.name)),
        step.name,
        step.advice
    ))
}

fn check_deps(workspace: &Workspace) -> Result<(), Failure> {
    let mut found = deps::check(&workspace.graph());
    found.extend(budget::check(workspace)?);
    Failure::from_findings(&found, "a crate imports another one that it must not import")
}

fn check_features(workspace: &Workspace) -> Result<(), Failure> {
    for (package, set) in FEATURE_SETS {
        // Not `RUSTFLAGS=-Dwarnings cargo check`: with other flags, cargo would build everything
        // again.
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
    fn step_names_are_unique_and_differ_from_other_commands() {
        for (index, step) in STEPS.iter().enumerate() {
            assert!(STEPS[..index].iter().all(|other| other.name != step.name), "{}", step.name);
            assert!(!["ci", "bench", "help"].contains(&step.name), "{}", step.name);
        }
    }

    #[test]
    fn contributing_md_explains_each_step() {
        let page = include_str!("../../CONTRIBUTING.md");
        for step in STEPS {
            assert!(page.contains(&format!("\n| `{}` | ", step.name)), "{}", step.name);
        }
    }

    #[test]
    fn an_everyday_run_has_no_long_step_and_a_run_of_all_has_each() {
        let names = |choice: &Choice| -> Vec<&str> {
            STEPS.iter().filter(|step| choice.has(step)).map(|step| step.name).collect()
        };
        let everyday = names(&Choice::Everyday);
        assert!(everyday.contains(&"fuzz") && !everyday.contains(&"fuzz-long"));
        // The long steps come last, so a run of all steps begins like an everyday run.
        assert_eq!(names(&Choice::All)[..everyday.len()], everyday);
        assert_eq!(names(&Choice::All).len(), STEPS.len());
        let named = Choice::Named(vec!["soak".to_owned(), "fmt".to_owned()]);
        assert_eq!(names(&named), ["fmt", "soak"]);
    }

    #[test]
    fn a_failure_says_how_to_repeat_the_step_and_what_to_do() {
        let text =
            explain(&STEPS[0], &Failure::new("`cargo fmt` ended with 1"), Duration::from_secs(2))
                .to_string();
        assert!(text.contains("cargo xtask fmt") && text.contains("cargo fmt --all"), "{text}");
    }
}
