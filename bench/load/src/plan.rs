//! The sizes of a run: the full sizes, and small ones for a quick run that only shows that
//! everything works.

use std::time::Duration;

/// The sizes of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// How long each window of work lasts. It is the same for every server, so a slow server does
    /// not make the run longer.
    pub(crate) window: Duration,
    /// The number of streams of the fan-out, which has one message at a time.
    pub(crate) fan_out: usize,
    /// The number of streams of the burst.
    pub(crate) burst: usize,
    /// The number of connections of the fan-out over HTTP/2, each with [`STREAMS_A_CONNECTION`].
    pub(crate) fan_out_http2: usize,
    /// The number of connections of the fan-out over HTTP/3 with one stream on each connection.
    pub(crate) fan_out_quic: usize,
    /// The smaller and the larger number of idle streams, between which the slope is measured.
    pub(crate) idle: (usize, usize),
    /// The same for streams over TLS, which take more of the load's memory.
    pub(crate) idle_tls: (usize, usize),
    /// The same for streams over HTTP/3, with [`STREAMS_A_CONNECTION`] on a connection.
    pub(crate) idle_http3: (usize, usize),
    /// The same for streams over HTTP/3 with one on each connection, which take much memory.
    pub(crate) idle_quic: (usize, usize),
    /// The number of streams that are open when SIGTERM comes.
    pub(crate) drain: usize,
    /// The number of large bodies that are held at the same time.
    pub(crate) burst_bodies: usize,
    /// How long each attack lasts.
    pub(crate) attack: Duration,
    /// How many messages are published at a pace, from one node to another.
    pub(crate) paced: usize,
    /// The number of streams of each node, when the numbers of nodes are compared.
    pub(crate) node_streams: usize,
    /// How often a client resumes on another node.
    pub(crate) resumes: usize,
    /// How many clients lose their node at once.
    pub(crate) storm: usize,
    /// The number of entries in the log that a new node reads.
    pub(crate) log: u64,
    /// The smaller and the larger number of topics, between which the slope is measured.
    pub(crate) topics: (u64, u64),
}

/// How many messages are on their way at once in a burst.
pub(crate) const OUTSTANDING: usize = 64;
/// The number of connections of the plain requests.
pub(crate) const REQUEST_CONNECTIONS: usize = 64;
/// The number of streams of one HTTP/2 connection. It is below the limit of each server.
pub(crate) const STREAMS_A_CONNECTION: usize = 90;

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        window: Duration::from_millis(200),
        fan_out: 2_000,
        burst: 500,
        fan_out_http2: 20,
        fan_out_quic: 500,
        idle: (2_000, 18_000),
        idle_tls: (500, 4_500),
        idle_http3: (450, 4_500),
        idle_quic: (100, 1_100),
        drain: 10_000,
        burst_bodies: 400,
        attack: Duration::from_millis(1_500),
        paced: 2_000,
        node_streams: 1_000,
        resumes: 50,
        storm: 5_000,
        log: 100_000,
        topics: (20_000, 120_000),
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        window: Duration::from_millis(40),
        fan_out: 500,
        burst: 100,
        fan_out_http2: 5,
        fan_out_quic: 50,
        idle: (500, 2_500),
        idle_tls: (200, 1_200),
        idle_http3: (90, 450),
        idle_quic: (20, 120),
        drain: 1_000,
        burst_bodies: 40,
        attack: Duration::from_millis(400),
        paced: 100,
        node_streams: 50,
        resumes: 5,
        storm: 300,
        log: 5_000,
        topics: (1_000, 6_000),
    };
}
