//! A running server, from its first response to its end.

use std::{
    ffi::OsString,
    fs::{self, File},
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    connect,
    engine::Engine,
    failure::Failure,
    launch, meter,
    peer::{Peer, Places},
    tls::TlsListener,
    turns::TurnTaker,
};

/// How long a server may take until it responds.
const START: Duration = Duration::from_secs(20);
/// How long a server may take to come to rest after the load has ended.
const REST: Duration = Duration::from_secs(10);
/// A server is at rest when it used less than a thousandth of this time on the CPU.
const WHILE: Duration = Duration::from_millis(20);

/// Servers listen on one of [`PORTS`] ports, beginning with this one.
const FIRST_PORT: u16 = 20_000;
const PORTS: u32 = 10_000;

/// The environment variable by which a Rust server learns how many workers its runtime has.
const WORKERS: &str = "BENCH_WORKERS";

/// The environment variables by which a Rust server learns that it has a listener with TLS.
const TLS_PORT: &str = "BENCH_TLS_PORT";
const TLS_CERTIFICATE: &str = "BENCH_TLS_CERTIFICATE";
const TLS_KEY: &str = "BENCH_TLS_KEY";
/// Says that the server also serves HTTP/3, over UDP at the port of TLS.
const HTTP3: &str = "BENCH_HTTP3";

/// Where a server runs, and on how many threads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seat {
    /// The core that is the server's alone; `None` for every core, also that of the load.
    pub(crate) core: Option<usize>,
    /// The workers of its multi-thread runtime; `None` for a current-thread runtime.
    pub(crate) workers: Option<usize>,
}

impl Seat {
    /// The first argument of `lab launch`. One core cannot hold several workers.
    fn core_argument(self) -> String {
        match self.core {
            Some(core) if self.workers.is_none_or(|workers| workers == 1) => core.to_string(),
            _ => launch::ANY_CORE.to_owned(),
        }
    }
}

/// A listener or an engine that a server gets in addition.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extra {
    Nothing,
    /// A second listener, which speaks TLS.
    Tls,
    /// A second listener, which speaks TLS, and HTTP/3 at the same port.
    Http3,
    /// An engine that it shares with other nodes.
    Engine,
}

/// A program to start, whose address is known already.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    /// The program and its arguments.
    pub(crate) command: Vec<OsString>,
    pub(crate) variables: Vec<(&'static str, OsString)>,
    pub(crate) probe: Probe,
}

/// The response for which the start of a server waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Probe {
    /// Any response shows that it runs.
    Runs,
    /// A node first reads what the engine holds.
    Ready,
}

/// It is killed when this value is dropped. If the laboratory dies, the kernel kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    probe: Probe,
    tls: Option<TlsListener>,
    /// It is dropped after the server was killed.
    engine: Option<Engine>,
    errors: PathBuf,
    /// The turns that it takes with another server.
    pub(crate) turn_taker: Option<TurnTaker>,
}

impl Server {
    /// Starts the server on a core of its own and waits until it responds.
    pub(crate) fn start(
        peer: &Peer,
        places: &Places,
        seat: Seat,
        extra: Extra,
    ) -> Result<Self, Failure> {
        if extra == Extra::Engine {
            let engine = Engine::start(places, seat)?;
            let mut node = engine.start_node()?;
            node.engine = Some(engine);
            return Ok(node);
        }
        let address = free_address()?;
        let has_tls = matches!(extra, Extra::Tls | Extra::Http3);
        let tls = has_tls
            .then(|| TlsListener::new(free_address()?, &places.scratch, peer.name))
            .transpose()?;
        let variables = tls.iter().flat_map(|tls| {
            [
                (TLS_PORT, tls.address.port().to_string().into()),
                (TLS_CERTIFICATE, tls.certificate.clone().into_os_string()),
                (TLS_KEY, tls.key.clone().into_os_string()),
            ]
        });
        let http3 = (extra == Extra::Http3).then(|| (HTTP3, "1".into()));
        let program = Program {
            name: peer.name.to_owned(),
            command: peer.command(places, address.port(), tls.as_ref())?,
            variables: variables.chain(http3).collect(),
            probe: Probe::Runs,
        };
        let mut server = Self::start_program(program, address, &places.scratch, seat)?;
        server.tls = tls;
        Ok(server)
    }

