//! The programs that readers are written for, and running one.

use std::{collections::BTreeMap, env, path::PathBuf, process::Stdio, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use tokio::{process::Command, time::timeout};

/// How long one reader may take for all of its cases.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a reader is written for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Needs {
    Python,
    Node,
    /// Node, which drives Chromium.
    Chromium,
}

/// Where the programs are; `cargo xtask compat` finds and equips them.
pub(crate) struct Programs {
    python: Option<PathBuf>,
    node: Option<PathBuf>,
    chromium: Option<PathBuf>,
}

/// What a reader prints at its end.
#[derive(Deserialize)]
pub(crate) struct Said<T> {
    #[serde(default)]
    pub(crate) version: String,
    pub(crate) cases: BTreeMap<String, Received<T>>,
}

/// What a reader received in one case, or how it failed.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Received<T> {
    Failed { error: String },
    Read(T),
}

impl Programs {
    /// From `COMPAT_PYTHON`, `COMPAT_NODE` and `CHROMIUM`. What is not set is not there.
    pub(crate) fn from_environment() -> Self {
        let program = |name| env::var_os(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self {
            python: program("COMPAT_PYTHON"),
            node: program("COMPAT_NODE"),
            chromium: program("CHROMIUM"),
        }
    }

    /// Runs `readers/SCRIPT` with these arguments, or nothing if what it needs is not there.
    pub(crate) async fn run<T: DeserializeOwned>(
        &self,
        needs: Needs,
        script: &str,
        args: &[&str],
    ) -> Result<Option<Said<T>>, String> {
        let program = match needs {
            Needs::Python => &self.python,
            Needs::Chromium if self.chromium.is_none() => return Ok(None),
            Needs::Node | Needs::Chromium => &self.node,
        };
        let Some(program) = program else {
            return Ok(None);
        };
        let mut command = Command::new(program);
        command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/readers")).arg(script).args(args);
        // Proxies are for other machines.
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
        serde_json::from_slice(&output.stdout)
            .map(Some)
            .map_err(|error| format!("{script} printed no JSON as it should ({error}):\n{stderr}"))
    }
}
