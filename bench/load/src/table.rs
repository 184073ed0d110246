//! The results as text (pure).

use std::fmt::Write;

use crate::{
    figure::{digits, show},
    peer::{LIMIT, OURS},
    plan::Plan,
    results::{RowResult, Verdict},
    rows::{Better, Line, Measure, Row},
};

/// The table of one row, and under it where our server stands.
pub(crate) fn of(row: &Row, plan: &Plan, result: &RowResult) -> String {
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
                // Nor is there a spread where no round has a figure.
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
                .and_then(|reference| server.ratio_to(reference, 0))
                .filter(|ratio| ratio.is_finite());
            cells.push(ratio.map_or_else(|| "–".to_owned(), digits));
        }
        lines.push(cells);
    }
    let mut text = format!("## {}\n\n{}", (row.title)(plan), aligned(&lines));
    for line in row.lines {
        let measure = row.measures[line.measure];
        let _ = writeln!(text, "{}", stand(measure, line, result.verdict(row, line)));
    }
    text
}

fn header(row: &Row) -> Vec<String> {
    let mut cells = vec!["server".to_owned()];
    cells.extend(row.measures.iter().map(|measure| measure.name.to_owned()));
    cells.extend(["÷ best peer".to_owned(), "÷ limit".to_owned()]);
    cells
}

fn stand(measure: Measure, line: &Line, verdict: Option<Verdict>) -> String {
    let Some(verdict) = verdict else {
        return format!("{OURS}: {}: no figure", measure.name);
    };
    let word = match measure.better {
        Better::Less => "at most",
        Better::More => "at least",
    };
    let shown = |value: f64| match verdict.reference {
        Some(_) => digits(value),
        None => show(value, measure.unit),
    };
    let mut text = format!("{OURS}: {}", measure.name);
    if let Some(reference) = verdict.reference {
        let _ = write!(text, " ÷ {reference}");
    }
    let _ = write!(text, " = {}", shown(verdict.value));
    if let (Some(pass), Some(passes)) = (line.pass, verdict.passes) {
        let end = if passes { "pass" } else { "FAIL" };
        let _ = write!(text, "; pass line {word} {}: {end}", shown(pass));
    }
    if let (Some(goal), Some(reached)) = (line.goal, verdict.reaches_goal) {
        let end = if reached { "reached" } else { "not yet" };
        let _ = write!(text, "; research goal {word} {}: {end}", shown(goal));
    }
    text
}

/// Columns as wide as their widest cell. The last cell of a short line may be wider than its column.
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
    use crate::{failure::Failure, results::ServerResult, rows::ROWS};

    #[test]
    fn a_row_shows_medians_spread_ratios_and_the_pass_line() {
        let server = |name, values: &[f64]| ServerResult {
            name,
            rounds: values.iter().map(|&value| Ok(vec![value, 5e5, 9e5])).collect(),
        };
        let servers = vec![
            server(OURS, &[1_200.0, 1_250.0, 1_210.0]),
            server("hyper", &[1_500.0, 1_500.0, 1_500.0]),
            ServerResult { name: "axum", rounds: vec![Err(Failure::new("it fell over"))] },
            server(LIMIT, &[1_000.0, 1_000.0, 1_000.0]),
        ];
        let text = of(&ROWS[0], &Plan::FULL, &RowResult { servers });
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
}
