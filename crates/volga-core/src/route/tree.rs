//! The tree of routes, a node for each segment: static segments before `{arguments}`, with backtracking. Pure.

use std::{panic::Location, sync::Arc};

use http::Method;

use super::{
    RouteError,
    pattern::{FIRST_SEGMENT, Pattern, Segment, segment_at, without_trailing_slash},
};
use crate::PathArgs;

/// All routes, by path and then by method.
pub(crate) struct Tree<T> {
    root: Node<T>,
}

struct Node<T> {
    /// Sorted by segment.
    statics: Vec<(Box<str>, Node<T>)>,
    arg: Option<Box<Node<T>>>,
    routes: Vec<Route<T>>,
}

struct Route<T> {
    method: Method,
    pattern: String,
    place: &'static Location<'static>,
    names: Arc<[Box<str>]>,
    target: T,
}

/// What the tree says of a request.
pub(crate) enum Found<'a, T> {
    Target(&'a T, PathArgs),
    /// The path is known, for these methods only.
    OtherMethods(Vec<Method>),
    Nothing,
}

impl<T> Tree<T> {
    pub(crate) fn new() -> Self {
        Self { root: Node::new() }
    }

    /// Adds a route.
    pub(crate) fn insert(
        &mut self,
        method: Method,
        pattern: &Pattern,
        place: &'static Location<'static>,
        target: T,
    ) -> Result<(), RouteError> {
        let node =
            pattern.segments().iter().fold(&mut self.root, |node, segment| node.child(segment));
        if let Some(old) = node.routes.iter().find(|route| route.method == method) {
            return Err(RouteError::Conflict {
                method,
                new: pattern.text().to_owned(),
                old: old.pattern.clone(),
                old_place: old.place,
            });
        }
        let names = pattern.names().map(Box::from).collect();
        node.routes.push(Route {
            method,
            pattern: pattern.text().to_owned(),
            place,
            names,
            target,
        });
        Ok(())
    }

    /// Finds the route of a request. HEAD goes where GET does, unless it has a route of its own.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Found<'_, T> {
        let mut args = PathArgs::default();
        let search = Search { path: without_trailing_slash(path), method };
        if let Some(route) = self.root.find(search, FIRST_SEGMENT, 0, &mut args) {
            args.set_names(&route.names);
            return Found::Target(&route.target, args);
        }
        let mut methods = Vec::new();
        self.root.methods(search.path, FIRST_SEGMENT, &mut methods);
        if methods.is_empty() { Found::Nothing } else { Found::OtherMethods(methods) }
    }

    /// Every route, for people to read: methods and patterns, in the order of the tree.
    pub(crate) fn routes(&self) -> Vec<(&Method, &str)> {
        let mut routes = Vec::new();
        self.root.collect(&mut routes);
        routes
    }
}

#[derive(Clone, Copy)]
struct Search<'a> {
    path: &'a str,
    method: &'a Method,
}

impl<T> Node<T> {
    fn new() -> Self {
        Self { statics: Vec::new(), arg: None, routes: Vec::new() }
    }

    fn child(&mut self, segment: &Segment) -> &mut Self {
        match segment {
            Segment::Arg(_) => self.arg.get_or_insert_with(|| Box::new(Self::new())),
            Segment::Static(text) => {
                let at = match self.position(text) {
                    Ok(at) => at,
                    Err(at) => {
                        self.statics.insert(at, (text.clone(), Self::new()));
                        at
                    }
                };
                &mut self.statics[at].1
            }
        }
    }

    fn position(&self, segment: &str) -> Result<usize, usize> {
        self.statics.binary_search_by(|(text, _)| (**text).cmp(segment))
    }

    fn route(&self, method: &Method) -> Option<&Route<T>> {
        let exact = self.routes.iter().find(|route| route.method == *method);
        if exact.is_none() && *method == Method::HEAD {
            return self.routes.iter().find(|route| route.method == Method::GET);
        }
        exact
    }

    /// The children that a segment leads to, the better one first.
    fn children(&self, segment: &str) -> (Option<&Self>, Option<&Self>) {
        let named = self.position(segment).ok().map(|at| &self.statics[at].1);
        let arg = self.arg.as_deref().filter(|_| !segment.is_empty());
        (named, arg)
    }

    /// Finds the route for the rest of the path, which starts at byte `at`; `depth` arguments were found before it.
    fn find(
        &self,
        search: Search<'_>,
        at: usize,
        depth: usize,
        args: &mut PathArgs,
    ) -> Option<&Route<T>> {
        let Some((segment, next)) = segment_at(search.path, at) else {
            return self.route(search.method);
        };
        let (named, arg) = self.children(segment);
        if let Some(found) = named.and_then(|node| node.find(search, next, depth, args)) {
            return Some(found);
        }
        let found = arg?.find(search, next, depth + 1, args)?;
        args.set_span(depth, at, at + segment.len());
        Some(found)
    }

