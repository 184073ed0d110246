//! The engine behind nodes: a `redis-server` of the laboratory's own, a client that waits for each
//! reply, and nodes that share it.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    failure::Failure,
    launch, meter,
    peer::Places,
    server::{Probe, Program, Seat, Server, free_address},
    streams::PATIENCE,
};

/// The program of a node, that of the bare reader, and the environment variable by which they learn
/// the engine's address.
const NODE: &str = "bench-node";
const BARE_READER: &str = "bench-xread";
const URL: &str = "BENCH_REDIS";
/// The program that starts another one with the lowest priority that is above that of the programs
/// which keep the cores awake.
const BACKGROUND: &[&str] = &["nice", "-n", "19"];

/// How often a node looks at the engine when there is no message.
const LOOK: Duration = Duration::from_secs(1);
/// The commands with which it does so, those that its scripts run included. Each comes at most
/// [`COMMANDS_A_LOOK`] times.
const LOOKS: &[&str] = &["eval", "exists", "role", "xinfo", "xread"];
const COMMANDS_A_LOOK: u64 = 3;

/// It is killed when this value is dropped. If the laboratory dies, the kernel kills it.
#[derive(Debug)]
pub(crate) struct Engine {
    child: Child,
    address: SocketAddr,
    programs: PathBuf,
    scratch: PathBuf,
    seat: Seat,
}

impl Engine {
    /// Starts Redis, which may use every core and stores nothing on the disk. Its nodes get this
    /// seat.
    pub(crate) fn start(places: &Places, seat: Seat) -> Result<Self, Failure> {
        Self::start_in(places.programs.clone(), places.scratch.clone(), seat)
    }

    /// Starts another Redis, whose nodes know nothing of those of this one.
    pub(crate) fn start_another(&self) -> Result<Self, Failure> {
        Self::start_in(self.programs.clone(), self.scratch.clone(), self.seat)
    }

