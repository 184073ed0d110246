//! Many event streams over HTTP/1, read by one thread with epoll.

use std::{
    io::{ErrorKind, Read},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Interest, Poll, Token, net::TcpStream};

use crate::{
    connect,
    failure::Failure,
    wire::{Events, Malformed, Response, Take},
};

/// How many connections wait for their answer at once: fewer than the shortest queue of a listener (128 where nothing was said).
const WAVE: usize = 100;
/// How long nothing at all may come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Streams in the order in which they were opened.
pub(crate) struct Streams {
    server: SocketAddr,
    request: Vec<u8>,
    poll: Poll,
    ready: mio::Events,
    streams: Vec<Stream>,
    buffer: Box<[u8]>,
    heads: usize,
    ended: usize,
}

struct Stream {
    socket: Option<TcpStream>,
    response: Response,
    events: Events,
}

/// How the streams stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// Ended by the chunk that says so.
    pub(crate) terminated: usize,
    /// Ended in any way.
    pub(crate) ended: usize,
}

impl Streams {
    /// No streams yet.
    pub(crate) fn of(server: SocketAddr, path: &str) -> Result<Self, Failure> {
        Ok(Self {
            server,
            request: connect::get(path),
            poll: Poll::new()?,
            ready: mio::Events::with_capacity(1024),
            streams: Vec::new(),
            buffer: vec![0; 256 * 1024].into_boxed_slice(),
            heads: 0,
            ended: 0,
        })
    }

    /// Opens streams until there are so many, and waits for the head of each. Events that come are taken as by [`read`](Self::read).
    pub(crate) fn open(&mut self, count: usize, taker: &mut impl Take) -> Result<(), Failure> {
        self.streams.reserve_exact(count.saturating_sub(self.streams.len()));
        while self.streams.len() < count {
            let wave = count.min(self.streams.len() + WAVE);
            while self.streams.len() < wave {
                let number = self.streams.len();
                let mut socket = connect::ask(self.server, number, &self.request)
                    .map_err(|error| Failure::new(format!("stream {number}: {error}")))?;
                self.poll.registry().register(&mut socket, Token(number), Interest::READABLE)?;
                self.streams.push(Stream {
                    socket: Some(socket),
                    response: Response::new(),
                    events: Events::default(),
                });
            }
            while self.heads < wave {
                self.read(taker)?;
            }
        }
        Ok(())
    }

    /// Waits until something comes, and has the events in it taken, each with the number of its stream.
    ///
    /// # Errors
    ///
    /// When nothing comes for long, and when a server sends what none should.
    pub(crate) fn read(&mut self, taker: &mut impl Take) -> Result<(), Failure> {
        if self.read_within(PATIENCE, taker)? {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "nothing came for {PATIENCE:?}: events or answers are missing"
            )))
        }
    }

    /// As [`read`](Self::read); false if nothing came in this time.
    pub(crate) fn read_within(
        &mut self,
        time: Duration,
        taker: &mut impl Take,
    ) -> Result<bool, Failure> {
        let begin = Instant::now();
        loop {
            match self.poll.poll(&mut self.ready, Some(time.saturating_sub(begin.elapsed()))) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result?,
            }
        }
        for event in &self.ready {
            let number = event.token().0;
            let stream = &mut self.streams[number];
            let had_head = stream.response.has_head();
            let open = stream
                .read(number, &mut self.buffer, event.is_read_closed(), taker)
                .map_err(|malformed| Failure::new(format!("stream {number}: {malformed}")))?;
            self.heads += usize::from(!had_head && stream.response.has_head());
            if !open && stream.socket.take().is_some() {
                self.ended += 1;
            }
        }
        Ok(!self.ready.is_empty())
    }

    /// How many streams have ended, and how.
    pub(crate) fn ends(&self) -> Ends {
        let terminated = self.streams.iter().filter(|stream| stream.response.is_complete()).count();
        Ends { terminated, ended: self.ended }
    }
}

impl Stream {
    /// False once the stream has ended.
    fn read(
        &mut self,
        number: usize,
        buffer: &mut [u8],
        closed: bool,
        taker: &mut impl Take,
    ) -> Result<bool, Malformed> {
        let Some(socket) = &mut self.socket else { return Ok(false) };
        loop {
            let read = match socket.read(buffer) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return Ok(false),
            };
            let used = self
                .response
                .feed(&buffer[..read], |content| self.events.feed(number, content, taker))?;
            if used < read {
                return Err(Malformed::new("bytes after the end of its response"));
            }
            if self.response.is_complete() {
                return Ok(false);
            }
            // A short read has emptied the socket, unless the end waits behind it: one call less for each delivery.
            if read < buffer.len() && !closed {
                return Ok(true);
            }
        }
    }
}
