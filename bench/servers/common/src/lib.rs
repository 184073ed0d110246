//! The responses of every server of the laboratory, so that the servers differ only in how they
//! serve them.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use serde::Serialize;
use tokio::runtime;

/// The response to `GET /plaintext`.
pub const HELLO: &str = "Hello, World!";

/// The response to `GET /large`: 1 MiB, which every server sends without copying it first.
pub static LARGE: &[u8] = &[b'.'; 1024 * 1024];

/// How many bytes `GET /built` returns.
const BUILT: usize = 5 * 512 * 1024;

/// The response to `GET /built`: 2.5 MiB that the server makes for each request.
pub fn built() -> Vec<u8> {
    vec![b'.'; BUILT]
}

/// The largest request body of `POST /collect`, and the largest sum of those that are collected at
/// a time. Servers without such limits need no setting.
pub const MAX_COLLECTED: usize = 4 * 1024 * 1024 * 1024;

/// How many messages a broadcast channel keeps for a reader that is behind: far more than the load
/// ever has outstanding.
pub const CHANNEL: usize = 1024;

/// The response to `GET /json`.
#[derive(Serialize)]
pub struct Greeting {
    pub message: &'static str,
}

impl Greeting {
    pub const HELLO: Self = Self { message: HELLO };
}

/// One event of `GET /firehose`: about 60 bytes of JSON.
#[derive(Serialize)]
pub struct Tick {
    /// The number of the event, from 0. The load checks that the numbers come in order.
    pub counter: u64,
    pub sensor: &'static str,
    pub celsius: i32,
    pub open: bool,
}

impl Tick {
    pub fn new(counter: u64) -> Self {
        Self { counter, sensor: "turbine-7", celsius: 21, open: true }
    }
}

/// The address on which to listen. The port is the program's last argument.
///
/// # Panics
///
/// Panics without this argument, because only the laboratory starts these servers.
pub fn address() -> SocketAddr {
    let port = env::args().next_back().and_then(|last| last.parse().ok());
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("the last argument is a port")))
}

/// Runs a server until it ends: on one thread, or on as many workers as the laboratory asks for.
///
/// # Errors
///
/// Returns the server's error, or the reason why the runtime does not start.
///
/// # Panics
///
/// Panics if [`workers`] does.
pub fn run(server: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    let mut builder = match workers() {
        None => runtime::Builder::new_current_thread(),
        Some(workers) => {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    builder.enable_all().build()?.block_on(server)
}

/// How many workers the laboratory asks for; without a number the server runs on one thread.
///
/// # Panics
///
/// Panics if `BENCH_WORKERS` is not a number.
pub fn workers() -> Option<usize> {
    let workers = env::var("BENCH_WORKERS").ok()?;
    Some(workers.parse().expect("BENCH_WORKERS is a number"))
}

/// The second listener of a server, which speaks TLS.
pub struct Tls {
    pub address: SocketAddr,
    /// The file of the certificate, in PEM.
    pub certificate: PathBuf,
    /// The file of its private key, in PEM.
    pub key: PathBuf,
    /// Whether the server also serves HTTP/3, over UDP at the same port.
    pub has_http3: bool,
}

/// The listener with TLS that the laboratory asks for; `None` in the rows that do not need it.
///
/// # Panics
///
/// Panics if `BENCH_TLS_PORT` is not a port, or if the paths of the files are missing.
pub fn tls() -> Option<Tls> {
    let port = env::var("BENCH_TLS_PORT").ok()?;
    let port: u16 = port.parse().expect("BENCH_TLS_PORT is a port");
    let file = |name| env::var_os(name).map(PathBuf::from).expect("the path of a PEM file");
    Some(Tls {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        certificate: file("BENCH_TLS_CERTIFICATE"),
        key: file("BENCH_TLS_KEY"),
        has_http3: env::var_os("BENCH_HTTP3").is_some(),
    })
}

/// The URL of the engine behind a node.
///
/// # Panics
///
/// Panics without `BENCH_REDIS`, because only the laboratory starts a node.
pub fn engine() -> String {
    env::var("BENCH_REDIS").expect("BENCH_REDIS is the URL of a Redis server")
}
