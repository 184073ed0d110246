//! Checks which crate may import which: rules 1 to 4 of ARCHITECTURE.md, on a small model of the
//! workspace (pure).
//!
//! The rules apply to every dependency that a manifest declares, of every kind and for every
//! target, even if a feature has to enable it.

use std::collections::{BTreeMap, BTreeSet};

/// The packages of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Graph {
    pub(crate) members: Vec<Member>,
}

/// One package of the workspace.
#[derive(Clone, Debug, Default)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// The path of its folder, from the root.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) features: BTreeMap<String, Vec<String>>,
}

/// One dependency as the manifest declares it.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) optional: bool,
    pub(crate) features: Vec<String>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// A normal dependency or a build dependency: each user compiles both.
    Normal,
    Dev,
}

/// The layers, from the lowest to the highest. A name that ends in `-` is a prefix.
///
/// A package imports crates of lower layers only, so the crates of one layer do not know each
/// other.
const LAYERS: &[&[&str]] = &[
    &["volga-macros"],
    &["volga-core", "volga-http", "volga-sse"],
    &["volga-h3", "volga-relay-", "volga-sse-client", "volga-web", "volga-ws"],
    &["volga"],
];

/// The dependencies of `volga-sse` that one feature alone may enable, and which are not part of its
/// default features.
const SSE_FEATURES: &[(&str, &[&str])] =
    &[("macros", &["volga-macros"]), ("axum", &["axum-core", "tower-layer", "tower-service"])];

/// The number of the rule, the crate, and the crates that it must not import. A name also stands
/// for the crates whose names begin with it (`hyper` for `hyper-util`). [`SSE_FEATURES`] has the
/// exceptions.
const FORBIDDEN_IMPORTS: &[(u8, &str, &[&str])] = &[
    (1, "volga-sse", &["hyper", "axum", "tower", "tracing"]),
    (2, "volga-core", &["hyper", "h2", "rustls", "tokio-rustls"]),
    (3, "volga-http", &["serde"]),
    (4, "volga-web", &["volga-http", "volga-sse", "hyper", "h2"]),
    // It serves any tower service, so it knows no route and no event. Of our crates it knows the
    // server, whose settings and drain it has.
    (4, "volga-h3", &["hyper", "axum", "volga-core", "volga-sse"]),
    // It works in any server. Of our crates it knows the hub, which it connects to Redis.
    (4, "volga-relay-disk", &["hyper", "axum", "tower", "volga-core", "volga-http"]),
    (4, "volga-relay-redis", &["hyper", "axum", "tower", "volga-core", "volga-http"]),
    // It works in any server. Of our crates it knows the hub and the JSON of event streams, for its
    // features `hub` and `json`.
    (4, "volga-ws", &["hyper", "axum", "tower", "volga-core", "volga-http"]),
];

/// The features of tokio that `volga-core` must not enable: it has no socket and starts no runtime.
const FORBIDDEN_TOKIO_FEATURES: &[&str] = &["net", "rt", "rt-multi-thread", "full"];
/// The same for the tests of `volga-core`, which need a runtime, but no socket either.
const FORBIDDEN_TOKIO_FEATURES_IN_TESTS: &[&str] = &["net", "full"];

/// The examples that use one crate of ours without any other.
const STANDALONE_EXAMPLES: &[(&str, &str)] = &[
    ("examples/axum-sse", "volga-sse"),
    ("examples/hyper-sse", "volga-sse"),
    ("examples/axum-ws", "volga-ws"),
    ("examples/hyper-ws", "volga-ws"),
];

/// Returns a text for each violation of the rules.
pub(crate) fn check(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for member in &graph.members {
        for dependency in &member.dependencies {
            check_layer(graph, member, dependency, &mut found);
            check_forbidden_imports(member, dependency, &mut found);
            check_standalone_example(graph, member, dependency, &mut found);
        }
        for (feature, dependencies) in SSE_FEATURES {
            for dependency in *dependencies {
                check_sse_feature(member, feature, dependency, &mut found);
            }
        }
        if is_library(member) && layer(&member.name).is_none() {
            found.push(format!(
                "{} has no layer: add it to LAYERS in xtask/src/deps.rs",
                member.name
            ));
        }
    }
    found
}

