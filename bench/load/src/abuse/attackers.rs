//! Connections that attack, all on one thread, for a bounded time and count.

use std::{
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use mio::{Interest, Poll, Token, net::TcpStream};

use super::{
    attack::{Attack, Blocks},
    watch::Progress,
};
use crate::{connect, failure::Failure};

/// How many connections one attacker opens at most, because a server may close each at once.
const MAX_CONNECTIONS: u64 = 20_000;

/// How many bytes one write has at least. Small blocks are written together, because otherwise the
/// number of writes would limit the attack.
const WRITE: usize = 512;

/// How long the thread waits for a socket at a time, so that it notices the end of the attack.
const STEP: Duration = Duration::from_millis(5);

/// The nice value of the attackers. They share a core with the innocent client, which must wait for
/// the server and not for them.
const NICE: i32 = 10;

/// The totals of all attackers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Requests, PINGs or SETTINGS that were sent. The server may have closed a connection before
    /// it read all of them.
    pub(crate) sent: u64,
    /// Connections that all attackers together have opened.
    pub(crate) connections: u64,
    /// The time until the attack ended, because its time was over or everything was sent.
    pub(crate) time: Duration,
}

/// Attacks for this time, or until the attackers have sent as much as their bounds allow. After
/// that they keep the connections open, and read from them, until [`Progress::is_finished`].
pub(crate) fn attack(
    server: SocketAddr,
    attack: Attack,
    time: Duration,
    progress: &Progress,
) -> Result<Counts, Failure> {
    // On Linux this applies only to the calling thread. Lowering the priority needs no permission.
    rustix::process::nice(NICE).map_err(|error| Failure::new(format!("nice: {error}")))?;
    let mut poll = Poll::new()?;
    let mut ready = mio::Events::with_capacity(attack.connections());
    let mut buffer = vec![0; 64 * 1024];
    let mut attackers: Vec<Attacker> =
        (0..attack.connections()).map(|number| Attacker::new(server, attack, number)).collect();
    let begin = Instant::now();
    let mut counts = Counts::default();
    while !progress.is_finished() {
        let is_time = begin.elapsed() < time;
        let mut is_busy = false;
        let mut is_sending = false;
        for attacker in &mut attackers {
            is_busy |= attacker.step(is_time, &poll, &mut buffer)?;
            is_sending |= is_time && attacker.may_send();
        }
        if is_sending {
            counts.time = begin.elapsed();
        } else {
            progress.all_sent();
        }
        if attack.is_slow() {
            // Each connection sends a byte, and then all of them pause.
            thread::sleep(STEP);
        } else if !is_busy {
            match poll.poll(&mut ready, Some(STEP)) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
        }
    }
    for attacker in &attackers {
        counts.sent += attacker.sent;
        counts.connections += attacker.connections;
    }
    Ok(counts)
}

/// One attacker, which connects again each time the server closes its connection.
struct Attacker {
    server: SocketAddr,
    attack: Attack,
    number: usize,
    open: Option<OpenConnection>,
    /// The count on all connections. `sent_here` is the count on the open connection.
    sent: u64,
    sent_here: u64,
    connections: u64,
}

struct OpenConnection {
    socket: TcpStream,
    blocks: Blocks,
    output: Vec<u8>,
    /// How many bytes of the output are written.
    written: usize,
    /// The number of requests, PINGs or SETTINGS in the output.
    requests: u64,
}

impl Attacker {
    fn new(server: SocketAddr, attack: Attack, number: usize) -> Self {
        Self { server, attack, number, open: None, sent: 0, sent_here: 0, connections: 0 }
    }

    /// Whether the bounds allow the attacker to send more.
    fn may_send(&self) -> bool {
        self.sent_here < self.attack.max_sent()
            && (self.open.is_some() || self.connections < MAX_CONNECTIONS)
    }

