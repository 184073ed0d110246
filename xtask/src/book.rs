//! Builds the guide as a book in each language, with the documentation of the crates beside it:
//! `cargo xtask book` writes `target/book`.

mod links;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    tools::{self, Failure, Style, paint},
    workspace::Workspace,
};

/// The version of mdBook with which the guide is built and checked.
const MDBOOK_VERSION: &str = include_str!("../../docs/mdbook-version");

/// The languages. Each has a folder below `target/book`, and values that replace those of
/// `docs/book.toml`.
const LANGUAGES: &[(&str, &[(&str, &str)])] = &[
    ("en", &[]),
    (
        "ru",
        &[
            ("MDBOOK_BOOK__SRC", "ru"),
            ("MDBOOK_BOOK__LANGUAGE", "ru"),
            ("MDBOOK_BOOK__TITLE", "Руководство по Volga"),
        ],
    ),
];

/// The first page of the site sends its reader to the English book.
const INDEX: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Volga</title>\n<meta http-equiv=\"refresh\" content=\"0; url=en/index.html\">\n<a href=\"en/index.html\">The Volga guide</a>\n<a href=\"ru/index.html\">Руководство по Volga</a>\n";

/// Says that mdBook is missing and how to install it; `None` if it is there.
pub(crate) fn missing_program(workspace: &Workspace) -> Option<String> {
    mdbook(workspace).err().map(|failure| failure.to_string())
}

/// Builds the books and the documentation, and follows every link between their files.
///
/// # Errors
/// Fails when mdBook or rustdoc fails, or lists every link that leads nowhere.
pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    let mdbook = mdbook(workspace)?;
    let book = workspace.target_dir().join("book");
    // A page that was removed must not stay.
    if book.exists() {
        fs::remove_dir_all(&book).map_err(|error| {
            Failure::new(format!("{} cannot be removed: {error}", book.display()))
        })?;
    }
    for (language, settings) in LANGUAGES {
        let mut build = Command::new(&mdbook);
        build.arg("build").arg("--dest-dir").arg(book.join(language)).arg("docs");
        build.envs(settings.iter().copied());
        tools::run(build.current_dir(&workspace.root))?;
    }
    let mut doc = workspace.cargo(&["doc", "--workspace", "--no-deps", "--all-features", "--lib"]);
    tools::run(&mut doc)?;
    let copied = copy_folder(&workspace.target_dir().join("doc"), &book.join("api"))
        .and_then(|()| fs::write(book.join("index.html"), INDEX));
    copied.map_err(|error| Failure::new(format!("{}: {error}", book.display())))?;

    let folder = book.join("ru");
    link_english_pages(&folder)
        .map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;

    let mut found = Vec::new();
    let folders: Vec<_> = LANGUAGES.iter().map(|(language, _)| *language).collect();
    let count = links::check(&book, &folders, &mut found)?;
    println!("{count} links checked");
    Failure::from_findings(&found, "correct the links in docs/")?;
    let index = book.join("index.html");
    println!("{}", paint(Style::Bold, &format!("the book is in {}", index.display())));
    Ok(())
}

/// In the sources, a translated page links an English one as `../src/PAGE.md`. In the site the
/// English pages are in `en`.
fn link_english_pages(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "html") {
            let page = fs::read_to_string(&path)?;
            fs::write(&path, page.replace("href=\"../src/", "href=\"../en/"))?;
        }
    }
    Ok(())
}

/// The program, of the version that the guide is written for.
fn mdbook(workspace: &Workspace) -> Result<PathBuf, Failure> {
    let version = MDBOOK_VERSION.trim();
    let install = format!(
        "cargo install mdbook --version ={version} --locked --no-default-features --features search --root target/tools"
    );
    let own = workspace.target_dir().join("tools/bin/mdbook");
    let program = if own.is_file() { Some(own) } else { tools::find_program(&["mdbook"]) };
    let program =
        program.ok_or_else(|| Failure::new(format!("mdbook {version} is missing: {install}")))?;
    let found = tools::read(Command::new(&program).arg("--version"))?;
    if found.trim().trim_start_matches("mdbook v") == version {
        Ok(program)
    } else {
        let found = found.trim();
        Err(Failure::new(format!("mdbook {version} is needed, but this is {found}: {install}")))
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_switch_knows_the_translated_pages() {
        let root = Workspace::read().unwrap().root;
        let contents = fs::read_to_string(root.join("docs/ru/SUMMARY.md")).unwrap();
        let script = include_str!("../../docs/language.js");
        let mut pages: Vec<_> = contents
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(".md)").next())
            .map(|page| format!("\"{page}\""))
            .collect();
        pages.sort();
        let list = format!("const TRANSLATED = [{}];", pages.join(", "));
        assert!(script.contains(&list), "write `{list}` in docs/language.js");
    }

    #[test]
    fn ci_installs_the_version_that_is_checked() {
        let script = include_str!("../../.ci/run");
        assert!(script.contains("docs/mdbook-version"));
    }
}
