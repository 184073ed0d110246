//! The rows in which every stream gets each message: one message at a time, in a burst,
//! and from a publisher that waits for each response.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    deliveries::Deliveries,
    failure::Failure,
    meter,
    plan::{OUTSTANDING, Plan},
    publisher::Publisher,
    publisher_thread::{Pace, PublisherThread},
    server::Server,
    stats::percentile,
    streams::{PATIENCE, Streams},
    windows::Windows,
};

/// How long the load sleeps at most while no stream has anything, before it looks whether the
/// publisher has ended.
const POLL: Duration = Duration::from_millis(1);

pub(crate) fn one_at_a_time(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let streams = Streams::of(server.address, "/events")?;
    one_at_a_time_on(server, plan, streams, "/publish")
}

pub(crate) fn over_tls(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let streams = Streams::over_tls(server.tls()?, "/events")?;
    one_at_a_time_on(server, plan, streams, "/publish")
}

pub(crate) fn web_sockets(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let streams = Streams::web_sockets(server.address, "/ws/events")?;
    one_at_a_time_on(server, plan, streams, "/ws/publish")
}

pub(crate) fn web_sockets_with_channel(
    server: &mut Server,
    plan: &Plan,
) -> Result<Vec<f64>, Failure> {
    let streams = Streams::web_sockets(server.address, "/ws/channel")?;
    one_at_a_time_on(server, plan, streams, "/ws/publish-channel")
}

fn one_at_a_time_on(
    server: &Server,
    plan: &Plan,
    streams: Streams<'_>,
    publish: &'static str,
) -> Result<Vec<f64>, Failure> {
    let work = Work { streams, publish, count: plan.fan_out, outstanding: 1 };
    let measured = measure(&[server], work, Pace::Requests, plan.window)?;
    Ok(vec![measured.cpu, measured.p50, measured.p99])
}

pub(crate) fn burst(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    several_at_a_time(server, plan, Pace::Requests)
}

pub(crate) fn one_request_at_a_time(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    several_at_a_time(server, plan, Pace::Responses)
}

fn several_at_a_time(server: &Server, plan: &Plan, pace: Pace) -> Result<Vec<f64>, Failure> {
    let measured = measure(&[server], Work::burst(server, plan)?, pace, plan.window)?;
    Ok(vec![
        measured.rate,
        measured.cpu,
        measured.load_cpu,
        measured.per_segment,
        measured.p50,
        measured.p99,
    ])
}

/// The streams, and the messages that go to them.
struct Work<'a> {
    /// An empty set.
    streams: Streams<'a>,
    /// The path to which the messages are posted.
    publish: &'static str,
    count: usize,
    outstanding: usize,
}

impl Work<'_> {
    fn burst(server: &Server, plan: &Plan) -> Result<Self, Failure> {
        Ok(Self {
            streams: Streams::of(server.address, "/events")?,
            publish: "/publish",
            count: plan.burst,
            outstanding: OUTSTANDING,
        })
    }
}

/// The cost of one delivery: the server's CPU time and the load's own, and the time from publishing
/// to reading, all in nanoseconds; the number of deliveries per second, and of messages in a
/// segment.
struct Measured {
    cpu: f64,
    load_cpu: f64,
    rate: f64,
    per_segment: f64,
    p50: f64,
    p99: f64,
}

fn measure(
    servers: &[&Server],
    work: Work<'_>,
    pace: Pace,
    window: Duration,
) -> Result<Measured, Failure> {
    let count = work.count as u64;
    let mut fan_out = FanOut::open(servers.to_vec(), work, pace)?;
    // This run warms the server up.
    fan_out.run(window)?;
    fan_out.deliveries.sample();
    let before = (fan_out.deliveries.complete(), fan_out.segments_sent()?);
    let mut windows = Windows::of_all(servers.to_vec())?;
    while windows.begin()? {
        let messages = fan_out.run(window)?;
        windows.end(messages * count)?;
    }
    let messages = (fan_out.deliveries.complete() - before.0) as f64;
    let segments = fan_out.segments_sent()? - before.1;

    let mut samples = fan_out.deliveries.take_samples();
    Ok(Measured {
        cpu: windows.cpu(),
        load_cpu: windows.load_cpu(),
        rate: windows.rate(),
        per_segment: messages * count as f64 / segments,
        p50: percentile(&mut samples, 0.5),
        p99: percentile(&mut samples, 0.99),
    })
}

/// Open streams of one or more servers, and the publisher of their messages.
pub(crate) struct FanOut<'a> {
    servers: Vec<&'a Server>,
    streams: Streams<'a>,
    count: usize,
    deliveries: Deliveries,
    publisher: PublisherThread,
    /// The port of the publisher's end of its connection.
    port: u16,
}

impl<'a> FanOut<'a> {
    /// Opens the streams. The messages are published through the first server.
    fn open(servers: Vec<&'a Server>, work: Work<'a>, pace: Pace) -> Result<Self, Failure> {
        let Work { mut streams, publish, count, outstanding } = work;
        let mut deliveries = Deliveries::new(count, outstanding);
        streams.open(count, &mut deliveries)?;
        let publisher = Publisher::connect(servers[0].address, publish)?;
        let port = publisher.port()?;
        let progress = Arc::clone(deliveries.progress());
        let publisher = PublisherThread::start(publisher, pace, progress);
        Ok(Self { servers, streams, count, deliveries, publisher, port })
    }

    /// Opens this number of streams on each node. One message at a time will be on its way to them.
    pub(crate) fn of_nodes(
        nodes: Vec<&'a Server>,
        streams_of_node: usize,
    ) -> Result<Self, Failure> {
        let addresses = nodes.iter().map(|node| node.address).collect();
        let streams = Streams::of_nodes(addresses, "/events")?;
        let count = nodes.len() * streams_of_node;
        let work = Work { streams, publish: "/publish", count, outstanding: 1 };
        Self::open(nodes, work, Pace::Requests)
    }

    /// Publishes for this time, and returns the CPU time of all servers for one delivery, in
    /// nanoseconds.
    pub(crate) fn cpu(&mut self, window: Duration) -> Result<f64, Failure> {
        let before = Server::rest_of(&self.servers)?;
        let messages = self.run(window)?;
        let cpu = Server::rest_of(&self.servers)? - before;
        Ok(cpu as f64 / (messages * self.count as u64) as f64)
    }

    /// Publishes for this time, and waits until every stream has each message. Returns the number
    /// of messages.
    fn run(&mut self, window: Duration) -> Result<u64, Failure> {
        let before = self.deliveries.complete();
        self.publisher.begin(window)?;
        let (mut has_ended, mut last_read) = (false, Instant::now());
        while !(has_ended && self.deliveries.are_complete()) {
            if self.streams.read_within(POLL, &mut self.deliveries)? {
                last_read = Instant::now();
            } else if last_read.elapsed() > PATIENCE {
                return Err(Failure::new("events or responses are missing"));
            }
            if self.streams.ends().ended > 0 {
                return Err(Failure::new("a stream ended by itself"));
            }
            has_ended = has_ended || self.publisher.has_ended()?;
        }
        Ok(self.deliveries.complete() - before)
    }

    fn segments_sent(&self) -> Result<f64, Failure> {
        let sent = |server: &&Server| meter::segments_sent(server.address.port(), self.port);
        self.servers.iter().map(sent).sum()
    }
}
