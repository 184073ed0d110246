//! The rows in which clients attack over HTTP/1 and HTTP/2, beside one client that does not.

use super::{Against, Line, Measure, Needs, Row, Unit, floor, less, more};
use crate::{
    abuse::{
        Attack, CONNECTIONS, Moves, SLOW_CONNECTIONS, attack, hold_streams, move_windows, watch,
    },
    failure::Failure,
    plan::Plan,
    server::Server,
};

/// The noise of a wait: a smaller difference says nothing about the server. It is a little more
/// than the slice of time that the kernel gives to one thread.
const WAIT_NOISE: f64 = 5e6;

/// The noise of a server's user memory: a smaller difference says nothing about the server.
const MEMORY_NOISE: f64 = 1024.0 * 1024.0;

/// The noise of the memory per stream, with a few hundred streams.
const STREAM_NOISE: f64 = 1024.0;

const LONGEST_WAIT: Measure =
    Measure { noise: Some(WAIT_NOISE), ..less("longest wait", Unit::Nanoseconds) };

const GROWTH: Measure = Measure { noise: Some(MEMORY_NOISE), ..less("memory growth", Unit::Bytes) };

const GROWTH_PER_STREAM: Measure =
    Measure { noise: Some(STREAM_NOISE), ..less("memory per stream", Unit::Bytes) };

const FLOOD: &[Measure] = &[
    LONGEST_WAIT,
    less("wait, p99", Unit::Nanoseconds),
    GROWTH,
    more("sent per second", Unit::PerSecond),
    less("connections", Unit::Count),
    less("server's CPU", Unit::Nanoseconds),
    less("unanswered", Unit::Count),
];

const CLOSED_WINDOWS: &[Measure] = &[
    GROWTH_PER_STREAM,
    less("memory per connection", Unit::Bytes),
    LONGEST_WAIT,
    less("wait, p99", Unit::Nanoseconds),
    more("streams", Unit::Count),
    less("server's CPU", Unit::Nanoseconds),
    less("unanswered", Unit::Count),
];

/// The path of event streams that always have more.
const FIREHOSE: &str = "/firehose?n=1000000";

const MOVING_WINDOWS: &[Measure] = &[
    less("CPU per changed window", Unit::Nanoseconds),
    less("CPU per SETTINGS frame", Unit::Nanoseconds),
    LONGEST_WAIT,
    GROWTH_PER_STREAM,
    more("streams", Unit::Count),
    less("unanswered", Unit::Count),
];

/// How much the memory of our server may grow in any attack. That is several times what it does,
/// and far below what a server without limits would need.
const MAX_GROWTH: f64 = 16.0 * 1024.0 * 1024.0;

/// The same for each stream with a closed window, which holds no data of its body.
const MAX_GROWTH_PER_STREAM: f64 = 16.0 * 1024.0;

/// The same for each stream whose window closes in the middle of a frame. It holds the rest of the
/// frame, which is at most 16 KiB.
const MAX_GROWTH_PER_PART: f64 = MAX_GROWTH_PER_STREAM + 4.0 * 1024.0;

const HYPER: Against = Against::Peer("hyper");
const FLOOD_LINES: &[Line] = &[
    Line { measure: 0, against: HYPER, pass: Some(1.5), goal: Some(1.0) },
    floor(2, HYPER, 1.5),
    floor(2, Against::Nothing, MAX_GROWTH),
    floor(6, Against::Nothing, 0.0),
];
const CLOSED_WINDOWS_LINES: &[Line] = &[
    floor(0, HYPER, 1.5),
    Line { measure: 2, against: HYPER, pass: Some(1.5), goal: Some(1.0) },
    floor(0, Against::Nothing, MAX_GROWTH_PER_STREAM),
    floor(6, Against::Nothing, 0.0),
];
const MOVING_WINDOWS_LINES: &[Line] = &[
    Line { measure: 0, against: HYPER, pass: Some(1.5), goal: Some(1.0) },
    Line { measure: 2, against: HYPER, pass: Some(1.5), goal: Some(1.0) },
    floor(3, Against::Nothing, MAX_GROWTH_PER_PART),
    floor(5, Against::Nothing, 0.0),
];

