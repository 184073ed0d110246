//! The laboratory: runs servers one after another under the same load, and measures the cost of
//! each. `README.md` of `bench/` explains how to read the results.
//!
//! The pure modules are `wire` (turns bytes into events), `deliveries` (checks that each message
//! arrives once and in order), `stats`, `figure`, `results`, `table`, `chart`, `layers` and `args`.
//! The others act: `server` and `launch` start processes; `tls` connects to them over TLS;
//! `engine` starts Redis and the nodes that share it; `awake` keeps the cores awake; `streams`,
//! `http2`, `http3`, `publisher`, `publisher_thread` with `progress`, and `abuse` make load;
//! `meter` reads `/proc`; `windows` and `rows` combine these; `turns` lets two servers take turns;
//! `rounds` and `profile` run the rows.

mod abuse;
mod args;
mod awake;
mod chart;
mod clock;
mod connect;
mod deliveries;
mod engine;
mod failure;
mod figure;
mod http2;
mod http3;
mod launch;
mod layers;
mod machine;
mod meter;
mod peer;
mod plan;
mod profile;
mod program_copies;
mod progress;
mod publisher;
mod publisher_thread;
mod results;
mod rounds;
mod rows;
mod server;
mod stats;
mod streams;
mod table;
mod tls;
mod turns;
mod windows;
mod wire;

use std::{fs, process::ExitCode};

use args::Args;
use failure::Failure;
use peer::Places;
use plan::Plan;
use results::RowResult;
use rows::Row;
use server::Seat;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|first| first == "launch").is_some() {
        eprintln!("{}", launch::run(args));
        return ExitCode::FAILURE;
    }
    if args.next_if(|first| first == awake::SPIN).is_some() {
        awake::spin();
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
    let line = args.join(" ");
    let args = Args::parse(args)?;
    let command = match line.strip_prefix("--abuse") {
        Some(rest) => format!("cargo xtask abuse{rest}"),
        None => format!("cargo xtask bench {line}"),
    };
    if let Some(folder) = &args.corpus {
        let count = abuse::write_corpus(folder)?;
        println!("{count} inputs of the fuzz target http2 are in {}", folder.display());
        return Ok(());
    }
    let mut plan = if args.quick { Plan::QUICK } else { Plan::FULL };
    plan.rounds = args.rounds.unwrap_or(plan.rounds);

    let mut places = Places::find()?;
    places.before.clone_from(&args.before);
    let system = |error: rustix::io::Errno| Failure::new(format!("setting up: {error}"));
    let cores = launch::cores().map_err(system)?;
    launch::pin(cores.0).map_err(system)?;
    launch::raise_descriptors().map_err(system)?;

    if args.profile {
        return profile::run(&args, command.trim_end(), &plan, &places, cores);
    }
    let seat = Seat { core: Some(cores.1), workers: args.workers };
    let mut text = machine::describe(&places, command.trim_end(), cores);
    let runs = args.runs.unwrap_or(1);
    text.push_str(&match runs {
        1 => format!("rounds    {}, interleaved; each figure is a median (least to most)\n", plan.rounds),
        _ => format!("rounds    {} in each of {runs} runs, interleaved; each figure is a median of all rounds (least to most), and under the tables each run is judged by itself\n", plan.rounds),
    });
    print!("{text}");
    let (servers, skipped) = rounds::servers(&args, &places);
    for (peer, missing) in skipped {
        let line = format!("skipped   {} ({}): {missing}\n", peer.name, peer.what);
        print!("{line}");
        text.push_str(&line);
    }
    let mut results: Vec<(&Row, Vec<RowResult>)> =
        rounds::rows(&args).into_iter().map(|row| (row, Vec::new())).collect();
    for run in 1..=runs {
        eprintln!("run {run} of {runs}");
        for (row, results) in &mut results {
            let result = rounds::run(row, &plan, &servers, &places, seat);
            print!("\n{}", table::of(row, &plan, std::slice::from_ref(&result)));
            results.push(result);
        }
    }
    let lines = table::pass_lines(&results);
    print!("\n{lines}");
    text.push_str(&lines);
    for (row, results) in &results {
        text.push('\n');
        text.push_str(&table::of(row, &plan, results));
    }
    if args.bounds {
        rounds::check_bounds(&results)?;
    }
    let results: Vec<(&Row, RowResult)> =
        results.into_iter().map(|(row, runs)| (row, RowResult::of_all(&runs))).collect();
    if args.is_whole() {
        let folder = places.bench.join("results");
        fs::create_dir_all(&folder)?;
        if args.abuse {
            fs::write(folder.join("abuse.txt"), &text)?;
            println!("\nwritten to bench/results/abuse.txt");
            return rounds::check(&results);
        }
        if args.nodes {
            fs::write(folder.join("nodes.txt"), &text)?;
            println!("\nwritten to bench/results/nodes.txt");
            return rounds::check(&results);
        }
        fs::write(folder.join("servers.txt"), &text)?;
        // The chart goes next to the guide's page that shows it.
        fs::write(places.bench.join("../docs/src/performance.svg"), chart::of(&results, &plan))?;
        println!("\nwritten to bench/results/servers.txt and docs/src/performance.svg");
    }
    rounds::check(&results)
}
