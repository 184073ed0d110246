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

/// The CPU time of several nodes for one delivery, in nanoseconds. One message at a time is
/// published through the first node, and each node has this number of streams.
pub(crate) fn cpu_of_nodes(
    nodes: &[&Server],
    streams_of_node: usize,
    window: Duration,
) -> Result<f64, Failure> {
    let addresses = nodes.iter().map(|node| node.address).collect();
    let streams = Streams::of_nodes(addresses, "/events")?;
    let count = nodes.len() * streams_of_node;
    let work = Work { streams, publish: "/publish", count, outstanding: 1 };
    Ok(measure(nodes, work, Pace::Requests, window)?.cpu)
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
    let Work { mut streams, publish, count, outstanding } = work;
    let mut deliveries = Deliveries::new(count, outstanding);
    streams.open(count, &mut deliveries)?;
    let publisher = Publisher::connect(servers[0].address, publish)?;
    let port = publisher.port()?;
    let progress = Arc::clone(deliveries.progress());
    let publisher = PublisherThread::start(publisher, pace, progress);

    // This run warms the server up.
    run(&mut streams, &publisher, &mut deliveries, window)?;
    deliveries.sample();
    let segments_sent = || -> Result<f64, Failure> {
        let sent = |server: &&Server| meter::segments_sent(server.address.port(), port);
        servers.iter().map(sent).sum()
    };
    let before = (deliveries.complete(), segments_sent()?);
    let mut windows = Windows::of_all(servers.to_vec())?;
    while windows.begin()? {
        let messages = run(&mut streams, &publisher, &mut deliveries, window)?;
        windows.end(messages * count as u64)?;
    }
    let messages = (deliveries.complete() - before.0) as f64;
    let segments = segments_sent()? - before.1;

    let mut samples = deliveries.take_samples();
    Ok(Measured {
        cpu: windows.cpu(),
        load_cpu: windows.load_cpu(),
        rate: windows.rate(),
        per_segment: messages * count as f64 / segments,
        p50: percentile(&mut samples, 0.5),
        p99: percentile(&mut samples, 0.99),
    })
}

/// Publishes for this time, and waits until every stream has each message. Returns the number of
/// messages.
fn run(
    streams: &mut Streams<'_>,
    publisher: &PublisherThread,
    deliveries: &mut Deliveries,
    window: Duration,
) -> Result<u64, Failure> {
    let before = deliveries.complete();
    publisher.begin(window)?;
    let (mut has_ended, mut last_read) = (false, Instant::now());
    while !(has_ended && deliveries.are_complete()) {
        if streams.read_within(POLL, deliveries)? {
            last_read = Instant::now();
        } else if last_read.elapsed() > PATIENCE {
            return Err(Failure::new("events or responses are missing"));
        }
        if streams.ends().ended > 0 {
            return Err(Failure::new("a stream ended by itself"));
        }
        has_ended = has_ended || publisher.has_ended()?;
    }
    Ok(deliveries.complete() - before)
}
