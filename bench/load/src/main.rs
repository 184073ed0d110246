//! The laboratory: runs servers one after another under the same load, and says what each costs. `README.md` of `bench/` says how to read it.
//!
//! What is pure: `wire` (bytes to events), `deliveries` (is each message there, once, in order), `stats`, `figure`, `results`, `table`, `chart`, `args`. What
//! acts: `server` and `launch` (processes), `streams`, `http2` and `publisher` (load), `meter` (`/proc`), and `rows`, which put them together.

mod args;
mod chart;
mod clock;
mod connect;
mod deliveries;
mod failure;
mod figure;
mod http2;
mod launch;
mod machine;
mod meter;
mod peer;
mod plan;
mod publisher;
mod results;
mod rounds;
mod rows;
mod server;
mod stats;
mod streams;
mod table;
mod windows;
mod wire;

use std::{fs, process::ExitCode};

use args::Args;
use failure::Failure;
use peer::Places;
use plan::Plan;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == "launch").is_some() {
        eprintln!("{}", launch::run(args));
        return ExitCode::FAILURE;
    }
    match run(args.map(|arg| arg.to_string_lossy().into_owned()).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Vec<String>) -> Result<(), Failure> {
    let command = format!("cargo xtask bench {}", args.join(" "));
    let args = Args::parse(args)?;
    let mut plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    plan.rounds = args.rounds.unwrap_or(plan.rounds);

    let places = Places::find()?;
    let system = |error: rustix::io::Errno| Failure::new(format!("setting up: {error}"));
    let cores = launch::cores().map_err(system)?;
    launch::pin(cores.0).map_err(system)?;
    launch::raise_descriptors().map_err(system)?;

    let mut text = machine::describe(&places, command.trim_end(), cores);
    text.push_str(&format!(
        "rounds    {}, interleaved; each figure is a median (least to most)\n",
        plan.rounds
    ));
    print!("{text}");
    let (servers, skipped) = rounds::servers(&args, &places);
    for (peer, missing) in skipped {
        let line = format!("skipped   {} ({}): {missing}\n", peer.name, peer.what);
        print!("{line}");
        text.push_str(&line);
    }
    let mut results = Vec::new();
    for row in rounds::rows(&args) {
        let result = rounds::run(row, &plan, &servers, &places, cores.1);
        let table = table::of(row, &plan, &result);
        print!("\n{table}");
        text.push('\n');
        text.push_str(&table);
        results.push((row, result));
    }
    if args.is_whole() {
        let folder = places.bench.join("results");
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("servers.txt"), &text)?;
        // Beside the guide's page that shows it.
        fs::write(places.bench.join("../docs/src/performance.svg"), chart::of(&results, &plan))?;
        println!("\nwritten to bench/results/servers.txt and docs/src/performance.svg");
    }
    rounds::check(&results)
}
