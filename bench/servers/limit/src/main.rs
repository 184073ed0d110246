//! The laboratory's limit: one thread with epoll that only sends ready-made bytes. No server can be
//! cheaper.
//!
//! It supports only the parts of HTTP/1.1 that the load needs, has no heartbeat and no firehose,
//! and closes the connection of a reader that is too slow.

mod connection;

use std::{io, time::Duration};

use connection::{Connection, Request};
use mio::{Events, Interest, Poll, Token, net::TcpListener};

const LISTENER: Token = Token(usize::MAX);
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";
const PLAINTEXT: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 13\r\n\r\nHello, World!";
const JSON: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n{\"message\":\"Hello, World!\"}";
const USER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 6\r\n\r\nuser 7";
const PUBLISHED: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
const NOT_FOUND: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";

fn main() -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(bench_common::address())?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut server = Server::default();
    let mut events = Events::with_capacity(1024);
    loop {
        poll.poll(&mut events, None::<Duration>)?;
        for event in &events {
            match event.token() {
                LISTENER => server.accept(&listener, &poll)?,
                Token(slot) => server.read(slot),
            }
        }
    }
}

#[derive(Default)]
struct Server {
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    /// The responses to the requests that were read at once.
    answers: Vec<u8>,
    /// The messages that were read at once, as one chunk each.
    published: Vec<u8>,
}

impl Server {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> io::Result<()> {
        loop {
            let mut socket = match listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            socket.set_nodelay(true)?;
            let slot = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            poll.registry().register(&mut socket, Token(slot), Interest::READABLE)?;
            self.connections[slot] = Some(Connection::new(socket));
        }
    }

    fn read(&mut self, slot: usize) {
        let Some(connection) = &mut self.connections[slot] else { return };
        self.answers.clear();
        self.published.clear();
        let (answers, published) = (&mut self.answers, &mut self.published);
        let open = connection.read(|request| match request {
            Request::Events => answers.extend_from_slice(HEAD),
            Request::Publish(data) => {
                let length = b"data: ".len() + data.len() + b"\n\n".len();
                published.extend_from_slice(format!("{length:x}\r\n").as_bytes());
                for part in [b"data: ", data, b"\n\n\r\n"] {
                    published.extend_from_slice(part);
                }
                answers.extend_from_slice(PUBLISHED);
            }
            Request::Plaintext => answers.extend_from_slice(PLAINTEXT),
            Request::Json => answers.extend_from_slice(JSON),
            Request::User => answers.extend_from_slice(USER),
            Request::Unknown => answers.extend_from_slice(NOT_FOUND),
        });
        if !(open && connection.send(&self.answers)) {
            self.connections[slot] = None;
            self.free.push(slot);
        }
        if !self.published.is_empty() {
            self.broadcast();
        }
    }

    fn broadcast(&mut self) {
        for (slot, place) in self.connections.iter_mut().enumerate() {
            if let Some(connection) = place
                && connection.is_stream()
                && !connection.send(&self.published)
            {
                *place = None;
                self.free.push(slot);
            }
        }
    }
}
