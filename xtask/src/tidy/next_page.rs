//! Checks that each page of the guide ends with a link to the page that follows in its table of
//! contents (pure).

use crate::workspace::SourceFile;

/// The tables of contents, one for each language.
pub(super) const SUMMARIES: &[&str] = &["docs/src/SUMMARY.md", "docs/ru/SUMMARY.md"];

/// The word before the link, in each language.
const NEXT: &[&str] = &["Next: [", "Дальше: ["];

/// Adds every page whose last link leads elsewhere, or that has none.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    for summary in SUMMARIES {
        let Some(contents) = text(files, summary) else {
            continue;
        };
        let folder = summary.trim_end_matches("SUMMARY.md");
        let pages: Vec<_> = pages(contents).collect();
        for (page, next) in pages.iter().zip(pages.iter().skip(1)) {
            let path = format!("{folder}{page}");
            // The introduction has a table of all pages instead.
            if *page == "introduction.md" {
                continue;
            }
            if text(files, &path).and_then(next_of) != Some(next) {
                found.push(format!(
                    "{path}: the page does not end with `Next: [title]({next}).`, the page that follows in {summary}: write it as the last line"
                ));
            }
        }
    }
}

fn text<'a>(files: &'a [SourceFile], path: &str) -> Option<&'a str> {
    files.iter().find(|file| file.path == path)?.text.as_deref()
}

/// The pages of a table of contents, in order.
pub(super) fn pages(contents: &str) -> impl Iterator<Item = &str> {
    contents.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// The target of the link in the last line of a page.
fn next_of(page: &str) -> Option<&str> {
    let last = page.trim_end().lines().last()?;
    let link = NEXT.iter().find_map(|next| last.strip_prefix(next))?;
    link.split_once("](")?.1.strip_suffix(").")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found_in(pages: &[(&str, &str)]) -> Vec<String> {
        let file = |(path, text): &(&str, &str)| SourceFile {
            path: (*path).to_owned(),
            bytes: 0,
            text: Some((*text).to_owned()),
        };
        let files: Vec<_> = pages.iter().map(file).collect();
        let mut found = Vec::new();
        check(&files, &mut found);
        found
    }

    const CONTENTS: &str = "[Introduction](introduction.md)\n\n- [A](a.md)\n  - [B](b.md)\n";

    #[test]
    fn each_page_but_the_last_names_the_next() {
        let good = [
            ("docs/src/SUMMARY.md", CONTENTS),
            ("docs/src/introduction.md", "Hello\n"),
            ("docs/src/a.md", "Text\n\nNext: [B](b.md).\n"),
            ("docs/src/b.md", "The end\n"),
            ("docs/ru/SUMMARY.md", CONTENTS),
            ("docs/ru/a.md", "Текст\n\nДальше: [Б](b.md).\n"),
        ];
        assert_eq!(found_in(&good), Vec::<String>::new());
        for text in ["Text\n", "Next: [A](a.md).\n", "Next: [B](b.md).\n\nMore\n"] {
            let mut bad = good;
            bad[2].1 = text;
            let found = found_in(&bad);
            assert!(found.len() == 1 && found[0].contains("docs/src/a.md"), "{text:?}: {found:?}");
        }
    }
}
