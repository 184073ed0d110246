//! The row in which each WebSocket sends a message, and waits until it comes back.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream as BlockingStream,
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
    wire::{Malformed, web_socket},
};

/// The size of a message, in bytes.
pub(crate) const MESSAGE: usize = 64;

pub(crate) fn run(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut clients = Clients::connect(server)?;
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

struct Clients {
    poll: Poll,
    clients: Vec<Client>,
    /// The number of the next message. Each has another one, so that no server can send a message
    /// that it has not received.
    next: u64,
}

struct Client {
    socket: TcpStream,
    frame: Vec<u8>,
    /// The frame that must come back.
    expected: Vec<u8>,
    received: Vec<u8>,
    sent: u64,
}

impl Clients {
    fn connect(server: &Server) -> Result<Self, Failure> {
        let poll = Poll::new()?;
        let mut clients = Vec::new();
        for number in 0..REQUEST_CONNECTIONS {
            let mut socket = connect::connect(server.address, number)?;
            open(&mut socket)?;
            socket.set_nonblocking(true)?;
            let mut socket = TcpStream::from_std(socket);
            poll.registry().register(&mut socket, Token(number), Interest::READABLE)?;
            clients.push(Client {
                socket,
                frame: Vec::new(),
                expected: Vec::new(),
                received: Vec::new(),
                sent: 0,
            });
        }
        Ok(Self { poll, clients, next: 0 })
    }

    /// Sends messages for this time, and waits until the last ones have come back. Returns how long
    /// each message took, in nanoseconds.
    fn run(&mut self, time: Duration) -> Result<Vec<u64>, Failure> {
        let begin = Instant::now();
        let mut samples = Vec::with_capacity(1 << 16);
        for client in &mut self.clients {
            client.send(self.next)?;
            self.next += 1;
        }
        let mut busy = self.clients.len();
        let mut ready = mio::Events::with_capacity(REQUEST_CONNECTIONS);
        while busy > 0 {
            self.poll.poll(&mut ready, Some(PATIENCE))?;
            if ready.is_empty() {
                return Err(Failure::new(format!("no message within {PATIENCE:?}")));
            }
            for event in &ready {
                let client = &mut self.clients[event.token().0];
                if !client.has_echo()? {
                    continue;
                }
                samples.push(clock::now() - client.sent);
                if begin.elapsed() < time {
                    client.send(self.next)?;
                    self.next += 1;
                } else {
                    busy -= 1;
                }
            }
        }
        Ok(samples)
    }
}

impl Client {
    fn send(&mut self, number: u64) -> Result<(), Failure> {
        let text = format!("{number:.<width$}", width = MESSAGE);
        // The bits of the product depend on all bits of the number. A mask of 0 would cost no work.
        let mask = (number as u32).wrapping_mul(0x9E37_79B1) | 1;
        web_socket::write_text(&mut self.frame, text.as_bytes(), mask.to_be_bytes());
        web_socket::write_unmasked_text(&mut self.expected, text.as_bytes());
        self.received.clear();
        self.sent = clock::now();
        self.socket.write_all(&self.frame)?;
        Ok(())
    }

    /// Returns true once the message has come back.
    fn has_echo(&mut self) -> Result<bool, Failure> {
        let mut buffer = [0; 1024];
        while self.received.len() < self.expected.len() {
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(Failure::new("the server closed a WebSocket")),
                Ok(read) => self.received.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
        if self.received != self.expected {
            let received = self.received.escape_ascii();
            return Err(Malformed::new(format!("`{received}` as an echo")).into());
        }
        Ok(true)
    }
}

/// Opens the WebSocket, and waits for the response.
fn open(socket: &mut BlockingStream) -> Result<(), Failure> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(&web_socket::handshake("/ws/echo"))?;
    let mut head = Vec::new();
    let mut byte = [0];
    while web_socket::accepted(&head)?.is_none() {
        socket.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(())
}
