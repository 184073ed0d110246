//! Describes the circumstances of a run, for the head of its results.

use std::{fs, process::Command};

use crate::{
    engine,
    peer::{PEERS, Peer, Places},
};

/// The crates whose versions matter to the figures.
const CRATES: &[&str] = &[
    "actix-web",
    "actix-web-lab",
    "actix-ws",
    "axum",
    "h2",
    "h3",
    "hyper",
    "quinn",
    "redis",
    "rustls",
    "tokio",
    "tokio-rustls",
    "tungstenite",
];

/// The machine, the versions and the command, one on each line.
pub(crate) fn describe(places: &Places, command: &str, cores: (usize, usize)) -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let busy = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let lock = fs::read_to_string(places.bench.join("Cargo.lock")).unwrap_or_default();
    let crates: Vec<String> = CRATES
        .iter()
        .map(|name| format!("{name} {}", locked_versions(&lock, name).join(" and ")))
        .chain(PEERS.iter().filter_map(Peer::version))
        .chain(engine::version())
        .collect();
    format!(
        "command   {command}\nmachine   {}, {} cores: load on {}, server on {}\nbusy      {} threads wanted a core in the minute before; for good figures the machine must do nothing else\nkernel    {}\ncompiler  {}\nrevision  {}\npeers     {}\n",
        cpu_model(&cpuinfo),
        cpu_count(&cpuinfo),
        cores.0,
        cores.1,
        busy.split(' ').next().unwrap_or("?"),
        kernel.trim(),
        line_of("rustc", &["--version"], places),
        line_of("git", &["describe", "--always", "--dirty"], places),
        crates.join(", ")
    )
}

fn cpu_model(cpuinfo: &str) -> &str {
    cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown CPU", |(_, model)| model.trim())
}

/// The number of cores of the machine. This process may use only one of them.
fn cpu_count(cpuinfo: &str) -> usize {
    cpuinfo.lines().filter(|line| line.starts_with("processor")).count()
}

/// The versions of a crate in the lock file, which may have more than one.
fn locked_versions<'a>(lock: &'a str, name: &str) -> Vec<&'a str> {
    let start = format!("name = \"{name}\"\nversion = \"");
    lock.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

fn line_of(program: &str, args: &[&str], places: &Places) -> String {
    let output = Command::new(program).args(args).current_dir(&places.bench).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "name = \"h2\"\nversion = \"0.3.27\"\n\nname = \"h2\"\nversion = \"0.4.9\"\n";
        assert_eq!(locked_versions(lock, "h2"), ["0.3.27", "0.4.9"]);
        assert!(locked_versions(lock, "hyper").is_empty());
    }

    #[test]
    fn the_cpu_has_a_name_and_cores() {
        let cpuinfo = "processor : 0\nmodel name\t: Fast One\n\nprocessor : 1\n";
        assert_eq!((cpu_model(cpuinfo), cpu_count(cpuinfo)), ("Fast One", 2));
        assert_eq!((cpu_model(""), cpu_count("")), ("unknown CPU", 0));
    }
}
