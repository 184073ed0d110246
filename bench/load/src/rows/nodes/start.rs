//! The time until a new node is ready.

use std::time::Instant;

use super::log::{Log, Position};
use crate::{engine::Engine, failure::Failure, plan::Plan, server::Server};

/// How many topics the entries of a long log belong to.
const TOPICS_OF_LOG: u64 = 1_000;

pub(super) fn ready(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let engine = server.engine()?;
    let start = |engine: &Engine| {
        let begin = Instant::now();
        let node = engine.start_node()?;
        Ok::<_, Failure>((begin.elapsed().as_nanos() as f64, node))
    };
    let (empty, node) = start(engine)?;
    drop(node);
    let mut log = Log::of(server)?;
    log.append_to_topics(0..plan.log, TOPICS_OF_LOG)?;
    log.until_held_by(server)?;
    server.rest()?;
    let (full, node) = start(engine)?;
    // It says that it is ready, and it holds what the log holds.
    let (new, old) = (Position::of(&node)?, Position::of(server)?);
    if new.number != old.number || new.missing > 0 {
        return Err(Failure::new("a node that is ready lacks entries"));
    }
    Ok(vec![full, empty])
}
