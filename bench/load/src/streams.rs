//! Opens many event streams over HTTP/1, which one thread reads with epoll.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mio::{Interest, Poll, Token, net::TcpStream};
use rustls::StreamOwned;

use crate::{
    connect,
    failure::Failure,
    tls::{TlsListener, Transport},
    wire::{
        Events, Malformed, Response, Take,
        web_socket::{self, Messages},
    },
};

/// How many connections wait for their response at once. It is below the shortest queue of a
/// listener, which is 128 where the server sets nothing.
const WAVE: usize = 100;
/// How long the client waits if nothing at all comes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Streams in the order in which they were opened: event streams, or WebSockets.
pub(crate) struct Streams<'a> {
    /// The streams go to these in turns.
    servers: Vec<SocketAddr>,
    /// The server's listener with TLS, if the streams go over TLS.
    tls: Option<&'a TlsListener>,
    new_decoder: fn() -> Decoder,
    request: Vec<u8>,
    poll: Poll,
    ready: mio::Events,
    streams: Vec<Stream>,
    buffer: Box<[u8]>,
    heads: usize,
    ended: usize,
}

struct Stream {
    socket: Option<Transport>,
    decoder: Decoder,
}

/// Reads the bytes of one stream.
enum Decoder {
    Events { response: Response, events: Events },
    Messages(Messages),
}

/// How many streams have ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// Streams that have ended with the last chunk, which has the size 0.
    pub(crate) terminated: usize,
    /// Streams that have ended, in any way.
    pub(crate) ended: usize,
}

impl<'a> Streams<'a> {
    /// Creates an empty set of event streams.
    pub(crate) fn of(server: SocketAddr, path: &str) -> Result<Self, Failure> {
        Self::new(server, connect::get(path), Decoder::events)
    }

    /// Creates an empty set of event streams that go to several nodes in turns.
    pub(crate) fn of_nodes(servers: Vec<SocketAddr>, path: &str) -> Result<Self, Failure> {
        let first = *servers.first().ok_or_else(|| Failure::new("no nodes"))?;
        Ok(Self { servers, ..Self::of(first, path)? })
    }

    /// Creates an empty set of event streams of clients that return with this ID.
    pub(crate) fn resuming(server: SocketAddr, path: &str, id: &str) -> Result<Self, Failure> {
        let request = connect::get_with(path, &format!("last-event-id: {id}\r\n"));
        Self::new(server, request, Decoder::events)
    }

    /// Creates an empty set of event streams over TLS.
    pub(crate) fn over_tls(listener: &'a TlsListener, path: &str) -> Result<Self, Failure> {
        let streams = Self::of(listener.address, path)?;
        Ok(Self { tls: Some(listener), ..streams })
    }

    /// Creates an empty set of WebSockets.
    pub(crate) fn web_sockets(server: SocketAddr, path: &str) -> Result<Self, Failure> {
        Self::new(server, web_socket::handshake(path), Decoder::messages)
    }

    fn new(
        server: SocketAddr,
        request: Vec<u8>,
        new_decoder: fn() -> Decoder,
    ) -> Result<Self, Failure> {
        Ok(Self {
            servers: vec![server],
            tls: None,
            new_decoder,
            request,
            poll: Poll::new()?,
            ready: mio::Events::with_capacity(1024),
            streams: Vec::new(),
            buffer: vec![0; 256 * 1024].into_boxed_slice(),
            heads: 0,
            ended: 0,
        })
    }

    /// Opens streams until there are `count` of them, and waits for the head of each response.
    /// Events are taken as by [`read`](Self::read).
    pub(crate) fn open(&mut self, count: usize, taker: &mut impl Take) -> Result<(), Failure> {
        self.streams.reserve_exact(count.saturating_sub(self.streams.len()));
        while self.streams.len() < count {
            let wave = count.min(self.streams.len() + WAVE);
            while self.streams.len() < wave {
                let number = self.streams.len();
                let mut socket = self
                    .ask(number)
                    .map_err(|error| Failure::new(format!("stream {number}: {error}")))?;
                self.poll.registry().register(
                    socket.socket(),
                    Token(number),
                    Interest::READABLE,
                )?;
                let decoder = (self.new_decoder)();
                self.streams.push(Stream { socket: Some(socket), decoder });
            }
            while self.heads < wave {
                self.read(taker)?;
            }
        }
        Ok(())
    }