/// All rows of attacks, in the order of the table.
pub(crate) const ABUSE: &[Row] = &[
    resets_row::<1>("resets-1-http2"),
    resets_row::<16>("resets-16-http2"),
    resets_row::<20>("resets-20-http2"),
    resets_row::<24>("resets-24-http2"),
    resets_row::<100>("resets-100-http2"),
    resets_row::<900>("resets-900-http2"),
    flood_row(
        "error-resets-http2",
        |_| "error resets: 100 requests at a time, each with an error after it".to_owned(),
        |server, plan| flood(server, plan, Attack::ErrorResets(100)),
    ),
    flood_row(
        "pings-http2",
        |_| "PINGs, with acknowledgements that nobody reads".to_owned(),
        |server, plan| flood(server, plan, Attack::Pings),
    ),
    flood_row(
        "settings-http2",
        |_| "SETTINGS, with acknowledgements that nobody reads".to_owned(),
        |server, plan| flood(server, plan, Attack::Settings),
    ),
    flood_row(
        "continuations-http2",
        |_| "a head that never ends, in CONTINUATION frames".to_owned(),
        |server, plan| flood(server, plan, Attack::Continuations),
    ),
    flood_row(
        "priorities-http2",
        |_| "PRIORITY frames for streams that do not exist".to_owned(),
        |server, plan| flood(server, plan, Attack::Priorities),
    ),
    flood_row(
        "narrow-windows-http2",
        |_| "responses whose windows open by one byte at a time".to_owned(),
        |server, plan| flood(server, plan, Attack::NarrowWindows),
    ),
    flood_row(
        "padded-data-http2",
        |_| "a request body in DATA frames of one byte, with padding".to_owned(),
        |server, plan| flood(server, plan, Attack::PaddedData),
    ),
    flood_row(
        "empty-data-http2",
        |_| "a request body in DATA frames without a byte".to_owned(),
        |server, plan| flood(server, plan, Attack::EmptyData),
    ),
    generated_row::<1>("generated-1-http2"),
    generated_row::<2>("generated-2-http2"),
    generated_row::<3>("generated-3-http2"),
    flood_row(
        "slow-heads",
        |_| format!("HTTP/1 heads that grow byte by byte, on {SLOW_CONNECTIONS} connections"),
        |server, plan| flood(server, plan, Attack::SlowHeads),
    ),
    flood_row(
        "slow-bodies",
        |_| format!("HTTP/1 bodies that grow byte by byte, on {SLOW_CONNECTIONS} connections"),
        |server, plan| flood(server, plan, Attack::SlowBodies),
    ),
    flood_row(
        "pipelines",
        |_| "pipelined HTTP/1 requests, all of whose responses are read".to_owned(),
        |server, plan| flood(server, plan, Attack::Pipelines),
    ),
    flood_row(
        "unread-responses",
        |_| "pipelined HTTP/1 requests for large responses that nobody reads".to_owned(),
        |server, plan| flood(server, plan, Attack::UnreadResponses),
    ),
    flood_row(
        "unread-streams",
        |_| "pipelined HTTP/1 requests for event streams that nobody reads".to_owned(),
        |server, plan| flood(server, plan, Attack::UnreadStreams),
    ),
    closed_windows_row(
        "closed-windows-events-http2",
        |_| "closed windows: event streams, with messages published to them".to_owned(),
        |server, plan| closed_windows(server, plan, "/events", true),
    ),
    closed_windows_row(
        "closed-windows-firehose-http2",
        |_| "closed windows: event streams that always have more".to_owned(),
        |server, plan| closed_windows(server, plan, FIREHOSE, false),
    ),
    closed_windows_row(
        "closed-windows-large-http2",
        |_| "closed windows: responses of 1 MiB".to_owned(),
        |server, plan| closed_windows(server, plan, "/large", false),
    ),
    moving_windows_row(
        "moving-windows-large-http2",
        |_| "SETTINGS that open and close the windows of large responses".to_owned(),
        |server, plan| moving_windows(server, plan, "/large", Moves::UpAndDown),
    ),
    moving_windows_row(
        "moving-windows-firehose-http2",
        |_| "SETTINGS that open and close the windows of event streams".to_owned(),
        |server, plan| moving_windows(server, plan, FIREHOSE, Moves::UpAndDown),
    ),
    moving_windows_row(
        "growing-windows-large-http2",
        |_| "SETTINGS that open the windows of large responses by one byte".to_owned(),
        |server, plan| moving_windows(server, plan, "/large", Moves::Up),
    ),
    moving_windows_row(
        "growing-windows-firehose-http2",
        |_| "SETTINGS that open the windows of event streams by one byte".to_owned(),
        |server, plan| moving_windows(server, plan, FIREHOSE, Moves::Up),
    ),
];

