//! Tests forms, files and static files with foreign programs: senders and readers of forms, a
//! parser of forms that must agree with ours, clients that resume downloads, nginx as the oracle
//! for conditional and ranged requests, and browsers and cookie jars on several origins. Also
//! compressed streams and bodies.
//!
//! `cargo xtask compat` runs this. A program that is missing is skipped; in CI that is a failure.

mod bodies;
mod compressed;
mod downloads;
mod forms;
mod nginx;
mod origins;
mod raw;
mod server;

use std::{env, error::Error, path::PathBuf, time::Instant};

use crate::program::Programs;

/// Runs all tests whose programs are there.
pub(crate) async fn run() -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let programs = Programs::from_environment();
    let server = server::start().await?;
    let mut faults = Vec::new();
    for (name, result) in [
        ("senders and readers of forms", forms::run(&programs, &server).await),
        ("busboy", bodies::run(&programs).await),
        ("curl -C - and wget -c", downloads::run(&server).await),
        ("nginx", nginx::run(&server).await),
        ("cookies and other origins", origins::run(&programs, &server).await),
        ("compression", compressed::run(&programs).await),
    ] {
        match result? {
            Report { skipped, faults: new, checks } => {
                println!("{name}: {checks} checks, {} faults", new.len());
                if !skipped.is_empty() {
                    println!("    SKIPPED: {}", skipped.join(", "));
                }
                faults.extend(new);
            }
        }
    }
    println!("forms, files and origins in {:.1} s", start.elapsed().as_secs_f64());
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// The results of one group of tests.
#[derive(Default)]
struct Report {
    checks: usize,
    skipped: Vec<&'static str>,
    faults: Vec<String>,
}

impl Report {
    fn compare<T: PartialEq + std::fmt::Debug>(&mut self, name: &str, found: &T, expect: &T) {
        self.checks += 1;
        if found != expect {
            self.faults.push(format!("{name}: expected {expect:?}, found {found:?}"));
        }
    }
}

/// The path of a program that xtask has found.
fn program(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}
