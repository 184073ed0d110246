//! Writes what a run found into a page of the guide (pure, except for the page itself and for the
//! lock file that is compiled in).

use std::{error::Error, fmt::Write, fs, path::PathBuf};

use crate::{
    departures::Departures,
    outcome::{Kind, Outcome},
};

/// Whether the program checks or writes the guide's page.
pub(crate) enum Page {
    Leave,
    Write(PathBuf),
    Check(PathBuf),
}

/// A part of the page that a run writes, between two comments with its name.
#[derive(Debug)]
pub(crate) struct Block {
    /// The command that writes the block.
    pub(crate) name: String,
    pub(crate) text: String,
}

impl Page {
    /// Writes the blocks into the page, or compares them with it. The comparison is of what
    /// `comparable` leaves of both.
    pub(crate) fn finish(
        self,
        blocks: &[Block],
        comparable: fn(&str) -> String,
    ) -> Result<(), Box<dyn Error>> {
        let (path, is_check) = match self {
            Self::Leave => {
                for block in blocks {
                    println!("{}", block.text);
                }
                return Ok(());
            }
            Self::Write(path) => (path, false),
            Self::Check(path) => (path, true),
        };
        let before = fs::read_to_string(&path)?;
        let mut after = before.clone();
        for block in blocks {
            after = block.replace_in(&after)?;
            if is_check && comparable(&after) != comparable(&before) {
                return Err(format!(
                    "a part of {} differs from this run:\n\n{}\n{} writes it",
                    path.display(),
                    block.text,
                    block.name
                )
                .into());
            }
        }
        if !is_check && after != before {
            fs::write(&path, after)?;
            println!("wrote the tables of {}", path.display());
        }
        Ok(())
    }
}

impl Block {
    /// The page with the block's new text.
    pub(crate) fn replace_in(&self, page: &str) -> Result<String, String> {
        let start = format!("<!-- made by {}: start -->\n", self.name);
        let end = format!("<!-- made by {}: end -->\n", self.name);
        let wrong = || format!("the page lacks the lines\n{start}{end}");
        let (before, rest) = page.split_once(&start).ok_or_else(wrong)?;
        let (_, after) = rest.split_once(&end).ok_or_else(wrong)?;
        Ok(format!("{before}{start}\n{}\n{end}{after}", self.text))
    }
}

/// All three tables of the page "What clients do".
pub(crate) fn tables(outcomes: &[Outcome], departures: &Departures) -> Block {
    let tables = [
        ("Clients that read what `volga-sse` writes:", Kind::Reader),
        ("Clients of language models, asking an endpoint of Volga:", Kind::Chat),
        ("Encoders whose streams our decoder reads:", Kind::Encoder),
    ]
    .map(|(title, kind)| {
        let outcomes = outcomes.iter().filter(|outcome| outcome.kind == kind);
        table(title, outcomes, departures)
    })
    .join("\n");
    Block { name: "`cargo xtask compat`".into(), text: tables }
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
    fn a_block_between_its_marks_is_replaced() {
        let block = |name: &str, text: &str| Block { name: name.into(), text: text.into() };
        let marked = |name: &str, text: &str| {
            format!("<!-- made by {name}: start -->\n{text}<!-- made by {name}: end -->\n")
        };
        let page = format!("# A\n\n{}b\n{}", marked("one", "old\n"), marked("two", "x\n"));
        let new = block("one", "new\n").replace_in(&page).expect("both marks");
        let expect = format!("# A\n\n{}b\n{}", marked("one", "\nnew\n\n"), marked("two", "x\n"));
        assert_eq!(new, expect);
        assert_eq!(block("one", "new\n").replace_in(&new).as_ref(), Ok(&new));
        assert!(block("three", "new\n").replace_in(&page).is_err());
    }

    #[test]
    fn the_lock_file_knows_versions() {
        assert!(locked_version("volga-sse").starts_with("0."));
        assert_eq!(locked_version("no-such-crate"), "");
    }
}
