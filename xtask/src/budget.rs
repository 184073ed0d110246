//! How many crates `volga-sse` brings along, counted in `cargo tree`.

use std::collections::BTreeSet;

use crate::{
    tools::{self, Failure, Style},
    workspace::Workspace,
};

/// Crates beside `volga-sse` that its codec alone compiles.
const CODEC_MAX: usize = 3;
/// Crates, `volga-sse` among them, that its default features add to a program that has axum.
const BESIDE_AXUM_MAX: usize = 2;

/// Every budget that is exceeded, one text each.
///
/// # Errors
/// When `cargo tree` fails.
pub(crate) fn check(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    let codec = tree(workspace, &["volga-sse", "--no-default-features"])?;
    found.extend(codec_finding(&codec));

    let axum_sse = workspace.has_package("axum-sse");
    if axum_sse {
        let axum = tree(workspace, &["axum"])?;
        found.extend(beside_axum_finding(&tree(workspace, &["volga-sse"])?, &axum));
    } else {
        println!(
            "{}",
            tools::paint(
                Style::Warn,
                "not counted beside axum: examples/axum-sse does not exist yet"
            )
        );
    }
    Ok(found)
}

/// The crates that a package compiles for its users, itself included.
fn tree(workspace: &Workspace, package: &[&str]) -> Result<BTreeSet<String>, Failure> {
    let mut args =
        vec!["tree", "--edges", "normal", "--prefix", "none", "--format", "{p}", "--package"];
    args.extend(package);
    Ok(names(&tools::read(&mut workspace.cargo(&args))?))
}

/// The first word of each line of `cargo tree`.
fn names(tree: &str) -> BTreeSet<String> {
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn codec_finding(codec: &BTreeSet<String>) -> Option<String> {
    let others: Vec<_> =
        codec.iter().filter(|name| *name != "volga-sse").map(String::as_str).collect();
    (others.len() > CODEC_MAX).then(|| {
        format!(
            "the codec of volga-sse brings {} other crates, {CODEC_MAX} are allowed: {}",
            others.len(),
            others.join(", ")
        )
    })
}

fn beside_axum_finding(sse: &BTreeSet<String>, axum: &BTreeSet<String>) -> Option<String> {
    let new: Vec<_> = sse.difference(axum).map(String::as_str).collect();
    (new.len() > BESIDE_AXUM_MAX).then(|| {
        format!(
            "volga-sse adds {} crates to axum's, {BESIDE_AXUM_MAX} are allowed: {}",
            new.len(),
            new.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_read_once_per_crate() {
        let tree = "volga-sse v0.1.0 (/src/volga-sse)\nbytes v1.11.0\nmemchr v2.7.6\nbytes v1.11.0 (*)\n\n";
        assert_eq!(
            names(tree),
            BTreeSet::from(["bytes", "memchr", "volga-sse"].map(str::to_owned))
        );
    }

    #[test]
    fn the_codec_has_a_budget() {
        assert_eq!(codec_finding(&names("volga-sse\na\nb\nc")), None);
        assert!(codec_finding(&names("volga-sse\na\nb\nc\nd")).unwrap().contains("a, b, c, d"));
    }

    #[test]
    fn what_axum_has_is_free_and_the_rest_has_a_budget() {
        assert_eq!(
            beside_axum_finding(&names("volga-sse\nbytes\none"), &names("axum\nbytes")),
            None
        );
        assert!(
            beside_axum_finding(&names("volga-sse\nbytes\none\ntwo"), &names("axum\nbytes"))
                .unwrap()
                .contains("one, two")
        );
    }
}
