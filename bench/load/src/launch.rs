//! The program `lab launch CORE PROGRAM ARGUMENTS`, through which the laboratory starts each
//! server.
//!
//! It sets the conditions of a server in a process that then becomes the server's program: its
//! core, its limit of descriptors, and that the kernel kills it when the laboratory ends, for
//! whatever reason.

use std::{ffi::OsString, ops::Range, os::unix::process::CommandExt, process::Command};

use rustix::{
    process::{Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::failure::Failure;

/// In place of the core's number: the server runs on every core, also on that of the load.
pub(crate) const ANY_CORE: &str = "any";

/// Replaces this process by the program. Returns only if that fails.
pub(crate) fn run(mut args: impl Iterator<Item = OsString>) -> Failure {
    let cores = args.next().and_then(|core| match core.to_str()? {
        ANY_CORE => Some(None),
        core => core.parse().ok().map(Some),
    });
    let (Some(core), Some(program)) = (cores, args.next()) else {
        return Failure::new("usage: lab launch CORE PROGRAM ARGUMENTS");
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

/// Binds this thread, and the threads and processes that it starts, to one core.
pub(crate) fn pin(core: usize) -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set)
}

/// Lets this thread, and what it starts, run on every core again.
fn unpin() -> rustix::io::Result<()> {
    let mut set = CpuSet::new();
    all_cores().for_each(|core| set.set(core));
    sched_setaffinity(None, &set)
}

/// All cores of the machine. This process may use only one of them.
pub(crate) fn all_cores() -> Range<usize> {
    let cores = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let count = cores.lines().filter(|line| line.starts_with("processor")).count();
    0..count.min(CpuSet::MAX_CPU)
}

/// The cores for the load and for the server. They are the same on a machine with one core.
pub(crate) fn cores() -> rustix::io::Result<(usize, usize)> {
    let set = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|&core| set.is_set(core));
    let load = cores.next().unwrap_or(0);
    Ok((load, cores.next().unwrap_or(load)))
}

/// Raises the limit of descriptors to the maximum that the system allows this process.
pub(crate) fn raise_descriptors() -> rustix::io::Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
}