/// Rules 1 to 4 for imports of our own crates: a crate imports crates of lower layers only.
fn check_layer(graph: &Graph, member: &Member, dependency: &Dependency, found: &mut Vec<String>) {
    let (Some(from), Some(to)) = (layer(&member.name), layer(&dependency.name)) else {
        // A library never imports an example or this tool: they are above every layer.
        if is_library(member) && is_ours(graph, &dependency.name) {
            found.push(format!(
                "{}: {} imports {}, which is not a library of crates/",
                rule(member),
                member.name,
                dependency.name
            ));
        }
        return;
    };
    // A crate may be its own dev-dependency, to enable its features for its tests.
    let itself = dependency.kind == Kind::Dev && dependency.name == member.name;
    if to >= from && !itself {
        let how = match dependency.kind {
            Kind::Normal => "imports",
            Kind::Dev => "imports for its tests",
        };
        found.push(format!(
            "{}: {} {how} {}, which is not in a lower layer (tests of several crates belong in crates/volga/tests)",
            rule(member),
            member.name,
            dependency.name
        ));
    }
}

/// Rules 1 to 3 for imports of foreign crates, and for the features of tokio.
fn check_forbidden_imports(member: &Member, dependency: &Dependency, found: &mut Vec<String>) {
    for (number, name, forbidden) in FORBIDDEN_IMPORTS {
        let is_checked_as_feature = member.name == "volga-sse"
            && dependency.kind == Kind::Normal
            && SSE_FEATURES.iter().any(|(_, names)| names.contains(&dependency.name.as_str()));
        if member.name == *name
            && !is_checked_as_feature
            && forbidden.iter().any(|forbidden| is_family(forbidden, &dependency.name))
        {
            found.push(format!("rule {number}: {name} imports {}", dependency.name));
        }
    }
    if member.name == "volga-core" && dependency.name == "tokio" {
        let forbidden = match dependency.kind {
            Kind::Normal => FORBIDDEN_TOKIO_FEATURES,
            Kind::Dev => FORBIDDEN_TOKIO_FEATURES_IN_TESTS,
        };
        for feature in
            dependency.features.iter().filter(|feature| forbidden.contains(&feature.as_str()))
        {
            found.push(format!("rule 2: volga-core imports tokio with feature `{feature}`"));
        }
    }
}

/// Rule 1: only this feature of `volga-sse` enables this dependency, and it is off by default.
fn check_sse_feature(member: &Member, only: &str, dependency: &str, found: &mut Vec<String>) {
    if member.name != "volga-sse" {
        return;
    }
    let imports = |import: &&Dependency| import.name == dependency && import.kind == Kind::Normal;
    if member.dependencies.iter().filter(imports).any(|import| !import.optional) {
        found.push(format!(
            "rule 1: volga-sse imports {dependency} without the feature `{only}`: make it optional"
        ));
    }
    for (feature, enabled) in &member.features {
        let on = enabled.iter().any(|feature| {
            let name = feature.strip_prefix("dep:").unwrap_or(feature);
            name.split(['/', '?']).next() == Some(dependency)
        });
        // If no feature mentions an optional dependency as `dep:NAME`, Cargo adds a feature with
        // the name of the dependency.
        if on && feature != only {
            found.push(format!(
                "rule 1: feature `{feature}` of volga-sse enables {dependency}: only `{only}` may do that"
            ));
        }
        if on && feature == only && reaches(&member.features, "default", only, &mut BTreeSet::new())
        {
            found.push(format!("rule 1: feature `{only}` of volga-sse is enabled by default"));
        }
    }
}

/// The examples for other frameworks import one crate of ours and no other.
fn check_standalone_example(
    graph: &Graph,
    member: &Member,
    dependency: &Dependency,
    found: &mut Vec<String>,
) {
    let ours = is_ours(graph, &dependency.name) || layer(&dependency.name).is_some();
    for (folder, only) in STANDALONE_EXAMPLES {
        if member.folder == *folder && ours && dependency.name != *only {
            found.push(format!(
                "{folder} imports {}: {only} is the only crate of ours that it may import",
                dependency.name
            ));
        }
    }
}

/// The rule that an import between our crates breaks.
fn rule(member: &Member) -> &'static str {
    match member.name.as_str() {
        "volga-sse" => "rule 1",
        "volga-core" => "rule 2",
        "volga-http" => "rule 3",
        _ => "rule 4",
    }
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|names| {
        names.iter().any(|one| *one == name || (one.ends_with('-') && name.starts_with(one)))
    })
}

fn is_ours(graph: &Graph, name: &str) -> bool {
    graph.members.iter().any(|member| member.name == name)
}

fn is_library(member: &Member) -> bool {
    member.folder.starts_with("crates/")
}

fn is_family(family: &str, name: &str) -> bool {
    name.strip_prefix(family).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_']))
}

