//! How much of everything: the full measure, and a quick one that only shows that all of it works.

/// The sizes of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// Streams and messages of the fan-out, one message at a time.
    pub(crate) fan_out: Load,
    /// Streams and messages of the burst.
    pub(crate) burst: Load,
    /// Connections, each with [`STREAMS_A_CONNECTION`], and messages of the fan-out over HTTP/2.
    pub(crate) fan_out_http2: Load,
    /// From so many idle streams to so many.
    pub(crate) idle: (usize, usize),
    /// Events of one stream.
    pub(crate) firehose: u64,
    /// Clients that come and vanish.
    pub(crate) churn: usize,
    /// Milliseconds of requests.
    pub(crate) requests: u64,
    /// Streams that are open when SIGTERM comes.
    pub(crate) drain: usize,
}

/// So many receivers, so many messages, and before them some that do not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) receivers: usize,
    pub(crate) warm_up: u64,
    pub(crate) messages: u64,
}

/// Messages that are on their way at once in a burst.
pub(crate) const OUTSTANDING: usize = 64;
/// Connections of the plain requests.
pub(crate) const REQUEST_CONNECTIONS: usize = 64;
/// Streams of one HTTP/2 connection: fewer than any server's limit.
pub(crate) const STREAMS_A_CONNECTION: usize = 90;

impl Plan {
    pub(crate) const FULL: Self = Self {
        rounds: 5,
        fan_out: Load { receivers: 2_000, warm_up: 30, messages: 200 },
        burst: Load { receivers: 500, warm_up: 200, messages: 2_000 },
        fan_out_http2: Load { receivers: 20, warm_up: 30, messages: 200 },
        idle: (2_000, 18_000),
        firehose: 1_000_000,
        churn: 20_000,
        requests: 2_000,
        drain: 10_000,
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        fan_out: Load { receivers: 500, warm_up: 10, messages: 40 },
        burst: Load { receivers: 100, warm_up: 64, messages: 500 },
        fan_out_http2: Load { receivers: 5, warm_up: 10, messages: 40 },
        idle: (500, 2_500),
        firehose: 100_000,
        churn: 2_000,
        requests: 300,
        drain: 1_000,
    };
}
