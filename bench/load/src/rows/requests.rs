//! The rows of ordinary requests, over connections that are kept alive and have one request at a
//! time.

use std::{
    io::{ErrorKind, Read, Write},
    time::{Duration, Instant},
};

use mio::{Interest, Poll, Token, net::TcpStream};

use crate::{
    clock, connect,
    failure::Failure,
    plan::{Plan, REQUEST_CONNECTIONS},
    server::Server,
    stats::percentile,
    streams::PATIENCE,
    windows::Windows,
    wire::{Malformed, Response},
};

pub(crate) fn plaintext(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    measure(server, plan, "/plaintext", b"Hello, World!")
}

pub(crate) fn json(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    measure(server, plan, "/json", br#"{"message":"Hello, World!"}"#)
}

pub(crate) fn users(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    measure(server, plan, "/users/7", b"user 7")
}

fn measure(server: &Server, plan: &Plan, path: &str, answer: &[u8]) -> Result<Vec<f64>, Failure> {
    let mut clients = Clients::connect(server, path, answer)?;
    // This run warms the server up.
    clients.run(plan.window * 3)?;
    let mut windows = Windows::of(server)?;
    let mut samples = Vec::new();
    while windows.begin()? {
        let mut took = clients.run(plan.window)?;
        windows.end(took.len() as u64)?;
        samples.append(&mut took);
    }
    Ok(vec![
        1e9 / windows.cpu(),
        windows.rate(),
        percentile(&mut samples, 0.5),
        percentile(&mut samples, 0.99),
    ])
}

struct Clients<'a> {
    poll: Poll,
    clients: Vec<Client>,
    request: Vec<u8>,
    answer: &'a [u8],
    buffer: Box<[u8]>,
}

struct Client {
    socket: TcpStream,
    response: Response,
    content: Vec<u8>,
    asked: u64,
}

impl<'a> Clients<'a> {
    fn connect(server: &Server, path: &str, answer: &'a [u8]) -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for number in 0..REQUEST_CONNECTIONS {
            let mut socket = connect::ask(server.address, number, b"")?;
            poll.registry().register(&mut socket, Token(number), Interest::READABLE)?;
            clients.push(Client {
                socket,
                response: Response::new(),
                content: Vec::new(),
                asked: 0,
            });
        }
        let buffer = vec![0; 16 * 1024].into_boxed_slice();
        Ok(Self { poll, clients, request: connect::get(path), answer, buffer })
    }

    /// Sends requests for this time, and waits for the last responses. Returns how long each
    /// response took, in nanoseconds.
    fn run(&mut self, time: Duration) -> Result<Vec<u64>, Failure> {
        let begin = Instant::now();
        let mut samples = Vec::with_capacity(1 << 16);
        for client in &mut self.clients {
            client.ask(&self.request)?;
        }
        let mut busy = self.clients.len();
        let mut ready = mio::Events::with_capacity(REQUEST_CONNECTIONS);
        while busy > 0 {
            self.poll.poll(&mut ready, Some(PATIENCE))?;
            if ready.is_empty() {
                return Err(Failure::new(format!("no response within {PATIENCE:?}")));
            }
            for event in &ready {
                let client = &mut self.clients[event.token().0];
                if !client.read(&mut self.buffer)? {
                    continue;
                }
                if client.content != self.answer {
                    let content = client.content.escape_ascii();
                    return Err(Malformed::new(format!("`{content}` as its response")).into());
                }
                samples.push(clock::now() - client.asked);
                if begin.elapsed() < time {
                    client.ask(&self.request)?;
                } else {
                    busy -= 1;
                }
            }
        }
        Ok(samples)
    }
}

impl Client {
    fn ask(&mut self, request: &[u8]) -> Result<(), Failure> {
        self.response = Response::new();
        self.content.clear();
        self.asked = clock::now();
        self.socket.write_all(request)?;
        Ok(())
    }

    /// Returns true once the response is complete.
    fn read(&mut self, buffer: &mut [u8]) -> Result<bool, Failure> {
        loop {
            let read = match self.socket.read(buffer) {
                Ok(0) => return Err(Failure::new("the server closed a connection")),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            let used = self.response.feed(&buffer[..read], |bytes| {
                self.content.extend_from_slice(bytes);
                Ok(())
            })?;
            if used < read {
                return Err(Malformed::new("bytes after the end of its response").into());
            }
            if self.response.is_complete() {
                return Ok(true);
            }
        }
    }
}
