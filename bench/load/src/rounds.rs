//! Runs the rows one after another. In each round of a row every server runs once, within seconds
//! of the others, so that what slows the machine down for a while slows all of them.

use crate::{
    args::Args,
    failure::Failure,
    peer::{LIMIT, OURS, PEERS, Peer, Places},
    plan::Plan,
    results::{RowResult, ServerResult},
    rows::{self, FLOODS, ROWS, Row},
    server::{Seat, Server},
};

/// The chosen servers that this machine can run, and those that it cannot run, each with what is
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

/// The chosen rows.
pub(crate) fn rows(args: &Args) -> Vec<&'static Row> {
    if !args.only.is_empty() {
        return rows::all().filter(|row| args.only.iter().any(|name| name == row.name)).collect();
    }
    if args.floods { FLOODS.iter().collect() } else { ROWS.iter().collect() }
}

/// Runs all rounds of one row. A server that has failed does not run again.
///
/// The limit, our server, and the peer of most ratios run next to each other. Every other round has
/// the reverse order, so that no server is always the first after a pause or always follows the
/// slowest one.
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
        // The sort is stable, so the others keep their order.
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

/// Returns an error if our server or the limit failed. The failure of a peer is shown in the table,
/// but is not a failure of the run.
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
