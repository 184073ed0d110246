//! The process of an example. Its output goes to a file, and it never outlives the test.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::tools::{Failure, shown_time};

/// How many lines of the output a failure shows.
const SHOWN_LINES: usize = 20;
/// The time between two checks whether the process has ended. The standard library has no wait with
/// a time limit, so the test polls.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A process that is killed when this value is dropped.
pub(super) struct ExampleProcess {
    child: Child,
    log: PathBuf,
}

impl ExampleProcess {
    /// Starts the program. Its output goes to `log`. The input, if there is some, is written and
    /// closed at once.
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
        let mut process = Self { child: command.spawn().map_err(cannot)?, log: log.to_owned() };
        if let (Some(text), Some(mut pipe)) = (stdin, process.child.stdin.take()) {
            // The write fails if the program ends without reading its input. That may be right: the
            // exit code decides.
            let _ = pipe.write_all(text.as_bytes());
        }
        Ok(process)
    }

    /// The exit status, or `None` while the process is running.
    pub(super) fn exit_status(&mut self) -> Result<Option<ExitStatus>, Failure> {
        self.child
            .try_wait()
            .map_err(|error| Failure::new(format!("cannot wait for the process: {error}")))
    }

    /// Waits until the process ends by itself with code 0.
    pub(super) fn wait_for_success(&mut self, limit: Duration) -> Result<(), Failure> {
        let deadline = Instant::now() + limit;
        loop {
            match self.exit_status()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(self.failure(&format!("ended with {status} instead of code 0")));
                }
                None if Instant::now() >= deadline => {
                    return Err(self.failure(&format!("had not ended after {}", shown_time(limit))));
                }
                None => thread::sleep(POLL_INTERVAL),
            }
        }
    }

    /// Sends SIGTERM, as an operator would.
    pub(super) fn terminate(&mut self) -> Result<(), Failure> {
        // `kill` is built into the shell. A small system has no program of that name.
        let status = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .status();
        match status {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(self
                .failure(&format!("could not be sent SIGTERM ({status}): has it ended already?"))),
            Err(error) => Err(Failure::new(format!("cannot run `sh` to send SIGTERM: {error}"))),
        }
    }

    /// The output so far.
    pub(super) fn output(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// A failure with this description and the last lines of the output.
    pub(super) fn failure(&self, what: &str) -> Failure {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        let last = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n    ");
        Failure::new(format!("{what}; the end of its output ({}):\n    {last}", self.log.display()))
    }
}

impl Drop for ExampleProcess {
    fn drop(&mut self) {
        // Both calls fail if the process has ended already, and then nothing is left to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, name: &str) -> ExampleProcess {
        let log =
            std::env::temp_dir().join(format!("volga-xtask-{}-{name}.log", std::process::id()));
        ExampleProcess::start(
            Path::new("/bin/sh"),
            &["-c".to_owned(), script.to_owned()],
            Some("typed\n"),
            &log,
        )
        .unwrap()
    }

    #[test]
    fn a_program_reads_its_input_and_ends() {
        let mut process = shell("read word; echo got $word", "input");
        process.wait_for_success(Duration::from_secs(10)).unwrap();
        assert_eq!(process.output(), "got typed\n");
    }

    #[test]
    fn a_failure_shows_the_exit_code_and_the_output() {
        let failure = shell("echo oops; exit 3", "bad")
            .wait_for_success(Duration::from_secs(10))
            .expect_err("code 3");
        assert!(
            failure.to_string().contains("oops") && failure.to_string().contains('3'),
            "{failure}"
        );
    }

    #[test]
    fn sigterm_ends_it_and_only_code_0_is_success() {
        let script = |code| {
            format!("trap 'exit {code}' TERM; echo ready; while :; do read x || sleep 0.01; done")
        };
        for code in [0, 1] {
            let mut process = shell(&script(code), &format!("term{code}"));
            while process.output().is_empty() {
                thread::sleep(POLL_INTERVAL);
            }
            process.terminate().unwrap();
            assert_eq!(process.wait_for_success(Duration::from_secs(10)).is_ok(), code == 0);
        }
    }

    #[test]
    fn a_program_that_does_not_end_in_time_is_a_failure() {
        let mut process = shell("exec sleep 600", "stuck");
        let failure = process.wait_for_success(Duration::from_millis(50)).expect_err("it sleeps");
        assert!(failure.to_string().contains("had not ended"), "{failure}");
    }
}
