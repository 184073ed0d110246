//! Tests of the tree by cases, against a linear scan, and against matchit.

use proptest::prelude::*;

use super::*;

fn insert(
    tree: &mut Tree<usize>,
    method: Method,
    pattern: &str,
    target: usize,
) -> Result<(), RouteError> {
    tree.insert(method.into(), &Pattern::parse(pattern)?, Location::caller(), target)
}

/// Inserts a route for everything below a prefix.
fn insert_below(tree: &mut Tree<usize>, prefix: &str, target: usize) -> Result<(), RouteError> {
    let pattern = Pattern::below(prefix)?;
    tree.insert(Method::GET.into(), &pattern, Location::caller(), target)
}

fn tree(patterns: &[&str]) -> Tree<usize> {
    let mut tree = Tree::new();
    for (index, pattern) in patterns.iter().enumerate() {
        insert(&mut tree, Method::GET, pattern, index).unwrap();
    }
    tree.compact();
    tree
}

fn find<'t>(tree: &'t Tree<usize>, method: &Method, path: &str) -> Lookup<'t, usize> {
    tree.find(method, path, &mut Spans::default())
}

fn target(tree: &Tree<usize>, path: &str) -> Option<usize> {
    match find(tree, &Method::GET, path) {
        Lookup::Route(route) => Some(route.target),
        _ => None,
    }
}

/// The raw arguments of a path.
fn args(tree: &Tree<usize>, path: &str) -> Vec<(String, String)> {
    let mut spans = Spans::default();
    let Lookup::Route(route) = tree.find(&Method::GET, path, &mut spans) else { panic!("{path}") };
    let value = |index| spans.slice(path, index).unwrap().to_owned();
    route.info.names.iter().enumerate().map(|(at, name)| (name.to_string(), value(at))).collect()
}

#[test]
fn static_goes_before_argument_and_the_search_goes_back_at_a_dead_end() {
    let tree = tree(&["/a/b/c", "/{x}/d", "/a/{y}", "/"]);
    assert_eq!(target(&tree, "/a/b/c"), Some(0));
    assert_eq!(target(&tree, "/a/d"), Some(2));
    assert_eq!(target(&tree, "/b/d"), Some(1));
    assert_eq!(target(&tree, "/a/b"), Some(2));
    assert_eq!(target(&tree, "/"), Some(3));
    assert_eq!(target(&tree, "/a"), None);
    assert_eq!(target(&tree, "*"), None);
}

#[test]
fn constraints_go_before_the_plain_argument_and_the_rest_comes_last() {
    let tree = tree(&[
        "/u/{name}",
        "/u/{id:int}",
        "/u/{n:uint}",
        "/u/{*rest}",
        "/u/me",
        "/u/{id:int}/x",
        "/{*all}",
    ]);
    for (path, expect) in [
        ("/u/me", 4),
        ("/u/7", 2),
        ("/u/-7", 1),
        ("/u/anna", 0),
        ("/u/7/x", 5),
        ("/u/7/y", 3),
        ("/u/anna/x", 3),
        ("/u", 6),
        ("/v/w/x", 6),
    ] {
        assert_eq!(target(&tree, path), Some(expect), "{path}");
    }
    assert_eq!(target(&tree, "/"), None, "the rest is never empty");
}

#[test]
fn each_route_has_its_own_names() {
    let tree = tree(&["/u/{id}", "/u/{name}/x", "/u/{name}/{*rest}"]);
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(args(&tree, "/u/7"), [pair("id", "7")]);
    assert_eq!(args(&tree, "/u/7/x"), [pair("name", "7")]);
    assert_eq!(args(&tree, "/u/7/x/y"), [pair("name", "7"), pair("rest", "x/y")]);
}

#[test]
fn one_trailing_slash_is_ignored_and_an_argument_is_never_empty() {
    let tree = tree(&["/a", "/u/{id}", "/f/{*rest}", "//b/c"]);
    assert_eq!(target(&tree, "/a/"), Some(0));
    assert_eq!(target(&tree, "/a//"), None);
    assert_eq!(target(&tree, "/u/"), None);
    assert_eq!(target(&tree, "/u//"), None);
    assert_eq!(target(&tree, "/A"), None);
    assert_eq!(target(&tree, "/f"), None);
    assert_eq!(target(&tree, "/f/"), None);
    assert_eq!(target(&tree, "/f//x"), None);
    assert_eq!(target(&tree, "//b/c"), Some(3));
    assert_eq!(target(&tree, "/b/c"), None);
    assert_eq!(target(&tree, "/b"), None);
    assert_eq!(args(&tree, "/f/x/")[0].1, "x/", "the rest keeps its slash");
}

