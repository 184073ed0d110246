//! Checks that the translated pages of the guide show the code of the English pages (pure).
//!
//! The tests compile and run the code blocks of the English pages. A block that is the same in the
//! translation is tested with it.

use super::next_page::{SUMMARIES, pages};
use crate::workspace::SourceFile;

const ENGLISH: &str = "docs/src/";

/// Adds every translated page that the English guide does not have, or whose code differs.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    let text = |path: &str| files.iter().find(|file| file.path == path)?.text.as_deref();
    for summary in &SUMMARIES[1..] {
        let folder = summary.trim_end_matches("SUMMARY.md");
        for page in pages(text(summary).unwrap_or_default()) {
            let (path, original) = (format!("{folder}{page}"), format!("{ENGLISH}{page}"));
            let (Some(translated), Some(english)) = (text(&path), text(&original)) else {
                found.push(format!("{path}: it and {original} do not both exist: add the page"));
                continue;
            };
            let (ours, theirs) = (blocks(translated), blocks(english));
            let differs = ours.iter().zip(&theirs).find(|(ours, theirs)| ours.1 != theirs.1);
            if let Some((ours, theirs)) = differs {
                found.push(format!(
                    "{path}:{}: the code differs from {original}:{}, which is the tested one: copy the block",
                    ours.0, theirs.0
                ));
            } else if ours.len() != theirs.len() {
                found.push(format!(
                    "{path}: {} code blocks, but {original} has {}: the pages must show the same",
                    ours.len(),
                    theirs.len()
                ));
            }
        }
    }
}

/// The code blocks of a page, each with the number of its first line. Diagrams (`text`) are words,
/// so they are translated and do not count.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut block, line.starts_with("```")) {
            (None, true) => block = Some((number + 1, format!("{line}\n"))),
            (None, false) => {}
            (Some(_), true) => blocks.extend(block.take()),
            (Some((_, text)), false) => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    blocks.retain(|(_, text)| !text.starts_with("```text"));
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_page(translated: &str, expect: Option<&str>) {
        const ENGLISH: &str =
            "Words\n\n```rust\nlet a = 1;\n```\n\n```text\na shape\n```\n\n```sh\nls\n```\n";
        let file = |path: &str, text: &str| SourceFile {
            path: path.to_owned(),
            bytes: 0,
            text: Some(text.to_owned()),
        };
        let mut files =
            vec![file("docs/ru/SUMMARY.md", "- [A](a.md)\n"), file("docs/src/a.md", ENGLISH)];
        if !translated.is_empty() {
            files.push(file("docs/ru/a.md", translated));
        }
        let mut found = Vec::new();
        check(&files, &mut found);
        match expect {
            None => assert_eq!(found, Vec::<String>::new()),
            Some(part) => assert!(found.len() == 1 && found[0].contains(part), "{found:?}"),
        }
    }

    #[test]
    fn the_words_may_differ_and_the_code_may_not() {
        check_page("Слова\n```rust\nlet a = 1;\n```\n```text\nформа\n```\n```sh\nls\n```\n", None);
        check_page("```rust\nlet a = 2;\n```\n```sh\nls\n```\n", Some("docs/ru/a.md:1: the code"));
        check_page("```rust\nlet a = 1;\n```\n", Some("1 code blocks, but docs/src/a.md has 2"));
        check_page("", Some("do not both exist"));
    }
}
