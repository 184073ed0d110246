//! The guide's page of settings lists every setting of the types that it names, and the page of
//! features every feature.

use std::{collections::BTreeSet, fs, path::Path};

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The first text between backquotes.
fn quoted(line: &str) -> Option<&str> {
    line.split('`').nth(1)
}

/// The text without its generic arguments.
fn without_generics(text: &str) -> String {
    let mut depth = 0_usize;
    let keep = |c: &char| {
        match c {
            '<' => depth += 1,
            '>' => depth -= 1,
            _ => return depth == 0,
        }
        false
    };
    text.chars().filter(keep).collect()
}

/// The setters of a type, in the snapshots of the public API: methods that take the value and
/// return it.
fn setters(apis: &[String], name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in apis.iter().flat_map(|api| api.lines()) {
        let Some(rest) = line.strip_prefix("pub fn ").or(line.strip_prefix("pub const fn ")) else {
            continue;
        };
        let Some((path, rest)) = rest.split_once("(self") else { continue };
        let is_setter = rest.starts_with([',', ')'])
            && rest.split(" where ").any(|part| part.ends_with("-> Self"));
        let path = without_generics(path);
        if let (true, Some((owner, method))) = (is_setter, path.rsplit_once("::"))
            && owner.rsplit("::").next() == Some(name)
        {
            found.insert(method.to_owned());
        }
    }
    found
}

#[test]
fn the_page_has_every_setting_of_its_types() {
    let crates = ["volga", "volga-http", "volga-relay-disk", "volga-sse", "volga-web", "volga-ws"];
    let apis: Vec<_> = crates.iter().map(|name| read(&format!("api/{name}.txt"))).collect();
    let page = read("docs/src/settings.md");
    let mut types = 0;
    for section in page.split("\n### ").skip(1) {
        let name = quoted(section).expect("the name of a type");
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let listed: BTreeSet<_> = rows.filter_map(quoted).map(str::to_owned).collect();
        assert_eq!(listed, setters(&apis, name), "{name}");
        types += 1;
    }
    assert!(types > 20, "{types} types");
}

#[test]
fn the_page_and_the_readme_have_every_feature() {
    let manifest = read("crates/volga/Cargo.toml");
    let section = manifest.split("[features]").nth(1).and_then(|rest| rest.split("\n[").next());
    let lines = section.expect("features").lines().filter(|line| !line.starts_with('#'));
    let features: BTreeSet<_> =
        lines.filter_map(|line| line.split_once(" = [")).map(|(name, _)| name.to_owned()).collect();
    assert!(features.len() > 15, "{features:?}");
    for page in ["docs/src/features.md", "README.md"] {
        let text = read(page);
        let rows = text.split("\n| Feature |").nth(1).expect("the table").split("\n\n").next();
        let listed = rows.expect("rows").lines().skip(1).filter(|line| line.starts_with("| `"));
        let listed: BTreeSet<_> = listed.filter_map(quoted).map(str::to_owned).collect();
        assert_eq!(listed, features, "{page}");
    }
}
