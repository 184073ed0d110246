//! The time until a message that one node publishes reaches the client of another.

use std::{ops::Range, time::Instant};

use super::{
    log::{DATA, Stream},
    pace::Pace,
};
use crate::{
    awake::Awake,
    clock::{self, nanoseconds},
    engine::{Client, Engine},
    failure::Failure,
    plan::Plan,
    publisher::Publisher,
    server::Server,
    stats::percentile,
    streams::Streams,
    wire::{Event, Malformed, Take},
};

/// How many steps come before the measurement.
const WARM_UP: usize = 50;

pub(super) fn latency(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    // It is bound to the server's core, and the engine is not. The delivery is compared with the
    // reply of the engine.
    server.kill()?;
    let engine = server.engine()?;
    let node = engine.start_node_on_any_core()?;
    // The node of the publisher. Each node would have a machine of its own, so what this one does
    // after the append must not delay the other one.
    let other = engine.start_node_in_the_background()?;
    let mut work = Work::new(engine, &node, &other)?;
    let asleep = work.measure(plan.paced)?;
    let awake = {
        let _awake = Awake::start()?;
        work.measure(plan.paced)?
    };
    let Figures { delivered, append, unread, with_request } = awake;
    let to = |append: [f64; 2], delivered: [f64; 2]| [0, 1].map(|at| delivered[at] / append[at]);
    Ok([
        &to(append, delivered)[..],
        &[delivered[0], delivered[1], append[0], append[1], delivered[0] / unread, unread],
        &[with_request],
        &to(asleep.append, asleep.delivered),
        &[asleep.delivered[0], asleep.delivered[1], asleep.append[0], asleep.append[1]],
    ]
    .concat())
}

/// A client of one node, a publisher on another, and a client of the engine.
struct Work<'a> {
    streams: Streams<'a>,
    arrivals: Arrivals,
    publisher: Publisher,
    client: Client,
    /// The log of the nodes.
    read: Stream,
    /// A stream that no node reads.
    unread: Stream,
    next: u64,
}

/// Times in nanoseconds. Where there are two, they are the median and the 99th percentile.
struct Figures {
    delivered: [f64; 2],
    append: [f64; 2],
    unread: f64,
    with_request: f64,
}

impl Work<'_> {
    fn new(engine: &Engine, node: &Server, publishing: &Server) -> Result<Self, Failure> {
        let mut streams = Streams::of(node.address, "/events")?;
        let mut arrivals = Arrivals::default();
        streams.open(1, &mut arrivals)?;
        Ok(Self {
            streams,
            arrivals,
            publisher: Publisher::connect(publishing.address, "/stamped")?,
            client: engine.client()?,
            read: Stream::of_nodes(node)?,
            unread: Stream::without_readers(),
            next: 0,
        })
    }

    fn measure(&mut self, steps: usize) -> Result<Figures, Failure> {
        self.run(WARM_UP)?;
        (self.arrivals.delivered, self.arrivals.with_request) = Default::default();
        let (mut appends, mut unread) = self.run(steps)?;
        let Arrivals { delivered, with_request, .. } = &mut self.arrivals;
        Ok(Figures {
            delivered: [0.5, 0.99].map(|share| percentile(delivered, share)),
            append: [0.5, 0.99].map(|share| percentile(&mut appends, share)),
            unread: percentile(&mut unread, 0.5),
            with_request: percentile(with_request, 0.5),
        })
    }

    /// Runs steps of a message and two appends. Returns the times of the appends.
    fn run(&mut self, steps: usize) -> Result<(Vec<u64>, Vec<u64>), Failure> {
        let Self { streams, arrivals, publisher, client, read, unread, next } = self;
        let (mut appends, mut unread_appends) = (Vec::new(), Vec::new());
        let mut pace = Pace::begin();
        for number in *next..*next + steps as u64 {
            pace.wait();
            publisher.publish(number..number + 1)?;
            while arrivals.count <= number {
                streams.read(arrivals)?;
            }
            publisher.finish()?;
            pace.wait();
            appends.push(append(read, client, number)?);
            // The message reaches the client as well.
            while arrivals.appended <= number {
                streams.read(arrivals)?;
            }
            pace.wait();
            unread_appends.push(append(unread, client, number)?);
        }
        *next += steps as u64;
        Ok((appends, unread_appends))
    }
}

/// Appends a message, and returns the time until the engine has acknowledged it.
fn append(stream: &Stream, client: &mut Client, number: u64) -> Result<u64, Failure> {
    let begin = Instant::now();
    stream.prepare(client, b"events", number)?;
    client.send()?;
    client.reply()?;
    Ok(nanoseconds(begin.elapsed()))
}

/// The times of messages of `/stamped`, in nanoseconds.
#[derive(Default)]
struct Arrivals {
    count: u64,
    /// How many messages came that the load has appended.
    appended: u64,
    /// From the moment at which the node published the message.
    delivered: Vec<u64>,
    /// From the moment at which the load sent the publisher's request.
    with_request: Vec<u64>,
}

impl Take for Arrivals {
    fn take(&mut self, _: usize, event: Event<'_>, _: &[u8]) -> Result<(), Malformed> {
        let Event::Data(data) = event else { return Ok(()) };
        let now = nanoseconds(clock::since_1970());
        if data.starts_with(format!("{:010}.", self.appended).as_bytes()) {
            self.appended += 1;
            return Ok(());
        }
        let (number, requested, published) = read_stamped(data).ok_or_else(|| {
            Malformed::new(format!("data that nobody published: `{}`", data.escape_ascii()))
        })?;
        if number != self.count {
            return Err(Malformed::new(format!("message {number} instead of {}", self.count)));
        }
        self.count += 1;
        self.with_request.push(clock::now().saturating_sub(requested));
        self.delivered.push(now.saturating_sub(published));
        Ok(())
    }
}

/// Reads the number, the time of the load and the time of the node in a message of `/stamped`.
fn read_stamped(data: &[u8]) -> Option<(u64, u64, u64)> {
    let decimal = |range| std::str::from_utf8(data.get::<Range<usize>>(range)?).ok()?.parse().ok();
    if data.len() != DATA {
        return None;
    }
    Some((decimal(0..10)?, decimal(11..31)?, decimal(65..85)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamped_message_has_a_number_and_two_times() {
        let request = format!("{:010} {:020} {:.<32}", 7, 8, "");
        let data = format!("{request} {:020} {:.<114}", 9, "");
        assert_eq!(data.len(), DATA);
        assert_eq!(read_stamped(data.as_bytes()), Some((7, 8, 9)));
        assert_eq!(read_stamped(&data.as_bytes()[1..]), None);
    }
}