    /// Adds the methods that the rest of the path is mapped for.
    fn methods(&self, path: &str, at: usize, methods: &mut Vec<Method>) {
        if let Some((segment, next)) = segment_at(path, at) {
            let (named, arg) = self.children(segment);
            named.into_iter().chain(arg).for_each(|node| node.methods(path, next, methods));
            return;
        }
        for route in &self.routes {
            let head = (route.method == Method::GET).then_some(&Method::HEAD);
            for method in [&route.method].into_iter().chain(head) {
                if !methods.contains(method) {
                    methods.push(method.clone());
                }
            }
        }
    }

    fn collect<'a>(&'a self, routes: &mut Vec<(&'a Method, &'a str)>) {
        routes.extend(self.routes.iter().map(|route| (&route.method, &*route.pattern)));
        let named = self.statics.iter().map(|(_, node)| node);
        named.chain(self.arg.as_deref()).for_each(|node| node.collect(routes));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn insert(
        tree: &mut Tree<usize>,
        method: Method,
        pattern: &str,
        target: usize,
    ) -> Result<(), RouteError> {
        tree.insert(method, &Pattern::parse(pattern)?, Location::caller(), target)
    }

    fn tree(patterns: &[&str]) -> Tree<usize> {
        let mut tree = Tree::new();
        for (index, pattern) in patterns.iter().enumerate() {
            insert(&mut tree, Method::GET, pattern, index).unwrap();
        }
        tree
    }

    fn target(tree: &Tree<usize>, path: &str) -> Option<usize> {
        match tree.find(&Method::GET, path) {
            Found::Target(target, _) => Some(*target),
            Found::OtherMethods(_) | Found::Nothing => None,
        }
    }

    #[test]
    fn static_goes_before_argument_and_a_dead_end_is_left_again() {
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
    fn one_trailing_slash_is_ignored_and_an_argument_is_never_empty() {
        let tree = tree(&["/a", "/u/{id}"]);
        assert_eq!(target(&tree, "/a/"), Some(0));
        assert_eq!(target(&tree, "/a//"), None);
        assert_eq!(target(&tree, "/u/"), None);
        assert_eq!(target(&tree, "/u//"), None);
        assert_eq!(target(&tree, "/A"), None);
    }

    #[test]
    fn another_method_is_told_with_those_that_would_do() {
        let mut tree = tree(&["/a", "/{x}"]);
        insert(&mut tree, Method::POST, "/{x}", 9).unwrap();
        match tree.find(&Method::PUT, "/a") {
            Found::OtherMethods(methods) => {
                assert_eq!(methods, [Method::GET, Method::HEAD, Method::POST]);
            }
            _ => panic!("the path is known"),
        }
        // A method of a less specific pattern is found when the more specific one lacks it.
        assert!(matches!(tree.find(&Method::POST, "/a"), Found::Target(9, _)));
        assert!(matches!(tree.find(&Method::HEAD, "/a"), Found::Target(0, _)));
    }

    #[test]
    fn a_conflict_names_both_routes() {
        let mut tree = tree(&["/users/{id}"]);
        let error = insert(&mut tree, Method::GET, "/users/{name}/", 1).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "`GET /users/{name}/` conflicts with `GET /users/{id}`, mapped before at "
            ),
            "{error}"
        );
    }

    /// The same rules, said as a scan of all patterns: of those that match, the one whose first difference is static wins.
    fn scan(patterns: &[Vec<Option<u8>>], path: &[u8]) -> Option<usize> {
        let matches = |pattern: &Vec<Option<u8>>| {
            pattern.len() == path.len()
                && pattern.iter().zip(path).all(|(p, s)| p.is_none_or(|p| p == *s))
        };
        let key =
            |pattern: &Vec<Option<u8>>| pattern.iter().map(Option::is_none).collect::<Vec<_>>();
        (0..patterns.len()).filter(|&n| matches(&patterns[n])).min_by_key(|&n| key(&patterns[n]))
    }

    proptest! {
        #[test]
        fn the_tree_agrees_with_a_scan(
            patterns in prop::collection::vec(prop::collection::vec(prop::option::of(0..3_u8), 0..5), 0..12),
            paths in prop::collection::vec(prop::collection::vec(0..3_u8, 0..5), 0..20),
        ) {
            let mut tree = Tree::new();
            let mut kept = Vec::new();
            for pattern in patterns {
                let text = pattern.iter().enumerate().fold("/".to_owned(), |text, (depth, segment)| match segment {
                    Some(n) => format!("{text}s{n}/"),
                    None => format!("{text}{{a{depth}}}/"),
                });
                if insert(&mut tree, Method::GET, &text, kept.len()).is_ok() {
                    kept.push(pattern);
                }
            }
            for path in paths {
                let text = path.iter().fold("/".to_owned(), |text, n| format!("{text}s{n}/"));
                prop_assert_eq!(target(&tree, &text), scan(&kept, &path), "{}", text);
            }
        }
    }
}
