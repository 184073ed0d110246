//! One connection: reads requests and sends bytes.

use std::io::{ErrorKind, Read, Write};

use mio::net::TcpStream;

/// A request of a client.
pub(crate) enum Request<'a> {
    Events,
    Publish(&'a [u8]),
    Plaintext,
    Json,
    User,
    Unknown,
}

pub(crate) struct Connection {
    socket: TcpStream,
    is_stream: bool,
    /// The beginning of a request whose end has not come yet.
    rest: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, is_stream: false, rest: Vec::new() }
    }

    pub(crate) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Reads all bytes that have arrived. Returns false once the client has left.
    pub(crate) fn read(&mut self, mut on_request: impl FnMut(Request<'_>)) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => return false,
                Ok(read) if self.rest.is_empty() => {
                    let used = self.take(&buffer[..read], &mut on_request);
                    self.rest.extend_from_slice(&buffer[used..read]);
                }
                Ok(read) => {
                    let mut bytes = std::mem::take(&mut self.rest);
                    bytes.extend_from_slice(&buffer[..read]);
                    let used = self.take(&bytes, &mut on_request);
                    self.rest = bytes.split_off(used);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                Err(_) => return false,
            }
        }
    }

    /// Sends all bytes at once. Returns false when the client has left, or is so slow that the
    /// socket's buffer is full.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> bool {
        bytes.is_empty() || self.socket.write(bytes).is_ok_and(|written| written == bytes.len())
    }

    /// Reports the complete requests at the beginning of `bytes`, and returns the number of their
    /// bytes.
    fn take(&mut self, bytes: &[u8], on_request: &mut impl FnMut(Request<'_>)) -> usize {
        let mut used = 0;
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let mut head = httparse::Request::new(&mut headers);
            let Ok(httparse::Status::Complete(length)) = head.parse(&bytes[used..]) else {
                return used;
            };
            let body = used + length;
            let end = body + content_length(head.headers);
            if end > bytes.len() {
                return used;
            }
            on_request(match (head.method, head.path) {
                (Some("GET"), Some("/events")) => {
                    self.is_stream = true;
                    Request::Events
                }
                (Some("POST"), Some("/publish")) => Request::Publish(&bytes[body..end]),
                (Some("GET"), Some("/plaintext")) => Request::Plaintext,
                (Some("GET"), Some("/json")) => Request::Json,
                (Some("GET"), Some(path)) if path.starts_with("/users/") => Request::User,
                _ => Request::Unknown,
            });
            used = end;
        }
    }
}

fn content_length(headers: &[httparse::Header<'_>]) -> usize {
    headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .unwrap_or(0)
}
