//! Clients that connect, subscribe, read the head of the answer, and vanish.

use std::time::{Duration, Instant};

use crate::{
    failure::Failure, plan::Plan, server::Server, streams::Streams, windows::Windows, wire::ignore,
};

/// Clients that are there at once.
pub(crate) const AT_ONCE: usize = 50;

/// At least so many come first: a server that is compiled while it runs costs three times as much before.
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

/// Goes on for so long; how many clients that were.
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
