//! The rows of the table: the work, the measures, and the lines that our server must reach.
//!
//! To add a row, add a [`Row`] to [`ROWS`], and its function to a module here; `churn` is the
//! shortest example. Explain the row in `bench/README.md`. If it needs a route that the servers do
//! not have, add the route to each of `bench/servers`, and a variant to [`Needs`] for those that
//! cannot have it. `cargo xtask bench --only NAME` runs the row.

mod abuse;
mod after_burst;
mod churn;
mod drain;
mod echo;
mod fan_out;
mod fan_out_http2;
mod fan_out_http3;
mod firehose;
mod handshakes;
mod memory;
mod nodes;
mod requests;

use crate::{
    failure::Failure,
    figure::show,
    peer::Peer,
    plan::{OUTSTANDING, Plan, REQUEST_CONNECTIONS, STREAMS_A_CONNECTION},
    server::{Extra, Server},
    turns::Turn,
};

/// One kind of work.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) title: fn(&Plan) -> String,
    needs: Needs,
    /// The ratios are those of the first measure.
    pub(crate) measures: &'static [Measure],
    pub(crate) lines: &'static [Line],
    /// Runs the row, and returns a value for each measure.
    pub(crate) run: fn(&mut Server, &Plan) -> Result<Vec<f64>, Failure>,
}

/// The ability that a server needs for the row.
#[derive(Clone, Copy, Debug)]
enum Needs {
    Http1,
    Http2,
    Http3,
    Firehose,
    FirehoseHttp2,
    Collects,
    WebSockets,
    Tls,
    Nodes,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Measure {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) better: Better,
    /// Figures below this are noise. In a ratio they count as this, so that a ratio of two tiny
    /// figures says that they are equal.
    pub(crate) noise: Option<f64>,
    /// The figure of one turn. Our server takes turns with itself at an earlier revision in the
    /// rows that have such a measure.
    pub(crate) of_turn: Option<fn(Turn) -> f64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unit {
    Nanoseconds,
    Bytes,
    PerSecond,
    Share,
    Times,
    Count,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Better {
    Less,
    More,
}

/// The value that our server must reach in one measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line {
    pub(crate) measure: usize,
    pub(crate) against: Against,
    /// The value is a maximum where less is better, and a minimum where more is better.
    pub(crate) pass: Option<f64>,
    pub(crate) goal: Option<f64>,
}

/// The figure by which our figure is divided.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Against {
    Nothing,
    Limit,
    /// The peer that is best in this measure.
    BestPeer,
    /// The peer that is best in the row's first measure.
    BestInFirst,
    Peer(&'static str),
}

impl Measure {
    /// Divides one figure by another. A figure below the noise counts as the noise.
    pub(crate) fn ratio(self, value: f64, other: f64) -> f64 {
        let above_noise = |value: f64| self.noise.map_or(value, |noise| value.max(noise));
        above_noise(value) / above_noise(other)
    }
}

impl Row {
    /// Whether the server has the ability that the row needs.
    pub(crate) fn fits(&self, peer: &Peer) -> bool {
        match self.needs {
            Needs::Http1 => peer.http1,
            Needs::Http2 => peer.http2,
            Needs::Http3 => peer.http3,
            Needs::Firehose => peer.firehose,
            Needs::Collects => peer.collects,
            Needs::WebSockets => peer.web_sockets,
            Needs::Tls => peer.tls,
            Needs::Nodes => peer.nodes,
            Needs::FirehoseHttp2 => peer.http2 && peer.firehose,
        }
    }

    /// Whether our server takes turns with itself at an earlier revision.
    pub(crate) fn has_turns(&self) -> bool {
        self.measures.iter().any(|measure| measure.of_turn.is_some())
    }