    fn start_in(programs: PathBuf, scratch: PathBuf, seat: Seat) -> Result<Self, Failure> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let address = free_address()?;
        let errors = scratch.join(format!("redis-{}.log", NEXT.fetch_add(1, Ordering::Relaxed)));
        let child = Command::new(std::env::current_exe()?)
            .args(["launch", launch::ANY_CORE, "redis-server", "--bind", "127.0.0.1"])
            .args(["--port", &address.port().to_string(), "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(&scratch)
            .stdin(Stdio::null())
            .stdout(File::create(&errors)?)
            .stderr(File::create(&errors)?)
            .spawn()?;
        let mut engine = Self { child, address, programs, scratch, seat };
        let begin = Instant::now();
        while engine.client().and_then(|mut client| client.call(&[b"PING"])).is_err() {
            let has_ended = engine.child.try_wait()?.is_some();
            if has_ended || begin.elapsed() > PATIENCE {
                return Err(Failure::new(
                    "redis-server does not run: apt-get install redis-server (7 or later)",
                ));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(engine)
    }

    pub(crate) fn client(&self) -> Result<Client, Failure> {
        let socket = TcpStream::connect(self.address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Client { reader: BufReader::new(socket), requests: Vec::new() })
    }

    pub(crate) fn cpu(&self) -> Result<u64, Failure> {
        meter::cpu(self.child.id())
    }

    /// Starts a node, and waits until it is ready.
    pub(crate) fn start_node(&self) -> Result<Server, Failure> {
        self.start_with(NODE, &[], self.seat)
    }

    /// Starts a node that may use every core, as the engine may.
    pub(crate) fn start_node_on_any_core(&self) -> Result<Server, Failure> {
        self.start_with(NODE, &[], Seat { core: None, ..self.seat })
    }

    /// Starts a program that only reads what the nodes read, with the crate `redis` alone.
    pub(crate) fn start_bare_reader(&self) -> Result<Server, Failure> {
        self.start_with(BARE_READER, &[], self.seat)
    }

    /// Starts a node on the core of the load, with a low priority.
    pub(crate) fn start_node_in_the_background(&self) -> Result<Server, Failure> {
        // The laboratory has bound itself to this core.
        let (core, _) = launch::cores().map_err(std::io::Error::from)?;
        self.start_with(NODE, BACKGROUND, Seat { core: Some(core), ..self.seat })
    }

    fn start_with(&self, program: &str, prefix: &[&str], seat: Seat) -> Result<Server, Failure> {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let address = free_address()?;
        let program = Program {
            name: format!("node-{}", NEXT.fetch_add(1, Ordering::Relaxed)),
            command: prefix
                .iter()
                .map(OsString::from)
                .chain([self.programs.join(program).into(), address.port().to_string().into()])
                .collect(),
            variables: vec![(URL, format!("redis://{}", self.address).into())],
            probe: Probe::Ready,
        };
        Server::start_program(program, address, &self.scratch, seat)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Both calls fail only if the process has ended and was waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says what is missing to run nodes.
pub(crate) fn missing(places: &Places) -> Option<String> {
    let missing = |program: &&str| !places.programs.join(program).exists();
    let program = [NODE, BARE_READER].into_iter().find(missing)?;
    Some(format!("{program} is not built: `cargo xtask bench --nodes` builds it"))
}

/// The version of the engine on this machine, if it is installed.
pub(crate) fn version() -> Option<String> {
    let output = Command::new("redis-server").arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let version = text.split(' ').find_map(|word| word.strip_prefix("v="))?;
    Some(format!("redis-server {version}"))
}

/// A connection to the engine, on which each call waits for its reply.
pub(crate) struct Client {
    reader: BufReader<TcpStream>,
    requests: Vec<u8>,
}

impl Client {
    /// Sends a command, and returns its reply.
    ///
    /// # Errors
    ///
    /// Fails when the engine refuses the command, or does not reply.
    pub(crate) fn call(&mut self, words: &[&[u8]]) -> Result<Vec<u8>, Failure> {
        self.prepare(words)?;
        self.send()?;
        self.reply()
    }

    /// Prepares a command for the next call of [`send`](Self::send).
    pub(crate) fn prepare(&mut self, words: &[&[u8]]) -> Result<(), Failure> {
        write!(self.requests, "*{}\r\n", words.len())?;
        for word in words {
            write!(self.requests, "${}\r\n", word.len())?;
            self.requests.extend_from_slice(word);
            self.requests.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Sends the commands that were prepared, in one write.
    pub(crate) fn send(&mut self) -> Result<(), Failure> {
        self.reader.get_mut().write_all(&self.requests)?;
        self.requests.clear();
        Ok(())
    }

    /// Reads the reply to one command: a text or a number.
    pub(crate) fn reply(&mut self) -> Result<Vec<u8>, Failure> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        let text = line.strip_suffix(b"\r\n").unwrap_or(&line).to_vec();
        let unexpected = || Failure::new(format!("redis: `{}`", text.escape_ascii()));
        match text.split_first() {
            Some((b'+' | b':', rest)) => Ok(rest.to_vec()),
            Some((b'$', rest)) => {
                let length = std::str::from_utf8(rest).ok().and_then(|text| text.parse().ok());
                let length: usize = length.ok_or_else(unexpected)?;
                let mut bytes = vec![0; length + 2];
                self.reader.read_exact(&mut bytes)?;
                bytes.truncate(length);
                Ok(bytes)
            }
            _ => Err(unexpected()),
        }
    }

    /// How many commands of each name the engine has run.
    pub(crate) fn commands(&mut self) -> Result<Commands, Failure> {
        let text = self.call(&[b"INFO", b"commandstats"])?;
        Ok(Commands { counts: counts(&String::from_utf8_lossy(&text)), at: Instant::now() })
    }

    /// The memory that the engine uses, in bytes.
    pub(crate) fn memory(&mut self) -> Result<u64, Failure> {
        let text = self.call(&[b"INFO", b"memory"])?;
        let text = String::from_utf8_lossy(&text);
        let bytes = text.lines().find_map(|line| line.strip_prefix("used_memory:")?.parse().ok());
        bytes.ok_or_else(|| Failure::new("INFO memory has no used_memory"))
    }
}

/// The commands that the engine has run up to a moment.
#[derive(Debug)]
pub(crate) struct Commands {
    counts: BTreeMap<String, u64>,
    at: Instant,
}

impl Commands {
    /// How many commands came since then, apart from those of the laboratory and those that so many
    /// nodes send although nothing happens.
    pub(crate) fn extra_since(&self, before: &Self, nodes: u64) -> u64 {
        extra(&before.counts, &self.counts, self.at - before.at, nodes)
    }
}

fn extra(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    time: Duration,
    nodes: u64,
) -> u64 {
    let since = |(name, count): (&String, &u64)| {
        let count = count - before.get(name).unwrap_or(&0);
        // A subcommand has the name of its command before it: `xinfo|stream`.
        match name.split('|').next().unwrap_or(name) {
            "info" => 0,
            name if LOOKS.contains(&name) => {
                let looks = (time.as_nanos() / LOOK.as_nanos()) as u64 + 1;
                count.saturating_sub(nodes * looks * COMMANDS_A_LOOK)
            }
            _ => count,
        }
    };
    after.iter().map(since).sum()
}

/// The number of calls of each command, in the form of `INFO commandstats`.
fn counts(text: &str) -> BTreeMap<String, u64> {
    let of_line = |line: &str| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split(',').next()?.parse().ok()?))
    };
    text.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_counted_without_those_that_come_anyway() {
        let before = counts(
            "# Commandstats\r\ncmdstat_xread:calls=10,usec=1\r\ncmdstat_info:calls=1,usec=9\r\n\
             cmdstat_xinfo|stream:calls=5,usec=1\r\n",
        );
        let after = counts(
            "cmdstat_xread:calls=20,usec=1\r\ncmdstat_info:calls=2,usec=9\r\n\
             cmdstat_config|get:calls=3,usec=9\r\ncmdstat_xinfo|stream:calls=8,usec=1\r\n",
        );
        assert_eq!((before["xread"], after["config|get"]), (10, 3));
        let extra = |milliseconds, nodes| {
            extra(&before, &after, Duration::from_millis(milliseconds), nodes)
        };
        // A node looks at the engine at most twice within 1.5 seconds, with three reads each time.
        assert_eq!(extra(1_500, 1), 3 + 4);
        assert_eq!(extra(1_500, 2), 3);
        assert_eq!(extra(100, 1), 3 + 7);
    }
}
