//! Limits how many crates `volga-sse` depends on, counted in the output of `cargo tree`.

use std::collections::BTreeSet;

use crate::{
    tools::{self, Failure, Style},
    workspace::Workspace,
};

/// How many crates besides `volga-sse` its codec alone may compile.
const CODEC_MAX: usize = 3;
/// How many crates, including `volga-sse`, its default features may add to a program with axum.
const BESIDE_AXUM_MAX: usize = 2;

/// Returns a text for each budget that is exceeded.
///
/// # Errors
/// Fails when `cargo tree` fails.
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
                "the crates that volga-sse adds to axum are not counted: examples/axum-sse is missing"
            )
        );
    }
    Ok(found)
}

/// The crates that a user of the package compiles, including the package.
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
            "the codec of volga-sse depends on {} other crates, but {CODEC_MAX} are allowed: {}",
            others.len(),
            others.join(", ")
        )
    })
}

fn beside_axum_finding(sse: &BTreeSet<String>, axum: &BTreeSet<String>) -> Option<String> {
    let new: Vec<_> = sse.difference(axum).map(String::as_str).collect();
    (new.len() > BESIDE_AXUM_MAX).then(|| {
        format!(
            "volga-sse adds {} crates to axum's, but {BESIDE_AXUM_MAX} are allowed: {}",
            new.len(),
            new.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_counts_each_crate_once() {
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
    fn only_crates_that_axum_lacks_count() {
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
