//! The rows of several nodes that share one engine, a real Redis.

use std::{
    thread,
    time::{Duration, Instant, SystemTime},
};

use super::{
    Against, Better, IDLE, Line, Measure, Needs, Row, SECOND, Unit, fan_out, floor, less, memory,
    more,
};
use crate::{
    clock, connect,
    engine::{Client, Engine},
    failure::Failure,
    plan::Plan,
    publisher::Publisher,
    server::Server,
    stats::percentile,
    streams::{PATIENCE, Streams},
    windows::Windows,
    wire::{Event, Malformed, Take, ignore},
};

/// The numbers of nodes that are compared.
const NODES: [usize; 4] = [1, 2, 4, MAX_NODES];
const MAX_NODES: usize = 8;
/// The time between two steps of work at a pace.
const PACE: Duration = Duration::from_millis(2);
/// How many steps come before the measurement.
const WARM_UP: usize = 50;
/// How many commands are sent to the engine in one write.
const BATCH: u64 = 64;
/// How many messages a client has missed when it resumes.
const RESUMED: u64 = 1_000;
/// How many messages each client has missed when its node died.
const MISSED: u64 = 10;
/// The length of the data of a message, in bytes.
const DATA: usize = 200;
/// How many topics the entries of a long log belong to.
const TOPICS_OF_LOG: u64 = 1_000;
/// The log of a hub of the nodes, and the number of entries that it keeps.
const LOG: &[u8] = b"{volga}:log";
const MAX_ENTRIES: &[u8] = b"100000";

const fn goal(measure: usize, goal: f64) -> Line {
    Line { measure, against: Against::Nothing, pass: None, goal: Some(goal) }
}

