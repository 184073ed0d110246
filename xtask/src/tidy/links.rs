//! Checks that every page of the guide is in its table of contents, and that every relative link
//! and include leads to a file (pure).

use std::collections::BTreeSet;

use crate::workspace::SourceFile;

/// The pages outside of the guide whose links are checked.
const PAGES: &[&str] =
    &["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
/// The folders of the guide, one for each language.
const GUIDES: &[&str] = &["docs/src/", "docs/ru/"];
const SUMMARY: &str = "SUMMARY.md";

/// Adds every page that is missing in the guide's table of contents, and every broken link.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    let known = known_paths(files);
    let mut in_summary = BTreeSet::new();
    for file in files.iter().filter(|file| is_page(&file.path)) {
        for (line, target) in targets(file.text.as_deref().unwrap_or_default()) {
            match resolve(&file.path, &target) {
                Some(path) if known.contains(&path) => {
                    if file.path.ends_with(SUMMARY) {
                        in_summary.insert(path);
                    }
                }
                _ => found.push(format!(
                    "{}:{line}: link to `{target}`, which does not exist: correct the path",
                    file.path
                )),
            }
        }
    }
    for file in files {
        let Some(guide) = guide_of(&file.path).filter(|_| !file.path.ends_with(SUMMARY)) else {
            continue;
        };
        if !in_summary.contains(&file.path) {
            found.push(format!(
                "{}: not in {guide}{SUMMARY}: add it, or no reader finds it",
                file.path
            ));
        }
    }
}

fn is_page(path: &str) -> bool {
    PAGES.contains(&path) || guide_of(path).is_some()
}

/// The folder of the guide that the page is in.
fn guide_of(path: &str) -> Option<&'static str> {
    GUIDES.iter().copied().find(|guide| path.starts_with(guide) && path.ends_with(".md"))
}

/// The paths of all files and of their folders.
fn known_paths(files: &[SourceFile]) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for file in files {
        known.insert(file.path.clone());
        known.extend(file.path.match_indices('/').map(|(at, _)| file.path[..at].to_owned()));
    }
    known
}

/// The relative targets of a Markdown text, each with its line number from 1.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    let mut fence: Option<&str> = None;
    for (number, line) in text.lines().enumerate() {
        let mut on_line = includes(line);
        let start = line.trim_start();
        match fence {
            Some(mark) if start.starts_with(mark) => fence = None,
            Some(_) => {}
            None if start.starts_with("```") => fence = Some("```"),
            None if start.starts_with("~~~") => fence = Some("~~~"),
            None => on_line.extend(links(&without_code(line))),
        }
        targets.extend(on_line.into_iter().map(|target| (number + 1, target)));
    }
    targets
}

/// The paths of `{{#include path}}` and of similar directives, which mdBook also follows in code
/// blocks.
fn includes(line: &str) -> Vec<String> {
    line.split("{{#")
        .skip(1)
        .filter_map(|rest| rest.split("}}").next())
        .filter_map(|inside| inside.split_once("include "))
        .filter_map(|(_, path)| path.trim().split(':').next().map(str::to_owned))
        .collect()
}

/// The targets of `[text](target)`, `[text](<target> "title")` and `[name]: target`.
fn links(line: &str) -> Vec<String> {
    let inline = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let definition = line
        .trim_start()
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("]: "))
        .map(|(_, rest)| rest);
    inline
        .chain(definition)
        .filter_map(|target| target.split_whitespace().next())
        .map(|target| target.trim_start_matches('<').trim_end_matches('>'))
        .filter(|target| !target.contains(':') && !target.starts_with('#'))
        .filter_map(|target| target.split(['#', '?']).next())
        .map(str::to_owned)
        .collect()
}

/// The line without the text between backticks.
fn without_code(line: &str) -> String {
    line.split('`')
        .enumerate()
        .filter(|(index, _)| index % 2 == 0)
        .map(|(_, part)| part)
        .collect::<Vec<_>>()
        .join("`")
}

/// The target's path from the root, or `None` if it is outside of the repository.
fn resolve(page: &str, target: &str) -> Option<String> {
    let (base, target) = match target.strip_prefix('/') {
        Some(target) => ("", target),
        None => (page.rsplit_once('/').map_or("", |(folder, _)| folder), target),
    };
    let mut parts = Vec::new();
    for part in
        base.split('/').chain(target.split('/')).filter(|part| !part.is_empty() && *part != ".")
    {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_pages(pages: &[(&str, &str)], expect: &[&str]) {
        let files: Vec<_> = pages
            .iter()
            .map(|(path, text)| SourceFile {
                path: (*path).to_owned(),
                bytes: 0,
                text: Some((*text).to_owned()),
            })
            .collect();
        let mut found = Vec::new();
        check(&files, &mut found);
        let fits = found.len() == expect.len()
            && found.iter().zip(expect).all(|(one, part)| one.contains(part));
        assert!(fits, "expected {expect:#?}, found {found:#?}");
    }

    #[test]
    fn a_complete_guide_passes() {
        check_pages(
            &[
                (
                    "README.md",
                    "[guide](docs/src/start.md#first), [code](/crates), [web](https://example.com)\n",
                ),
                ("docs/src/SUMMARY.md", "- [Start](start.md)\n  - [Deep](deep/page.md)\n"),
                (
                    "docs/src/start.md",
                    "[d](./deep/page.md \"title\") [here](#first) `[x](nowhere.md)`\n",
                ),
                (
                    "docs/src/deep/page.md",
                    "```rust\n{{#include ../../../crates/a.rs:10}}\nlet x = a[i](nowhere);\n```\n",
                ),
                ("crates/a.rs", "//! [not](followed.md)\n"),
            ],
            &[],
        );
    }

    #[test]
    fn a_page_is_in_the_contents() {
        check_pages(
            &[("docs/src/SUMMARY.md", "# Summary\n"), ("docs/src/lost.md", "")],
            &["docs/src/lost.md: not in"],
        );
        check_pages(&[("docs/src/lost.md", "")], &["docs/src/lost.md: not in"]);
    }

    #[test]
    fn a_link_leads_to_a_file() {
        check_pages(&[("README.md", "\n[a](gone.md)\n")], &["README.md:2: link to `gone.md`"]);
        check_pages(
            &[("CONTRIBUTING.md", "[a](README.md) [b](<gone.md>)")],
            &["`README.md`", "`gone.md`"],
        );
        check_pages(&[("ARCHITECTURE.md", "[a]: gone.md\n")], &["`gone.md`"]);
        check_pages(&[("README.md", "[a](../outside.md)")], &["`../outside.md`"]);
        check_pages(&[("README.md", "```\n[a](code.md)\n```\n[b](gone.md)\n")], &["README.md:4"]);
    }

    #[test]
    fn an_include_leads_to_a_file() {
        check_pages(
            &[
                ("docs/src/SUMMARY.md", "[a](a.md)"),
                (
                    "docs/src/a.md",
                    "```rust\n{{#rustdoc_include ../../examples/gone/src/main.rs:all}}\n```\n",
                ),
            ],
            &["docs/src/a.md:2: link to `../../examples/gone/src/main.rs`"],
        );
    }
}
