//! Formats the results as text (pure).

use std::fmt::Write;

use crate::{
    figure::{digits, show},
    peer::{BEFORE, LIMIT, OURS},
    plan::Plan,
    results::{RowResult, Verdict},
    rows::{Better, Line, Measure, Row},
    stats::{IntervalOfMedian, Quartiles},
};

/// The table of one row with the rounds of all runs. Under it is the comparison of our server with
/// its lines, for each run.
pub(crate) fn of(row: &Row, plan: &Plan, runs: &[RowResult]) -> String {
    let result = &RowResult::of_all(runs);
    let mut lines = vec![header(row)];
    for server in &result.servers {
        let mut cells = vec![server.name.to_owned()];
        if let Some(failure) = server.failure() {
            cells.push(format!("failed: {failure}"));
            lines.push(cells);
            continue;
        }
        for (index, &measure) in row.measures.iter().enumerate() {
            let cell = server.summary(index).map_or_else(String::new, |summary| {
                // Without a figure in any round, there is no spread either.
                let spreads = summary.least < summary.most;
                if !spreads {
                    return show(summary.median, measure.unit);
                }
                let [median, least, most] = [summary.median, summary.least, summary.most]
                    .map(|value| show(value, measure.unit));
                format!("{median} ({least} to {most})")
            });
            cells.push(cell);
        }
        for reference in [result.best_peer(0, row.measures[0]), result.server(LIMIT)] {
            let ratio = reference
                .and_then(|reference| server.ratio_to(reference, 0, row.measures[0]))
                .filter(|ratio| ratio.is_finite());
            cells.push(ratio.map_or_else(|| "–".to_owned(), digits));
        }
        lines.push(cells);
    }
    let mut text = format!("## {}\n\n{}", (row.title)(plan), aligned(&lines));
    text.push_str(&compared_with_before(row, result));
    for line in row.lines {
        let measure = row.measures[line.measure];
        let verdicts: Vec<_> = runs.iter().map(|run| run.verdict(row, line)).collect();
        let _ = writeln!(text, "{}", stand(measure, line, &verdicts));
    }
    text
}

/// How our server stands to itself at an earlier revision, a line for each measure.
fn compared_with_before(row: &Row, result: &RowResult) -> String {
    let (Some(ours), Some(before)) = (result.server(OURS), result.server(BEFORE)) else {
        return String::new();
    };
    let mut text = String::new();
    for (index, &measure) in row.measures.iter().enumerate() {
        let figures = ours.ratios_of_turns(before, measure).map(|ratios| {
            let Quartiles { lower, median, upper } = ratios.all;
            let pairs = ratios.pairs;
            let mut text =
                format!("{median:.3} (quartiles {lower:.3} to {upper:.3}, {pairs} pairs of turns");
            if let Some(IntervalOfMedian { lower, median, upper }) = ratios.of_processes {
                let _ = write!(
                    text,
                    "; {median:.3} by process, with 95 % certainty {lower:.3} to {upper:.3}, {} processes",
                    ratios.processes
                );
            }
            text + ")"
        });
        let figures = figures.or_else(|| {
            let ratios = ours.ratios_to(before, index, measure)?;
            let [median, least, most] = [ratios.median, ratios.least, ratios.most].map(digits);
            Some(format!("{median} ({least} to {most})"))
        });
        let Some(figures) = figures else { continue };
        let better = match measure.better {
            Better::Less => "less",
            Better::More => "more",
        };
        let name = measure.name;
        let _ = writeln!(text, "{OURS} ÷ {BEFORE}: {name}: {figures}; {better} is better");
    }
    text
}

fn header(row: &Row) -> Vec<String> {
    let mut cells = vec!["server".to_owned()];
    cells.extend(row.measures.iter().map(|measure| measure.name.to_owned()));
    cells.extend(["÷ best peer".to_owned(), "÷ limit".to_owned()]);
    cells
}

/// The comparison of our server with one line, for each run.
fn stand(measure: Measure, line: &Line, verdicts: &[Option<Verdict>]) -> String {
    let Some(verdicts) = verdicts.iter().copied().collect::<Option<Vec<Verdict>>>() else {
        return format!("{OURS}: {}: no figure", measure.name);
    };
    let word = match measure.better {
        Better::Less => "at most",
        Better::More => "at least",
    };
    let is_ratio = verdicts.iter().any(|verdict| verdict.reference.is_some());
    let shown = |value: f64| if is_ratio { digits(value) } else { show(value, measure.unit) };
    let mut text = format!("{OURS}: {}", measure.name);
    if is_ratio {
        let mut references: Vec<&str> =
            verdicts.iter().filter_map(|verdict| verdict.reference).collect();
        // The best peer may differ from run to run.
        references.dedup();
        let _ = write!(text, " ÷ {}", references.join(", "));
    }
    let list = |of: &dyn Fn(&Verdict) -> String| {
        let texts: Vec<String> = verdicts.iter().map(of).collect();
        texts.join(", ")
    };
    let _ = write!(text, " = {}", list(&|verdict| shown(verdict.value)));
    if let Some(pass) = line.pass {
        let end = list(&|verdict| one_of(verdict.passes, "pass", "FAIL"));
        let _ = write!(text, "; pass line {word} {}: {end}", shown(pass));
    }
    if let Some(goal) = line.goal {
        let end = list(&|verdict| one_of(verdict.reaches_goal, "reached", "not yet"));
        let _ = write!(text, "; research goal {word} {}: {end}", shown(goal));
    }
    text
}

