//! How a server starts: `lab launch CORE PROGRAM ARGUMENTS`, a step between the laboratory and the server's program.
//!
//! What must hold before the program begins is set here, in a process that then becomes the program: its core, its descriptors, and that it dies
//! with the laboratory, however that ends.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

use rustix::{
    process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::failure::Failure;

/// In place of the core's number: the server runs on every core, also on that of the load.
pub(crate) const ANY_CORE: &str = "any";

/// Becomes the program. Returns only when that fails.
pub(crate) fn run(mut args: impl Iterator<Item = OsString>) -> Failure {
    let cores = args.next().and_then(|core| match core.to_str()? {
        ANY_CORE => Some(None),
        core => core.parse().ok().map(Some),
    });
    let (Some(core), Some(program)) = (cores, args.next()) else {
        return Failure::new("lab launch CORE PROGRAM ARGUMENTS");
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL))
        .and_then(|()| core.map_or_else(unpin, pin))
        .and_then(|()| raise_descriptors())
    {
        return Failure::new(format!("before the start of a server: {error}"));
    }
    let error = Command::new(&program).args(args).exec();
    Failure::new(format!("{}: {error}", program.display()))
}

/// Keeps this thread, and what it starts, on one core.
pub(crate) fn pin(core: usize) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)
}

/// Lets this thread, and what it starts, run on every core again.
fn unpin() -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let count = cores.lines().filter(|line| line.starts_with("processor")).count();
    for core in 0..count.min(CpuSet::MAX_CPU) {
        set.set(core);
    }
    sched_setaffinity(None, &set)
}

/// The cores for the load and for the server: the same one on a machine with one.
pub(crate) fn cores() -> rustix::io::Result<(usize, usize)> {
    let set = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core));
    let load = cores.next().unwrap_or(0);
    Ok((load, cores.next().unwrap_or(load)))
}

/// As many descriptors as the system lets this process have.
pub(crate) fn raise_descriptors() -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
}