#[test]
fn segments_are_compared_decoded_and_a_malformed_path_is_reported() {
    let tree = tree(&["/caf\u{e9}", "/100%", "/n/{id:int}", "/s/{x}"]);
    assert_eq!(target(&tree, "/caf%C3%A9"), Some(0));
    assert_eq!(target(&tree, "/%63af%c3%a9"), Some(0));
    assert_eq!(target(&tree, "/100%25"), Some(1));
    assert_eq!(target(&tree, "/n/%37"), Some(2));
    assert_eq!(args(&tree, "/s/a%2Fb")[0].1, "a%2Fb", "an encoded slash splits nothing");
    for path in ["/s/%", "/s/%2", "/nothing/%zz", "/100%"] {
        assert!(matches!(find(&tree, &Method::GET, path), Lookup::Malformed), "{path}");
    }
}

#[test]
fn an_encoded_rest_is_found_and_a_malformed_one_is_reported() {
    let tree = tree(&["/f/{*rest}", "/{x}/{y}/z"]);
    assert_eq!(args(&tree, "/f/a/b%20c")[0].1, "a/b%20c");
    assert_eq!(target(&tree, "/%66/a/b"), Some(0));
    assert_eq!(target(&tree, "/a%2Fb/c/z"), Some(1));
    assert!(matches!(find(&tree, &Method::GET, "/f/a/%"), Lookup::Malformed));
    assert!(matches!(find(&tree, &Method::GET, "/a/b/z%7"), Lookup::Malformed));
}

#[test]
fn a_target_without_a_path_has_no_route() {
    let tree = tree(&["/a", "/{x}", "//"]);
    for text in ["*", "xa", "a", "xa%62", "%2Fa"] {
        assert!(matches!(find(&tree, &Method::GET, text), Lookup::UnknownPath), "{text}");
    }
}

#[test]
fn for_another_method_the_mapped_methods_are_returned() {
    let mut tree = tree(&["/a", "/{x}", "/b/{*rest}"]);
    insert(&mut tree, Method::POST, "/{x}", 9).unwrap();
    let allowed = |path| match find(&tree, &Method::PUT, path) {
        Lookup::OtherMethods(methods) => methods,
        _ => panic!("the path is known"),
    };
    assert_eq!(allowed("/a"), [Method::GET, Method::HEAD, Method::POST]);
    assert_eq!(allowed("/b/c"), [Method::GET, Method::HEAD]);
    // A method of a less specific pattern is found when the more specific one lacks it.
    assert!(matches!(find(&tree, &Method::POST, "/a"), Lookup::Route(Route { target: 9, .. })));
    assert!(matches!(find(&tree, &Method::HEAD, "/a"), Lookup::Route(Route { target: 0, .. })));
    insert(&mut tree, Method::HEAD, "/a", 10).unwrap();
    assert!(matches!(find(&tree, &Method::HEAD, "/a"), Lookup::Route(Route { target: 10, .. })));
}

#[test]
fn any_method_comes_after_the_methods_of_the_same_pattern_and_before_other_patterns() {
    let mut tree = tree(&["/a/{x}", "/{*rest}"]);
    let any = Pattern::parse("/a/{x}").unwrap();
    tree.insert(RouteMethod::Any, &any, Location::caller(), 7).unwrap();
    tree.compact();
    for (method, path, expect) in [
        (Method::GET, "/a/b", 0),
        (Method::HEAD, "/a/b", 0),
        (Method::PUT, "/a/b", 7),
        (Method::OPTIONS, "/a/%62", 7),
        (Method::from_bytes(b"ANY").unwrap(), "/a/b", 7),
        (Method::GET, "/a/b/c", 1),
    ] {
        let Lookup::Route(route) = find(&tree, &method, path) else { panic!("{method} {path}") };
        assert_eq!(route.target, expect, "{method} {path}");
    }
    assert_eq!(tree.methods_of("/a/b"), [Method::GET, Method::HEAD]);
    let again = tree.insert(RouteMethod::Any, &any, Location::caller(), 8);
    assert!(again.unwrap_err().to_string().starts_with("`ANY /a/{x}` conflicts with"));
}

