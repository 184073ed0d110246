//! Checks that no text of the repository makes a reader look for our crates in a registry, because
//! they are not published (pure).
//!
//! On crates.io a crate of the same name belongs to another author, or to nobody yet. So a
//! dependency on one of our crates has a `path` or a `git`, and no version. The check searches
//! every text of the repository, because readers copy from pages, from the documentation of crates,
//! from error texts and from manifests.

mod command;
mod manifest;

use std::collections::BTreeSet;

use crate::workspace::SourceFile;

/// The sentence that each page with a dependency on one of our crates must have, so that a reader
/// knows where the path leads.
const SENTENCE: &str = "Volga is not published yet, so clone its repository next to your project: the path leads from \
    your project to the crate in the clone.";

/// The sentence on the Russian pages of the guide.
const RUSSIAN_SENTENCE: &str = "Volga пока не опубликована, поэтому клонируйте её репозиторий рядом со своим проектом. Путь ведёт \
    от вашего проекта к крейту в клоне.";

/// The beginning of a `path` that the sentence explains.
const CLONE: &str = "\"../volga/crates/";

/// The addresses at which registries show a crate. The crate's name follows.
const REGISTRY_PAGES: &[&str] =
    &["crates.io/crates/", "docs.rs/", "docs.rs/crate/", "lib.rs/crates/"];

/// The kinds of files from which readers copy. Lock files are left out: they have versions, but
/// Cargo wrote them.
const ENDINGS: &[&str] = &[".md", ".rs", ".toml", ".txt", ".html", ".yml", ".yaml", ".sh"];

/// A file that writes manifests with versions for a check. They depend on files that the check
/// itself has packed.
const PACKING: &str = "xtask/src/package.rs";

/// Adds every text that would give a reader another author's crate, and every page with a path that
/// it does not explain.
pub(super) fn check(files: &[SourceFile], found: &mut Vec<String>) {
    let names = Names::of_workspace(files);
    let is_copied = |file: &&SourceFile| {
        file.path != PACKING && ENDINGS.iter().any(|end| file.path.ends_with(end))
    };
    for file in files.iter().filter(is_copied) {
        let text = without_comment_marks(file.text.as_deref().unwrap_or_default());
        for (line, copied) in findings(&text, &names) {
            found.push(format!(
                "{}:{line}: `{copied}` names a crate of another author, since ours are not published: write \
                 `path = \"../volga/crates/NAME\"`, and no version",
                file.path
            ));
        }
        if is_page(&file.path) && text.contains(CLONE) && !has_sentence(&text) {
            found.push(format!(
                "{}: a path to a clone that the page does not explain: add the sentence \"{SENTENCE}\"",
                file.path
            ));
        }
    }
}

/// The names of our crates: those of the workspace, and all names that begin with `volga-`, which
/// we may use later.
struct Names(BTreeSet<String>);

impl Names {
    fn of_workspace(files: &[SourceFile]) -> Self {
        let manifests = files.iter().filter(|file| {
            matches!(file.path.split('/').collect::<Vec<_>>()[..], ["crates", _, "Cargo.toml"])
        });
        let names = manifests.filter_map(|file| {
            let line = file.text.as_deref()?.lines().find(|line| line.starts_with("name"))?;
            line.split('"').nth(1).map(str::to_owned)
        });
        Self(names.collect())
    }

    fn contain(&self, name: &str) -> bool {
        // For a registry, `_` and `-` are the same.
        let name = name.replace('_', "-");
        self.0.contains(&name)
            || name
                .strip_prefix("volga-")
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_alphanumeric()))
    }
}

