//! The program as a process, and a server that says what a test wrote down for it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

/// For what comes soon, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A running `sse-tail`. It is killed when dropped.
pub(crate) struct Program {
    child: Child,
    lines: Receiver<String>,
    remarks: Option<thread::JoinHandle<String>>,
}

/// How it ended, and what it printed that was not read before.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) lines: Vec<String>,
    pub(crate) remarks: String,
}

impl Program {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    pub(crate) fn start_with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sse-tail"));
        command.args(args).env_remove("CHUNK").envs(variables.iter().copied());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("started");
        let stdout = child.stdout.take().expect("piped");
        let mut stderr = child.stderr.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let remarks = thread::spawn(move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Self { child, lines, remarks: Some(remarks) }
    }

    /// Its standard input, which ends when dropped.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().expect("not taken before")
    }

    /// The next line of its output.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(SOON).expect("a line")
    }

    /// True if it prints nothing within a short time.
    pub(crate) fn is_silent(&self) -> bool {
        self.lines.recv_timeout(Duration::from_millis(50)).is_err()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Ended {
        let status = self.wait().expect("it ends");
        let remarks = self.remarks.take().expect("not taken before").join().expect("read");
        let lines = self.lines.iter().collect();
        Ended { code: status.code(), lines, remarks }
    }

    fn wait(&mut self) -> Option<ExitStatus> {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a process") {
                return Some(status);
            }
            thread::park_timeout(Duration::from_millis(5));
        }
        None
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Gives each connection in turn its answer and ends it; the heads of the requests come out of the
/// receiver, with their times.
pub(crate) fn serve(answers: Vec<Vec<u8>>) -> (String, Receiver<(Instant, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/events", listener.local_addr().expect("an address"));
    let (sender, heads) = mpsc::channel();
    thread::spawn(move || {
        for answer in answers {
            let Ok((mut connection, _)) = listener.accept() else { return };
            let head = read_head(&mut connection);
            let _ = sender.send((Instant::now(), head));
            let _ = connection.write_all(&answer);
        }
    });
    (url, heads)
}

/// A head of an event stream in chunks, and its start. What `body` leaves out is cut.
pub(crate) fn chunked(body: &str) -> Vec<u8> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    format!("{head}{:x}\r\n{body}\r\n", body.len()).into_bytes()
}

/// The whole of an event stream, with its proper end.
pub(crate) fn whole(body: &str) -> Vec<u8> {
    [chunked(body), b"0\r\n\r\n".to_vec()].concat()
}

pub(crate) fn status(line: &str, headers: &str) -> Vec<u8> {
    format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n{headers}\r\n").into_bytes()
}

fn read_head(connection: &mut TcpStream) -> String {
    connection.set_read_timeout(Some(SOON)).expect("a time");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}
