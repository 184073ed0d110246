//! One message to all streams: one at a time, and in a burst.

use std::time::Instant;

use crate::{
    deliveries::Deliveries,
    failure::Failure,
    meter,
    plan::{Load, OUTSTANDING, Plan},
    publisher::Publisher,
    server::Server,
    stats::percentile,
    streams::Streams,
};

pub(crate) fn one_at_a_time(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let measured = measure(server, plan.fan_out, 1)?;
    Ok(vec![measured.cpu, measured.p50, measured.p99])
}

pub(crate) fn burst(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let measured = measure(server, plan.burst, OUTSTANDING)?;
    Ok(vec![measured.rate, measured.cpu, measured.load_cpu, measured.p50, measured.p99])
}

/// Of one delivery: nanoseconds of the server's CPU and of the load's own, nanoseconds from publishing to reading; and deliveries a second.
struct Measured {
    cpu: f64,
    load_cpu: f64,
    rate: f64,
    p50: f64,
    p99: f64,
}

fn measure(server: &Server, load: Load, outstanding: usize) -> Result<Measured, Failure> {
    let mut streams = Streams::of(server.address, "/events")?;
    let mut deliveries = Deliveries::new(load.receivers, outstanding);
    streams.open(load.receivers, &mut deliveries)?;
    let mut publisher = Publisher::connect(server.address)?;

    run(&mut streams, &mut publisher, &mut deliveries, load.warm_up)?;
    deliveries.sample(load.messages);
    let before = server.rest()?;
    let load_before = meter::cpu(std::process::id())?;
    let begin = Instant::now();
    run(&mut streams, &mut publisher, &mut deliveries, load.warm_up + load.messages)?;
    let time = begin.elapsed();
    let load_cpu = meter::cpu(std::process::id())? - load_before;
    let cpu = server.rest()? - before;

    let count = (load.receivers as u64 * load.messages) as f64;
    let mut samples = deliveries.take_samples();
    Ok(Measured {
        cpu: cpu as f64 / count,
        load_cpu: load_cpu as f64 / count,
        rate: count / time.as_secs_f64(),
        p50: percentile(&mut samples, 0.5),
        p99: percentile(&mut samples, 0.99),
    })
}

/// Publishes up to `total` messages in all and waits until every stream has each.
fn run(
    streams: &mut Streams,
    publisher: &mut Publisher,
    deliveries: &mut Deliveries,
    total: u64,
) -> Result<(), Failure> {
    while deliveries.complete() < total {
        let numbers = deliveries.publish(total);
        if !numbers.is_empty() {
            publisher.publish(numbers)?;
        }
        streams.read(deliveries)?;
        if streams.ends().ended > 0 {
            return Err(Failure::new("a stream ended by itself"));
        }
        publisher.read_answers()?;
    }
    publisher.finish()
}
