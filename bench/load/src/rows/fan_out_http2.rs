//! One message to all streams of a few HTTP/2 connections, one message at a time.

use std::{cell::RefCell, rc::Rc};

use crate::{
    deliveries::Deliveries,
    failure::Failure,
    http2::{self, Http2Streams},
    plan::{Plan, STREAMS_A_CONNECTION},
    publisher::Publisher,
    server::Server,
    stats::percentile,
    wire::Take,
};

pub(crate) fn run(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let load = plan.fan_out_http2;
    let count = load.receivers * STREAMS_A_CONNECTION;
    http2::block_on(async {
        let deliveries = Rc::new(RefCell::new(Deliveries::new(count, 1)));
        let taking = Rc::clone(&deliveries);
        let mut streams = Http2Streams::of(server.address, "/events", move |stream, event| {
            taking.borrow_mut().take(stream, event, &[])
        });
        streams.open(count).await?;
        let mut publisher = Publisher::connect(server.address)?;

        publish(&streams, &mut publisher, &deliveries, load.warm_up).await?;
        deliveries.borrow_mut().sample(load.messages);
        let before = server.rest()?;
        publish(&streams, &mut publisher, &deliveries, load.warm_up + load.messages).await?;
        let cpu = server.rest()? - before;

        let mut samples = deliveries.borrow_mut().take_samples();
        Ok(vec![
            cpu as f64 / (count as f64 * load.messages as f64),
            percentile(&mut samples, 0.5),
            percentile(&mut samples, 0.99),
        ])
    })
}

/// Publishes up to `total` messages in all and waits until every stream has each.
async fn publish(
    streams: &Http2Streams,
    publisher: &mut Publisher,
    deliveries: &RefCell<Deliveries>,
    total: u64,
) -> Result<(), Failure> {
    while deliveries.borrow().complete() < total {
        let numbers = deliveries.borrow_mut().publish(total);
        let until = numbers.end;
        publisher.publish(numbers)?;
        streams.until(|_| deliveries.borrow().complete() == until).await?;
        if streams.ended() > 0 {
            return Err(Failure::new("a stream ended by itself"));
        }
        publisher.finish()?;
    }
    Ok(())
}
