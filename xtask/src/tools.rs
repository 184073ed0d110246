//! Runs programs, and formats commands, times and coloured text for the terminal.

use std::{
    env, fmt,
    io::{self, IsTerminal as _},
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

/// The reason why a command failed and what to do about it, as a text for people.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns all findings as one failure, one on each line, or `Ok` if the list is empty.
    pub(crate) fn from_findings(findings: &[String], advice: &str) -> Result<(), Self> {
        if findings.is_empty() {
            return Ok(());
        }
        Err(Self(format!("  {}\n{advice}", findings.join("\n  "))))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A command that runs cargo in the workspace's root. It is the same cargo that runs this program.
pub(crate) fn cargo(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root);
    command
}

/// A command that runs a tool of another toolchain in the workspace's root.
///
/// It goes through rustup, because the cargo that runs this program always uses its own toolchain.
pub(crate) fn rustup(root: &Path, toolchain: &str, tool: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, tool]).current_dir(root);
    // The cargo that runs this program has set these for its own toolchain.
    command
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("RUSTDOC")
        .env_remove("RUSTUP_TOOLCHAIN");
    command
}

/// Prints the command and runs it. Its output goes to the output of this program.
///
/// # Errors
/// Fails when the command does not start, or when it does not end with success.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    println!("{}", paint(Style::Dim, &format!("$ {}", shown(command))));
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!("`{}` ended with {status}", shown(command))))
    }
}

/// Runs the command and returns its standard output.
///
/// # Errors
/// Fails when the command does not start or does not end with success, or when its output is not
/// UTF-8.
pub(crate) fn read(command: &mut Command) -> Result<String, Failure> {
    let Output { status, stdout, stderr } =
        command.stdin(Stdio::null()).output().map_err(|error| not_started(command, &error))?;
    if !status.success() {
        let stderr = String::from_utf8_lossy(&stderr);
        return Err(Failure::new(format!(
            "`{}` ended with {status}:\n{}",
            shown(command),
            stderr.trim_end()
        )));
    }
    String::from_utf8(stdout)
        .map_err(|_| Failure::new(format!("`{}` wrote text that is not UTF-8", shown(command))))
}

/// The command as a person would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    let envs = command.get_envs().filter_map(|(key, value)| {
        let value = value?.to_string_lossy().into_owned();
        Some(format!("{}={}", key.to_string_lossy(), quoted(value)))
    });
    let args = command.get_args().map(|arg| quoted(arg.to_string_lossy().into_owned()));
    envs.chain([program]).chain(args).collect::<Vec<_>>().join(" ")
}

/// `4.2 s`, or `3 min 07 s`.
pub(crate) fn shown_time(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

/// The path of the first of these programs that is in `PATH`.
pub(crate) fn find_program(names: &[&str]) -> Option<std::path::PathBuf> {
    let path = env::var_os("PATH")?;
    names.iter().find_map(|name| {
        env::split_paths(&path).map(|dir| dir.join(name)).find(|file| file.is_file())
    })
}

/// A text style on the terminal.
#[derive(Clone, Copy)]
pub(crate) enum Style {
    Bold,
    Dim,
    Good,
    Bad,
    Warn,
}

/// The text in this style, or unchanged if the output is not a terminal or `NO_COLOR` is set.
pub(crate) fn paint(style: Style, text: &str) -> String {
    if !io::stdout().is_terminal() || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
    {
        return text.to_owned();
    }
    let code = match style {
        Style::Bold => "1",
        Style::Dim => "2",
        Style::Good => "32",
        Style::Bad => "31",
        Style::Warn => "33",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}

/// Whether this run is in CI, where the steps that a person may skip are required.
pub(crate) fn in_ci() -> bool {
    env::var_os("CI").is_some_and(|value| !value.is_empty() && value != "false")
}

fn quoted(text: String) -> String {
    if text.contains(' ') { format!("'{text}'") } else { text }
}

fn not_started(command: &Command, error: &io::Error) -> Failure {
    Failure::new(format!("could not start `{}`: {error}; is it installed?", shown(command)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_command_can_be_typed_again() {
        let mut command = Command::new("/opt/tools/cargo");
        command.args(["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(shown(&command), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps");
    }

    #[test]
    fn times_are_readable() {
        assert_eq!(shown_time(Duration::from_millis(4_230)), "4.2 s");
        assert_eq!(shown_time(Duration::from_secs(187)), "3 min 07 s");
    }

    #[test]
    fn a_program_that_fails_is_a_failure() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let failure =
            read(&mut cargo(root, &["no-such-command"])).expect_err("cargo has no such command");
        assert!(failure.to_string().contains("no-such-command"), "{failure}");
        let failure = run(Command::new("sh").args(["-c", "exit 3"])).expect_err("code 3");
        assert!(failure.to_string().contains('3'), "{failure}");
        let failure = run(&mut Command::new("volga-no-such-program")).expect_err("no such program");
        assert!(failure.to_string().contains("is it installed"), "{failure}");
    }
}
