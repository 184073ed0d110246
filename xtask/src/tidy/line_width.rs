//! Checks that lines of prose have at most 100 columns, so that they fit beside each other in a
//! review (pure).
//!
//! Prose is the text of comments in Rust files and of Markdown files. Code, tables, headings, HTML
//! and addresses cannot be broken as prose can, so they may be longer.

use crate::workspace::SourceFile;

/// How many characters a line of prose has at most, including its indent and the marks of a
/// comment.
const MAX_COLUMNS: usize = 100;

/// Adds every line of prose that is too long.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    for file in files {
        let Some(text) = file.text.as_deref() else { continue };
        let long = if file.path.ends_with(".rs") {
            long_lines(text, comment)
        } else if file.path.ends_with(".md") {
            long_lines(text, |line| Some(line.trim()))
        } else {
            continue;
        };
        for (number, columns) in long {
            found.push(format!(
                "{}:{number}: {columns} columns, but a line of prose has at most {MAX_COLUMNS}: break the line",
                file.path
            ));
        }
    }
}

/// The number, from 1, and the columns of each line of prose that is too long. `prose` returns the
/// text of a line without its marks, or `None` for a line that is not prose.
fn long_lines(text: &str, prose: impl Fn(&str) -> Option<&str>) -> Vec<(usize, usize)> {
    let mut long = Vec::new();
    let mut fence = None;
    for (index, line) in text.lines().enumerate() {
        let Some(prose) = prose(line) else {
            // A fence ends with its comment at the latest.
            fence = None;
            continue;
        };
        let mark = ["```", "~~~"].into_iter().find(|mark| prose.starts_with(mark));
        match (fence, mark) {
            (None, Some(_)) => fence = mark,
            (Some(open), Some(mark)) if open == mark => fence = None,
            (Some(_), _) => {}
            (None, None) => {
                let columns = line.chars().count();
                if columns > MAX_COLUMNS && can_be_broken(line, prose) {
                    long.push((index + 1, columns));
                }
            }
        }
    }
    long
}

/// The text of a line that is a comment.
fn comment(line: &str) -> Option<&str> {
    let text = line.trim_start().strip_prefix("//")?;
    Some(text.trim_start_matches(['/', '!']).trim())
}

/// Whether the line is not a table, a heading, HTML or a link's definition, has no address, and has
/// a space at which it can be broken.
fn can_be_broken(line: &str, prose: &str) -> bool {
    let is_definition = prose.starts_with('[') && prose.contains("]: ");
    let is_kept = prose.starts_with(['|', '#', '<']) || is_definition || prose.contains("://");
    !is_kept && has_break(line, prose)
}

/// Whether a space is within the allowed columns, after the marks of a comment or a list.
fn has_break(line: &str, prose: &str) -> bool {
    let text =
        prose.trim_start_matches(|mark: char| mark.is_ascii_digit() || "-*+>. ".contains(mark));
    let before = line.chars().count() - text.chars().count();
    text.chars().take(MAX_COLUMNS.saturating_sub(before) + 1).any(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The check must find lines with exactly these numbers.
    #[track_caller]
    fn check_text(path: &str, text: &str, expect: &[usize]) {
        let file = SourceFile { path: path.to_owned(), bytes: 0, text: Some(text.to_owned()) };
        let mut found = Vec::new();
        check(&[file], &mut found);
        let fits = found.len() == expect.len()
            && found.iter().zip(expect).all(|(one, line)| {
                one.starts_with(&format!("{path}:{line}: ")) && one.ends_with("break the line")
            });
        assert!(fits, "expected lines {expect:?}, found {found:#?}");
    }

    /// A line of this many columns that begins with these characters.
    fn line(begin: &str, columns: usize) -> String {
        let words = "émile ".repeat(columns);
        format!("{}x\n", format!("{begin}{words}").chars().take(columns - 1).collect::<String>())
    }

    #[test]
    fn a_line_of_100_columns_is_allowed_and_one_more_is_not() {
        for (path, begins) in [
            ("a.rs", &["// ", "/// ", "//! ", "    /// ", "// - "][..]),
            ("README.md", &["", "- ", "  ", "1. ", "> "]),
        ] {
            for begin in begins {
                let text = [line(begin, 100), line(begin, 101), line(begin, 100)].concat();
                check_text(path, &text, &[2]);
            }
        }
    }

    #[test]
    fn code_is_no_prose() {
        let long = line("", 150);
        check_text("a.rs", &format!("{long}let a = 1; // {long}"), &[]);
        check_text("a.md", &format!("```text\n{long}~~~\n{long}```\n{long}"), &[6]);
        check_text("a.md", &format!("- list\n  ~~~\n  {long}  ~~~\n  {long}"), &[5]);
        let comment = format!("/// ```\n/// {long}/// ```\n/// {long}");
        check_text("a.rs", &comment, &[4]);
        // Without its end, a fence does not hide the comments that follow.
        check_text("a.rs", &format!("/// ```\nfn a() {{}}\n/// {long}"), &[3]);
        check_text("a.toml", &long, &[]);
    }

    #[test]
    fn tables_headings_html_and_addresses_may_be_longer() {
        for begin in ["| ", "# ", "<p>", "[a]: b ", "see https://example.com/ "] {
            check_text("a.md", &line(begin, 120), &[]);
            check_text("a.rs", &line(&format!("//! {begin}"), 120), &[]);
        }
    }

    #[test]
    fn a_word_that_cannot_be_broken_may_be_longer() {
        let word = "w".repeat(120);
        check_text("a.md", &format!("{word}\n- {word}\n{word} end\nbegin {word}\n"), &[4]);
        check_text("a.rs", &format!("//! {word}\n    // - {word}\n// begin {word}\n"), &[3]);
    }
}
