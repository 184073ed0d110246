//! The project's own checks and tools. `cargo xtask` without arguments lists the commands.
//!
//! `cargo xtask ci` runs a table of steps (see `ci`), and each step is a command of its own. The
//! rules are pure functions, tested on small broken fixtures (`deps`, `tidy`, `smoke::metadata`).
//! The rest is a thin shell around `cargo`, `git` and `node` (`tools`).

mod api;
mod args;
mod bench;
mod book;
mod browser;
mod budget;
mod ci;
mod compat;
mod deps;
mod fuzz;
mod http_get;
mod nodes;
mod package;
mod programs;
mod proxies;
mod smoke;
mod templates;
mod test_programs;
mod tidy;
mod tools;
mod workspace;

use std::process::ExitCode;

use args::Command;
use ci::Depth;
use tools::Failure;
use workspace::Workspace;

fn main() -> ExitCode {
    match Command::parse(std::env::args().skip(1)).and_then(|command| dispatch(&command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(command: &Command) -> Result<(), Failure> {
    match command {
        Command::Help => {
            print_commands();
            Ok(())
        }
        Command::List => {
            ci::print_steps();
            Ok(())
        }
        Command::Ci(choice) => ci::run(&Workspace::read()?, choice),
        Command::WriteApi => api::write(&Workspace::read()?),
        Command::Bench { args } => bench::run(&Workspace::read()?, args),
        Command::Abuse { args } => bench::abuse(&Workspace::read()?, args),
    }
}

fn print_commands() {
    println!("cargo xtask COMMAND\n");
    println!("  {:<13}the everyday steps, in this order", "ci");
    println!("  {:<13}these and the long steps, which a schedule runs: cargo xtask ci --all", "");
    println!("  {:<13}some of the steps: cargo xtask ci --only fmt,clippy", "");
    println!("  {:<13}only the names of the steps: cargo xtask ci --list", "");
    for (depth, title) in [(Depth::Everyday, "every day"), (Depth::Long, "only with --all")] {
        println!("\n{title}");
        for step in ci::STEPS.iter().filter(|step| step.depth == depth) {
            println!("  {:<13}{}", step.name, step.claim);
        }
    }
    println!("\nnot part of ci");
    println!(
        "  {:<13}accepts the API as it is now, in the snapshots of api/: cargo xtask api --write",
        "api"
    );
    println!(
        "  {:<13}servers side by side under load: --quick, --only ROW, --rounds N, --runs N, --profile (bench/README.md)",
        "bench"
    );
    println!(
        "  {:<13}clients that attack Volga and hyper: --quick, --only ROW, --servers NAME, --rounds N",
        "abuse"
    );
    println!("  {:<13}one function compared with its peers: cargo xtask bench --bench NAME", "");
}
