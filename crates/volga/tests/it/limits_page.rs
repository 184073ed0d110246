//! The guide's page of limits and `volga::limits` have the same names.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Constants with such names that limit nothing a peer can take.
const NO_LIMITS: [&str; 4] =
    ["DEFAULT_FAREWELL_SPREAD", "DEFAULT_HEARTBEAT", "DEFAULT_RECONNECTION_TIME", "DEFAULT_RETRY"];

/// Names of HTTP/2 error codes, which the page explains.
const ERROR_CODES: [&str; 4] =
    ["ENHANCE_YOUR_CALM", "FLOW_CONTROL_ERROR", "FRAME_SIZE_ERROR", "REFUSED_STREAM"];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of constants in a text, which `is_part` splits.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_name = |word: &&str| {
        let is_constant = word.contains('_') || *word == "BACKLOG";
        is_constant && word.starts_with(|c: char| c.is_ascii_uppercase())
    };
    text.split(|c: char| !is_part(c) && !c.is_ascii_lowercase())
        .filter(|word| word.chars().all(is_part))
        .filter(is_name)
        .map(str::to_owned)
        .collect()
}

/// The names of the public constants with values of numbers and times, in a crate's source text.
fn constants(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(constants(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = read(&path);
            let declared = text.lines().filter_map(|line| {
                let (name, kind) = line.trim().strip_prefix("pub const ")?.split_once(": ")?;
                let is_limit = ["usize", "u32", "u64", "i32", "Duration"]
                    .iter()
                    .any(|limit| kind.starts_with(&format!("{limit} =")));
                let is_named = name.starts_with("DEFAULT_") || name.starts_with("MAX_");
                (is_limit && is_named).then(|| name.to_owned())
            });
            found.extend(declared);
        }
    }
    found
}

/// The names that `volga::limits` exports.
fn exported() -> BTreeSet<String> {
    let lib = read(&repository().join("crates/volga/src/lib.rs"));
    let (_, block) = lib.split_once("pub mod limits {").expect("the module of limits");
    let (block, _) = block.split_once("\n}").expect("its end");
    let server = read(&repository().join("crates/volga-http/src/limits.rs"));
    let server = server.lines().filter_map(|line| line.strip_prefix("pub const "));
    let server = server.filter_map(|line| line.split(':').next()).map(str::to_owned);
    names(block).into_iter().chain(server).collect()
}

/// The names in the backticks of the page.
fn on_the_page() -> BTreeSet<String> {
    let page = read(&repository().join("docs/src/limits.md"));
    let quoted: Vec<&str> = page
        .split("```")
        .step_by(2)
        .flat_map(|prose| prose.split('`').skip(1).step_by(2))
        .collect();
    quoted.into_iter().flat_map(names).filter(|name| !ERROR_CODES.contains(&&**name)).collect()
}

#[test]
fn the_page_and_the_module_have_the_same_names() {
    let (page, module) = (on_the_page(), exported());
    let missing: Vec<_> = module.difference(&page).collect();
    assert!(missing.is_empty(), "add to docs/src/limits.md: {missing:?}");
    let unknown: Vec<_> = page.difference(&module).collect();
    assert!(unknown.is_empty(), "`volga::limits` does not export: {unknown:?}");
    assert!(page.len() > 80, "only {} names were found", page.len());
}

#[test]
fn the_module_has_every_limit_of_the_crates() {
    let module = exported();
    for name in [
        "volga",
        "volga-core",
        "volga-h3",
        "volga-http",
        "volga-relay-disk",
        "volga-relay-redis",
        "volga-sse",
        "volga-web",
    ] {
        let folder = repository().join("crates").join(name).join("src");
        let missing: Vec<_> = constants(&folder)
            .into_iter()
            .filter(|constant| !module.contains(constant) && !NO_LIMITS.contains(&&**constant))
            .collect();
        assert!(missing.is_empty(), "add to `limits` in crates/volga/src/lib.rs: {missing:?}");
    }
}
