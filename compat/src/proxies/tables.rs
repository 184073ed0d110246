//! Writes the tables and the quoted files of the guide page "Behind a proxy" (pure).

use std::{collections::BTreeMap, fmt::Write};

use super::{
    Results,
    client::Protocol,
    measure::{Measured, id_count},
    programs::Program,
    rows::Row,
};
use crate::page::Block;

/// Everything that the run writes into the page. `cases` is the number of the corpus' streams.
pub(crate) fn all(results: &BTreeMap<&str, Results>, cases: usize) -> Vec<Block> {
    let mut blocks: Vec<Block> = Program::ALL.into_iter().map(file).collect();
    let (mut full, mut traps) = (String::new(), String::new());
    full += "| Proxy | Version | Change to the file | The client speaks | Events arrive | Streams arrive as sent | A client that left is noticed | A failed stream ends | `Last-Event-ID` arrives | Farewell and end |\n|---|---|---|---|---|---|---|---|---|---|\n";
    traps += "| Proxy | Version | Setting | Events arrive | Without our headers |\n|---|---|---|---|---|\n";
    for program in Program::ALL {
        let Some(results) = results.get(program.name()) else { continue };
        for (row, measured) in &results.full {
            full += &full_row(row, &results.version, measured, cases);
        }
        for (row, [with, without]) in &results.traps {
            // Writing to a `String` cannot fail.
            let _ = writeln!(
                traps,
                "| {} | {} | {} | {with} | {without} |",
                program.name(),
                results.version,
                row.label
            );
        }
    }
    blocks.push(Block { name: "`cargo xtask proxies` (what passes)".into(), text: full });
    blocks.push(Block { name: "`cargo xtask proxies` (settings)".into(), text: traps });
    blocks
}

/// The configuration file as it was tested.
fn file(program: Program) -> Block {
    let (name, text) = program.file();
    let language = match program {
        Program::Nginx => "nginx",
        Program::Apache => "apache",
        Program::Node => "js",
        Program::Haproxy | Program::Caddy | Program::Varnish => "text",
    };
    Block {
        name: format!("`cargo xtask proxies` ({name})"),
        text: format!("```{language}\n{text}```\n"),
    }
}

fn full_row(row: &Row, version: &str, measured: &Measured, cases: usize) -> String {
    let protocol = match row.protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2",
    };
    format!(
        "| {} | {version} | {} | {protocol} | {} | {} | {} | {} | {} | {} |\n",
        row.program.name(),
        if row.label.is_empty() { "–" } else { row.label },
        measured.arrival,
        count(measured.unaltered, cases),
        measured.leaving,
        measured.failure,
        count(measured.ids, id_count()),
        if measured.farewell { "pass" } else { "**do not pass**" },
    )
}

fn count(good: usize, all: usize) -> String {
    if good == all { format!("{good} of {all}") } else { format!("**{good} of {all}**") }
}

/// The text without the second column of its tables, the version. A proxy of another version that
/// does the same does not make the page wrong.
pub(crate) fn without_versions(text: &str) -> String {
    let mut rest = String::new();
    for line in text.lines() {
        let cells: Vec<_> = line.split(" | ").collect();
        match &cells[..] {
            [first, _, others @ ..] if line.starts_with("| ") => {
                rest += &[&[*first], others].concat().join(" | ");
            }
            _ => rest += line,
        }
        rest.push('\n');
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_compared_without_the_version() {
        let table = |version: &str, result: &str| format!("| nginx | {version} | x | {result} |\n");
        let (old, new) = (table("1.22", "at once"), table("1.26", "at once"));
        assert_eq!(without_versions(&old), without_versions(&new));
        assert_ne!(without_versions(&old), without_versions(&table("1.22", "late")));
        assert_eq!(without_versions("listen a | b | c;\n"), "listen a | b | c;\n");
    }

    #[test]
    fn the_page_quotes_each_file_as_it_is_tested() {
        let page = include_str!("../../../docs/src/behind-a-proxy.md");
        for program in Program::ALL {
            let block = file(program);
            assert_eq!(block.replace_in(page).as_deref(), Ok(page), "{}", block.name);
        }
    }
}