type Run = fn(&mut Server, &Plan) -> Result<Vec<f64>, Failure>;

const fn flood_row(name: &'static str, title: fn(&Plan) -> String, run: Run) -> Row {
    Row { name, title, needs: Needs::Http2, measures: FLOOD, lines: FLOOD_LINES, run }
}

const fn closed_windows_row(name: &'static str, title: fn(&Plan) -> String, run: Run) -> Row {
    let (measures, lines) = (CLOSED_WINDOWS, CLOSED_WINDOWS_LINES);
    Row { name, title, needs: Needs::FirehoseHttp2, measures, lines, run }
}

const fn moving_windows_row(name: &'static str, title: fn(&Plan) -> String, run: Run) -> Row {
    let (measures, lines) = (MOVING_WINDOWS, MOVING_WINDOWS_LINES);
    Row { name, title, needs: Needs::FirehoseHttp2, measures, lines, run }
}

/// The row of an attack that resets `BLOCK` requests at a time. The number is a const parameter,
/// because the functions of a row cannot capture it.
const fn resets_row<const BLOCK: usize>(name: &'static str) -> Row {
    flood_row(
        name,
        |_| {
            format!(
                "resets: {BLOCK} at a time, after as many requests, on {CONNECTIONS} connections"
            )
        },
        |server, plan| flood(server, plan, Attack::Resets(BLOCK)),
    )
}

/// The row of an attack with frames of all kinds, in the order that `SEED` generates.
const fn generated_row<const SEED: u64>(name: &'static str) -> Row {
    flood_row(
        name,
        |_| format!("frames of all kinds in the generated order {SEED}"),
        |server, plan| flood(server, plan, Attack::Generated(SEED)),
    )
}

fn flood(server: &mut Server, plan: &Plan, how: Attack) -> Result<Vec<f64>, Failure> {
    let address = server.address;
    let outcome = watch(server, |progress| attack(address, how, plan.attack, progress));
    let mut outcome = outcome.map_err(|failure| with_end(server, failure))?;
    let counts = outcome.attackers;
    Ok(vec![
        outcome.waits.longest(),
        outcome.waits.percentile(0.99),
        outcome.growth,
        counts.sent as f64 / counts.time.as_secs_f64(),
        counts.connections as f64,
        outcome.cpu,
        outcome.waits.unanswered(),
    ])
}

fn closed_windows(
    server: &mut Server,
    plan: &Plan,
    path: &str,
    publishes: bool,
) -> Result<Vec<f64>, Failure> {
    let address = server.address;
    let outcome =
        watch(server, |progress| hold_streams(address, path, publishes, plan.attack, progress));
    let mut outcome = outcome.map_err(|failure| with_end(server, failure))?;
    let streams = outcome.attackers as f64;
    Ok(vec![
        outcome.growth / streams,
        outcome.growth / CONNECTIONS as f64,
        outcome.waits.longest(),
        outcome.waits.percentile(0.99),
        streams,
        outcome.cpu,
        outcome.waits.unanswered(),
    ])
}

fn moving_windows(
    server: &mut Server,
    plan: &Plan,
    path: &str,
    moves: Moves,
) -> Result<Vec<f64>, Failure> {
    let address = server.address;
    let outcome =
        watch(server, |progress| move_windows(address, path, moves, plan.attack, progress));
    let outcome = outcome.map_err(|failure| with_end(server, failure))?;
    let changes = outcome.attackers;
    Ok(vec![
        outcome.cpu / changes.windows as f64,
        outcome.cpu / changes.settings as f64,
        outcome.waits.longest(),
        outcome.growth / changes.streams as f64,
        changes.streams as f64,
        outcome.waits.unanswered(),
    ])
}

/// The failure, or the exit status of the server if the server has ended, which explains more.
fn with_end(server: &mut Server, failure: Failure) -> Failure {
    match server.exited() {
        Ok(Some(status)) => {
            Failure::new(format!("it ended with {status}: {}", server.last_words()))
        }
        _ => failure,
    }
}