/// Extra commands are counted exactly, so a row with one of them has failed its line.
const EXTRA: Measure =
    Measure { name: "extra commands", unit: Unit::Count, better: Better::Less, noise: None };

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
            less("append, median", Unit::Nanoseconds),
            less("append, p99", Unit::Nanoseconds),
            less("with the publisher's request, median", Unit::Nanoseconds),
        ],
        lines: &[floor(0, Against::Nothing, 2.0), floor(1, Against::Nothing, 2.0), goal(0, 1.2)],
        run: latency,
    },
    Row {
        name: "node-ingest",
        title: |_| format!("CPU per message of {DATA} bytes that nodes take in, without a reader"),
        needs: Needs::Nodes,
        measures: &[
            less("CPU of a node, in batches", Unit::Nanoseconds),
            less("one at a time", Unit::Nanoseconds),
            less("engine of 1 node, in batches", Unit::Nanoseconds),
            less("of 1, one at a time", Unit::Nanoseconds),
            less("engine of 8 nodes, in batches", Unit::Nanoseconds),
            less("of 8, one at a time", Unit::Nanoseconds),
        ],
        lines: &[goal(0, 1_500.0)],
        run: ingest,
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
            more("8 nodes ÷ 1 node", Unit::Times),
            more("4 ÷ 1", Unit::Times),
            more("2 ÷ 1", Unit::Times),
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
        run: scale,
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
        lines: &[floor(0, Against::Nothing, 1e7), floor(2, Against::Nothing, 0.0)],
        run: resume,
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
        run: storm,
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
        run: ready,
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
        run: topics,
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

fn latency(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let engine = server.engine()?;
    let reader = engine.start_node()?;
    let mut streams = Streams::of(reader.address, "/events")?;
    let mut arrivals = Arrivals::default();
    streams.open(1, &mut arrivals)?;
    let mut publisher = Publisher::connect(server.address, "/stamped")?;
    let mut client = engine.client()?;
    let payload = payload(0);
    let mut appends = Vec::new();
    let mut pace = Pace::begin();
    for number in 0..(WARM_UP + plan.paced) as u64 {
        if number == WARM_UP as u64 {
            (arrivals.delivered, arrivals.with_request, appends) = Default::default();
        }
        pace.wait();
        publisher.publish(number..number + 1)?;
        while arrivals.count <= number {
            streams.read(&mut arrivals)?;
        }
        publisher.finish()?;
        pace.wait();
        let begin = Instant::now();
        // A stream that no node reads, with the fields of an entry.
        client.call(&[
            b"XADD",
            b"bench:append",
            b"MAXLEN",
            b"~",
            MAX_ENTRIES,
            b"*",
            b"t",
            b"events",
            b"p",
            &payload,
        ])?;
        appends.push(nanoseconds(begin.elapsed()));
    }
    let Arrivals { mut delivered, mut with_request, .. } = arrivals;
    let [d50, d99] = [0.5, 0.99].map(|share| percentile(&mut delivered, share));
    let [a50, a99] = [0.5, 0.99].map(|share| percentile(&mut appends, share));
    Ok(vec![d50 / a50, d99 / a99, d50, d99, a50, a99, percentile(&mut with_request, 0.5)])
}

fn ingest(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let engine = server.engine()?;
    let mut log = Log::of(server)?;
    let mut nodes = vec![&*server];
    let (of_node, of_engine) = cpu_per_message(&mut log, engine, &nodes, plan.window)?;
    let others = (1..MAX_NODES).map(|_| engine.start_node()).collect::<Result<Vec<_>, _>>()?;
    nodes.extend(&others);
    // A node that starts now lacks what the log has dropped, which counts as one loss.
    let lacking = nodes.iter().map(|node| Ok(Position::of(node)?.missing));
    let lacking = lacking.collect::<Result<Vec<_>, Failure>>()?;
    let (_, of_engine_with_all) = cpu_per_message(&mut log, engine, &nodes, plan.window)?;
    // Each node has taken all of it in, and lacks nothing more.
    for (node, lacking) in nodes.iter().zip(lacking) {
        log.until_held(node, lacking)?;
    }
    Ok([of_node, of_engine, of_engine_with_all].concat())
}

/// The CPU time of the nodes and of the engine for a message: in batches, and one at a time.
fn cpu_per_message(
    log: &mut Log,
    engine: &Engine,
    nodes: &[&Server],
    window: Duration,
) -> Result<([f64; 2], [f64; 2]), Failure> {
    let mut measure = |append: fn(&mut Log, Duration) -> Result<u64, Failure>| {
        // This run warms the programs up.
        append(log, window)?;
        let mut windows = Windows::of_all(nodes.to_vec())?;
        let (cpu_before, count_before) = (engine.cpu()?, log.count);
        while windows.begin()? {
            let count = append(log, window)?;
            windows.end(count)?;
        }
        let cpu = engine.cpu()? - cpu_before;
        Ok::<_, Failure>((windows.cpu(), cpu as f64 / (log.count - count_before) as f64))
    };
    let (batches, single) = (measure(Log::append_batches)?, measure(Log::append_at_a_pace)?);
    Ok(([batches.0, single.0], [batches.1, single.1]))
}

fn scale(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let engine = server.engine()?;
    let mut others = Vec::new();
    let mut rates = Vec::new();
    for count in NODES {
        while others.len() + 1 < count {
            others.push(engine.start_node()?);
        }
        let nodes: Vec<&Server> = std::iter::once(&*server).chain(&others).collect();
        rates.push(1e9 / fan_out::cpu_of_nodes(&nodes, plan.node_streams, plan.window)?);
    }
    let [one, two, four, eight] = rates[..] else { return Err(Failure::new("four rates")) };
    Ok(vec![eight / one, four / one, two / one, one, two, four, eight])
}

fn resume(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let engine = server.engine()?;
    let other = engine.start_node()?;
    let mut log = Log::of(server)?;
    let id = Position::of(server)?.text;
    for _ in 0..RESUMED / BATCH {
        log.append(BATCH)?;
    }
    log.append(RESUMED % BATCH)?;
    log.until_held_by(&other)?;
    let mut client = engine.client()?;
    let before = client.commands()?;
    let mut times = Vec::new();
    for _ in 0..plan.resumes {
        let begin = Instant::now();
        let mut streams = Streams::resuming(other.address, "/events", &id)?;
        let mut missed = Missed::of(1, 0..RESUMED);
        streams.open(1, &mut missed)?;
        missed.complete(&mut streams)?;
        times.push(nanoseconds(begin.elapsed()));
    }
    let extra = client.commands()?.extra_since(&before, 2);
    let [p50, p99] = [0.5, 0.99].map(|share| percentile(&mut times, share));
    Ok(vec![p50, p99, extra as f64])
}

fn storm(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let engine = server.engine()?;
    let other = engine.start_node()?;
    let mut client = engine.client()?;
    let mut log = Log::of(server)?;
    let id = Position::of(server)?.text;
    let mut streams = Streams::of(server.address, "/events")?;
    streams.open(plan.storm, &mut ignore)?;
    server.kill()?;
    drop(streams);
    log.append(MISSED)?;
    log.until_held_by(&other)?;

    let cpu_before = other.rest()?;
    let before = client.commands()?;
    let begin = Instant::now();
    let mut streams = Streams::resuming(other.address, "/events", &id)?;
    let mut missed = Missed::of(plan.storm, 0..MISSED);
    streams.open(plan.storm, &mut missed)?;
    missed.complete(&mut streams)?;
    let time = begin.elapsed();
    let extra = client.commands()?.extra_since(&before, 1);
    let cpu = (other.rest()? - cpu_before) as f64 / plan.storm as f64;
    Ok(vec![cpu, time.as_nanos() as f64, extra as f64])
}

fn ready(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let engine = server.engine()?;
    let start = |engine: &Engine| {
        let begin = Instant::now();
        let node = engine.start_node()?;
        Ok::<_, Failure>((begin.elapsed().as_nanos() as f64, node))
    };
    let (empty, node) = start(engine)?;
    drop(node);
    let mut log = Log::of(server)?;
    log.append_to_topics(0..plan.log, TOPICS_OF_LOG)?;
    log.until_held_by(server)?;
    server.rest()?;
    let (full, node) = start(engine)?;
    // It says that it is ready, and it holds what the log holds.
    let (new, old) = (Position::of(&node)?, Position::of(server)?);
    if new.number != old.number || new.missing > 0 {
        return Err(Failure::new("a node that is ready lacks entries"));
    }
    Ok(vec![full, empty])
}

fn topics(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut client = server.engine()?.client()?;
    let mut log = Log::of(server)?;
    let (few, many) = plan.topics;
    log.append_to_topics(0..few, few)?;
    log.until_held_by(server)?;
    server.rest()?;
    let before = (server.private_memory()? as f64, client.memory()? as f64);
    log.append_to_topics(few..many, many)?;
    log.until_held_by(server)?;
    server.rest()?;
    let now = (server.private_memory()? as f64, client.memory()? as f64);
    let count = (many - few) as f64;
    Ok(vec![(now.0 - before.0) / count, (now.1 - before.1) / count])
}

/// Messages that the load appends to the log itself, with the commands of a node.
struct Log {
    client: Client,
    epoch: u64,
    /// The number of the last entry before those of the load.
    base: u64,
    /// How many entries the load has appended.
    count: u64,
}

impl Log {
    fn of(server: &Server) -> Result<Self, Failure> {
        let Position { epoch, number, .. } = Position::of(server)?;
        Ok(Self { client: server.engine()?.client()?, epoch, base: number, count: 0 })
    }

    /// Appends so many entries to the topic that all clients read, in one write.
    fn append(&mut self, count: u64) -> Result<(), Failure> {
        let names = vec![b"events".to_vec(); count as usize];
        self.append_to(&names, true)
    }

    /// Appends an entry for each number, to a topic with the number modulo `topics`. The log keeps
    /// all of them.
    fn append_to_topics(
        &mut self,
        numbers: std::ops::Range<u64>,
        topics: u64,
    ) -> Result<(), Failure> {
        let names: Vec<_> =
            numbers.map(|number| format!("topic.{}", number % topics).into_bytes()).collect();
        names.chunks(BATCH as usize).try_for_each(|names| self.append_to(names, false))
    }

    fn append_to(&mut self, topics: &[Vec<u8>], has_max: bool) -> Result<(), Failure> {
        let id = format!("{}-*", self.epoch);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let now = now.as_millis().to_string();
        for (topic, number) in topics.iter().zip(self.count..) {
            let payload = payload(number);
            let max: &[&[u8]] = if has_max { &[b"MAXLEN", b"~", MAX_ENTRIES] } else { &[] };
            let entry: &[&[u8]] =
                &[id.as_bytes(), b"t", topic, b"p", &payload, b"a", now.as_bytes()];
            self.client.prepare(&[&[b"XADD", LOG][..], max, entry].concat())?;
        }
        self.client.send()?;
        for _ in topics {
            self.client.reply()?;
        }
        self.count += topics.len() as u64;
        Ok(())
    }

    /// Appends batches for this time. Returns the number of entries.
    fn append_batches(&mut self, window: Duration) -> Result<u64, Failure> {
        let (begin, before) = (Instant::now(), self.count);
        while begin.elapsed() < window {
            self.append(BATCH)?;
        }
        Ok(self.count - before)
    }

    /// The same with single entries, at a pace.
    fn append_at_a_pace(&mut self, window: Duration) -> Result<u64, Failure> {
        let (begin, before) = (Instant::now(), self.count);
        let mut pace = Pace::begin();
        while begin.elapsed() < window {
            pace.wait();
            self.append(1)?;
        }
        Ok(self.count - before)
    }

    /// Waits until a node has all entries of the load.
    fn until_held_by(&self, node: &Server) -> Result<(), Failure> {
        self.until_held(node, 0)
    }

    /// The same for a node that lacked so many messages before.
    ///
    /// # Errors
    ///
    /// Fails when it does not get the entries, or when it lacks more.
    fn until_held(&self, node: &Server, lacking: u64) -> Result<(), Failure> {
        let begin = Instant::now();
        loop {
            let Position { number, missing, .. } = Position::of(node)?;
            if missing > lacking {
                return Err(Failure::new(format!("a node lacks {missing} messages")));
            }
            if number >= self.base + self.count {
                return Ok(());
            }
            if begin.elapsed() > PATIENCE {
                return Err(Failure::new("a node does not take in what the engine has"));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The last position that a node has, and how many messages it lacks.
struct Position {
    text: String,
    epoch: u64,
    number: u64,
    missing: u64,
}

impl Position {
    fn of(node: &Server) -> Result<Self, Failure> {
        let content = connect::fetch(node.address, "/position")?;
        let content = String::from_utf8_lossy(&content);
        let parse = || {
            let (text, missing) = content.split_once(' ')?;
            let (epoch, number) = text.split_once('-')?;
            let hex = |digits| u64::from_str_radix(digits, 16).ok();
            Some(Self {
                text: text.to_owned(),
                epoch: hex(epoch)?,
                number: hex(number)?,
                missing: missing.parse().ok()?,
            })
        };
        parse().ok_or_else(|| Failure::new(format!("`{content}` as a position")))
    }
}

/// An entry's message as a node writes it: a version and the lines of the event. Its data begins
/// with the number.
fn payload(number: u64) -> Vec<u8> {
    format!("\u{1}data: {number:010}{:.<rest$}\n", "", rest = DATA - 10).into_bytes()
}

/// Steps with the same time between them. After a delay, the time begins anew.
struct Pace {
    next: Instant,
}

impl Pace {
    fn begin() -> Self {
        Self { next: Instant::now() + PACE }
    }

    fn wait(&mut self) {
        thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next = self.next.max(Instant::now() - PACE) + PACE;
    }
}

/// The times of messages of `/stamped`, in nanoseconds.
#[derive(Default)]
struct Arrivals {
    count: u64,
    /// From the moment at which the node published the message.
    delivered: Vec<u64>,
    /// From the moment at which the load sent the publisher's request.
    with_request: Vec<u64>,
}

impl Take for Arrivals {
    fn take(&mut self, _: usize, event: Event<'_>, _: &[u8]) -> Result<(), Malformed> {
        let Event::Data(data) = event else { return Ok(()) };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (number, requested, published) = read_stamped(data).ok_or_else(|| {
            Malformed::new(format!("data that nobody published: `{}`", data.escape_ascii()))
        })?;
        if number != self.count {
            return Err(Malformed::new(format!("message {number} instead of {}", self.count)));
        }
        self.count += 1;
        self.with_request.push(clock::now().saturating_sub(requested));
        self.delivered.push(nanoseconds(now).saturating_sub(published));
        Ok(())
    }
}

/// Reads the number, the time of the load and the time of the node in a message of `/stamped`.
fn read_stamped(data: &[u8]) -> Option<(u64, u64, u64)> {
    let decimal =
        |range| std::str::from_utf8(data.get::<std::ops::Range<usize>>(range)?).ok()?.parse().ok();
    if data.len() != DATA {
        return None;
    }
    Some((decimal(0..10)?, decimal(11..31)?, decimal(65..85)?))
}

/// Checks that each stream gets each of these messages once and in order.
struct Missed {
    /// For each stream, the number that it must get next.
    next: Vec<u64>,
    end: u64,
    incomplete: usize,
}

impl Missed {
    fn of(streams: usize, numbers: std::ops::Range<u64>) -> Self {
        Self { next: vec![numbers.start; streams], end: numbers.end, incomplete: streams }
    }

    /// Reads until every stream has every message.
    fn complete(&mut self, streams: &mut Streams<'_>) -> Result<(), Failure> {
        while self.incomplete > 0 {
            streams.read(self)?;
            if streams.ends().ended > 0 {
                return Err(Failure::new("a stream ended by itself"));
            }
        }
        Ok(())
    }
}

impl Take for Missed {
    fn take(&mut self, stream: usize, event: Event<'_>, _: &[u8]) -> Result<(), Malformed> {
        let Event::Data(data) = event else { return Ok(()) };
        let expected = self.next[stream];
        if expected == self.end || !data.starts_with(format!("{expected:010}").as_bytes()) {
            let data = data.escape_ascii();
            return Err(Malformed::new(format!("`{data}` instead of message {expected}")));
        }
        self.next[stream] += 1;
        self.incomplete -= usize::from(self.next[stream] == self.end);
        Ok(())
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stream_gets_each_missed_message_once_and_in_order() {
        let take = |missed: &mut Missed, stream, number: u64| {
            missed.take(stream, Event::Data(format!("{number:010}...").as_bytes()), b"")
        };
        let mut missed = Missed::of(2, 0..2);
        for (stream, number) in [(0, 0), (1, 0), (0, 1)] {
            assert!(take(&mut missed, stream, number).is_ok());
        }
        assert_eq!(missed.incomplete, 1);
        assert!(take(&mut missed, 0, 1).is_err(), "twice");
        assert!(take(&mut missed, 0, 2).is_err(), "more than were missed");
        assert!(take(&mut missed, 1, 2).is_err(), "one is missing");
        assert!(take(&mut missed, 1, 1).is_ok());
        assert_eq!(missed.incomplete, 0);
    }

    #[test]
    fn a_stamped_message_has_a_number_and_two_times() {
        let request = format!("{:010} {:020} {:.<32}", 7, 8, "");
        let data = format!("{request} {:020} {:.<114}", 9, "");
        assert_eq!(data.len(), DATA);
        assert_eq!(read_stamped(data.as_bytes()), Some((7, 8, 9)));
        assert_eq!(read_stamped(&data.as_bytes()[1..]), None);
    }

    #[test]
    fn an_entry_is_a_message_of_the_size_that_the_titles_say() {
        assert_eq!(payload(7).len(), 1 + "data: ".len() + DATA + 1);
        assert!(payload(7).starts_with(b"\x01data: 0000000007."));
    }
}