    /// The listener or the engine that the servers get in addition.
    pub(crate) fn extra(&self) -> Extra {
        match self.needs {
            Needs::Tls => Extra::Tls,
            Needs::Http3 => Extra::Http3,
            Needs::Nodes => Extra::Engine,
            _ => Extra::Nothing,
        }
    }
}

const fn less(name: &'static str, unit: Unit) -> Measure {
    Measure { name, unit, better: Better::Less, noise: None, of_turn: None }
}

const fn more(name: &'static str, unit: Unit) -> Measure {
    Measure { name, unit, better: Better::More, noise: None, of_turn: None }
}

/// The server's CPU time for each thing that is counted.
const fn cpu(name: &'static str) -> Measure {
    Measure { of_turn: Some(Turn::cpu), ..less(name, Unit::Nanoseconds) }
}

/// How many of the things that are counted a second of the server's CPU time allows.
const fn per_cpu_second(name: &'static str) -> Measure {
    Measure { of_turn: Some(Turn::per_cpu_second), ..more(name, Unit::PerSecond) }
}

/// How many of the things that are counted happen in a second.
const fn per_second(name: &'static str) -> Measure {
    Measure { of_turn: Some(Turn::rate), ..more(name, Unit::PerSecond) }
}

const P50: Measure = less("latency, median", Unit::Nanoseconds);
const P99: Measure = less("latency, p99", Unit::Nanoseconds);
const REQUESTS: &[Measure] =
    &[per_cpu_second("requests per CPU second"), per_second("requests per second"), P50, P99];
const IDLE: &[Measure] = &[
    less("user memory", Unit::Bytes),
    less("kernel: socket buffers", Unit::Bytes),
    less("kernel: socket objects", Unit::Bytes),
];
const DELIVERY: &[Measure] = &[cpu("CPU per delivery"), P50, P99];
const BURST: &[Measure] = &[
    per_second("deliveries per second"),
    cpu("CPU per delivery"),
    // If this is near the time between two deliveries, the load held the server back.
    less("load's CPU", Unit::Nanoseconds),
    more("messages in a segment", Unit::Times),
    P50,
    P99,
];
const AFTER_BURST: &[Measure] = &[
    less("kept after two bursts", Unit::Bytes),
    less("after one", Unit::Bytes),
    less("peak", Unit::Bytes),
];
const DRAIN: &[Measure] = &[
    less("until exit", Unit::Nanoseconds),
    more("streams with a farewell", Unit::Share),
    more("with a terminator", Unit::Share),
    less("fullest tenth of returns", Unit::Times),
    less("exit code", Unit::Count),
];
const FIREHOSE: &[Measure] = &[cpu("CPU per event"), per_second("events per second")];

const fn line(against: Against, pass: f64, goal: f64) -> Line {
    Line { measure: 0, against, pass: Some(pass), goal: Some(goal) }
}

const fn floor(measure: usize, against: Against, pass: f64) -> Line {
    Line { measure, against, pass: Some(pass), goal: None }
}

const KB: f64 = 1024.0;
const SECOND: f64 = 1e9;

/// The rows in which clients attack. They have a command and a results file of their own.
pub(crate) use abuse::ABUSE;
/// The rows of several nodes, which have a results file of their own as well.
pub(crate) use nodes::ROWS as NODES;

/// All rows.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().chain(ABUSE).chain(NODES)
}

