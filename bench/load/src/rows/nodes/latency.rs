//! The time until a message that one node publishes reaches the client of another.

use std::{ops::Range, time::Instant};

use super::{
    log::{DATA, Stream},
    pace::Pace,
};
use crate::{
    clock::{self, nanoseconds},
    engine::Client,
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
    // It is bound to the server's core. The engine, to whose reply the delivery is compared, is not.
    server.kill()?;
    let engine = server.engine()?;
    let node = engine.start_node_on_any_core()?;
    // The node of the publisher. Each node would have a machine of its own, so what this one does
    // after the append must not delay the other one.
    let other = engine.start_node_in_the_background()?;
    let mut streams = Streams::of(node.address, "/events")?;
    let mut arrivals = Arrivals::default();
    streams.open(1, &mut arrivals)?;
    let mut publisher = Publisher::connect(other.address, "/stamped")?;
    let mut client = engine.client()?;
    let (read, unread) = (Stream::of_nodes(&node)?, Stream::without_readers());
    let (mut appends, mut unread_appends) = (Vec::new(), Vec::new());
    let mut pace = Pace::begin();
    for number in 0..(WARM_UP + plan.paced) as u64 {
        if number == WARM_UP as u64 {
            (arrivals.delivered, arrivals.with_request) = Default::default();
            (appends, unread_appends) = Default::default();
        }
        pace.wait();
        publisher.publish(number..number + 1)?;
        while arrivals.count <= number {
            streams.read(&mut arrivals)?;
        }
        publisher.finish()?;
        pace.wait();
        appends.push(append(&read, &mut client, number)?);
        // The message reaches the client as well.
        while arrivals.appended <= number {
            streams.read(&mut arrivals)?;
        }
        pace.wait();
        unread_appends.push(append(&unread, &mut client, number)?);
    }
    let Arrivals { mut delivered, mut with_request, .. } = arrivals;
    let [d50, d99] = [0.5, 0.99].map(|share| percentile(&mut delivered, share));
    let [a50, a99] = [0.5, 0.99].map(|share| percentile(&mut appends, share));
    let unread = percentile(&mut unread_appends, 0.5);
    let with_request = percentile(&mut with_request, 0.5);
    Ok(vec![d50 / a50, d99 / a99, d50, d99, a50, a99, d50 / unread, unread, with_request])
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
