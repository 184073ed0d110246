//! Finds the programs that run the readers, and runs them.

use std::{collections::BTreeMap, env, path::PathBuf, process::Stdio, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use tokio::{process::Command, time::timeout};

/// How long one reader may take for all of its cases.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program that runs a reader.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Runtime {
    Python,
    Node,
    /// Node, which drives Chromium.
    Chromium,
}

/// The paths of the programs. `cargo xtask compat` finds them and installs their packages.
pub(crate) struct Programs {
    python: Option<PathBuf>,
    node: Option<PathBuf>,
    chromium: Option<PathBuf>,
}

/// The output that a reader prints at its end.
#[derive(Deserialize)]
pub(crate) struct ReaderOutput<T> {
    #[serde(default)]
    pub(crate) version: String,
    pub(crate) cases: BTreeMap<String, Received<T>>,
}

/// The events that a reader received in one case, or the error that stopped it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Received<T> {
    Failed { error: String },
    Read(T),
}

impl Programs {
    /// Reads the paths from `COMPAT_PYTHON`, `COMPAT_NODE` and `CHROMIUM`. If a variable is not
    /// set, the program is missing.
    pub(crate) fn from_environment() -> Self {
        let program = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            python: program("COMPAT_PYTHON"),
            node: program("COMPAT_NODE"),
            chromium: program("CHROMIUM"),
        }
    }

    /// Whether this machine has the program.
    pub(crate) fn has(&self, runtime: Runtime) -> bool {
        match runtime {
            Runtime::Python => self.python.is_some(),
            Runtime::Node => self.node.is_some(),
            Runtime::Chromium => self.node.is_some() && self.chromium.is_some(),
        }
    }

    /// Runs `readers/SCRIPT` with these arguments. Returns `None` if its program is missing.
    pub(crate) async fn run<T: DeserializeOwned>(
        &self,
        runtime: Runtime,
        script: &str,
        args: &[&str],
    ) -> Result<Option<ReaderOutput<T>>, String> {
        let program = match runtime {
            Runtime::Python => &self.python,
            Runtime::Chromium if self.chromium.is_none() => return Ok(None),
            Runtime::Node | Runtime::Chromium => &self.node,
        };
        let Some(program) = program else {
            return Ok(None);
        };
        let mut command = Command::new(program);
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/readers")).arg(script).args(args);
        // The server is on this machine, so no proxy may be used.
        for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(name);
        }
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PYTHONUTF8", "1");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let output = timeout(PATIENCE, command.output())
            .await
            .map_err(|_| format!("{script} had not ended after {PATIENCE:?}"))?
            .map_err(|error| format!("{script} did not start: {error}"))?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        if !output.status.success() {
            return Err(format!("{script} ended with {}:\n{stderr}", output.status));
        }
        serde_json::from_slice(&output.stdout).map(Some).map_err(|error| {
            format!("{script} did not print the expected JSON ({error}):\n{stderr}")
        })
    }
}