    /// Connects and sends the request.
    fn ask(&self, number: usize) -> Result<Transport, Failure> {
        let server = self.servers[number % self.servers.len()];
        let Some(listener) = self.tls else {
            return Ok(Transport::Plain(connect::ask(server, number, &self.request)?));
        };
        let socket = connect::connect(listener.address, number)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut stream = listener.handshake(socket)?;
        stream.write_all(&self.request)?;
        stream.flush()?;
        stream.sock.set_nonblocking(true)?;
        let socket = TcpStream::from_std(stream.sock);
        Ok(Transport::Tls(Box::new(StreamOwned::new(stream.conn, socket))))
    }

    /// Waits until bytes come, and passes the events in them on, each with the number of its
    /// stream.
    ///
    /// # Errors
    ///
    /// Fails when nothing comes for [`PATIENCE`], or when a server sends malformed bytes.
    pub(crate) fn read(&mut self, taker: &mut impl Take) -> Result<(), Failure> {
        if self.read_within(PATIENCE, taker)? {
            Ok(())
        } else {
            Err(Failure::new(format!(
                "nothing came for {PATIENCE:?}: events or responses are missing"
            )))
        }
    }

    /// Reads like [`read`](Self::read). Returns false if nothing came in this time.
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
            let had_head = stream.decoder.has_head();
            let open = stream
                .read(number, &mut self.buffer, event.is_read_closed(), taker)
                .map_err(|malformed| Failure::new(format!("stream {number}: {malformed}")))?;
            self.heads += usize::from(!had_head && stream.decoder.has_head());
            if !open && stream.socket.take().is_some() {
                self.ended += 1;
            }
        }
        Ok(!self.ready.is_empty())
    }

    /// The numbers of streams that have ended, and how.
    pub(crate) fn ends(&self) -> Ends {
        let terminated = self.streams.iter().filter(|stream| stream.decoder.is_complete()).count();
        Ends { terminated, ended: self.ended }
    }
}

impl Stream {
    /// Returns false once the stream has ended.
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
            self.decoder.feed(number, &buffer[..read], taker)?;
            if self.decoder.is_complete() {
                return Ok(false);
            }
            // A read that does not fill the buffer has emptied the socket, unless the end of the
            // stream waits behind it. This saves one system call for each delivery.
            if read < buffer.len() && !closed && socket.short_read_is_last() {
                return Ok(true);
            }
        }
    }
}

impl Decoder {
    fn events() -> Self {
        Self::Events { response: Response::new(), events: Events::default() }
    }

    fn messages() -> Self {
        Self::Messages(Messages::default())
    }

    fn feed(
        &mut self,
        number: usize,
        bytes: &[u8],
        taker: &mut impl Take,
    ) -> Result<(), Malformed> {
        match self {
            Self::Events { response, events } => {
                let used = response.feed(bytes, |content| events.feed(number, content, taker))?;
                if used < bytes.len() {
                    return Err(Malformed::new("bytes after the end of its response"));
                }
                Ok(())
            }
            Self::Messages(messages) => messages.feed(number, bytes, taker),
        }
    }

    fn has_head(&self) -> bool {
        match self {
            Self::Events { response, .. } => response.has_head(),
            Self::Messages(messages) => messages.is_open(),
        }
    }

    /// Whether the last chunk of a response was read. A WebSocket has none.
    fn is_complete(&self) -> bool {
        match self {
            Self::Events { response, .. } => response.is_complete(),
            Self::Messages(_) => false,
        }
    }
}