fn reaches(
    features: &BTreeMap<String, Vec<String>>,
    from: &str,
    to: &str,
    seen: &mut BTreeSet<String>,
) -> bool {
    let Some(enabled) = features.get(from) else {
        return false;
    };
    enabled.iter().any(|feature| {
        feature == to || (seen.insert(feature.clone()) && reaches(features, feature, to, seen))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Breaks one rule with `edit` in a small workspace that obeys all of them. The check must find
    /// `expect` and nothing else.
    #[track_caller]
    fn check_broken(edit: impl FnOnce(&mut Graph), expect: &str) {
        let mut graph = good();
        edit(&mut graph);
        let found = check(&graph);
        assert!(
            found.len() == 1 && found[0].contains(expect),
            "expected only `{expect}`, found {found:#?}"
        );
    }

    fn good() -> Graph {
        let library =
            |name: &str, imports: &[&str]| member(name, &format!("crates/{name}"), imports);
        let mut sse = library("volga-sse", &["bytes", "tokio"]);
        sse.dependencies.push(Dependency { optional: true, ..normal("volga-macros") });
        sse.features.insert("default".into(), vec!["body".into()]);
        sse.features.insert("body".into(), vec!["dep:tokio".into()]);
        sse.features.insert("macros".into(), vec!["dep:volga-macros".into(), "body".into()]);
        sse.dependencies.push(Dependency { optional: true, ..normal("axum-core") });
        sse.features.insert("axum".into(), vec!["dep:axum-core".into(), "body".into()]);
        let mut core = library("volga-core", &["http", "serde", "tower-service"]);
        core.dependencies.push(tokio(Kind::Normal, &["fs", "io-util", "sync"]));
        core.dependencies.push(tokio(Kind::Dev, &["macros", "rt"]));
        let mut volga = library("volga", &["volga-core", "volga-http", "volga-sse", "tokio"]);
        volga.dependencies.push(Dependency { kind: Kind::Dev, ..normal("hyper") });
        Graph {
            members: vec![
                library("volga-macros", &["syn"]),
                sse,
                core,
                library("volga-http", &["httparse", "h2", "tokio"]),
                library("volga-web", &["volga-core", "multer"]),
                volga,
                member("sse", "examples/sse", &["volga"]),
                member("axum-sse", "examples/axum-sse", &["volga-sse", "axum"]),
                member("xtask", "xtask", &["cargo_metadata"]),
            ],
        }
    }

    fn member(name: &str, folder: &str, imports: &[&str]) -> Member {
        Member {
            name: name.to_owned(),
            folder: folder.to_owned(),
            dependencies: imports.iter().map(|name| normal(name)).collect(),
            features: BTreeMap::new(),
        }
    }

    fn normal(name: &str) -> Dependency {
        Dependency {
            name: name.to_owned(),
            kind: Kind::Normal,
            optional: false,
            features: Vec::new(),
        }
    }

    fn tokio(kind: Kind, features: &[&str]) -> Dependency {
        Dependency {
            kind,
            features: features.iter().map(|&feature| feature.to_owned()).collect(),
            ..normal("tokio")
        }
    }

    fn add(to: &str, dependency: Dependency) -> impl FnOnce(&mut Graph) {
        let to = to.to_owned();
        move |graph| find(graph, &to).dependencies.push(dependency)
    }

    fn find<'a>(graph: &'a mut Graph, name: &str) -> &'a mut Member {
        graph.members.iter_mut().find(|member| member.name == name).unwrap()
    }

    fn dev(name: &str) -> Dependency {
        Dependency { kind: Kind::Dev, ..normal(name) }
    }

    #[test]
    fn a_good_workspace_passes() {
        assert_eq!(check(&good()), Vec::<String>::new());
    }

    #[test]
    fn rule_1_sse_imports_no_crate_of_ours_and_no_framework() {
        check_broken(
            add("volga-sse", normal("volga-core")),
            "rule 1: volga-sse imports volga-core",
        );
        check_broken(
            add("volga-sse", dev("volga-http")),
            "rule 1: volga-sse imports for its tests volga-http",
        );
        for name in ["hyper", "hyper-util", "axum", "axum-core", "tower", "tower-http", "tracing"] {
            check_broken(
                add("volga-sse", normal(name)),
                &format!("rule 1: volga-sse imports {name}"),
            );
            check_broken(add("volga-sse", dev(name)), &format!("rule 1: volga-sse imports {name}"));
        }
    }

    #[test]
    fn rule_1_the_macros_and_axum_stay_behind_their_features() {
        let required = |name: &'static str| {
            move |graph: &mut Graph| {
                find(graph, "volga-sse")
                    .dependencies
                    .iter_mut()
                    .filter(|one| one.name == name)
                    .for_each(|one| one.optional = false)
            }
        };
        check_broken(required("volga-macros"), "without the feature `macros`");
        check_broken(required("axum-core"), "without the feature `axum`");
        let feature = |name: &'static str, switch: &'static str| {
            move |graph: &mut Graph| {
                find(graph, "volga-sse")
                    .features
                    .entry(name.to_owned())
                    .or_default()
                    .push(switch.to_owned());
            }
        };
        check_broken(feature("body", "dep:volga-macros"), "feature `body` of volga-sse");
        check_broken(feature("json", "volga-macros/full"), "feature `json` of volga-sse");
        check_broken(feature("default", "macros"), "enabled by default");
        check_broken(feature("body", "macros"), "enabled by default");
        check_broken(feature("body", "dep:axum-core"), "feature `body` of volga-sse");
        check_broken(feature("default", "axum"), "enabled by default");
    }

    #[test]
    fn rule_2_core_has_no_socket_no_server_no_sibling() {
        for name in ["hyper", "hyper-util", "h2", "rustls", "tokio-rustls"] {
            check_broken(
                add("volga-core", normal(name)),
                &format!("rule 2: volga-core imports {name}"),
            );
        }
        check_broken(
            add("volga-core", normal("volga-sse")),
            "rule 2: volga-core imports volga-sse",
        );
        check_broken(
            add("volga-core", dev("volga-http")),
            "rule 2: volga-core imports for its tests volga-http",
        );
        check_broken(add("volga-core", tokio(Kind::Normal, &["net"])), "tokio with feature `net`");
        check_broken(add("volga-core", tokio(Kind::Normal, &["rt"])), "tokio with feature `rt`");
        check_broken(add("volga-core", tokio(Kind::Dev, &["net"])), "tokio with feature `net`");
    }

    #[test]
    fn rule_3_http_knows_no_route_no_event_no_serde() {
        check_broken(
            add("volga-http", normal("volga-core")),
            "rule 3: volga-http imports volga-core",
        );
        check_broken(
            add("volga-http", dev("volga-sse")),
            "rule 3: volga-http imports for its tests volga-sse",
        );
        for name in ["serde", "serde_json"] {
            check_broken(
                add("volga-http", normal(name)),
                &format!("rule 3: volga-http imports {name}"),
            );
        }
    }

    #[test]
    fn rule_4_websockets_know_no_server_and_no_framework() {
        for name in ["hyper", "axum", "tower", "volga-core", "volga-http"] {
            let broken = |graph: &mut Graph| {
                graph.members.push(member("volga-ws", "crates/volga-ws", &["volga-sse", name]));
            };
            check_broken(broken, &format!("rule 4: volga-ws imports {name}"));
        }
    }

    #[test]
    fn rule_4_http3_knows_no_framework_and_no_event() {
        for name in ["hyper", "axum", "volga-core", "volga-sse"] {
            let broken = |graph: &mut Graph| {
                graph.members.push(member("volga-h3", "crates/volga-h3", &["volga-http", name]));
            };
            check_broken(broken, &format!("rule 4: volga-h3 imports {name}"));
        }
    }

    #[test]
    fn rule_4_a_dev_dependency_never_points_upward() {
        check_broken(
            add("volga-macros", dev("volga")),
            "rule 4: volga-macros imports for its tests volga",
        );
        check_broken(
            add("volga-macros", dev("volga-sse")),
            "rule 4: volga-macros imports for its tests volga-sse",
        );
        check_broken(add("volga", dev("sse")), "rule 4: volga imports sse, which is not a library");
    }

    #[test]
    fn rule_4_web_is_on_core_alone() {
        for name in ["volga-http", "volga-sse", "hyper-util", "h2"] {
            check_broken(
                add("volga-web", normal(name)),
                &format!("rule 4: volga-web imports {name}"),
            );
        }
        check_broken(
            add("volga-web", dev("volga")),
            "rule 4: volga-web imports for its tests volga",
        );
    }

    #[test]
    fn a_crate_may_enable_its_own_features_for_its_tests() {
        let mut graph = good();
        add("volga", dev("volga"))(&mut graph);
        assert_eq!(check(&graph), Vec::<String>::new());
    }

    #[test]
    fn a_new_library_needs_a_layer() {
        let new = member("volga-new", "crates/volga-new", &[]);
        check_broken(|graph| graph.members.push(new), "volga-new has no layer");
    }

    #[test]
    fn an_example_for_another_framework_imports_volga_sse_alone() {
        check_broken(add("axum-sse", normal("volga")), "examples/axum-sse imports volga");
        check_broken(
            add("axum-sse", dev("volga-macros")),
            "examples/axum-sse imports volga-macros",
        );
    }
}