    /// Starts a program that will listen on this address, and waits until it responds.
    pub(crate) fn start_program(
        program: Program,
        address: SocketAddr,
        scratch: &Path,
        seat: Seat,
    ) -> Result<Self, Failure> {
        let Program { name, command, variables, probe } = program;
        let errors = scratch.join(format!("{name}.stderr"));
        let workers = seat.workers.map(|workers| (WORKERS, workers.to_string()));
        let child = Command::new(std::env::current_exe()?)
            .args(["launch", &seat.core_argument()])
            .args(command)
            .envs(workers)
            .envs(variables)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&errors)?)
            .spawn()?;
        let mut server =
            Self { child, address, probe, tls: None, engine: None, errors, turn_taker: None };
        let begin = Instant::now();
        while !server.answers() {
            if let Some(status) = server.exited()? {
                return Err(Failure::new(format!(
                    "it ended with {status}: {}",
                    server.last_words()
                )));
            }
            if begin.elapsed() > START {
                return Err(Failure::new(format!(
                    "no response within {START:?}: {}",
                    server.last_words()
                )));
            }
            thread::sleep(Duration::from_millis(2));
        }
        Ok(server)
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The listener with TLS.
    ///
    /// # Errors
    ///
    /// Fails if the server was started without it.
    pub(crate) fn tls(&self) -> Result<&TlsListener, Failure> {
        self.tls.as_ref().ok_or_else(|| Failure::new("the row does not say that it needs TLS"))
    }

    /// The engine behind this node.
    ///
    /// # Errors
    ///
    /// Fails if the server was started without it.
    pub(crate) fn engine(&self) -> Result<&Engine, Failure> {
        self.engine.as_ref().ok_or_else(|| Failure::new("the row does not say that it needs nodes"))
    }

    /// Ends the server at once, as `kill -9` does. Its engine goes on.
    pub(crate) fn kill(&mut self) -> Result<(), Failure> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    pub(crate) fn cpu(&self) -> Result<u64, Failure> {
        meter::cpu(self.child.id())
    }

    pub(crate) fn private_memory(&self) -> Result<u64, Failure> {
        meter::private_memory(self.child.id())
    }

    /// Waits until the server has nothing left to do, and returns its CPU time so far.
    pub(crate) fn rest(&self) -> Result<u64, Failure> {
        Self::rest_of(&[self])
    }

    /// The same for several servers, whose CPU times are added.
    pub(crate) fn rest_of(servers: &[&Self]) -> Result<u64, Failure> {
        let begin = Instant::now();
        let times = || servers.iter().map(|server| server.cpu()).collect::<Result<Vec<_>, _>>();
        let mut before = times()?;
        loop {
            thread::sleep(WHILE);
            let now = times()?;
            let mut used = now.iter().zip(&before).map(|(now, before)| now - before);
            let is_at_rest = used.all(|used| u128::from(used) < WHILE.as_nanos() / 1000);
            if is_at_rest || begin.elapsed() > REST {
                return Ok(now.iter().sum());
            }
            before = now;
        }
    }

    /// Sends SIGTERM, as a service manager does.
    pub(crate) fn terminate(&self) -> Result<(), Failure> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| Failure::new("a process without a valid id"))?;
        kill_process(pid, Signal::TERM).map_err(|error| Failure::new(format!("SIGTERM: {error}")))
    }

    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>, Failure> {
        Ok(self.child.try_wait()?)
    }

    /// The last line that the server wrote to standard error.
    pub(crate) fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.errors).unwrap_or_default();
        text.lines().next_back().unwrap_or("it wrote nothing to standard error").to_owned()
    }

    fn answers(&self) -> bool {
        let ask = || {
            let mut socket = TcpStream::connect(self.address)?;
            socket.set_read_timeout(Some(Duration::from_secs(1)))?;
            let path = match self.probe {
                Probe::Runs => "/plaintext",
                Probe::Ready => "/ready",
            };
            socket.write_all(&connect::get(path))?;
            let mut status = [0; 12];
            socket.read_exact(&mut status)?;
            Ok::<_, std::io::Error>(&status == b"HTTP/1.1 200")
        };
        ask().unwrap_or(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both calls fail only if the process has ended and was waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An address that no program uses now. Another program could take it before the server does; then
/// the server fails with an error that says so.
///
/// Its port is not one of those that the system gives to clients. Otherwise a client could get this
/// port, and could even connect to itself.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Laboratories that run at the same time begin at different ports.
    let begin = (std::process::id() % PORTS) as u16;
    for _ in 0..PORTS {
        let offset = (begin + NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS as u16;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST_PORT + offset));
        if TcpListener::bind(address).is_ok() {
            return Ok(address);
        }
    }
    Err(Failure::new("no free port"))
}