fn one_of(is_so: Option<bool>, yes: &str, no: &str) -> String {
    if is_so == Some(true) { yes } else { no }.to_owned()
}

/// The number of pass lines that hold in each run, and the lines that do not.
pub(crate) fn pass_lines(rows: &[(&Row, Vec<RowResult>)]) -> String {
    let mut count = 0;
    let mut missed = Vec::new();
    let mut runs = 0;
    for (row, results) in rows {
        runs = results.len();
        for line in row.lines.iter().filter(|line| line.pass.is_some()) {
            count += 1;
            let passed = results
                .iter()
                .filter(|result| {
                    result.verdict(row, line).is_some_and(|verdict| verdict.passes == Some(true))
                })
                .count();
            if passed < runs {
                let measure = row.measures[line.measure].name;
                missed.push(format!("          {}: {measure}: in {passed} of {runs}\n", row.name));
            }
        }
    }
    let held = count - missed.len();
    let in_each = if runs > 1 { format!(" in each of {runs} runs") } else { String::new() };
    format!("lines     {held} of {count} pass lines hold{in_each}\n{}", missed.concat())
}

/// Aligns the columns. Each is as wide as its widest cell, but the last cell of a short line may be
/// wider than its column.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            lines
                .iter()
                .filter(|line| line.len() == columns)
                .map(|line| line[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        let mut shown = String::new();
        for (cell, width) in line.iter().zip(&widths) {
            let _ = write!(shown, "{cell:<width$}  ");
        }
        let _ = writeln!(text, "{}", shown.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{failure::Failure, results::ServerResult, rows::ROWS, turns::Turn};

    #[test]
    fn a_row_shows_medians_spread_ratios_and_the_pass_line() {
        let server = |name, values: &[f64]| ServerResult {
            name,
            rounds: values.iter().map(|&value| Ok(vec![value, 5e5, 9e5])).collect(),
            turns: Vec::new(),
        };
        let servers = vec![
            server(OURS, &[1_200.0, 1_250.0, 1_210.0]),
            server("hyper", &[1_500.0, 1_500.0, 1_500.0]),
            ServerResult {
                name: "axum",
                rounds: vec![Err(Failure::new("it fell over"))],
                turns: Vec::new(),
            },
            server(LIMIT, &[1_000.0, 1_000.0, 1_000.0]),
        ];
        let text = of(&ROWS[0], &Plan::FULL, &[RowResult { servers }]);
        let expected = "\
## fan-out: 2000 HTTP/1 streams, one message at a time

server  CPU per delivery              latency, median  latency, p99  ÷ best peer  ÷ limit
volga   1.21 µs (1.20 µs to 1.25 µs)  500 µs           900 µs        0.81         1.21
hyper   1.50 µs                       500 µs           900 µs        1.00         1.50
axum    failed: it fell over
limit   1.00 µs                       500 µs           900 µs        0.67         1.00
volga: CPU per delivery ÷ limit = 1.21; pass line at most 1.30: pass; research goal at most 1.10: not yet
volga: CPU per delivery ÷ hyper = 0.81; pass line at most 1.00: pass
";
        assert_eq!(text, expected);
    }

    #[test]
    fn an_earlier_revision_is_compared_by_turns_where_there_are_some() {
        let server = |name, cpu: f64, rounds| ServerResult {
            name,
            rounds: vec![Ok(vec![cpu, 5e5, 9e5]); rounds],
            turns: vec![vec![Turn { cpu, rate: 1.0 }, Turn { cpu: cpu * 9.0, rate: 1.0 }]; rounds],
        };
        for (rounds, figures) in [
            (1, "1.100 (quartiles 1.100 to 1.100, 2 pairs of turns)"),
            (
                6,
                "1.100 (quartiles 1.100 to 1.100, 12 pairs of turns; 1.100 by process, with 95 % certainty 1.100 to 1.100, 6 processes)",
            ),
        ] {
            let servers = vec![server(OURS, 1_100.0, rounds), server(BEFORE, 1_000.0, rounds)];
            let text = of(&ROWS[0], &Plan::FULL, &[RowResult { servers }]);
            for line in [
                format!("volga ÷ before: CPU per delivery: {figures}; less is better\n"),
                "volga ÷ before: latency, median: 1.00 (1.00 to 1.00); less is better\n".to_owned(),
            ] {
                assert!(text.contains(&line), "{line} in {text}");
            }
        }
    }

    #[test]
    fn each_run_is_judged_by_itself() {
        let run = |ours: f64, axum: f64| {
            let servers = [(OURS, ours), ("hyper", 2_000.0), ("axum", axum), (LIMIT, 1_000.0)];
            let servers = servers.map(|(name, value)| ServerResult {
                name,
                rounds: vec![Ok(vec![value, 5e5, 9e5])],
                turns: Vec::new(),
            });
            RowResult { servers: servers.into() }
        };
        let runs = vec![run(1_060.0, 3_000.0), run(1_400.0, 1_500.0)];
        let text = of(&ROWS[0], &Plan::FULL, &runs);
        for part in [
            "volga   1.23 µs (1.06 µs to 1.40 µs)",
            "÷ limit = 1.06, 1.40; pass line at most 1.30: pass, FAIL; research goal at most 1.10: reached, not yet",
            "÷ hyper, axum = 0.53, 0.93; pass line at most 1.00: pass, pass",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(
            pass_lines(&[(&ROWS[0], runs)]),
            "lines     1 of 2 pass lines hold in each of 2 runs\n          fan-out: CPU per delivery: in 1 of 2\n"
        );
    }
}
