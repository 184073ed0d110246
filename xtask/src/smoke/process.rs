//! One started example: its output goes to a file, and it never outlives the check.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::tools::{Failure, shown_time};

/// Lines of its output that a failure shows.
const SHOWN_LINES: usize = 20;
/// How often the process is asked whether it ended; the standard library has no wait with a limit.
const ASK: Duration = Duration::from_millis(20);

/// A process that ends with this value.
pub(super) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts the program with its output in `log`, and its input, if any, already written and closed.
    pub(super) fn start(
        binary: &Path,
        args: &[String],
        stdin: Option<&str>,
        log: &Path,
    ) -> Result<Self, Failure> {
        let cannot =
            |error: io::Error| Failure::new(format!("cannot start {}: {error}", binary.display()));
        fs::create_dir_all(log.parent().unwrap_or(log)).map_err(cannot)?;
        let out = File::create(log).map_err(cannot)?;
        let err = out.try_clone().map_err(cannot)?;
        let input = if stdin.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut command = Command::new(binary);
        command.args(args).stdin(input).stdout(out).stderr(err).env("NO_COLOR", "1");
        let mut running = Self { child: command.spawn().map_err(cannot)?, log: log.to_owned() };
        if let (Some(text), Some(mut pipe)) = (stdin, running.child.stdin.take()) {
            // A program that ends without reading its input may be right; its exit code says so.
            let _ = pipe.write_all(text.as_bytes());
        }
        Ok(running)
    }

    /// How it ended, if it did.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.child
            .try_wait()
            .map_err(|error| Failure::new(format!("cannot wait for the process: {error}")))
    }

    /// Waits until it ends by itself with code 0.
    pub(super) fn wait_for_success(&mut self, limit: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        loop {
            match self.ended()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(self.failure(&format!("ended with {status} instead of code 0")));
                }
                None if Instant::now() >= deadline => {
                    return Err(self.failure(&format!("had not ended after {}", shown_time(limit))));
                }
                None => thread::sleep(ASK),
            }
        }
    }

    /// Asks it to end, as an operator would: SIGTERM.
    pub(super) fn terminate(&mut self) -> Result<(), Failure> {
        // The shell's own `kill`: a small system has no program of that name.
        let status = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => {
                Err(self
                    .failure(&format!("could not be sent SIGTERM ({status}): did it end before?")))
            }
            Err(error) => Err(Failure::new(format!("cannot run `sh` to send SIGTERM: {error}"))),
        }
    }

    /// What it wrote so far.
    pub(super) fn output(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// What went wrong, with the end of its output.
    pub(super) fn failure(&self, what: &str) -> Failure {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n    ");
        Failure::new(format!("{what}; the end of its output ({}):\n    {last}", self.log.display()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it ended already, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, name: &str) -> Running {
        let log =
            std::env::temp_dir().join(format!("volga-xtask-{}-{name}.log", std::process::id()));
        Running::start(
            Path::new("/bin/sh"),
            &["-c".to_owned(), script.to_owned()],
            Some("typed\n"),
            &log,
        )
        .unwrap()
    }

    #[test]
    fn a_program_reads_its_input_and_ends() {
        let mut running = shell("read word; echo got $word", "input");
        running.wait_for_success(Duration::from_secs(10)).unwrap();
        assert_eq!(running.output(), "got typed\n");
    }

    #[test]
    fn a_bad_end_is_told_with_the_output() {
        let failure = shell("echo oops; exit 3", "bad")
            .wait_for_success(Duration::from_secs(10))
            .expect_err("code 3");
        assert!(
            failure.to_string().contains("oops") && failure.to_string().contains('3'),
            "{failure}"
        );
    }

    #[test]
    fn sigterm_reaches_it_and_its_code_counts() {
        let script = |code| {
            format!("trap 'exit {code}' TERM; echo ready; while :; do read x || sleep 0.01; done")
        };
        for code in [0, 1] {
            let mut running = shell(&script(code), &format!("term{code}"));
            while running.output().is_empty() {
                thread::sleep(ASK);
            }
            running.terminate().unwrap();
            assert_eq!(running.wait_for_success(Duration::from_secs(10)).is_ok(), code == 0);
        }
    }

    #[test]
    fn one_that_does_not_end_is_noticed_and_killed() {
        let mut running = shell("exec sleep 600", "stuck");
        let failure = running.wait_for_success(Duration::from_millis(50)).expect_err("it sleeps");
        assert!(failure.to_string().contains("had not ended"), "{failure}");
    }
}
