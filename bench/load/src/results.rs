//! The results of the measurements, and the comparison of our server with its lines (pure).

use crate::{
    failure::Failure,
    peer::{BEFORE, LIMIT, OURS},
    rows::{Against, Better, Line, Measure, Row},
    stats::{IntervalOfMedian, Quartiles, Summary},
    turns::Turn,
};

/// The results of all servers in one row.
#[derive(Clone, Debug, Default)]
pub(crate) struct RowResult {
    pub(crate) servers: Vec<ServerResult>,
}

/// The results of one server in one row.
#[derive(Clone, Debug)]
pub(crate) struct ServerResult {
    pub(crate) name: &'static str,
    /// For each round, a value for each measure, or the reason why there is no value.
    pub(crate) rounds: Vec<Result<Vec<f64>, Failure>>,
    /// The turns of each round, if this server took turns with another one. The other one has as
    /// many, and those at the same place are neighbours. Each round has a process of its own.
    pub(crate) turns: Vec<Vec<Turn>>,
}

/// A line, and the value of our server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Verdict {
    pub(crate) value: f64,
    /// The servers to which the value is a ratio.
    pub(crate) reference: Option<&'static str>,
    pub(crate) passes: Option<bool>,
    pub(crate) reaches_goal: Option<bool>,
}

impl ServerResult {
    pub(crate) fn summary(&self, measure: usize) -> Option<Summary> {
        let values: Vec<f64> =
            (0..self.rounds.len()).filter_map(|round| self.value(round, measure)).collect();
        Summary::of(&values)
    }

    pub(crate) fn failure(&self) -> Option<&Failure> {
        self.rounds.iter().find_map(|round| round.as_ref().err())
    }

    fn value(&self, round: usize, measure: usize) -> Option<f64> {
        self.rounds.get(round)?.as_ref().ok()?.get(measure).copied()
    }

    /// The ratio of this server's figures to another's: the median of the ratios within each round,
    /// so that a slow moment of the machine, which slows the whole round down, has little effect.
    pub(crate) fn ratio_to(&self, other: &Self, index: usize, measure: Measure) -> Option<f64> {
        self.ratios_to(other, index, measure).map(|summary| summary.median)
    }

    /// The same with the least and the largest ratio.
    pub(crate) fn ratios_to(
        &self,
        other: &Self,
        index: usize,
        measure: Measure,
    ) -> Option<Summary> {
        let ratios: Vec<f64> = (0..self.rounds.len())
            .filter_map(|round| {
                Some(measure.ratio(self.value(round, index)?, other.value(round, index)?))
            })
            .collect();
        Summary::of(&ratios)
    }

    /// The ratios of this server's turns to the neighbouring turns of another server; `None` if the
    /// servers took no turns, or if the measure has no figure of a turn.
    pub(crate) fn ratios_of_turns(&self, other: &Self, measure: Measure) -> Option<RatiosOfTurns> {
        let figure = measure.of_turn?;
        let ratios_of = |(own, other): (&Vec<Turn>, &Vec<Turn>)| -> Vec<f64> {
            let neighbours = own.iter().zip(other);
            neighbours.map(|(&turn, &other)| measure.ratio(figure(turn), figure(other))).collect()
        };
        let rounds: Vec<_> = self.turns.iter().zip(&other.turns).map(ratios_of).collect();
        let of_processes: Vec<f64> =
            rounds.iter().filter_map(|round| Summary::of(round)).map(|of| of.median).collect();
        let ratios = rounds.concat();
        Some(RatiosOfTurns {
            pairs: ratios.len(),
            all: Quartiles::of(&ratios)?,
            processes: of_processes.len(),
            of_processes: IntervalOfMedian::of(&of_processes),
        })
    }
}

/// The ratios of the turns of two servers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct RatiosOfTurns {
    pub(crate) pairs: usize,
    pub(crate) all: Quartiles,
    /// How many processes each server had.
    pub(crate) processes: usize,
    /// Of the median ratios of the processes. The turns of one process resemble each other, so this
    /// says more about the noise than the quartiles of all turns.
    pub(crate) of_processes: Option<IntervalOfMedian>,
}

impl RowResult {
    /// Joins the rounds of several runs as if they were rounds of one run.
    pub(crate) fn of_all(runs: &[Self]) -> Self {
        let mut all = runs.first().cloned().unwrap_or_default();
        for run in runs.iter().skip(1) {
            for (server, more) in all.servers.iter_mut().zip(&run.servers) {
                server.rounds.extend_from_slice(&more.rounds);
                server.turns.extend_from_slice(&more.turns);
            }
        }
        all
    }

    pub(crate) fn server(&self, name: &str) -> Option<&ServerResult> {
        self.servers.iter().find(|server| server.name == name)
    }

    /// The best server, without ours (now and before) and without the limit.
    pub(crate) fn best_peer(&self, index: usize, measure: Measure) -> Option<&ServerResult> {
        let median = |server: &&ServerResult| {
            server.summary(index).map_or(f64::NAN, |summary| summary.median)
        };
        let peers = self
            .servers
            .iter()
            .filter(|server| ![OURS, BEFORE, LIMIT].contains(&server.name))
            .filter(|server| median(server).is_finite());
        let order = |a: &&ServerResult, b: &&ServerResult| median(a).total_cmp(&median(b));
        match measure.better {
            Better::Less => peers.min_by(order),
            Better::More => peers.max_by(order),
        }
    }

