//! Clients that connect, subscribe, read the head of the answer, and vanish.

use crate::{failure::Failure, plan::Plan, server::Server, streams::Streams, wire::ignore};

/// Clients that are there at once.
const AT_ONCE: usize = 50;

pub(crate) fn run(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    come_and_go(server, plan.churn / 10)?;
    let before = server.rest()?;
    come_and_go(server, plan.churn)?;
    let cpu = server.rest()? - before;
    Ok(vec![cpu as f64 / plan.churn as f64])
}

fn come_and_go(server: &Server, clients: usize) -> Result<(), Failure> {
    for _ in 0..clients / AT_ONCE {
        let mut streams = Streams::of(server.address, "/events")?;
        streams.open(AT_ONCE, &mut ignore)?;
        if streams.ends().ended > 0 {
            return Err(Failure::new("a stream ended by itself"));
        }
    }
    Ok(())
}
