//! The rows of several nodes that share one engine, a real Redis.

mod cost;
mod latency;
mod log;
mod pace;
mod returns;
mod scale;
mod start;

use super::{Against, IDLE, Line, Measure, Needs, Row, SECOND, Unit, floor, less, memory, more};
use log::DATA;
use returns::{MISSED, RESUMED};

const fn goal(measure: usize, goal: f64) -> Line {
    Line { measure, against: Against::Nothing, pass: None, goal: Some(goal) }
}

/// Extra commands are counted exactly, so a row with one of them has failed its line.
const EXTRA: Measure = less("extra commands", Unit::Count);

/// The rows, in the order of the table.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "node-latency",
        title: |plan| {
            format!(
                "published on one node and delivered on another, {} times, each followed by an acknowledged append",
                plan.paced
            )
        },
        needs: Needs::Nodes,
        measures: &[
            less("÷ append, median", Unit::Times),
            less("÷ append, p99", Unit::Times),
            less("delivered, median", Unit::Nanoseconds),
            less("delivered, p99", Unit::Nanoseconds),
            less("append to the log, median", Unit::Nanoseconds),
            less("append, p99", Unit::Nanoseconds),
            less("÷ append without readers, median", Unit::Times),
            less("append without readers, median", Unit::Nanoseconds),
            less("with the publisher's request, median", Unit::Nanoseconds),
            less("cores sleep: ÷ append, median", Unit::Times),
            less("cores sleep: ÷ append, p99", Unit::Times),
            less("cores sleep: delivered, median", Unit::Nanoseconds),
            less("cores sleep: delivered, p99", Unit::Nanoseconds),
            less("cores sleep: append, median", Unit::Nanoseconds),
            less("cores sleep: append, p99", Unit::Nanoseconds),
        ],
        lines: &[floor(0, Against::Nothing, 2.0), floor(1, Against::Nothing, 2.0), goal(0, 1.2)],
        run: latency::latency,
    },
    Row {
        name: "node-ingest",
        title: |_| format!("CPU per message of {DATA} bytes that nodes take in, without a reader"),
        needs: Needs::Nodes,
        measures: &[
            less("CPU of a node, in batches", Unit::Nanoseconds),
            less("one at a time", Unit::Nanoseconds),
            less("bare reader, in batches", Unit::Nanoseconds),
            less("bare, one at a time", Unit::Nanoseconds),
            less("node ÷ bare, in batches", Unit::Times),
            less("÷ bare, one at a time", Unit::Times),
            less("engine of 1 node, in batches", Unit::Nanoseconds),
            less("of 1, one at a time", Unit::Nanoseconds),
            less("engine of the bare reader, in batches", Unit::Nanoseconds),
            less("of bare, one at a time", Unit::Nanoseconds),
            less("engine of 8 nodes, in batches", Unit::Nanoseconds),
            less("of 8, one at a time", Unit::Nanoseconds),
        ],
        lines: &[goal(0, 1_500.0)],
        run: cost::ingest,
    },
    Row {
        name: "node-scale",
        title: |plan| {
            format!(
                "deliveries per CPU second of all nodes, {} streams on each, one message at a time",
                plan.node_streams
            )
        },
        needs: Needs::Nodes,
        measures: &[
            more("8 nodes ÷ 1 with all streams", Unit::Times),
            more("4 ÷ 1 with all", Unit::Times),
            more("2 ÷ 1 with all", Unit::Times),
            more("8 nodes ÷ 1 node", Unit::Times),
            more("4 ÷ 1", Unit::Times),
            more("2 ÷ 1", Unit::Times),
            more("1 with the streams of 8 ÷ 1", Unit::Times),
            more("1 with those of 4 ÷ 1", Unit::Times),
            more("1 with those of 2 ÷ 1", Unit::Times),
            more("1 node", Unit::PerSecond),
            more("2", Unit::PerSecond),
            more("4", Unit::PerSecond),
            more("8", Unit::PerSecond),
        ],
        lines: &[
            floor(0, Against::Nothing, 0.95),
            floor(1, Against::Nothing, 0.95),
            floor(2, Against::Nothing, 0.95),
        ],
        run: scale::scale,
    },
    Row {
        name: "node-resume",
        title: |plan| {
            format!(
                "a client resumes on another node, and gets {RESUMED} messages; {} times",
                plan.resumes
            )
        },
        needs: Needs::Nodes,
        measures: &[less("median", Unit::Nanoseconds), less("p99", Unit::Nanoseconds), EXTRA],
        lines: &[
            floor(0, Against::Nothing, 1e7),
            floor(1, Against::Nothing, 1e7),
            floor(2, Against::Nothing, 0.0),
        ],
        run: returns::resume,
    },
    Row {
        name: "node-storm",
        title: |plan| {
            format!(
                "{} clients of a node that was killed return to another, and get {MISSED} messages each",
                plan.storm
            )
        },
        needs: Needs::Nodes,
        measures: &[
            less("CPU per client", Unit::Nanoseconds),
            less("until all have all", Unit::Nanoseconds),
            EXTRA,
        ],
        lines: &[floor(2, Against::Nothing, 0.0)],
        run: returns::storm,
    },
    Row {
        name: "node-ready",
        title: |plan| {
            format!("from the start of a node until it is ready: a log of {} entries", plan.log)
        },
        needs: Needs::Nodes,
        measures: &[
            less("until ready", Unit::Nanoseconds),
            less("with an empty log", Unit::Nanoseconds),
        ],
        lines: &[floor(0, Against::Nothing, SECOND)],
        run: start::ready,
    },
    Row {
        name: "node-topics",
        title: |plan| {
            format!(
                "topics with one message of {DATA} bytes: slope from {} to {}",
                plan.topics.0, plan.topics.1
            )
        },
        needs: Needs::Nodes,
        measures: &[
            less("user memory of a node, per topic", Unit::Bytes),
            less("memory of the engine, per entry", Unit::Bytes),
        ],
        lines: &[],
        run: cost::topics,
    },
    Row {
        name: "node-idle",
        title: |plan| {
            format!(
                "idle HTTP/1 stream of a node: slope from {} to {} streams",
                plan.idle.0, plan.idle.1
            )
        },
        needs: Needs::Nodes,
        measures: IDLE,
        lines: &[],
        run: memory::http1,
    },
];