#[test]
fn everything_below_a_prefix_includes_an_empty_first_segment() {
    let mut tree = tree(&["/f/{*rest}", "/f/a"]);
    insert_below(&mut tree, "/f/", 7).unwrap();
    insert_below(&mut tree, "", 8).unwrap();
    for is_compact in [false, true] {
        if is_compact {
            tree.compact();
        }
        for (path, expect) in [
            ("/f/b", 0),
            ("/f/a", 1),
            ("/f//a", 7),
            ("/f//", 7),
            ("/f//%61", 7),
            ("/f", 8),
            ("//f/a", 8),
            ("//", 8),
        ] {
            assert_eq!(target(&tree, path), Some(expect), "{path}");
        }
        assert_eq!(target(&tree, "/"), None);
    }
}

#[test]
fn a_conflict_names_both_routes() {
    for (old, new) in [
        ("/users/{id}", "/users/{name}/"),
        ("/users/{id:int}", "/users/{n:int}"),
        ("/{*a}", "/{*b}"),
    ] {
        let error = insert(&mut tree(&[old]), Method::GET, new, 1).unwrap_err().to_string();
        let expect = format!("`GET {new}` conflicts with `GET {old}`, mapped before at ");
        assert!(error.starts_with(&expect), "{error}");
    }
}

/// A segment of a generated pattern, in the order of precedence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Part {
    Static(u8),
    Uint,
    Int,
    Arg,
    Rest,
    Below,
}

/// A segment of a generated path: a word, or a number.
#[derive(Clone, Copy, Debug)]
enum TestSegment {
    Word(u8),
    Number(i8),
    Empty,
}

impl Part {
    fn text(self, depth: usize) -> String {
        match self {
            Self::Static(n) => format!("s{n}"),
            Self::Uint => format!("{{a{depth}:uint}}"),
            Self::Int => format!("{{a{depth}:int}}"),
            Self::Arg => format!("{{a{depth}}}"),
            Self::Rest => "{*rest}".to_owned(),
            Self::Below => "{*}".to_owned(),
        }
    }

    fn matches(self, given: TestSegment) -> bool {
        match (self, given) {
            (Self::Static(n), TestSegment::Word(m)) => n == m,
            (Self::Below, _) => true,
            (_, TestSegment::Empty) | (Self::Static(_), TestSegment::Number(_)) => false,
            (Self::Uint, given) => matches!(given, TestSegment::Number(n) if n >= 0),
            (Self::Int, given) => matches!(given, TestSegment::Number(_)),
            (Self::Arg | Self::Rest, _) => true,
        }
    }
}

fn pattern_text(parts: &[Part]) -> String {
    parts.iter().enumerate().map(|(depth, part)| format!("/{}", part.text(depth))).collect()
}

fn path_text(path: &[TestSegment]) -> String {
    let segment = |given: &TestSegment| match given {
        TestSegment::Word(n) => format!("/s{n}"),
        TestSegment::Number(n) => format!("/{n}"),
        TestSegment::Empty => "/".to_owned(),
    };
    path.iter().map(segment).collect()
}

/// The rules of the tree as a linear scan. Of the patterns that match, the smallest one wins, in
/// the order of `Part`.
fn scan(patterns: &[Vec<Part>], path: &[TestSegment]) -> Option<usize> {
    let matches = |pattern: &Vec<Part>| {
        let rest = matches!(pattern.last(), Some(Part::Rest | Part::Below));
        let long_enough =
            if rest { path.len() >= pattern.len() } else { path.len() == pattern.len() };
        long_enough && pattern.iter().zip(path).all(|(part, given)| part.matches(*given))
    };
    (0..patterns.len()).filter(|&n| matches(&patterns[n])).min_by_key(|&n| &patterns[n])
}

fn pattern_strategy(parts: impl Strategy<Value = Part>) -> impl Strategy<Value = Vec<Part>> {
    let end = prop::option::of(Just(Part::Rest));
    (prop::collection::vec(parts, 0..5), end).prop_map(|(mut parts, end)| {
        parts.extend(end);
        parts
    })
}

/// Patterns for everything below a prefix.
fn below_strategy(parts: impl Strategy<Value = Part>) -> impl Strategy<Value = Vec<Part>> {
    prop::collection::vec(parts, 0..4).prop_map(|mut parts| {
        parts.push(Part::Below);
        parts
    })
}