    /// Reads and writes as much as the socket allows without waiting. Returns false if that is
    /// nothing.
    fn step(&mut self, is_time: bool, poll: &Poll, buffer: &mut [u8]) -> Result<bool, Failure> {
        let may_send = is_time && self.may_send();
        if self.open.is_none() {
            if !may_send {
                return Ok(false);
            }
            self.open = Some(self.connect(poll)?);
        }
        let Some(open) = &mut self.open else { return Ok(false) };
        let mut is_busy = false;
        let mut is_closed = false;
        if self.attack.reads() {
            match open.socket.read(buffer) {
                Ok(0) => is_closed = true,
                Ok(_) => is_busy = true,
                Err(error) => is_closed |= is_fatal(error.kind()),
            }
        }
        if may_send && !is_closed {
            match open.write(self.attack) {
                Ok(sent) => {
                    is_busy |= !self.attack.is_slow();
                    self.sent += sent;
                    self.sent_here += sent;
                }
                Err(error) => is_closed |= is_fatal(error.kind()),
            }
        }
        if is_closed {
            self.open = None;
            self.sent_here = 0;
        }
        Ok(is_busy || is_closed)
    }

    fn connect(&mut self, poll: &Poll) -> Result<OpenConnection, Failure> {
        // Each connection comes from another address, because the ports of earlier ones are not
        // free yet.
        let source = self.number + self.connections as usize * self.attack.connections();
        let mut socket = connect::begin(self.server, source)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut socket, Token(self.number), interest)?;
        self.connections += 1;
        let mut output = Vec::new();
        let blocks = Blocks::begin(self.attack, &mut output);
        Ok(OpenConnection { socket, blocks, output, written: 0, requests: 0 })
    }
}

impl OpenConnection {
    /// Writes once. Returns the number of requests in the output, if that is now all written, or 0.
    fn write(&mut self, attack: Attack) -> std::io::Result<u64> {
        if self.written == self.output.len() {
            self.output.clear();
            self.written = 0;
        }
        // The preface is sent together with the first block.
        if self.written == 0 && self.requests == 0 {
            let least = if attack.is_slow() { 1 } else { WRITE };
            while self.output.len() < least {
                if !self.blocks.write(&mut self.output) {
                    return Err(ErrorKind::BrokenPipe.into());
                }
                self.requests += attack.block_size() as u64;
            }
        }
        self.written += self.socket.write(&self.output[self.written..])?;
        let is_whole = self.written == self.output.len();
        Ok(if is_whole { std::mem::take(&mut self.requests) } else { 0 })
    }
}

fn is_fatal(kind: ErrorKind) -> bool {
    !matches!(kind, ErrorKind::WouldBlock | ErrorKind::Interrupted | ErrorKind::NotConnected)
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, TcpListener},
        thread,
    };

    use super::*;
    use crate::abuse::attack::CONNECTIONS;

    /// Attacks a server that runs `serve`, until `is_enough` returns true.
    fn attack_a_server(
        how: Attack,
        time: Duration,
        serve: impl FnOnce(&TcpListener),
        is_enough: impl Fn(&Progress) -> bool,
    ) -> Counts {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let server = listener.local_addr().expect("it listens");
        let progress = &Progress::default();
        thread::scope(|scope| {
            let attackers = scope.spawn(move || attack(server, how, time, progress));
            serve(&listener);
            while !is_enough(progress) {
                thread::sleep(STEP);
            }
            progress.finish();
            attackers.join().expect("no panic").expect("it can connect")
        })
    }

    #[test]
    fn an_attack_on_a_server_that_hangs_comes_to_an_end() {
        let time = Duration::from_millis(50);
        let counts = attack_a_server(Attack::Pings, time, |_| (), Progress::is_all_sent);
        assert_eq!(counts.connections, CONNECTIONS as u64);
    }

    #[test]
    fn an_attacker_comes_back_when_the_server_closes_its_connection() {
        let close_each = |listener: &TcpListener| {
            for _ in 0..3 * CONNECTIONS {
                drop(listener.accept().expect("an attacker"));
            }
        };
        let time = Duration::from_secs(60);
        let counts = attack_a_server(Attack::Resets(16), time, close_each, |_| true);
        assert!(counts.connections >= 3 * CONNECTIONS as u64, "{counts:?}");
    }
}
