//! Checks that the pages of the examples say where their source and their guide page are, and what
//! to try (pure).
//!
//! The repository has no address that a page could link, so a page names the paths.

use crate::workspace::SourceFile;

/// A page tells its reader what to do under these words.
const HINT: &str = "Try it:";
/// The guide's pages, as a page of an example names them.
const GUIDE: &str = "<code>docs/src/";

/// Adds every page of an example that does not name its source, an existing page of the guide, or
/// something to try.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    for file in files {
        let path = file.path.as_str();
        let Some(example) = path.strip_prefix("examples/").and_then(|rest| rest.split('/').next())
        else {
            continue;
        };
        let Some(page) = file.text.as_deref().filter(|_| path.ends_with(".html")) else {
            continue;
        };
        let mut missing = |what: String| {
            found.push(format!("{path}: the page does not say {what}"));
        };
        if !page.contains(HINT) {
            missing(format!("what to try: write a sentence after `{HINT}`"));
        }
        let source = format!("<code>examples/{example}</code>");
        if !page.contains(&source) {
            missing(format!("where its source is: write `{source}`"));
        }
        let guide = page.split(GUIDE).nth(1).and_then(|rest| rest.split("</code>").next());
        match guide.map(|name| format!("docs/src/{name}")) {
            Some(guide) if files.iter().any(|file| file.path == guide) => {}
            Some(guide) => {
                missing(format!("which page of the guide explains it: `{guide}` does not exist"));
            }
            None => missing(format!(
                "which page of the guide explains it: write `{GUIDE}PAGE.md</code>`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPLETE: &str =
        "<p>Try it: draw. <code>examples/board</code> <code>docs/src/ws.md</code>";

    #[track_caller]
    fn check_page(page: &str, expect: &[&str]) {
        let file = |path: &str, text: &str| SourceFile {
            path: path.into(),
            bytes: 0,
            text: Some(text.into()),
        };
        let files = [
            file("examples/board/page/index.html", page),
            file("docs/src/ws.md", "# WebSockets\n"),
        ];
        let mut found = Vec::new();
        check(&files, &mut found);
        let fits = found.len() == expect.len()
            && found.iter().zip(expect).all(|(one, part)| one.contains(part));
        assert!(fits, "expected {expect:#?}, found {found:#?}");
    }

    #[test]
    fn a_page_names_its_source_its_guide_page_and_what_to_try() {
        check_page(COMPLETE, &[]);
        check_page(&COMPLETE.replace("Try it:", "Draw:"), &["what to try"]);
        check_page(
            &COMPLETE.replace("examples/board<", "examples/chat<"),
            &["where its source is"],
        );
        check_page(&COMPLETE.replace("ws.md", "wss.md"), &["`docs/src/wss.md` does not exist"]);
        check_page(&COMPLETE.replace("docs/src/", "docs/"), &["write `<code>docs/src/PAGE.md"]);
        check_page("", &["what to try", "where its source is", "which page of the guide"]);
    }
}