/// The texts that send a reader to a registry, each with its line number from 1.
fn findings(text: &str, names: &Names) -> Vec<(usize, String)> {
    let mut found = manifest::findings(text, names);
    found.extend(command::findings(text, names));
    for (number, line) in text.lines().enumerate() {
        for page in REGISTRY_PAGES {
            let linked = line.match_indices(page).map(|(at, _)| &line[at + page.len()..]);
            for name in linked.map(leading_name).filter(|name| names.contain(name)) {
                found.push((number + 1, format!("{page}{name}")));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

fn is_page(path: &str) -> bool {
    path.ends_with(".md") || path.starts_with("crates/")
}

/// Whether the text contains the sentence, even if it is broken into lines.
fn has_sentence(text: &str) -> bool {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.contains(SENTENCE) || text.contains(RUSSIAN_SENTENCE)
}

/// The text without the marks of comments and quotations at the beginning of each line. The number
/// of lines stays the same.
fn without_comment_marks(text: &str) -> String {
    let mut text_only = String::with_capacity(text.len());
    for line in text.lines() {
        let mut rest = line.trim();
        while let Some(inner) =
            ["//!", "///", "//", "> ", "* "].iter().find_map(|prefix| rest.strip_prefix(prefix))
        {
            rest = inner.trim_start();
        }
        text_only.push_str(rest);
        text_only.push('\n');
    }
    text_only
}

/// The crate name with which the text begins, or an empty string.
fn leading_name(text: &str) -> &str {
    text.split(|next: char| !is_name(next)).next().unwrap_or_default()
}

fn is_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '-' || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names that replace `NAME` in the fixtures. Without this replacement, the fixtures
    /// themselves would break the rule.
    const CRATES: &[&str] = &[
        "volga",
        "volga-sse",
        "volga-core",
        "volga-http",
        "volga-macros",
        "volga-to-come",
        "volga_sse",
    ];

    /// Spellings that give a reader another author's crate. `NAME` stands for the crate's name and
    /// `VERSION` for a version.
    const FORBIDDEN_SPELLINGS: &[&str] = &[
        // In a manifest: one line
        "NAME = \"VERSION\"",
        "NAME=\"VERSION\"",
        "NAME\t=  'VERSION'",
        "\"NAME\" = \"VERSION\"",
        "'NAME' = 'VERSION'",
        "NAME = \"\"\"VERSION\"\"\"",
        "NAME = { version = \"VERSION\" }",
        "NAME = {version=\"VERSION\"}",
        "NAME = { version = \"VERSION\", features = [\"a\", \"b\"] }",
        "NAME = { features = [\"a\", \"b\"], version = 'VERSION' }",
        "NAME = { \"version\" = \"VERSION\", optional = true }",
        "NAME = { path = \"../volga/crates/NAME\", version = \"VERSION\" }",
        "NAME = { git = \"https://example.com/volga\", version = \"VERSION\" }",
        "NAME = { features = [\"path = 1\"] }",
        "NAME = { default-features = false }",
        "NAME = {}",
        "NAME.version = \"VERSION\"",
        "NAME . version = \"VERSION\"",
        "\"NAME\".version = \"VERSION\"",
        "NAME.\"version\" = \"VERSION\"",
        "dependencies.NAME = \"VERSION\"",
        "dependencies = { NAME = \"VERSION\" }",
        "dependencies = { serde = \"1\", NAME = { version = \"VERSION\" } }",
        "web = { package = \"NAME\", version = \"VERSION\" }",
        "web = { version = \"VERSION\", package = 'NAME' }",
        "tokio = \"1\" # beside it: NAME = \"VERSION\"",
        // Over several lines
        "NAME = {\n  version = \"VERSION\",\n  features = [\n    \"a\",\n  ],\n}",
        "[dependencies.NAME]\nversion = \"VERSION\"",
        "[dependencies.NAME]\n\nfeatures = [\"a\"]\n\n# the newest\nversion = \"VERSION\"",
        "[dependencies.NAME]\nfeatures = [\"a\"]",
        "[dependencies.NAME]",
        "[ dependencies . \"NAME\" ]\nversion = 'VERSION'",
        "[dev-dependencies.'NAME']\nversion = \"VERSION\"\npath = \"../volga/crates/NAME\"",
        "[build-dependencies.NAME]\nversion=\"VERSION\"\n\n[features]",
        "[target.'cfg(unix)'.dependencies.NAME]\nversion = \"VERSION\"",
        "[workspace.dependencies.NAME] # ours\nversion = \"VERSION\"",
        "[dependencies.web]\npackage = \"NAME\"\nversion = \"VERSION\"",
        "[dependencies.other]\npath = \"../other\"\n\n[dependencies.NAME]\nversion = \"VERSION\"",
        // A command
        "cargo add NAME",
        "$ cargo add NAME",
        "cargo add NAME@VERSION",
        "cargo add 'NAME@^VERSION'",
        "cargo add \"NAME\"",
        "cargo add tokio NAME serde",
        "cargo add --features a NAME",
        "cargo add NAME --features a,b",
        "cargo add -F a NAME --dev",
        "cargo add -Fa NAME",
        "cargo add --features=a NAME",
        "cargo add --no-default-features NAME",
        "cargo add --package app NAME",
        "cargo  +stable  add  NAME",
        "cargo --offline add NAME",
        "cargo add NAME@VERSION --path ../volga/crates/NAME",
        "cargo add \\\n  --features a \\\n  NAME",
        "cargo new app && cd app && cargo add NAME",
        "cargo add --path ../other; cargo add NAME",
        "cargo install NAME",
        "cargo install --locked NAME --version VERSION",
        "cargo binstall NAME",
        // A link
        "[docs](https://docs.rs/NAME/latest)",
        "<https://crates.io/crates/NAME>",
    ];

    /// Spellings that give a reader our crate, or no crate.
    const ALLOWED_SPELLINGS: &[&str] = &[
        "NAME = { path = \"../volga/crates/NAME\" }",
        "NAME={path=\"../volga/crates/NAME\",features=[\"a\"]}",
        "NAME = { features = [\"version = 1\"], path = 'crates/NAME', default-features = false }",
        "NAME = { git = \"https://example.com/volga\", branch = \"main\" }",
        "NAME = { workspace = true, features = [\"a\"] }",
        "NAME.workspace = true",
        "NAME.path = \"../volga/crates/NAME\"",
        "NAME = {\n  path = \"../volga/crates/NAME\",\n  features = [\"a\"],\n}",
        "[dependencies.NAME]\npath = \"../volga/crates/NAME\"\nfeatures = [\"a\"]",
        "[dependencies.NAME]\nworkspace = true\n\n[dependencies.serde]\nversion = \"1\"",
        "[dependencies.NAME]\ngit = \"https://example.com/volga\"\n```\n\nversion = \"VERSION\"",
        "[profile.dev.package.NAME]\nopt-level = 3",
        "[package]\nname = \"NAME\"\nversion = \"VERSION\"",
        "tokio = { version = \"1\", features = [\"NAME\"] }",
        "my-NAME = \"VERSION\"",
        "crates/NAME = \"VERSION\"",
        "xNAME = \"VERSION\"",
        "let NAME = \"VERSION\";",
        "let mut NAME = \"VERSION\";",
        "NAME == \"VERSION\"",
        "NAME = [\"dep:other\"]",
        "web = { package = \"NAME\", path = \"../volga/crates/NAME\" }",
        "cargo add NAME --path ../volga/crates/NAME",
        "cargo add --path=../volga/crates/NAME NAME --features a",
        "cargo add ../volga/crates/NAME",
        "cargo add NAME --git https://example.com/volga",
        "cargo add tokio -p NAME",
        "cargo add tokio --package NAME --features NAME/hub",
        "cargo add --features NAME/hub --path ../other other",
        "`cargo add tokio` and NAME",
        "cargo add tokio && cargo test -p NAME",
        "cargo test -p NAME",
        "cargo install --path crates/NAME",
        "https://docs.rs/xNAME",
        "https://docs.rs/tokio",
    ];

    /// The files in which a text may be: the path, and the prefix of each line.
    const PLACES: &[(&str, &str)] = &[
        ("docs/src/page.md", ""),
        ("docs/src/page.md", "    "),
        ("README.md", "> "),
        ("CHANGELOG.md", ""),
        ("examples/chat/README.md", ""),
        ("crates/volga/src/lib.rs", "//! "),
        ("crates/volga-sse/src/hub/mod.rs", "    /// "),
        ("examples/chat/src/main.rs", "// "),
        ("examples/chat/Cargo.toml", ""),
        (".github/workflows/ci.yml", "        "),
    ];

    const VERSIONS: &[&str] = &["0.1", "*", "=0.1.0", "…"];

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), bytes: text.len() as u64, text: Some(text.to_owned()) }
    }

    fn found_in(path: &str, text: &str) -> Vec<String> {
        let manifest = file("crates/volga/Cargo.toml", "[package]\nname = \"volga\"\n");
        let mut found = Vec::new();
        check(&[manifest, file(path, text)], &mut found);
        found
    }

    /// Calls `check` for each spelling with each crate in each place, and with the versions in
    /// turn.
    fn for_each_spelling(spellings: &[&str], mut check: impl FnMut(&str, &str)) {
        let mut versions = VERSIONS.iter().cycle();
        for spelling in spellings {
            for name in CRATES {
                for ((path, before), version) in PLACES.iter().zip(&mut versions) {
                    let text = spelling.replace("NAME", name).replace("VERSION", version);
                    let lines = text.lines().map(|line| format!("{before}{line}\n"));
                    check(path, &format!("{before}{SENTENCE}\n{}", lines.collect::<String>()));
                }
            }
        }
    }

    #[test]
    fn each_spelling_that_gives_another_authors_crate_is_found() {
        for_each_spelling(FORBIDDEN_SPELLINGS, |path, text| {
            let found = found_in(path, text);
            assert_eq!(found.len(), 1, "{path}:\n{text}\n{found:#?}");
            assert!(found[0].contains("another author"), "{found:#?}");
        });
    }

    #[test]
    fn each_spelling_that_gives_our_crate_is_allowed() {
        for_each_spelling(ALLOWED_SPELLINGS, |path, text| {
            assert_eq!(found_in(path, text), Vec::<String>::new(), "{path}:\n{text}");
        });
    }

    #[test]
    fn words_around_a_spelling_change_nothing() {
        for (before, after) in
            [("Write `", "` there."), ("(\"", "\")"), ("- ", ""), ("a, `", "`, b")]
        {
            for spelling in FORBIDDEN_SPELLINGS
                .iter()
                .filter(|spelling| !spelling.contains(['\n', '[', '"', '#']))
            {
                let text = spelling.replace("NAME", "volga").replace("VERSION", "0.1");
                let found = found_in("README.md", &format!("{before}{text}{after}\n"));
                assert_eq!(found.len(), 1, "{before}{text}{after}: {found:#?}");
            }
        }
    }

    #[test]
    fn a_string_in_a_program_is_checked_as_well() {
        let text = "panic!(\"add NAME = { version = \\\"0.1\\\" }\")\n".replace("NAME", "volga");
        assert_eq!(found_in("crates/volga/src/lib.rs", &text).len(), 1);
        let text = "#[doc = \"NAME = \\\"0.1\\\"\"]\n".replace("NAME", "volga-sse");
        assert_eq!(found_in("crates/volga/src/lib.rs", &text).len(), 1);
    }

    #[test]
    fn a_finding_names_the_line() {
        let text = "one\n\n```toml\n[dependencies.NAME]\nversion = \"0.1\"\n```\n"
            .replace("NAME", "volga");
        let found = found_in("README.md", &text);
        assert!(found[0].starts_with("README.md:4: `[dependencies."), "{found:#?}");
    }

    #[test]
    fn a_crate_of_the_workspace_is_ours_whatever_its_name() {
        let manifest = file("crates/flow/Cargo.toml", "[package]\nname = \"flow\"\n");
        let page = file("README.md", "flow = \"1\"\nsluice = \"1\"\n");
        let mut found = Vec::new();
        check(&[manifest, page], &mut found);
        assert!(found.len() == 1 && found[0].contains("README.md:1"), "{found:#?}");
    }

    #[test]
    fn a_page_with_a_path_to_the_clone_has_the_sentence() {
        let path = "volga = { path = \"../volga/crates/volga\" }\n";
        for place in ["docs/src/page.md", "crates/volga/src/lib.rs"] {
            assert!(found_in(place, path)[0].contains("does not explain"), "{place}");
        }
        let broken = SENTENCE.replacen(" so ", "\n//! so ", 1);
        assert_eq!(found_in("crates/volga/src/lib.rs", &format!("//! {broken}\n{path}")), [""; 0]);
        // A manifest need not explain the path, because Cargo reads it.
        assert_eq!(found_in("fuzz/Cargo.toml", path), [""; 0]);
    }

    #[test]
    fn a_lock_file_may_have_versions() {
        let text =
            "name = \"NAME\"\nversion = \"0.1.0\"\nNAME = \"0.1\"\n".replace("NAME", "volga");
        assert_eq!(found_in("Cargo.lock", &text), [""; 0]);
    }
}
