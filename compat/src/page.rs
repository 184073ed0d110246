//! Writes the tables of the guide page "What clients do" (pure, except for the lock file that is
//! compiled in).

use std::fmt::Write;

use crate::{
    departures::Departures,
    outcome::{Kind, Outcome},
};

/// The lines before and after the tables.
const START: &str = "<!-- made by `cargo xtask compat`: start -->\n";
const END: &str = "<!-- made by `cargo xtask compat`: end -->\n";

/// Replaces the tables of the page.
pub(crate) fn replace(page: &str, tables: &str) -> Result<String, String> {
    let wrong = || format!("the page lacks the lines\n{START}{END}");
    let (before, rest) = page.split_once(START).ok_or_else(wrong)?;
    let (_, after) = rest.split_once(END).ok_or_else(wrong)?;
    Ok(format!("{before}{START}\n{tables}\n{END}{after}"))
}

/// All three tables.
pub(crate) fn tables(outcomes: &[Outcome], departures: &Departures) -> String {
    [
        ("Clients that read what `volga-sse` writes:", Kind::Reader),
        ("Clients of language models, asking an endpoint of Volga:", Kind::Chat),
        ("Encoders whose streams our decoder reads:", Kind::Encoder),
    ]
    .map(|(title, kind)| {
        let outcomes = outcomes.iter().filter(|outcome| outcome.kind == kind);
        table(title, outcomes, departures)
    })
    .join("\n")
}

fn table<'a>(
    title: &str,
    outcomes: impl Iterator<Item = &'a Outcome>,
    departures: &Departures,
) -> String {
    let mut text =
        format!("{title}\n\n| Name | Version | As sent | Otherwise |\n|---|---|---|---|\n");
    for outcome in outcomes {
        let otherwise: Vec<_> = departures.of_client(outcome.name).collect();
        let otherwise =
            if otherwise.is_empty() { "nothing".to_owned() } else { otherwise.join("; ") };
        let version = if outcome.version.is_empty() { "–" } else { &outcome.version };
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            text,
            "| {} | {version} | {} of {} | {otherwise} |",
            outcome.name,
            outcome.good(),
            outcome.results.len()
        );
    }
    text
}

/// The version of a crate in our lock file.
pub(crate) fn locked_version(name: &str) -> String {
    let lock = include_str!("../Cargo.lock");
    let start = format!("name = \"{name}\"\nversion = \"");
    let version = lock.split_once(&start).and_then(|(_, rest)| rest.split_once('"'));
    version.map(|(version, _)| version.to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_between_the_marks_are_replaced() {
        let page = format!("# A\n\n{START}old\n{END}\nb\n");
        let new = replace(&page, "new\n").expect("both marks");
        assert_eq!(new, format!("# A\n\n{START}\nnew\n\n{END}\nb\n"));
        assert_eq!(replace(&new, "new\n").expect("both marks"), new);
        assert!(replace("# A\n", "new\n").is_err());
    }

    #[test]
    fn the_lock_file_knows_versions() {
        assert!(locked_version("volga-sse").starts_with("0."));
        assert_eq!(locked_version("no-such-crate"), "");
    }
}
