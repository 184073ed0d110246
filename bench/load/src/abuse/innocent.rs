//! An ordinary client: one HTTP/1 connection that is kept alive, with a request every few
//! milliseconds.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use super::{waits::WaitTimes, watch::Progress};
use crate::{
    connect,
    failure::Failure,
    wire::{
        Malformed, Response,
        frames::{
            DATA, END_HEADERS, END_STREAM, Frames, HEADERS, PREFACE, get_block, write_frame,
            write_settings,
        },
    },
};

/// The time from the beginning of one request to the beginning of the next.
const INTERVAL: Duration = Duration::from_millis(2);

/// The longest time that the client waits for one response. If the server takes longer, this is its
/// figure.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long one read waits for bytes, so that the client notices when [`LONGEST_WAIT`] is over.
const READ: Duration = Duration::from_millis(100);

/// Sends one ordinary request over HTTP/2, and waits for the whole response.
///
/// Every client of HTTP/2 makes the kernel map the program's code for it. That is no cost of an
/// attack, so it happens before the memory is read.
pub(crate) fn ask_over_http2(server: SocketAddr) -> Result<(), Failure> {
    let mut socket = connect::connect(server, 0)?;
    socket.set_read_timeout(Some(LONGEST_WAIT))?;
    let mut request = PREFACE.to_vec();
    write_settings(&mut request, &[]);
    write_frame(&mut request, HEADERS, END_HEADERS | END_STREAM, 1, &get_block("/plaintext"));
    socket.write_all(&request)?;
    let (mut frames, mut buffer) = (Frames::default(), [0; 4096]);
    let mut is_complete = false;
    while !is_complete {
        let size = socket.read(&mut buffer)?;
        if size == 0 {
            return Err(Failure::new("the server closed before its response over HTTP/2"));
        }
        frames.feed(&buffer[..size], |frame| {
            let is_of_response = matches!(frame.kind, HEADERS | DATA);
            is_complete |= is_of_response && frame.flags & END_STREAM != 0;
        })?;
    }
    Ok(())
}

pub(crate) struct Innocent {
    socket: TcpStream,
    request: Vec<u8>,
    content: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Innocent {
    /// Connects, and sends one request.
    pub(crate) fn connect(server: SocketAddr) -> Result<Self, Failure> {
        let socket = connect::connect(server, 0)?;
        socket.set_read_timeout(Some(READ))?;
        let mut innocent = Self {
            socket,
            request: connect::get("/plaintext"),
            content: Vec::new(),
            buffer: vec![0; 16 * 1024].into_boxed_slice(),
        };
        if innocent.ask()? {
            Ok(innocent)
        } else {
            Err(Failure::new(format!("no response within {LONGEST_WAIT:?}, before the attack")))
        }
    }

    /// Sends requests until the attackers have sent everything, and then one more, because the
    /// server may not have read all of their bytes yet. Returns how long each response took.
    pub(crate) fn ask_during(mut self, progress: &Progress) -> Result<WaitTimes, Failure> {
        let mut waits = WaitTimes::new(INTERVAL);
        loop {
            let is_last = progress.is_all_sent();
            let begin = Instant::now();
            let is_answered = self.ask()?;
            waits.add(begin.elapsed());
            if !is_answered {
                waits.add_unanswered();
            }
            if is_last || !is_answered {
                return Ok(waits);
            }
            thread::sleep(INTERVAL.saturating_sub(begin.elapsed()));
        }
    }

    /// Sends a request and waits for the whole response. Returns false if that takes longer than
    /// [`LONGEST_WAIT`].
    fn ask(&mut self) -> Result<bool, Failure> {
        let begin = Instant::now();
        let mut response = Response::new();
        self.content.clear();
        self.socket.write_all(&self.request)?;
        while !response.is_complete() {
            if begin.elapsed() >= LONGEST_WAIT {
                return Ok(false);
            }
            let read = match self.socket.read(&mut self.buffer) {
                Ok(0) => return Err(Failure::new("the server closed the innocent connection")),
                Ok(read) => read,
                Err(error) if is_timeout(error.kind()) => continue,
                Err(error) => return Err(error.into()),
            };
            let used = response.feed(&self.buffer[..read], |content| {
                self.content.extend_from_slice(content);
                Ok(())
            })?;
            if used < read {
                return Err(Malformed::new("bytes after the end of its response").into());
            }
        }
        if self.content == b"Hello, World!" {
            return Ok(true);
        }
        let content = self.content.escape_ascii();
        Err(Malformed::new(format!("`{content}` as its response")).into())
    }
}

fn is_timeout(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
