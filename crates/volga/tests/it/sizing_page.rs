//! The figures of the guide's page about sizing are about those of the results that it names.

use std::{fs, path::Path};

/// A new measurement may differ by this factor before the page has to change.
const TOLERANCE: f64 = 1.4;

const UNITS: &[(&str, f64)] = &[
    ("ns", 1.0),
    ("µs", 1e3),
    ("ms", 1e6),
    ("s", 1e9),
    ("B", 1.0),
    ("KB", 1024.0),
    ("MB", 1024.0 * 1024.0),
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A figure such as `4.5 µs` in nanoseconds or bytes.
fn value(figure: &str) -> Option<f64> {
    let (number, unit) = figure.split_once(' ')?;
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    Some(number.parse::<f64>().ok()? * factor)
}

/// The median of Volga in a column of the table with this title.
fn median(results: &str, title: &str, column: &str) -> f64 {
    let mut tables = results.split("\n## ").skip(1);
    let table = tables.find(|table| table.starts_with(title));
    let table = table.unwrap_or_else(|| panic!("no table `{title}`"));
    // Columns have two blanks between them, and a median comes before its spread.
    let cells = |line: &str| {
        let cells = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty());
        cells.map(|cell| cell.split(" (").next().unwrap_or(cell).to_owned()).collect::<Vec<_>>()
    };
    let line = |name: &str| table.lines().find(|line| line.starts_with(name)).map(cells);
    let (Some(header), Some(medians)) = (line("server "), line("volga ")) else {
        panic!("no figures in `{title}`")
    };
    let index = header.iter().position(|name| name == column);
    let index = index.unwrap_or_else(|| panic!("no column `{column}` in {header:?}"));
    value(&medians[index]).unwrap_or_else(|| panic!("`{}` is not a figure", medians[index]))
}

#[test]
fn each_figure_is_about_that_of_the_table_that_the_page_names() {
    let page = read("docs/src/sizing.md");
    let section =
        page.split("\n## The figures\n").nth(1).and_then(|rest| rest.split("\n## ").next());
    let rows = section.expect("the section").lines().filter(|line| line.ends_with(".txt` |"));
    let mut count = 0;
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, figure, title, column, file] = cells[..] else { panic!("{row}") };
        let file = read(&format!("bench/results/{}", file.trim_matches('`')));
        let measured = median(&file, title, column);
        let stated = value(figure).unwrap_or_else(|| panic!("`{figure}` is not a figure"));
        let factor = (measured / stated).max(stated / measured);
        assert!(factor <= TOLERANCE, "{row}\nis {measured} in the file");
        count += 1;
    }
    assert!(count > 10, "{count} figures");
}
