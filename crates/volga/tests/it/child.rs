//! A server in its own process: this test binary, started to run only the test that is the server.

use std::{
    io::{BufRead, BufReader, Lines},
    net::SocketAddr,
    process::{Child, ChildStdout, Command, Stdio},
};

use super::support::soon;

/// A server process. It is killed when the test ends.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts the server in the test named `test`, and waits until it listens. A shell runs `shell`
    /// first, and then becomes the process of the server.
    pub(crate) async fn start(test: &str, shell: &str, stdin: Stdio, env: &[(&str, &str)]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("{shell}\nexec \"$0\" \"$@\""), program.to_str().unwrap()])
            .args(["--exact", test, "--nocapture"])
            .envs(env.iter().copied())
            .stdin(stdin)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let greeting = tokio::task::spawn_blocking(move || address(lines));
        // A server that never greets is killed when this fails. Otherwise the task that reads its
        // lines would never end, and the test would hang instead.
        let mut server = Self { child, address: ([0, 0, 0, 0], 0).into() };
        server.address = soon("the greeting", greeting).await.unwrap();
        server
    }

    /// Sends a signal, as an operator or an orchestrator does.
    pub(crate) fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// What the process makes its id known by.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end, and returns the exit code.
    pub(crate) async fn exit_code(mut self) -> Option<i32> {
        let waiting = tokio::task::spawn_blocking(move || {
            let status = self.child.wait();
            drop(self);
            status
        });
        soon("the exit", waiting).await.unwrap().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn address(lines: Lines<BufReader<ChildStdout>>) -> SocketAddr {
    let mut lines = lines.map(Result::unwrap);
    let line = lines.find(|line| line.contains("http://")).expect("the greeting");
    // The pipe stays open, so that the server can still write.
    std::thread::spawn(move || lines.for_each(drop));
    line.trim().strip_prefix("http://").unwrap().parse().unwrap()
}
