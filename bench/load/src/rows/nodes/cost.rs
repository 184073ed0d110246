//! The CPU time that nodes and their engine spend on a message.

use std::time::Duration;

use super::log::{Log, Position};
use crate::{engine::Engine, failure::Failure, plan::Plan, server::Server, windows::Windows};

/// The larger number of nodes, for the cost of the engine.
const MAX_NODES: usize = 8;

pub(super) fn ingest(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let engine = server.engine()?;
    let mut log = Log::of(server)?;
    let mut nodes = vec![&*server];
    let (of_node, of_engine) = cpu_per_message(&mut log, engine, &nodes, plan.window)?;
    let others = (1..MAX_NODES).map(|_| engine.start_node()).collect::<Result<Vec<_>, _>>()?;
    nodes.extend(&others);
    // A node that starts now lacks what the log has dropped, which counts as one loss.
    let lacking = nodes.iter().map(|node| Ok(Position::of(node)?.missing));
    let lacking = lacking.collect::<Result<Vec<_>, Failure>>()?;
    let (_, of_engine_with_all) = cpu_per_message(&mut log, engine, &nodes, plan.window)?;
    // Each node has taken all of it in, and lacks nothing more.
    for (node, lacking) in nodes.iter().zip(lacking) {
        log.until_held(node, lacking)?;
    }
    Ok([of_node, of_engine, of_engine_with_all].concat())
}

/// The CPU time of the nodes and of the engine for a message: in batches, and one at a time.
fn cpu_per_message(
    log: &mut Log,
    engine: &Engine,
    nodes: &[&Server],
    window: Duration,
) -> Result<([f64; 2], [f64; 2]), Failure> {
    let mut measure = |append: fn(&mut Log, Duration) -> Result<u64, Failure>| {
        // This run warms the programs up.
        append(log, window)?;
        let mut windows = Windows::of_all(nodes.to_vec())?;
        let (cpu_before, count_before) = (engine.cpu()?, log.count);
        while windows.begin()? {
            let count = append(log, window)?;
            windows.end(count)?;
        }
        let cpu = engine.cpu()? - cpu_before;
        Ok::<_, Failure>((windows.cpu(), cpu as f64 / (log.count - count_before) as f64))
    };
    let (batches, single) = (measure(Log::append_batches)?, measure(Log::append_at_a_pace)?);
    Ok(([batches.0, single.0], [batches.1, single.1]))
}

pub(super) fn topics(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut client = server.engine()?.client()?;
    let mut log = Log::of(server)?;
    let (few, many) = plan.topics;
    log.append_to_topics(0..few, few)?;
    log.until_held_by(server)?;
    server.rest()?;
    let before = (server.private_memory()? as f64, client.memory()? as f64);
    log.append_to_topics(few..many, many)?;
    log.until_held_by(server)?;
    server.rest()?;
    let now = (server.private_memory()? as f64, client.memory()? as f64);
    let count = (many - few) as f64;
    Ok(vec![(now.0 - before.0) / count, (now.1 - before.1) / count])
}
