//! Finds dependencies as a manifest declares them: `name = "1"`, `name = { … }`, `name.version` and
//! `[dependencies.name]` (pure).
//!
//! The texts are pieces of manifests in the middle of prose, so a TOML parser could not read them.
//! The search looks for a name where a key can be, and judges the text that follows.

use super::{Names, is_name, leading_name};

/// Quotation marks: those of TOML, and those that a word processor puts in their place.
const QUOTES: &[char] = &['"', '\'', '“', '‘'];

/// Every dependency on one of our crates that has a version, or that does not say where its source
/// is.
pub(super) fn findings(text: &str, names: &Names) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    for (number, line) in text.split_inclusive('\n').enumerate() {
        if let Some(table) = dependency_table(line) {
            let keys = keys_of_table(&text[at + line.len()..]);
            if is_ours(&table, &keys, names) && is_fetched(&keys) {
                found.push((number + 1, line.trim().to_owned()));
            }
        } else if line.contains('=') {
            let keys = line.char_indices().filter(|(column, _)| begins_name(line, *column));
            for (column, _) in keys {
                if let Some(copied) = declaration(&text[at..], column, names) {
                    found.push((number + 1, copied));
                }
            }
        }
        at += line.len();
    }
    found
}

/// Whether a name that can be a key begins at this column. The rest of a longer name is not one,
/// and neither is the name of a variable.
fn begins_name(line: &str, column: usize) -> bool {
    let (before, rest) = line.split_at(column);
    let is_start = rest.starts_with(is_name)
        && !before.ends_with(|last: char| is_name(last) || last == '/' || last == '@');
    let word = before.split_whitespace().next_back().unwrap_or_default();
    is_start && !(before.ends_with(' ') && ["let", "mut", "const", "static"].contains(&word))
}

/// The dependency that the key at this column declares, if Cargo would ask a registry for one of
/// our crates.
fn declaration(text: &str, column: usize, names: &Names) -> Option<String> {
    let name = leading_name(&text[column..]);
    let after = text[column + name.len()..].trim_start_matches(['"', '\'', '\\']);
    let line = after.lines().next().unwrap_or_default().trim_start_matches([' ', '\t']);
    if let Some(rest) = line.strip_prefix('.') {
        let key = rest.trim_start().trim_start_matches(['"', '\'']);
        let rest = key.strip_prefix("version")?.trim_start_matches(['"', '\'']).trim_start();
        return (names.contain(name) && rest.starts_with('=')).then(|| format!("{name}.version"));
    }
    let value = line.strip_prefix('=')?.trim_start_matches([' ', '\t', '\\']);
    if value.starts_with(QUOTES) {
        return names.contain(name).then(|| declaration_text(name, value));
    }
    if !value.starts_with('{') {
        return None;
    }
    let keys = keys_of_inline_table(&after[after.find('{')? + 1..]);
    (is_ours(name, &keys, names) && is_fetched(&keys)).then(|| declaration_text(name, value))
}

/// The declaration up to the end of the line, or up to the end of inline code in a sentence.
fn declaration_text(name: &str, value: &str) -> String {
    let code = value.split('`').next().unwrap_or_default();
    format!("{name} = {}", code.trim_end())
}

/// A key in the table of a dependency, and its value without quotation marks.
type Key = (String, String);

/// Whether the dependency is one of our crates, under its own name or renamed.
fn is_ours(name: &str, keys: &[Key], names: &Names) -> bool {
    let package = keys.iter().find(|(key, _)| key == "package");
    names.contain(package.map_or(name, |(_, value)| value.as_str()))
}

/// Whether Cargo would look for the dependency in a registry, now or after the dependent crate is
/// published.
fn is_fetched(keys: &[Key]) -> bool {
    let has = |name: &str| keys.iter().any(|(key, _)| key == name);
    has("version") || !["path", "git", "workspace"].into_iter().any(has)
}

/// The keys of an inline table. The text begins after its `{`.
fn keys_of_inline_table(text: &str) -> Vec<Key> {
    let (mut parts, mut part, mut depth, mut quote) = (Vec::new(), String::new(), 0, None);
    for character in text.chars().filter(|character| *character != '\\') {
        match (quote, character) {
            (Some(end), _) if character == end => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '[' | '{') => depth += 1,
            (None, '}') if depth == 0 => break,
            (None, ']' | '}') => depth -= 1,
            (None, ',') if depth == 0 => {
                parts.push(std::mem::take(&mut part));
                continue;
            }
            (None, _) => {}
        }
        part.push(character);
    }
    parts.push(part);
    parts.iter().filter_map(|part| key(part)).collect()
}

/// The keys of a table. The text begins after its header.
fn keys_of_table(text: &str) -> Vec<Key> {
    let ends =
        |line: &str| line.starts_with('[') || line.starts_with("```") || line.starts_with("~~~");
    text.lines().map(str::trim).take_while(|line| !ends(line)).filter_map(key).collect()
}

fn key(text: &str) -> Option<Key> {
    let (key, value) = text.split_once('=')?;
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    Some((bare(key), bare(value)))
}

/// The `name` in a header `[dependencies.name]`, for any kind of dependencies.
fn dependency_table(line: &str) -> Option<String> {
    let header = line.trim().strip_prefix('[')?;
    let header = &header[..header.rfind(']')?];
    let (table, name) = header.rsplit_once('.')?;
    let name = name.trim().trim_matches(['"', '\'']);
    (table.trim_end().ends_with("dependencies") && leading_name(name) == name)
        .then(|| name.to_owned())
}
