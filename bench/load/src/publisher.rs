//! The client that publishes, on one connection that is kept alive.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    time::Instant,
};

use crate::{clock, connect, failure::Failure, streams::PATIENCE, wire::Response};

/// The size of a message's data, in bytes.
pub(crate) const DATA: usize = 64;

pub(crate) struct Publisher {
    socket: TcpStream,
    path: &'static str,
    response: Response,
    /// The number of requests that have no response yet.
    open: usize,
    requests: Vec<u8>,
    buffer: Box<[u8]>,
}

impl Publisher {
    pub(crate) fn connect(server: SocketAddr, path: &'static str) -> Result<Self, Failure> {
        let socket = connect::connect(server, 0)?;
        socket.set_nonblocking(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            socket,
            path,
            response: Response::new(),
            open: 0,
            requests: Vec::new(),
            buffer: vec![0; 16 * 1024].into_boxed_slice(),
        })
    }

    /// The port of its own end of the connection.
    pub(crate) fn port(&self) -> Result<u16, Failure> {
        Ok(self.socket.local_addr()?.port())
    }

    /// Publishes the messages with these numbers, in one write.
    pub(crate) fn publish(&mut self, numbers: Range<u64>) -> Result<(), Failure> {
        self.requests.clear();
        for number in numbers {
            // The number and the time are at the beginning, where the load reads them.
            write!(
                self.requests,
                "POST {} HTTP/1.1\r\nhost: bench\r\ncontent-type: text/plain\r\ncontent-length: {DATA}\r\n\r\n{number:010} {:020} {:.<32}",
                self.path,
                clock::now(),
                ""
            )?;
            self.open += 1;
        }
        let mut written = 0;
        while written < self.requests.len() {
            match self.socket.write(&self.requests[written..]) {
                Ok(bytes) => written += bytes,
                // The server has fallen behind. It is on another core, so waiting here does not
                // slow it down.
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.read_responses()?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Reads the responses that have arrived.
    ///
    /// # Errors
    ///
    /// Fails when the status of a response is not a success.
    pub(crate) fn read_responses(&mut self) -> Result<(), Failure> {
        while self.read_once()? {}
        Ok(())
    }

    /// Returns false if nothing has arrived.
    fn read_once(&mut self) -> Result<bool, Failure> {
        let read = match self.socket.read(&mut self.buffer) {
            Ok(0) => return Err(Failure::new("the server closed the publisher's connection")),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let mut used = 0;
        while used < read {
            used += self.response.feed(&self.buffer[used..read], |_| Ok(()))?;
            if self.response.is_complete() {
                self.response = Response::new();
                self.open = self
                    .open
                    .checked_sub(1)
                    .ok_or_else(|| Failure::new("a response without a request"))?;
            }
        }
        Ok(true)
    }

    /// Sleeps until each request has its response.
    pub(crate) fn wait_for_responses(&mut self) -> Result<(), Failure> {
        self.socket.set_nonblocking(false)?;
        while self.open > 0 {
            if !self.read_once()? {
                return Err(self.no_response());
            }
        }
        self.socket.set_nonblocking(true)?;
        Ok(())
    }

    /// Waits until each request has its response.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        let begin = Instant::now();
        while self.open > 0 {
            self.read_responses()?;
            if begin.elapsed() > PATIENCE {
                return Err(self.no_response());
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn no_response(&self) -> Failure {
        Failure::new(format!("{} publish requests without a response", self.open))
    }
}
