//! Who runs what, and in which order: row by row, and in each round every server once, within
//! seconds of each other, so that what slows the machine down for a while slows all of them.

use crate::{
    args::Args,
    failure::Failure,
    peer::{LIMIT, OURS, PEERS, Peer, Places},
    plan::Plan,
    results::{RowResult, ServerResult},
    rows::{self, FLOODS, ROWS, Row},
    server::{Seat, Server},
};

/// The servers that were asked for and that this machine has, and those that it lacks, with what is
/// missing.
pub(crate) fn servers(
    args: &Args,
    places: &Places,
) -> (Vec<&'static Peer>, Vec<(&'static Peer, String)>) {
    let mut present = Vec::new();
    let mut skipped = Vec::new();
    for peer in PEERS {
        if !args.servers.is_empty() && !args.servers.iter().any(|name| name == peer.name) {
            continue;
        }
        if peer.is_before() && places.before.is_none() {
            continue;
        }
        match peer.missing(places) {
            Some(missing) => skipped.push((peer, missing)),
            None => present.push(peer),
        }
    }
    (present, skipped)
}

/// The rows that were asked for.
pub(crate) fn rows(args: &Args) -> Vec<&'static Row> {
    if !args.only.is_empty() {
        return rows::all().filter(|row| args.only.iter().any(|name| name == row.name)).collect();
    }
    if args.floods { FLOODS.iter().collect() } else { ROWS.iter().collect() }
}

/// Runs all rounds of one row. A server that fails is not asked again.
///
/// The limit and our server stand side by side, and next to them the peer of most ratios. Every
/// other round goes the other way round, so that nobody is always first after a pause, or always
/// follows the slowest.
pub(crate) fn run(
    row: &Row,
    plan: &Plan,
    servers: &[&'static Peer],
    places: &Places,
    seat: Seat,
) -> RowResult {
    let servers: Vec<&Peer> = servers.iter().copied().filter(|peer| row.fits(peer)).collect();
    let results =
        servers.iter().map(|peer| ServerResult { name: peer.name, rounds: Vec::new() }).collect();
    let mut result = RowResult { servers: results };
    for round in 1..=plan.rounds {
        let mut order: Vec<_> = servers.iter().zip(&mut result.servers).collect();
        // Stable: the others keep their order.
        order.sort_by_key(|(peer, _)| peer.name != LIMIT);
        if round % 2 == 0 {
            order.reverse();
        }
        for (peer, result) in order {
            if result.failure().is_some() {
                continue;
            }
            eprintln!("{}: round {round} of {}: {}", row.name, plan.rounds, peer.name);
            let values = Server::start(peer, places, seat)
                .and_then(|mut server| (row.run)(&mut server, plan));
            result.rounds.push(values);
        }
    }
    result
}

/// Whether our server and the limit did all of it. What befalls a peer is in the table, and no
/// fault of the run.
pub(crate) fn check(results: &[(&Row, RowResult)]) -> Result<(), Failure> {
    let failures: Vec<String> = results
        .iter()
        .flat_map(|(row, result)| result.servers.iter().map(move |server| (row, server)))
        .filter(|(_, server)| [OURS, LIMIT].contains(&server.name))
        .filter_map(|(row, server)| {
            Some(format!("{}: {}: {}", row.name, server.name, server.failure()?))
        })
        .collect();
    if failures.is_empty() { Ok(()) } else { Err(Failure::new(failures.join("\n"))) }
}
