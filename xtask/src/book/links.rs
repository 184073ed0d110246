//! Checks the links of the built pages: each leads to a file, and its fragment to an element.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Component, Path, PathBuf},
};

use crate::tools::Failure;

/// Follows the links of all pages in these folders of the book. Returns how many were followed.
///
/// # Errors
/// Fails when a page cannot be read.
pub(super) fn check(
    book: &Path,
    folders: &[&str],
    found: &mut Vec<String>,
) -> Result<usize, Failure> {
    let mut pages = BTreeMap::new();
    for folder in folders {
        read_pages(&book.join(folder), &mut pages)
            .map_err(|error| Failure::new(format!("{}: {error}", book.display())))?;
    }
    let mut count = 0;
    for (path, page) in &pages {
        // The page for printing has all pages in one, and the page of a missing file has absolute
        // links to the site.
        if path.ends_with("print.html") || path.ends_with("404.html") {
            continue;
        }
        for link in links(page) {
            count += 1;
            if let Some(reason) = broken(path, link, &pages) {
                let path = path.strip_prefix(book).unwrap_or(path);
                found.push(format!("{}: link to `{link}`: {reason}", path.display()));
            }
        }
    }
    Ok(count)
}

fn read_pages(folder: &Path, pages: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_pages(&path, pages)?;
        } else if path.extension().is_some_and(|extension| extension == "html") {
            let text = fs::read_to_string(&path)?;
            pages.insert(path, text);
        }
    }
    Ok(())
}

/// The targets in `href="…"` that are not on another host.
fn links(page: &str) -> BTreeSet<&str> {
    attributes(page, " href=\"").filter(|link| !link.contains(':') && !link.is_empty()).collect()
}

fn attributes<'a>(page: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    page.split(name).skip(1).filter_map(|rest| rest.split('"').next())
}

/// Why the link leads nowhere.
fn broken(from: &Path, link: &str, pages: &BTreeMap<PathBuf, String>) -> Option<String> {
    let (target, fragment) = link.split_once('#').unwrap_or((link, ""));
    let path = match target {
        "" => from.to_path_buf(),
        _ => normal(&from.parent()?.join(target)),
    };
    if !path.is_file() {
        return Some("the file does not exist".to_owned());
    }
    let page = pages.get(&path)?;
    let has_element = fragment.is_empty()
        || attributes(page, " id=\"").chain(attributes(page, " name=\"")).any(|id| id == fragment);
    (!has_element).then(|| format!("the page has no heading `#{fragment}`"))
}

/// The path without `..`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            Component::CurDir => {}
            part => normal.push(part),
        }
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_needs_its_file_and_its_heading() {
        let folder = std::env::temp_dir().join(format!("volga-book-{}", std::process::id()));
        fs::create_dir_all(folder.join("en/deep")).unwrap();
        let page = "<a href=\"deep/b.html#there\"></a> <a href=\"https://example.com\"></a> <a href=\"#here\"></a><h1 id=\"here\"></h1>";
        fs::write(folder.join("en/a.html"), page).unwrap();
        fs::write(folder.join("en/deep/b.html"), "<h2 id=\"there\"></h2>").unwrap();
        let check = |expect: &[&str]| {
            let mut found = Vec::new();
            check(&folder, &["en"], &mut found).unwrap();
            assert_eq!(found, expect);
        };
        check(&[]);
        fs::write(
            folder.join("en/deep/b.html"),
            "<a href=\"../c.html\"></a><a href=\"../a.html#no\"></a>",
        )
        .unwrap();
        check(&[
            "en/a.html: link to `deep/b.html#there`: the page has no heading `#there`",
            "en/deep/b.html: link to `../a.html#no`: the page has no heading `#no`",
            "en/deep/b.html: link to `../c.html`: the file does not exist",
        ]);
        fs::remove_dir_all(&folder).unwrap();
    }
}
