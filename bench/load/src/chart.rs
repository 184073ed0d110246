//! Draws the results as a picture (pure): for each row a group of bars, each as long as the
//! server's figure. SVG is simple enough to write by hand.

use std::fmt::Write;

use crate::{
    figure::{digits, show},
    peer::OURS,
    plan::Plan,
    results::{RowResult, ServerResult},
    rows::{Better, Row},
};

const WIDTH: usize = 760;
const NAMES: usize = 110;
const BARS: usize = 420;
const LINE: usize = 18;
const TITLE: usize = 34;

/// A picture of the first measure of each row. It has its own colours for dark pages.
pub(crate) fn of(rows: &[(&Row, RowResult)], plan: &Plan) -> String {
    let mut bars = String::new();
    let mut y = 0;
    for (row, result) in rows {
        y = group(&mut bars, y + TITLE, row, plan, result);
    }
    let height = y + 10;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Volga and other servers, side by side">
<style>text{{font:12px sans-serif;fill:#333}}.title{{font-weight:bold}}.name{{text-anchor:end}}.ours{{fill:#1667c0}}.peer{{fill:#a9b4c0}}@media(prefers-color-scheme:dark){{text{{fill:#ddd}}.ours{{fill:#5aa2f0}}.peer{{fill:#5c6670}}}}</style>
{bars}</svg>
"#
    )
}

/// Draws one row's title above `y` and its bars below, and returns the `y` where they end.
fn group(svg: &mut String, mut y: usize, row: &Row, plan: &Plan, result: &RowResult) -> usize {
    let measure = row.measures[0];
    let better = match measure.better {
        Better::Less => "less is better",
        Better::More => "more is better",
    };
    let title = format!("{}: {} ({better})", (row.title)(plan), measure.name);
    let _ = writeln!(svg, r#"<text class="title" x="0" y="{}">{}</text>"#, y - 10, escaped(&title));

    let median =
        |server: &ServerResult| server.summary(0).map_or(f64::NAN, |summary| summary.median);
    let medians = result.servers.iter().map(median).filter(|median| median.is_finite());
    let most = medians.fold(0.0, f64::max);
    let ours = result.server(OURS).map_or(f64::NAN, median);
    for server in &result.servers {
        let value = median(server);
        let mut label = show(value, measure.unit);
        // A server without a figure, because it failed or never finished, gets a word in place of a
        // bar.
        let width = if value.is_finite() { (value / most * BARS as f64).max(1.0) } else { 0.0 };
        let ratio = value / ours;
        if ratio.is_finite() && server.name != OURS {
            let _ = write!(label, " ({} ×)", digits(ratio));
        }
        let class = if server.name == OURS { "ours" } else { "peer" };
        let text_y = y + 13;
        let _ = writeln!(
            svg,
            r#"<text class="name" x="{}" y="{text_y}">{}</text>
<rect class="{class}" x="{NAMES}" y="{}" width="{width:.1}" height="{}"/>
<text x="{:.1}" y="{text_y}">{}</text>"#,
            NAMES - 8,
            escaped(server.name),
            y + 2,
            LINE - 4,
            NAMES as f64 + width + 6.0,
            escaped(&label)
        );
        y += LINE;
    }
    y
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::ROWS;

    fn draw(values: &[(&'static str, f64)]) -> String {
        let server = |&(name, value)| ServerResult {
            name,
            rounds: vec![Ok(vec![value])],
            turns: Vec::new(),
        };
        let servers = values.iter().map(server).collect();
        of(&[(&ROWS[0], RowResult { servers })], &Plan::FULL)
    }

    #[test]
    fn a_bar_is_as_long_as_its_figure() {
        let svg = draw(&[(OURS, 500.0), ("hyper", 1_000.0)]);
        for part in [
            r#"class="ours" x="110" y="36" width="210.0""#,
            r#"class="peer" x="110" y="54" width="420.0""#,
            "1.00 µs (2.00 ×)",
            "(less is better)",
        ] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }

    #[test]
    fn a_server_without_an_end_has_a_word_in_place_of_a_bar() {
        let svg = draw(&[(OURS, 500.0), ("axum", f64::INFINITY)]);
        assert!(svg.contains(r#"width="0.0""#) && svg.contains(">never<"), "{svg}");
        assert!(!svg.contains("inf") && !svg.contains("NaN"), "{svg}");
    }

    #[test]
    fn text_cannot_be_taken_for_markup() {
        assert_eq!(escaped("a<b>&c"), "a&lt;b&gt;&amp;c");
    }
}
