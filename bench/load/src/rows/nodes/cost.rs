//! The CPU time that nodes and their engine spend on a message.

use std::time::Duration;

use super::log::Log;
use crate::{engine::Engine, failure::Failure, plan::Plan, server::Server, stats::Summary};

/// The larger number of nodes, for the cost of the engine.
const MAX_NODES: usize = 8;
/// How often the window of each side is repeated.
const TURNS: usize = 5;

pub(super) fn ingest(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let server = &*server;
    let engine = server.engine()?;
    // Each side has an engine of its own, so only one of them has messages at a time.
    let (engine_of_bare, engine_of_all) = (engine.start_another()?, engine.start_another()?);
    let bare = engine_of_bare.start_bare_reader()?;
    let all = (0..MAX_NODES).map(|_| engine_of_all.start_node()).collect::<Result<Vec<_>, _>>()?;
    let mut sides = [
        Side::new(engine, vec![server])?,
        Side::new(&engine_of_bare, vec![&bare])?,
        Side::new(&engine_of_all, all.iter().collect())?,
    ];
    let mut measure = |append| compare(&mut sides, append, plan.window);
    let (batches, single) = (measure(Log::append_batches)?, measure(Log::append_at_a_pace)?);
    // Each program has read all messages of its log, and a node lacks nothing.
    for side in &sides {
        side.readers.iter().try_for_each(|reader| side.log.until_held_by(reader))?;
    }
    let each = |figure: fn(&Costs) -> f64| [figure(&batches), figure(&single)];
    Ok([
        each(|costs| costs.node),
        each(|costs| costs.bare),
        each(|costs| costs.node_to_bare),
        each(|costs| costs.engine),
        each(|costs| costs.engine_of_bare),
        each(|costs| costs.engine_of_all),
    ]
    .concat())
}

/// The CPU time for a message, in nanoseconds.
struct Costs {
    node: f64,
    bare: f64,
    node_to_bare: f64,
    engine: f64,
    engine_of_bare: f64,
    engine_of_all: f64,
}

/// An engine, and the programs that read its log.
struct Side<'a> {
    engine: &'a Engine,
    readers: Vec<&'a Server>,
    log: Log,
}

impl<'a> Side<'a> {
    fn new(engine: &'a Engine, readers: Vec<&'a Server>) -> Result<Self, Failure> {
        let log = Log::read_by(readers[0], engine)?;
        Ok(Self { engine, readers, log })
    }

    /// Appends for this time. Returns the CPU time for a message: of all readers, and of the
    /// engine.
    fn window(&mut self, append: Append, window: Duration) -> Result<(f64, f64), Failure> {
        let before = (Server::rest_of(&self.readers)?, self.engine.cpu()?);
        let count = append(&mut self.log, window)? as f64;
        let readers = Server::rest_of(&self.readers)? - before.0;
        Ok((readers as f64 / count, (self.engine.cpu()? - before.1) as f64 / count))
    }
}

/// Appends for this time, and returns the number of messages.
type Append = fn(&mut Log, Duration) -> Result<u64, Failure>;

/// Measures a node, the bare reader and all nodes in turns of one window each.
fn compare(sides: &mut [Side<'_>; 3], append: Append, window: Duration) -> Result<Costs, Failure> {
    // This run warms the programs up.
    for side in &mut *sides {
        side.window(append, window)?;
    }
    let mut turns = Vec::new();
    for _ in 0..TURNS {
        let [node, bare, all] = sides;
        turns.push([
            node.window(append, window)?,
            bare.window(append, window)?,
            all.window(append, window)?,
        ]);
    }
    let median = |figure: fn([(f64, f64); 3]) -> f64| {
        let figures: Vec<f64> = turns.iter().map(|&turn| figure(turn)).collect();
        Summary::of(&figures).map_or(f64::NAN, |summary| summary.median)
    };
    Ok(Costs {
        node: median(|[node, ..]| node.0),
        bare: median(|[_, bare, _]| bare.0),
        node_to_bare: median(|[node, bare, _]| node.0 / bare.0),
        engine: median(|[node, ..]| node.1),
        engine_of_bare: median(|[_, bare, _]| bare.1),
        engine_of_all: median(|[.., all]| all.1),
    })
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
