//! Runs the rows one after another. In each round of a row every server runs once, within seconds
//! of the others, so that what slows the machine down for a while slows all of them.

use std::thread;

use crate::{
    args::Args,
    engine,
    failure::Failure,
    peer::{BEFORE, LIMIT, OURS, PEERS, Peer, Places},
    plan::Plan,
    program_copies::ProgramCopies,
    results::{RowResult, ServerResult},
    rows::{self, ABUSE, Against, NODES, ROWS, Row, Unit},
    server::{Seat, Server},
    turns::{TURN, Turns},
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
        // Only ours has nodes.
        if args.nodes && !peer.nodes {
            continue;
        }
        // Few servers survive all attacks, and the aim of the rows is a comparison with hyper.
        if args.abuse && args.servers.is_empty() && ![OURS, "hyper"].contains(&peer.name) {
            continue;
        }
        if peer.is_before() && places.before.is_none() {
            continue;
        }
        let missing = if args.nodes { engine::missing(places) } else { peer.missing(places) };
        match missing {
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
    let group = match (args.abuse, args.nodes) {
        (true, _) => ABUSE,
        (false, true) => NODES,
        (false, false) => ROWS,
    };
    group.iter().collect()
}

/// Runs all rounds of one row. A server that has failed does not run again.
///
/// The limit, our server, and the peer of most ratios run next to each other. Every other round has
/// the reverse order, so that no server is always the first after a pause or always follows the
/// slowest one. Our server and itself at an earlier revision run together, if the row has turns.
pub(crate) fn run(
    row: &Row,
    plan: &Plan,
    servers: &[&'static Peer],
    places: &Places,
    seat: Seat,
) -> RowResult {
    let servers: Vec<&Peer> = servers.iter().copied().filter(|peer| row.fits(peer)).collect();
    let results = servers
        .iter()
        .map(|peer| ServerResult { name: peer.name, rounds: Vec::new(), turns: Vec::new() })
        .collect();
    let mut result = RowResult { servers: results };
    let mut copies = None;
    for round in 1..=plan.rounds {
        let mut order: Vec<_> = servers.iter().zip(&mut result.servers).collect();
        // The sort is stable, so the others keep their order.
        order.sort_by_key(|(peer, _)| peer.name != LIMIT);
        if round % 2 == 0 {
            order.reverse();
        }
        order.retain(|(_, result)| result.failure().is_none());
        let is_ours = |name| [OURS, BEFORE].contains(&name);
        if row.has_turns() && order.iter().filter(|(peer, _)| is_ours(peer.name)).count() == 2 {
            eprintln!("{}: round {round} of {}: {OURS} and {BEFORE}", row.name, plan.rounds);
            let pair = order.extract_if(.., |(peer, _)| is_ours(peer.name)).collect();
            run_in_turns(row, plan, pair, places, seat, &mut copies);
        }
        for (peer, result) in order {
            eprintln!("{}: round {round} of {}: {}", row.name, plan.rounds, peer.name);
            let values = Server::start(peer, places, seat, row.extra())
                .and_then(|mut server| (row.run)(&mut server, plan));
            result.rounds.push(values);
        }
    }
    result
}

/// Runs a round of two servers that take turns with each other. `copies` are those of the round
/// before, and then those of this one.
fn run_in_turns(
    row: &Row,
    plan: &Plan,
    pair: Vec<(&&Peer, &mut ServerResult)>,
    places: &Places,
    seat: Seat,
    copies: &mut Option<ProgramCopies>,
) {
    let places = ProgramCopies::new(places).map(|new| copies.insert(new).places());
    let plan = &Plan { window: plan.window.min(TURN), ..*plan };
    let (turns, takers) = Turns::of_two();
    // Both servers are there before the first one warms up.
    let servers: Vec<_> = pair
        .iter()
        .zip(takers)
        .map(|((peer, _), turn_taker)| {
            let places = places.as_ref().map_err(Failure::clone)?;
            let mut server = Server::start(peer, places, seat, row.extra())?;
            server.turn_taker = Some(turn_taker);
            Ok(server)
        })
        .collect();
    let values: Vec<_> = thread::scope(|scope| {
        let run = |server: Result<Server, Failure>| {
            scope.spawn(move || {
                let mut server = server?;
                server.turn_taker.iter().for_each(|turns| turns.wait());
                (row.run)(&mut server, plan)
            })
        };
        let threads: Vec<_> = servers.into_iter().map(run).collect();
        let panic = |_| Err(Failure::new("the load panicked"));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(panic)).collect()
    });
    for (((_, result), values), turns) in pair.into_iter().zip(values).zip(turns.results()) {
        result.rounds.push(values);
        result.turns.push(turns);
    }
}

/// Returns an error if a pass line does not hold that compares our server with no other one. Such a
/// line bounds memory, counts or an exit code, so it holds on a busy machine as well.
pub(crate) fn check_bounds(rows: &[(&Row, Vec<RowResult>)]) -> Result<(), Failure> {
    let mut broken = Vec::new();
    for (row, results) in rows {
        let bounds = row.lines.iter().filter(|line| {
            let unit = row.measures[line.measure].unit;
            line.against == Against::Nothing && line.pass.is_some() && unit != Unit::Nanoseconds
        });
        for line in bounds {
            let holds = |result: &RowResult| {
                result.verdict(row, line).is_some_and(|verdict| verdict.passes == Some(true))
            };
            if !results.iter().all(holds) {
                broken.push(format!("{}: {}", row.name, row.measures[line.measure].name));
            }
        }
    }
    if broken.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("these bounds do not hold:\n{}", broken.join("\n"))))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn drained(seconds: f64, code: f64) -> Vec<(&'static Row, Vec<RowResult>)> {
        let row = rows::all().find(|row| row.name == "drain").expect("a row");
        let rounds = vec![Ok(vec![seconds * 1e9, 1.0, 1.0, 1.0, code])];
        vec![(
            row,
            vec![RowResult {
                servers: vec![ServerResult { name: OURS, rounds, turns: Vec::new() }],
            }],
        )]
    }

    #[test]
    fn a_bound_is_broken_by_a_count_and_not_by_a_time() {
        assert!(check_bounds(&drained(1.0, 0.0)).is_ok());
        assert!(check_bounds(&drained(100.0, 0.0)).is_ok());
        let failure = check_bounds(&drained(1.0, 1.0)).expect_err("the exit code is not 0");
        assert!(failure.to_string().contains("drain: exit code"), "{failure}");
    }

    #[test]
    fn a_server_without_figures_breaks_its_bounds() {
        let mut rows = drained(1.0, 0.0);
        rows[0].1[0].servers[0].rounds = vec![Err(Failure::new("it fell over"))];
        assert!(check_bounds(&rows).is_err());
    }
}
