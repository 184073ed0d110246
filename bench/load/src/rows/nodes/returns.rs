//! Clients that return to another node.

use std::{ops::Range, time::Instant};

use super::log::{BATCH, Log, Position};
use crate::{
    clock::nanoseconds,
    failure::Failure,
    plan::Plan,
    server::Server,
    stats::percentile,
    streams::Streams,
    wire::{Event, Malformed, Take, ignore},
};

/// How many messages a client has missed when it resumes.
pub(super) const RESUMED: u64 = 1_000;
/// How many messages each client has missed when its node died.
pub(super) const MISSED: u64 = 10;

pub(super) fn resume(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
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

pub(super) fn storm(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
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

/// Checks that each stream gets each of these messages once and in order.
struct Missed {
    /// For each stream, the number that it must get next.
    next: Vec<u64>,
    end: u64,
    incomplete: usize,
}

impl Missed {
    fn of(streams: usize, numbers: Range<u64>) -> Self {
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
}
