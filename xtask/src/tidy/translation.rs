//! Checks that the translated pages of the guide follow the English pages (pure).
//!
//! The tests compile and run the code blocks of the English pages. A block that is the same in the
//! translation is tested with it. Each section of the translation has as many paragraphs, list
//! items and table rows as the English one, so a paragraph that was added in one language only is
//! noticed.

use super::next_page::{SUMMARIES, pages};
use crate::workspace::SourceFile;

const ENGLISH: &str = "docs/src/";

/// English headings of sections that a translation writes in its own way: it has fewer pages to
/// list, and it refers to the English list of tests.
const OWN_SECTIONS: &[&str] = &["How to read this guide", "Where it is tested"];

/// Adds every translated page that the English guide does not have, whose code differs, or that
/// has more or less text in a section.
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
            compare_sections(&path, &sections(translated), &original, &sections(english), found);
        }
    }
}

fn compare_sections(
    path: &str,
    ours: &[Section],
    original: &str,
    theirs: &[Section],
    found: &mut Vec<String>,
) {
    if ours.len() != theirs.len() {
        found.push(format!(
            "{path}: {} headings, but {original} has {}: translate each section",
            ours.len(),
            theirs.len()
        ));
        return;
    }
    for (ours, theirs) in ours.iter().zip(theirs) {
        if ours.size != theirs.size && !OWN_SECTIONS.contains(&theirs.title.as_str()) {
            found.push(format!(
                "{path}:{}: the section has {}, but {original}:{} has {}: translate all of it",
                ours.line, ours.size, theirs.line, theirs.size
            ));
        }
    }
}

/// A heading and what follows it, up to the next heading.
struct Section {
    line: usize,
    title: String,
    size: Size,
}

#[derive(Default, Eq, PartialEq)]
struct Size {
    paragraphs: usize,
    items: usize,
    rows: usize,
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { paragraphs, items, rows } = self;
        write!(f, "{paragraphs} paragraphs, {items} list items and {rows} table rows")
    }
}

fn sections(page: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let (mut in_code, mut in_text) = (false, false);
    for (number, line) in page.lines().enumerate() {
        if line.starts_with("```") {
            (in_code, in_text) = (!in_code, false);
            continue;
        }
        if in_code {
            continue;
        }
        if line.starts_with('#') {
            let title = line.trim_start_matches('#').trim().to_owned();
            sections.push(Section { line: number + 1, title, size: Size::default() });
        }
        let Some(Section { size, .. }) = sections.last_mut() else { continue };
        let starts_item = line.starts_with("- ")
            || line.split_once(". ").is_some_and(|(number, _)| number.parse::<u8>().is_ok());
        match line {
            _ if starts_item => size.items += 1,
            _ if line.starts_with('|') => size.rows += 1,
            _ if line.is_empty() || line.starts_with('#') => {}
            _ if !in_text => size.paragraphs += 1,
            _ => {}
        }
        in_text = !line.is_empty() && !line.starts_with(['#', '|']);
    }
    sections
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
    fn check_page(english: &str, translated: &str, expect: Option<&str>) {
        let file = |path: &str, text: &str| SourceFile {
            path: path.to_owned(),
            bytes: 0,
            text: Some(text.to_owned()),
        };
        let mut files =
            vec![file("docs/ru/SUMMARY.md", "- [A](a.md)\n"), file("docs/src/a.md", english)];
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
        const ENGLISH: &str =
            "Words\n\n```rust\nlet a = 1;\n```\n\n```text\na shape\n```\n\n```sh\nls\n```\n";
        for (translated, expect) in [
            ("Слова\n```rust\nlet a = 1;\n```\n```text\nформа\n```\n```sh\nls\n```\n", None),
            ("```rust\nlet a = 2;\n```\n```sh\nls\n```\n", Some("docs/ru/a.md:1: the code")),
            ("```rust\nlet a = 1;\n```\n", Some("1 code blocks, but docs/src/a.md has 2")),
            ("", Some("do not both exist")),
        ] {
            check_page(ENGLISH, translated, expect);
        }
    }

    #[test]
    fn every_section_is_translated_as_a_whole() {
        const ENGLISH: &str = "# A\n\nWords\nand more\n\nThen:\n\n- one\n  of two lines\n- two\n\n\
                               1. three\n\n| a | b |\n|---|---|\n\n## Where it is tested\n\n| a |\n";
        const WHOLE: &str = "# А\n\nСлова\n\nИ вот:\n\n- раз\n- два\n\n1. три\n\n\
                             | а | б |\n|---|---|\n\n## Где это проверено\n\nТам.\n";
        check_page(ENGLISH, WHOLE, None);
        for (piece, expect) in [
            (
                "Слова\n\n",
                "a.md:1: the section has 1 paragraphs, 3 list items and 2 table rows, but",
            ),
            ("- раз\n", "a.md:1: the section has 2 paragraphs, 2 list items"),
            ("1. три\n", "2 list items"),
            ("| а | б |\n", "3 list items and 1 table rows"),
            ("## Где это проверено\n", "1 headings, but docs/src/a.md has 2"),
        ] {
            check_page(ENGLISH, &WHOLE.replacen(piece, "", 1), Some(expect));
        }
    }
}
