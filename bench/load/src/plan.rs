//! How much of everything: the full measure, and a quick one that only shows that all of it works.

use std::time::Duration;

/// The sizes of one run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    /// How long each window of work lasts, at every server: the fast do more in it, and the slow
    /// hold nobody up.
    pub(crate) window: Duration,
    /// Streams of the fan-out, one message at a time.
    pub(crate) fan_out: usize,
    /// Streams of the burst.
    pub(crate) burst: usize,
    /// Connections of the fan-out over HTTP/2, each with [`STREAMS_A_CONNECTION`].
    pub(crate) fan_out_http2: usize,
    /// From so many idle streams to so many.
    pub(crate) idle: (usize, usize),
    /// Streams that are open when SIGTERM comes.
    pub(crate) drain: usize,
    /// How long each attack lasts.
    pub(crate) attack: Duration,
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
        window: Duration::from_millis(200),
        fan_out: 2_000,
        burst: 500,
        fan_out_http2: 20,
        idle: (2_000, 18_000),
        drain: 10_000,
        attack: Duration::from_millis(1_500),
    };

    pub(crate) const QUICK: Self = Self {
        rounds: 1,
        window: Duration::from_millis(40),
        fan_out: 500,
        burst: 100,
        fan_out_http2: 5,
        idle: (500, 2_500),
        drain: 1_000,
        attack: Duration::from_millis(400),
    };
}
