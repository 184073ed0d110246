//! Runs a proxy as a child process, with its own port, folder and configuration.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    client::{ClientStream, Protocol, Seen, shown},
    programs::{Program, Setup},
};

/// How long a proxy may take to start, on a busy machine.
const START: Duration = Duration::from_secs(20);
/// How long a proxy may take to end after SIGTERM.
const STOP: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(20);

/// A running proxy. It ends when this value is dropped, and its folder is removed.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    child: Child,
    folder: PathBuf,
}

impl Proxy {
    /// Starts the program in a new folder, and waits until it passes on a request to the app.
    pub(crate) async fn start(
        program: Program,
        path: &Path,
        configuration: &str,
        protocol: Protocol,
        app_port: u16,
    ) -> Result<Self, String> {
        let port = free_port()?;
        let folder = env::temp_dir().join(format!("volga-proxy-{}-{port}", std::process::id()));
        fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let configuration =
            configuration.replace("8080", &port.to_string()).replace("7878", &app_port.to_string());
        let setup = Setup { folder: &folder, configuration: &configuration, port, protocol };
        let command = program.command(path, &setup).map_err(|error| error.to_string())?;
        let child = spawn(command, &folder)?;
        let mut proxy = Self { port, child, folder };
        proxy.wait_until_ready(protocol).await?;
        Ok(proxy)
    }

    async fn wait_until_ready(&mut self, protocol: Protocol) -> Result<(), String> {
        let start = Instant::now();
        let mut last = String::new();
        while start.elapsed() < START {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended with {status}:\n{}", self.log()));
            }
            match ClientStream::open(self.port, "/ready", protocol, None).await {
                Ok(mut client) => match client.next(Duration::from_secs(1)).await {
                    Some(Seen::End) => return Ok(()),
                    other => last = format!("it answers with {}", shown(&other)),
                },
                Err(error) => last = error.to_string(),
            }
            sleep(POLL).await;
        }
        Err(format!("it does not pass on a request ({last}):\n{}", self.log()))
    }

    /// Ends the proxy with SIGTERM and waits for its end.
    pub(crate) async fn stop(mut self) -> Result<(), String> {
        self.send_term();
        let start = Instant::now();
        while start.elapsed() < STOP {
            if self.ended().is_some() {
                return Ok(());
            }
            sleep(POLL).await;
        }
        Err(format!("it had not ended {STOP:?} after SIGTERM:\n{}", self.log()))
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGTERM rather than SIGKILL: a killed master of nginx would leave its workers behind.
    fn send_term(&self) {
        let _ = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &self.child.id().to_string()])
            .stderr(Stdio::null())
            .status();
    }

    /// The end of the proxy's output.
    fn log(&self) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.send_term();
            let start = std::time::Instant::now();
            while start.elapsed() < STOP && self.ended().is_none() {
                std::thread::sleep(POLL);
            }
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn spawn(mut command: Command, folder: &Path) -> Result<Child, String> {
    let log = fs::File::create(folder.join("log")).map_err(|error| error.to_string())?;
    let copy = log.try_clone().map_err(|error| error.to_string())?;
    command.stdin(Stdio::null()).stdout(log).stderr(copy);
    // The app is on this machine, so the proxy may not use another proxy.
    for name in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    {
        command.env_remove(name);
    }
    command.spawn().map_err(|error| format!("it did not start: {error}"))
}

/// A port that was free a moment ago. The proxies cannot choose a free port themselves.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    Ok(listener.local_addr().map_err(|error| error.to_string())?.port())
}
