//! The rows in which every stream over HTTP/3 gets each message, one message at a time: many
//! streams on a few connections, and each stream on a connection of its own.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    deliveries::Deliveries,
    failure::Failure,
    http3::Http3Streams,
    plan::{Plan, STREAMS_A_CONNECTION},
    publisher::Publisher,
    server::Server,
    stats::percentile,
    windows::Windows,
    wire::Take,
};

pub(crate) fn on_few_connections(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    run(server, plan.window, plan.fan_out_http2, STREAMS_A_CONNECTION)
}

pub(crate) fn on_own_connections(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    run(server, plan.window, plan.fan_out_quic, 1)
}

fn run(
    server: &mut Server,
    window: Duration,
    connections: usize,
    streams_a_connection: usize,
) -> Result<Vec<f64>, Failure> {
    let count = connections * streams_a_connection;
    let deliveries = Arc::new(Mutex::new(Deliveries::new(count, 1)));
    let taking = Arc::clone(&deliveries);
    let mut streams =
        Http3Streams::of(server.tls()?, "/events", streams_a_connection, move |stream, event| {
            let mut deliveries = lock(&taking);
            deliveries.take(stream, event, &[])?;
            Ok(deliveries.are_complete())
        })?;
    streams.open(count)?;
    let mut publisher = Publisher::connect(server.address, "/publish")?;

    // This run warms the server up.
    publish(&streams, &mut publisher, &deliveries, window)?;
    lock(&deliveries).sample();
    let mut windows = Windows::of(server)?;
    while windows.begin()? {
        let messages = publish(&streams, &mut publisher, &deliveries, window)?;
        windows.end(messages * count as u64)?;
    }

    let mut samples = lock(&deliveries).take_samples();
    Ok(vec![windows.cpu(), percentile(&mut samples, 0.5), percentile(&mut samples, 0.99)])
}

/// Publishes for this time, and waits until every stream has each message. Returns the number of
/// messages.
fn publish(
    streams: &Http3Streams,
    publisher: &mut Publisher,
    deliveries: &Mutex<Deliveries>,
    window: Duration,
) -> Result<u64, Failure> {
    let before = lock(deliveries).complete();
    let begin = Instant::now();
    while begin.elapsed() < window {
        let numbers = lock(deliveries).publish();
        publisher.publish(numbers)?;
        streams.until(|| lock(deliveries).are_complete())?;
        publisher.finish()?;
    }
    Ok(lock(deliveries).complete() - before)
}

fn lock(deliveries: &Mutex<Deliveries>) -> MutexGuard<'_, Deliveries> {
    deliveries.lock().unwrap_or_else(PoisonError::into_inner)
}
