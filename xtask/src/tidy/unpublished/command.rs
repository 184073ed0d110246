//! Finds commands that ask a registry for a crate: `cargo add`, `cargo install` (pure).

use super::Names;

/// The subcommands of cargo that fetch a crate by its name from a registry.
const FETCHING: &[&str] = &["add", "install", "binstall"];

/// The options of these subcommands whose value is the next word.
const WITH_VALUE: &[&str] = &[
    "--features",
    "-F",
    "--rename",
    "--manifest-path",
    "--package",
    "-p",
    "--path",
    "--git",
    "--branch",
    "--tag",
    "--rev",
    "--registry",
    "--index",
    "--target",
    "--target-dir",
    "--base",
    "--config",
    "-C",
    "--color",
    "--version",
    "--vers",
    "--root",
    "--bin",
    "--example",
    "--profile",
    "--jobs",
    "-j",
    "-Z",
    "--lockfile-path",
];

/// Every command that names one of our crates but not the place of its source.
pub(super) fn findings(text: &str, names: &Names) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text[at..].find("cargo") {
        let start = at + next;
        at = start + "cargo".len();
        if text[..start].ends_with(|before: char| super::is_name(before) || before == '/') {
            continue;
        }
        let command = command(&text[at..]);
        if let Some(copied) = registry_command(&command, names) {
            found.push((text[..start].matches('\n').count() + 1, copied));
        }
    }
    found
}

/// The words of the command with which the text begins, without quotation marks.
fn command(text: &str) -> Vec<String> {
    let mut joined = String::new();
    for line in text.lines() {
        match line.trim_end().strip_suffix('\\') {
            Some(part) => joined.extend([part, " "]),
            None => {
                joined.push_str(line);
                break;
            }
        }
    }
    // The command ends where the shell would end it, or where inline code ends in a sentence.
    let end = joined.find(['`', ';', '|', '&', '#', ')']).unwrap_or(joined.len());
    let words = joined[..end].split_whitespace();
    words.map(|word| word.trim_matches(['"', '\'', ',']).to_owned()).collect()
}

/// The command in short, if it fetches one of our crates from a registry.
fn registry_command(words: &[String], names: &Names) -> Option<String> {
    let subcommand = words.iter().position(|word| !word.starts_with(['-', '+']))?;
    if !FETCHING.contains(&words[subcommand].as_str()) {
        return None;
    }
    let (mut has_source, mut ours, mut is_value) = (false, None, false);
    for word in &words[subcommand + 1..] {
        if is_value {
            is_value = false;
        } else if word.starts_with('-') {
            has_source |= ["--path", "--git"].contains(&word.split('=').next().unwrap_or(word));
            is_value = WITH_VALUE.contains(&word.as_str());
        } else {
            let (name, version) = match word.split_once('@') {
                Some((name, _)) => (name, true),
                None => (word.as_str(), false),
            };
            if names.contain(name) {
                ours = Some((word, version));
            }
        }
    }
    let (word, version) = ours?;
    (version || !has_source).then(|| format!("cargo {} {word}", words[subcommand]))
}