    /// The value of our server for this line; `None` if our server or the one it is compared with
    /// has no figure.
    pub(crate) fn verdict(&self, row: &Row, line: &Line) -> Option<Verdict> {
        let ours = self.server(OURS)?;
        let measure = row.measures[line.measure];
        let reference = match line.against {
            Against::Nothing => None,
            Against::Limit => Some(self.server(LIMIT)?),
            Against::BestPeer => Some(self.best_peer(line.measure, measure)?),
            Against::BestInFirst => Some(self.best_peer(0, row.measures[0])?),
            Against::Peer(name) => Some(self.server(name)?),
        };
        let value = match reference {
            Some(reference) => ours.ratio_to(reference, line.measure, measure)?,
            None => ours.summary(line.measure)?.median,
        };
        let reaches = |bound: f64| match measure.better {
            Better::Less => value <= bound,
            Better::More => value >= bound,
        };
        Some(Verdict {
            value,
            reference: reference.map(|server| server.name),
            passes: line.pass.map(reaches),
            reaches_goal: line.goal.map(reaches),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    fn server(name: &'static str, values: &[f64]) -> ServerResult {
        ServerResult {
            name,
            rounds: values.iter().map(|&value| Ok(vec![value])).collect(),
            turns: Vec::new(),
        }
    }

    #[test]
    fn ratios_are_within_a_round() {
        let ours = server(OURS, &[1.0, 10.0, 2.0]);
        let other = server("hyper", &[2.0, 20.0, 4.0]);
        assert_eq!(ours.ratio_to(&other, 0, ROWS[0].measures[0]), Some(0.5));
        let failed = ServerResult {
            name: "axum",
            rounds: vec![Err(Failure::new("it fell over"))],
            turns: Vec::new(),
        };
        assert_eq!(ours.ratio_to(&failed, 0, ROWS[0].measures[0]), None);
        assert!(failed.failure().is_some() && failed.summary(0).is_none());
    }

    #[test]
    fn a_turn_is_divided_by_its_neighbour() {
        let turns = |cpus: &[f64]| {
            let turns = cpus.iter().map(|&cpu| Turn { cpu, rate: 1.0 }).collect();
            ServerResult { turns: vec![turns], ..server(OURS, &[1.0]) }
        };
        let row = |name| ROWS.iter().find(|row| row.name == name).expect("a row");
        // The machine becomes ten times slower for the last pair.
        let (ours, before) = (turns(&[3.0, 4.0, 60.0]), turns(&[2.0, 2.0, 20.0]));
        let quartiles = |measure| {
            let ratios = ours.ratios_of_turns(&before, measure)?;
            Some([ratios.all.lower, ratios.all.median, ratios.all.upper])
        };
        assert_eq!(quartiles(row("fan-out").measures[0]), Some([1.75, 2.0, 2.5]));
        let [_, median, _] = quartiles(row("plaintext").measures[0]).expect("turns");
        assert_eq!(median, 0.5, "more requests for a second of the CPU are better");
        assert_eq!(quartiles(row("fan-out").measures[1]), None, "a latency is not one of a turn");
        assert_eq!(ours.ratios_of_turns(&server(BEFORE, &[1.0]), row("churn").measures[0]), None);
    }

    #[test]
    fn the_best_peer_is_neither_ours_nor_the_limit() {
        let row = &ROWS[0];
        let servers = vec![
            server(OURS, &[1.2]),
            server(BEFORE, &[1.3]),
            server("axum", &[4.0]),
            server("hyper", &[1.5]),
            server("actix", &[f64::INFINITY]),
            server(LIMIT, &[1.0]),
        ];
        let result = RowResult { servers };
        assert_eq!(result.best_peer(0, row.measures[0]).map(|server| server.name), Some("hyper"));
        let verdict = result.verdict(row, &row.lines[0]);
        let expected = Verdict {
            value: 1.2,
            reference: Some(LIMIT),
            passes: Some(true),
            reaches_goal: Some(false),
        };
        assert_eq!(verdict, Some(expected));
    }

    #[test]
    fn a_latency_may_be_compared_with_that_of_the_peer_that_delivers_most() {
        let row = ROWS.iter().find(|row| row.name == "one-request").expect("a row");
        let line = row.lines.iter().find(|line| line.against == Against::BestInFirst);
        let line = line.expect("a line for the latency");
        let server = |name, deliveries, latency| {
            let mut figures = vec![1.0; row.measures.len()];
            (figures[0], figures[line.measure]) = (deliveries, latency);
            ServerResult { name, rounds: vec![Ok(figures)], turns: Vec::new() }
        };
        let servers =
            vec![server(OURS, 9.0, 3.0), server("hyper", 2.0, 4.0), server("nchan", 1.0, 2.0)];
        let verdict = RowResult { servers }.verdict(row, line).expect("figures");
        assert_eq!((verdict.reference, verdict.value), (Some("hyper"), 0.75));
    }

    #[test]
    fn the_rounds_of_all_runs_are_those_of_one() {
        let run = |values| RowResult { servers: vec![server(OURS, values), server(LIMIT, &[1.0])] };
        let all = RowResult::of_all(&[run(&[1.0, 2.0]), run(&[4.0])]);
        let summary = all.servers[0].summary(0).expect("three rounds");
        assert_eq!((summary.median, summary.most), (2.0, 4.0));
        assert_eq!(all.servers[1].rounds.len(), 2);
    }

    #[test]
    fn without_a_figure_there_is_no_verdict() {
        let row = &ROWS[0];
        let result = RowResult { servers: vec![server(OURS, &[1.2])] };
        assert_eq!(result.verdict(row, &row.lines[0]), None);
    }
}
