//! Profiles the CPU time of our server: runs rows of the laboratory under `perf`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    args::Args,
    failure::Failure,
    layers, machine,
    peer::{OURS, PEERS, Places},
    plan::Plan,
    rounds,
    rows::Row,
    server::{Seat, Server},
};

/// The rows that are profiled by default: the streams, and the plainest request.
const ROWS: &[&str] =
    &["fan-out", "burst", "firehose", "plaintext", "fan-out-http2", "firehose-http2"];

/// Profiles our server in each row, and prints the profiles. A full run is kept in the results.
pub(crate) fn run(
    args: &Args,
    command: &str,
    plan: &Plan,
    places: &Places,
    cores: (usize, usize),
) -> Result<(), Failure> {
    let Some(version) = version() else {
        println!(
            "no profile: it needs `perf`, from Debian's package linux-perf or from your kernel's package"
        );
        return Ok(());
    };
    // Sampling needs longer windows than reading a counter.
    let plan = &Plan { window: plan.window * 5, ..*plan };
    let mut text = machine::describe(places, command, cores);
    text.push_str(&format!(
        "profiler  {version}, clock of the system, of {OURS} while the row lasts, its streams' opening included\n"
    ));
    print!("{text}");
    let rows = rounds::rows(args)
        .into_iter()
        .filter(|row| !args.only.is_empty() || ROWS.contains(&row.name));
    for row in rows {
        let section = format!("\n## {}\n\n{}", (row.title)(plan), of(row, plan, places, cores.1)?);
        print!("{section}");
        text.push_str(&section);
    }
    if args.only.is_empty() && !args.quick {
        fs::write(places.bench.join("results/profile.txt"), &text)?;
        println!("\nwritten to bench/results/profile.txt");
    }
    Ok(())
}

fn of(row: &Row, plan: &Plan, places: &Places, core: usize) -> Result<String, Failure> {
    eprintln!("{}: {OURS} under perf", row.name);
    let peer = PEERS.iter().find(|peer| peer.name == OURS);
    let peer = peer.ok_or_else(|| Failure::new(format!("no server {OURS}")))?;
    let mut server =
        Server::start(peer, places, Seat { core: Some(core), workers: None }, row.extra())?;
    let record = Record::of(server.id(), places.scratch.join("perf.data"))?;
    (row.run)(&mut server, plan)?;
    let report = report(&record.end()?)?;
    layers::describe(&report).ok_or_else(|| {
        Failure::new("perf has no samples: is it allowed to profile other processes?")
    })
}

/// A running profiler. It is killed when this value is dropped.
struct Record {
    perf: Child,
    file: PathBuf,
}

impl Record {
    fn of(server: u32, file: PathBuf) -> Result<Self, Failure> {
        // The samples follow the clock, because virtual machines often count no cycles. Their
        // frequency is one at which nothing else is likely to happen regularly.
        let perf = Command::new("perf")
            .args(["record", "--quiet", "--event", "cpu-clock", "--freq", "3989"])
            .args(["--pid", &server.to_string(), "--output"])
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { perf, file })
    }

    /// Asks the profiler to write its samples, and waits for it.
    fn end(mut self) -> Result<PathBuf, Failure> {
        let pid = i32::try_from(self.perf.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::new("a process without a valid id"))?;
        kill_process(pid, Signal::INT)
            .map_err(|error| Failure::new(format!("SIGINT to perf: {error}")))?;
        self.perf.wait()?;
        Ok(self.file.clone())
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // Both calls fail only if the process has ended and was waited for already.
        let _ = self.perf.kill();
        let _ = self.perf.wait();
    }
}

fn report(file: &Path) -> Result<String, Failure> {
    let output = Command::new("perf")
        .args(["report", "--stdio", "--no-children", "--fields", "sample,dso,sym"])
        .args(["--field-separator", "|", "--input"])
        .arg(file)
        .stderr(Stdio::null())
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn version() -> Option<String> {
    let output = Command::new("perf").arg("--version").output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
