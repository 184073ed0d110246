//! The row in which every stream of a few HTTP/2 connections gets each message, one message at a
//! time.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    deliveries::Deliveries,
    failure::Failure,
    http2::{self, Http2Streams},
    plan::{Plan, STREAMS_A_CONNECTION},
    publisher::Publisher,
    server::Server,
    stats::percentile,
    windows::Windows,
    wire::Take,
};

pub(crate) fn run(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let count = plan.fan_out_http2 * STREAMS_A_CONNECTION;
    http2::block_on(async {
        let deliveries = Rc::new(RefCell::new(Deliveries::new(count, 1)));
        let taking = Rc::clone(&deliveries);
        let mut streams = Http2Streams::of(server.address, "/events", move |stream, event| {
            taking.borrow_mut().take(stream, event, &[])
        });
        streams.open(count).await?;
        let mut publisher = Publisher::connect(server.address, "/publish")?;

        // This run warms the server up.
        publish(&streams, &mut publisher, &deliveries, plan.window).await?;
        deliveries.borrow_mut().sample();
        let mut windows = Windows::of(server)?;
        while windows.begin()? {
            let messages = publish(&streams, &mut publisher, &deliveries, plan.window).await?;
            windows.end(messages * count as u64)?;
        }

        let mut samples = deliveries.borrow_mut().take_samples();
        Ok(vec![windows.cpu(), percentile(&mut samples, 0.5), percentile(&mut samples, 0.99)])
    })
}

/// Publishes for this time, and waits until every stream has each message. Returns the number of
/// messages.
async fn publish(
    streams: &Http2Streams,
    publisher: &mut Publisher,
    deliveries: &RefCell<Deliveries>,
    window: Duration,
) -> Result<u64, Failure> {
    let before = deliveries.borrow().complete();
    let begin = Instant::now();
    while begin.elapsed() < window {
        let numbers = deliveries.borrow_mut().publish();
        publisher.publish(numbers)?;
        streams.until(|_| deliveries.borrow().are_complete()).await?;
        if streams.ended() > 0 {
            return Err(Failure::new("a stream ended by itself"));
        }
        publisher.finish()?;
    }
    Ok(deliveries.borrow().complete() - before)
}
