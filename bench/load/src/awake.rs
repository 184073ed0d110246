//! Keeps the cores awake, so that no time is the one that a sleeping core takes to wake.

use std::process::{Child, Command, Stdio};

use crate::{failure::Failure, launch};

/// The argument of the program `lab spin`, which never sleeps.
pub(crate) const SPIN: &str = "spin";

/// A program on each core that runs only while no other one wants the core. They are killed when
/// this value is dropped. If the laboratory dies, the kernel kills them.
#[derive(Debug)]
pub(crate) struct Awake(Vec<Child>);

impl Awake {
    pub(crate) fn start() -> Result<Self, Failure> {
        let mut awake = Self(Vec::new());
        for core in launch::all_cores() {
            let program = std::env::current_exe()?;
            let mut command = Command::new(&program);
            command.args(["launch", &core.to_string(), "chrt", "--idle", "0"]);
            awake.0.push(command.arg(program).arg(SPIN).stdin(Stdio::null()).spawn()?);
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // Both calls fail only if the process has ended and was waited for already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Spins until the process is killed.
pub(crate) fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}