/// The rows that measure the cost of a server, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "fan-out",
        title: |plan| format!("fan-out: {} HTTP/1 streams, one message at a time", plan.fan_out),
        needs: Needs::Http1,
        measures: DELIVERY,
        lines: &[line(Against::Limit, 1.3, 1.1), floor(0, Against::BestPeer, 1.0)],
        run: fan_out::one_at_a_time,
    },
    Row {
        name: "burst",
        title: |plan| {
            format!("burst: {} HTTP/1 streams, {OUTSTANDING} messages outstanding", plan.burst)
        },
        needs: Needs::Http1,
        measures: BURST,
        lines: &[line(Against::BestPeer, 3.0, 10.0)],
        run: fan_out::burst,
    },
    Row {
        name: "one-request",
        title: |plan| {
            format!(
                "one request at a time: {} HTTP/1 streams, {OUTSTANDING} messages outstanding",
                plan.burst
            )
        },
        needs: Needs::Http1,
        measures: BURST,
        lines: &[floor(0, Against::BestPeer, 2.5), floor(5, Against::BestInFirst, 1.0)],
        run: fan_out::one_request_at_a_time,
    },
    Row {
        name: "idle",
        title: |plan| {
            format!("idle HTTP/1 stream: slope from {} to {} streams", plan.idle.0, plan.idle.1)
        },
        needs: Needs::Http1,
        measures: IDLE,
        lines: &[line(Against::Nothing, 2.2 * KB, 0.7 * KB)],
        run: memory::http1,
    },
    Row {
        name: "stalled",
        title: |_| {
            format!(
                "{} HTTP/1 streams that always have more, and whose clients read nothing",
                memory::STALLED
            )
        },
        needs: Needs::Firehose,
        measures: IDLE,
        lines: &[floor(1, Against::Nothing, 256.0 * KB)],
        run: memory::stalled,
    },
    Row {
        name: "after-bodies",
        title: |plan| {
            format!(
                "memory after {} request bodies of {} were collected at the same time",
                plan.burst_bodies,
                show(after_burst::BODY as f64, Unit::Bytes)
            )
        },
        needs: Needs::Collects,
        measures: AFTER_BURST,
        lines: &[],
        run: after_burst::collected,
    },
    Row {
        name: "after-responses",
        title: |plan| {
            format!(
                "memory after {} responses of {} were made at the same time",
                plan.burst_bodies,
                show(after_burst::BODY as f64, Unit::Bytes)
            )
        },
        needs: Needs::Collects,
        measures: AFTER_BURST,
        lines: &[],
        run: after_burst::responses,
    },
    Row {
        name: "firehose",
        title: |_| "firehose: JSON events on one HTTP/1 stream".to_owned(),
        needs: Needs::Firehose,
        measures: FIREHOSE,
        lines: &[line(Against::Peer("hyper"), 0.6, 0.25)],
        run: firehose::http1,
    },
    Row {
        name: "churn",
        title: |_| format!("churn: clients connect, subscribe, vanish, {} at once", churn::AT_ONCE),
        needs: Needs::Http1,
        measures: &[cpu("CPU per client")],
        lines: &[line(Against::BestPeer, 1.2, 0.9)],
        run: churn::run,
    },
    Row {
        name: "plaintext",
        title: |_| {
            format!("GET /plaintext over {REQUEST_CONNECTIONS} connections that are kept alive")
        },
        needs: Needs::Http1,
        measures: REQUESTS,
        lines: &[
            floor(0, Against::Peer("hyper"), 0.97),
            Line { measure: 0, against: Against::BestPeer, pass: None, goal: Some(1.0) },
        ],
        run: requests::plaintext,
    },
    Row {
        name: "json",
        title: |_| format!("GET /json over {REQUEST_CONNECTIONS} connections that are kept alive"),
        needs: Needs::Http1,
        measures: REQUESTS,
        lines: &[],
        run: requests::json,
    },
    Row {
        name: "users",
        title: |_| {
            format!("GET /users/{{id}} over {REQUEST_CONNECTIONS} connections that are kept alive")
        },
        needs: Needs::Http1,
        measures: REQUESTS,
        lines: &[],
        run: requests::users,
    },
    Row {
        name: "fan-out-http2",
        title: |plan| {
            let connections = plan.fan_out_http2;
            let streams = connections * STREAMS_A_CONNECTION;
            format!(
                "fan-out: {streams} HTTP/2 streams on {connections} connections, one message at a time"
            )
        },
        needs: Needs::Http2,
        measures: DELIVERY,
        lines: &[line(Against::BestPeer, 0.5, 0.25)],
        run: fan_out_http2::run,
    },
    Row {
        name: "firehose-http2",
        title: |_| "firehose: JSON events on one HTTP/2 stream".to_owned(),
        needs: Needs::FirehoseHttp2,
        measures: FIREHOSE,
        lines: &[line(Against::Peer("hyper"), 0.25, 0.08)],
        run: firehose::http2,
    },
    Row {
        name: "idle-http2",
        title: |plan| {
            format!(
                "idle HTTP/2 stream: slope from {} to {} streams, {STREAMS_A_CONNECTION} on a connection",
                plan.idle.0, plan.idle.1
            )
        },
        needs: Needs::Http2,
        measures: IDLE,
        lines: &[line(Against::Nothing, 1.5 * KB, 0.7 * KB)],
        run: memory::http2,
    },
    Row {
        name: "idle-ws",
        title: |plan| {
            format!("idle WebSocket: slope from {} to {} WebSockets", plan.idle.0, plan.idle.1)
        },
        needs: Needs::WebSockets,
        measures: IDLE,
        lines: &[floor(0, Against::BestPeer, 0.5)],
        run: memory::web_sockets,
    },
    Row {
        name: "echo-ws",
        title: |_| {
            format!(
                "echo: messages of {} bytes over {REQUEST_CONNECTIONS} WebSockets, each with one message at a time",
                echo::MESSAGE
            )
        },
        needs: Needs::WebSockets,
        measures: &[
            per_cpu_second("messages per CPU second"),
            per_second("messages per second"),
            P50,
            P99,
        ],
        lines: &[floor(0, Against::BestPeer, 1.0)],
        run: echo::run,
    },
    Row {
        name: "fan-out-ws",
        title: |plan| {
            format!(
                "fan-out: {} WebSockets, one message at a time; volga with a hub, the others with a channel",
                plan.fan_out
            )
        },
        needs: Needs::WebSockets,
        measures: DELIVERY,
        lines: &[floor(0, Against::BestPeer, 1.0)],
        run: fan_out::web_sockets,
    },
    Row {
        name: "fan-out-ws-channel",
        title: |plan| {
            format!(
                "fan-out: {} WebSockets, one message at a time; all with a channel of tokio",
                plan.fan_out
            )
        },
        needs: Needs::WebSockets,
        measures: DELIVERY,
        lines: &[floor(0, Against::BestPeer, 1.0)],
        run: fan_out::web_sockets_with_channel,
    },
    Row {
        name: "idle-tls",
        title: |plan| {
            format!(
                "idle HTTP/1 stream over TLS: slope from {} to {} streams, after as many plain ones",
                plan.idle_tls.0, plan.idle_tls.1
            )
        },
        needs: Needs::Tls,
        measures: &[
            less("user memory", Unit::Bytes),
            less("added by TLS", Unit::Bytes),
            less("plain stream", Unit::Bytes),
        ],
        // hyper's TLS memory is the state of rustls, so Volga cannot need less than that state.
        lines: &[floor(1, Against::Peer("hyper"), 1.0)],
        run: memory::over_tls,
    },
    Row {
        name: "fan-out-tls",
        title: |plan| {
            format!("fan-out: {} HTTP/1 streams over TLS, one message at a time", plan.fan_out)
        },
        needs: Needs::Tls,
        measures: DELIVERY,
        lines: &[floor(0, Against::BestPeer, 1.0)],
        run: fan_out::over_tls,
    },
    Row {
        name: "handshakes-tls",
        title: |_| {
            "connections over TLS, each with a full handshake and one GET /plaintext".to_owned()
        },
        needs: Needs::Tls,
        measures: &[per_cpu_second("handshakes per CPU second"), cpu("CPU per handshake")],
        lines: &[],
        run: handshakes::run,
    },
    Row {
        name: "idle-http3",
        title: |plan| {
            format!(
                "idle HTTP/3 stream: slope from {} to {} streams with {STREAMS_A_CONNECTION} on a connection, and from {} to {} with one",
                plan.idle_http3.0, plan.idle_http3.1, plan.idle_quic.0, plan.idle_quic.1
            )
        },
        needs: Needs::Http3,
        measures: &[
            less("user memory, many on a connection", Unit::Bytes),
            less("user memory, one on a connection", Unit::Bytes),
        ],
        lines: &[],
        run: memory::http3,
    },
    Row {
        name: "fan-out-http3",
        title: |plan| {
            let connections = plan.fan_out_http2;
            let streams = connections * STREAMS_A_CONNECTION;
            format!(
                "fan-out: {streams} HTTP/3 streams on {connections} connections, one message at a time"
            )
        },
        needs: Needs::Http3,
        measures: DELIVERY,
        lines: &[],
        run: fan_out_http3::on_few_connections,
    },
    Row {
        name: "fan-out-http3-connections",
        title: |plan| {
            format!(
                "fan-out: {} HTTP/3 streams, each on a connection of its own, one message at a time",
                plan.fan_out_quic
            )
        },
        needs: Needs::Http3,
        measures: DELIVERY,
        lines: &[],
        run: fan_out_http3::on_own_connections,
    },
    Row {
        name: "drain",
        title: |plan| format!("SIGTERM with {} HTTP/1 streams open", plan.drain),
        needs: Needs::Http1,
        measures: DRAIN,
        lines: &[
            floor(0, Against::Nothing, 2.0 * SECOND),
            floor(1, Against::Nothing, 1.0),
            floor(2, Against::Nothing, 1.0),
            floor(4, Against::Nothing, 0.0),
        ],
        run: drain::all_read,
    },
    Row {
        name: "drain-stalled",
        title: |plan| {
            format!(
                "SIGTERM with {} HTTP/1 streams open, of which {} clients read nothing",
                plan.drain,
                drain::STALLED
            )
        },
        needs: Needs::Firehose,
        measures: DRAIN,
        lines: &[
            floor(0, Against::Nothing, 1.5 * SECOND),
            floor(1, Against::Nothing, 1.0),
            floor(2, Against::Nothing, 1.0),
            floor(4, Against::Nothing, 0.0),
        ],
        run: drain::some_stalled,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::PEERS;

    #[test]
    fn rows_are_told_apart_and_their_lines_name_what_there_is() {
        for (index, row) in all().enumerate() {
            assert!(all().take(index).all(|other| other.name != row.name), "{}", row.name);
            for line in row.lines {
                assert!(line.measure < row.measures.len(), "{}", row.name);
                if let Against::Peer(name) = line.against {
                    assert!(PEERS.iter().any(|peer| peer.name == name), "{name}");
                }
            }
        }
    }

    #[test]
    fn a_ratio_of_noise_is_one() {
        let measure = Measure { noise: Some(5.0), ..less("wait", Unit::Nanoseconds) };
        for (value, other, ratio) in
            [(0.1, 4.0, 1.0), (10.0, 0.1, 2.0), (-3.0, 10.0, 0.5), (20.0, 10.0, 2.0)]
        {
            assert_eq!(measure.ratio(value, other), ratio, "{value} and {other}");
        }
        assert_eq!(less("wait", Unit::Nanoseconds).ratio(0.1, 0.4), 0.25);
    }
}
