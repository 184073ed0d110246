//! The row in which clients connect, subscribe, read the head of the response, and vanish.

use std::time::{Duration, Instant};

use crate::{
    failure::Failure, plan::Plan, server::Server, streams::Streams, windows::Windows, wire::ignore,
};

/// How many clients are connected at once.
pub(crate) const AT_ONCE: usize = 50;

/// How many clients come before the measurement, at least. A server that is compiled while it runs
/// costs three times as much until then.
const WARM_UP: u64 = 5_000;

pub(crate) fn run(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut before = 0;
    while before < WARM_UP {
        before += come_and_go(server, plan.window)?;
    }
    let mut windows = Windows::of(server)?;
    while windows.begin()? {
        let clients = come_and_go(server, plan.window)?;
        windows.end(clients)?;
    }
    Ok(vec![windows.cpu()])
}

/// Connects and closes clients for this time. Returns the number of clients.
fn come_and_go(server: &Server, window: Duration) -> Result<u64, Failure> {
    let begin = Instant::now();
    let mut clients = 0;
    while begin.elapsed() < window {
        let mut streams = Streams::of(server.address, "/events")?;
        streams.open(AT_ONCE, &mut ignore)?;
        if streams.ends().ended > 0 {
            return Err(Failure::new("a stream ended by itself"));
        }
        clients += AT_ONCE as u64;
    }
    Ok(clients)
}
