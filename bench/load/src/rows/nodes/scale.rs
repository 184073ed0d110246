//! The deliveries per CPU second of several nodes together, compared with those of one node.

use super::super::fan_out::FanOut;
use crate::{failure::Failure, plan::Plan, server::Server, stats::Summary};

/// The numbers of nodes that are compared with one.
const NODES: [usize; 3] = [2, 4, 8];
/// How often the windows of one number of nodes are repeated.
const TURNS: usize = 9;

/// One number of nodes in a round.
struct Comparison {
    /// Divided by one node with as many streams as these nodes have together.
    to_all_streams: f64,
    /// Divided by one node with as many streams as each of them has.
    to_one: f64,
    /// One node with all of these streams, divided by one with the streams of one.
    all_streams_to_one: f64,
    /// Deliveries per CPU second.
    rate: f64,
    rate_of_one: f64,
}

pub(super) fn scale(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let comparisons = NODES.map(|count| compare(server, count, plan));
    let [two, four, eight] = comparisons;
    let [two, four, eight] = [two?, four?, eight?];
    let descending = [&eight, &four, &two];
    let mut values = Vec::new();
    values.extend(descending.map(|of| of.to_all_streams));
    values.extend(descending.map(|of| of.to_one));
    values.extend(descending.map(|of| of.all_streams_to_one));
    values.push(median(&descending.map(|of| of.rate_of_one)));
    values.extend([two.rate, four.rate, eight.rate]);
    Ok(values)
}

/// Measures three groups in turns of one window each, and divides the figures of a turn by each
/// other: one node, one node with as many streams as several nodes together, and these nodes. Every
/// other turn has the reverse order.
fn compare(server: &Server, count: usize, plan: &Plan) -> Result<Comparison, Failure> {
    let (streams, window) = (plan.node_streams, plan.window);
    let engine = server.engine()?;
    // Each group has an engine of its own. So only one of them has messages at a time, and all
    // streams are open from the first window to the last.
    let (engine_of_all, engine_of_nodes) = (engine.start_another()?, engine.start_another()?);
    let with_all_streams = engine_of_all.start_node()?;
    let nodes = (0..count).map(|_| engine_of_nodes.start_node()).collect::<Result<Vec<_>, _>>()?;
    let mut groups = [
        FanOut::of_nodes(vec![server], streams)?,
        FanOut::of_nodes(vec![&with_all_streams], count * streams)?,
        FanOut::of_nodes(nodes.iter().collect(), streams)?,
    ];
    // This run warms the nodes up.
    groups.iter_mut().try_for_each(|group| group.cpu(window).map(|_| ()))?;
    let mut turns = Vec::new();
    for turn in 0..TURNS {
        let mut cpu = [0.0; 3];
        let forwards = [0, 1, 2];
        for place in forwards {
            let index = if turn % 2 == 0 { place } else { forwards.len() - 1 - place };
            cpu[index] = groups[index].cpu(window)?;
        }
        turns.push(cpu);
    }
    let of_turns = |figure: fn([f64; 3]) -> f64| {
        let figures: Vec<f64> = turns.iter().map(|&cpu| figure(cpu)).collect();
        median(&figures)
    };
    Ok(Comparison {
        to_all_streams: of_turns(|[_, all, several]| all / several),
        to_one: of_turns(|[one, _, several]| one / several),
        all_streams_to_one: of_turns(|[one, all, _]| one / all),
        rate: of_turns(|[_, _, several]| 1e9 / several),
        rate_of_one: of_turns(|[one, _, _]| 1e9 / one),
    })
}

fn median(figures: &[f64]) -> f64 {
    Summary::of(figures).map_or(f64::NAN, |summary| summary.median)
}