fn part_strategy() -> impl Strategy<Value = Part> {
    prop_oneof![
        (0..3_u8).prop_map(Part::Static),
        Just(Part::Uint),
        Just(Part::Int),
        Just(Part::Arg),
    ]
}

/// Paths that may have empty segments.
fn gapped_path_strategy() -> impl Strategy<Value = Vec<TestSegment>> {
    (path_strategy(), any::<[bool; 6]>()).prop_map(|(path, gaps)| {
        let gap = |(given, gap)| if gap { TestSegment::Empty } else { given };
        path.into_iter().zip(gaps).map(gap).collect()
    })
}

fn path_strategy() -> impl Strategy<Value = Vec<TestSegment>> {
    let given = prop_oneof![
        (0..3_u8).prop_map(TestSegment::Word),
        (-1..2_i8).prop_map(TestSegment::Number)
    ];
    prop::collection::vec(given, 0..6)
}

proptest! {
    #[test]
    fn the_tree_agrees_with_a_scan(
        patterns in prop::collection::vec(
            prop_oneof![4 => pattern_strategy(part_strategy()), 1 => below_strategy(part_strategy())],
            0..16,
        ),
        paths in prop::collection::vec(
            prop_oneof![3 => path_strategy(), 1 => gapped_path_strategy()],
            0..20,
        ),
        slash in "/?",
        compact in any::<bool>(),
    ) {
        let mut tree = Tree::new();
        let mut kept: Vec<Vec<Part>> = Vec::new();
        for pattern in patterns {
            let text = format!("{}/", pattern_text(&pattern));
            let mapped = match text.strip_suffix("/{*}/") {
                Some(prefix) => insert_below(&mut tree, prefix, kept.len()),
                None => insert(&mut tree, Method::GET, &text, kept.len()),
            };
            prop_assert_eq!(mapped.is_err(), kept.contains(&pattern), "{}", text);
            if mapped.is_ok() {
                kept.push(pattern);
            }
        }
        if compact {
            tree.compact();
        }
        for mut path in paths {
            let text = format!("{}{slash}", path_text(&path));
            if slash.is_empty() && matches!(path.last(), Some(TestSegment::Empty)) {
                // As text, an empty segment at the end is the slash that is ignored.
                path.pop();
            }
            let expect = scan(&kept, &path);
            prop_assert_eq!(target(&tree, &text), expect, "{}", text);
            let encoded = text.replace('s', "%73").replace('-', "%2D");
            prop_assert_eq!(target(&tree, &encoded), expect, "{}", encoded);
            let allowed = matches!(find(&tree, &Method::PUT, &text), Lookup::OtherMethods(_));
            prop_assert_eq!(allowed, expect.is_some(), "{}", text);
        }
    }

    /// Where both accept the routes, both find the same; matchit knows no constraints and no
    /// trailing slash.
    #[test]
    fn the_tree_agrees_with_matchit(
        patterns in prop::collection::vec(
            pattern_strategy(prop_oneof![(0..3_u8).prop_map(Part::Static), Just(Part::Arg)]),
            0..16,
        ),
        paths in prop::collection::vec(path_strategy(), 0..20),
    ) {
        let mut tree = Tree::new();
        let mut peer = matchit::Router::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let text = if pattern.is_empty() { "/".to_owned() } else { pattern_text(pattern) };
            if peer.insert(&text, index).is_ok() {
                insert(&mut tree, Method::GET, &text, index).unwrap();
            }
        }
        tree.compact();
        for path in paths {
            let text = if path.is_empty() { "/".to_owned() } else { path_text(&path) };
            let expect = peer.at(&text).ok();
            prop_assert_eq!(target(&tree, &text), expect.as_ref().map(|found| *found.value), "{}", text);
            if let Some(expect) = expect {
                let values: Vec<_> = args(&tree, &text);
                let pairs = expect.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
                prop_assert_eq!(values, pairs.collect::<Vec<_>>(), "{}", text);
            }
        }
    }

    #[test]
    fn no_path_panics(path in "[/a-c%0-9é{}*:.]{0,24}") {
        let tree = tree(&["/a", "/{x:int}/{y}", "/a/{*rest}", "/{x}/b/{*rest}"]);
        let mut spans = Spans::default();
        if let Lookup::Route(route) = tree.find(&Method::GET, &path, &mut spans) {
            for index in 0..route.info.names.len() {
                prop_assert!(spans.slice(&path, index).is_some_and(|text| !text.is_empty()));
            }
        }
    }
}
