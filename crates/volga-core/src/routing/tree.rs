//! The tree of routes (pure). Each segment of a pattern has a node.
//!
//! At each segment the search tries the static child first, then arguments with a constraint, then
//! the argument without a constraint, and then the rest of the path. If a choice leads to no route,
//! the search goes back and tries the next one. Each node has one parent, so a search visits a node
//! at most once.
//!
//! This file has the search in its plain form. Most requests use the compact form that
//! [`Tree::compact`] creates, which is faster and finds the same routes.

use std::{cell::Cell, collections::BTreeMap, panic::Location, sync::Arc};

use http::Method;

use crate::request::percent;
use crate::routing::fault::RouteError;
use crate::routing::method::RouteMethod;
use crate::routing::pattern::constraint::Constraint;
use crate::routing::pattern::{
    FIRST_SEGMENT, MAX_PATH_ARGS, Pattern, Segment, segment_at, without_trailing_slash,
};
use crate::routing::tree::radix::DEAD_END;
use crate::routing::tree::words::has_percent;

mod compact;
mod radix;
mod words;

use compact::Compact;

/// All routes, by path and then by method.
pub(crate) struct Tree<T> {
    /// The first node is the root.
    nodes: Vec<Node<T>>,
    infos: Vec<Arc<RouteInfo>>,
    /// The compact form. Inserting a route drops it.
    compact: Option<Compact>,
}

struct Node<T> {
    statics: BTreeMap<Box<[u8]>, u32>,
    /// The arguments in the order in which they are tried. The one without a constraint is last.
    args: Vec<ArgEdge>,
    /// The routes whose pattern ends here.
    routes: Vec<Route<T>>,
    /// The routes whose pattern has `{*name}` here.
    rest: Vec<Route<T>>,
    /// The routes for everything below this node, also if the next segment is empty. They are tried
    /// after `rest`.
    below: Vec<Route<T>>,
    /// Whether `rest` or `below` has routes. A flag, because every argument checks it.
    has_rest: bool,
}

struct ArgEdge {
    constraint: Option<Constraint>,
    node: u32,
    /// In the compact form, the first step of the static segments after the argument.
    after: u32,
}

/// A route of the tree.
pub(crate) struct Route<T> {
    method: RouteMethod,
    number: u8,
    location: &'static Location<'static>,
    pub(crate) info: Arc<RouteInfo>,
    /// The place of `info` in [`Tree::infos`].
    pub(crate) index: u32,
    pub(crate) target: T,
}

/// The pattern of a route and the names of its arguments.
#[derive(Default)]
pub(crate) struct RouteInfo {
    pub(crate) pattern: Box<str>,
    pub(crate) names: Box<[Box<str>]>,
}

/// The positions of the arguments in a path, each from its first byte to the byte after its last. A
/// path has at most 65,534 bytes, because `http` refuses longer ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spans([(u16, u16); MAX_PATH_ARGS]);

impl Spans {
    /// Returns the raw text of an argument.
    pub(crate) fn slice<'p>(&self, path: &'p str, index: usize) -> Option<&'p str> {
        let (start, end) = *self.0.get(index)?;
        path.get(usize::from(start)..usize::from(end))
    }

    pub(crate) fn set(&mut self, index: usize, start: usize, end: usize) {
        self.0[index] = (start as u16, end as u16);
    }
}

/// The result of a search.
pub(crate) enum Lookup<'a, T> {
    Route(&'a Route<T>),
    /// The path has routes, but only for these methods.
    OtherMethods(Vec<Method>),
    /// The path has a `%` without two hexadecimal digits after it.
    Malformed,
    /// No route matches the path.
    UnknownPath,
}

impl<T> Tree<T> {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::new()], infos: Vec::new(), compact: None }
    }

    /// Adds a route.
    pub(crate) fn insert(
        &mut self,
        method: RouteMethod,
        pattern: &Pattern,
        location: &'static Location<'static>,
        target: T,
    ) -> Result<(), RouteError> {
        self.compact = None;
        let mut node = 0;
        let mut end = End::Here;
        for segment in pattern.segments() {
            match segment {
                Segment::Static(text) => node = self.static_child(node, text.as_bytes()),
                Segment::Arg(_, constraint) => node = self.arg_child(node, *constraint),
                Segment::Rest(_) => end = End::Rest,
                Segment::Below => end = End::Below,
            }
        }
        let node = &mut self.nodes[node];
        node.has_rest |= !matches!(end, End::Here);
        let routes = match end {
            End::Here => &mut node.routes,
            End::Rest => &mut node.rest,
            End::Below => &mut node.below,
        };
        if let Some(old) = routes.iter().find(|route| route.method == method) {
            return Err(RouteError::Conflict {
                method,
                new: pattern.text().to_owned(),
                old: old.info.pattern.to_string(),
                old_location: old.location,
            });
        }
        let info = Arc::new(RouteInfo {
            pattern: pattern.text().into(),
            names: pattern.names().map(Box::from).collect(),
        });
        let number = method.only().map_or(ANY_METHOD, method_number);
        // 2^32 routes do not fit into memory.
        let index = self.infos.len() as u32;
        self.infos.push(Arc::clone(&info));
        routes.push(Route { method, number, location, info, index, target });
        Ok(())
    }

    /// The patterns and argument names of all routes, in the order in which the routes were added.
    pub(crate) fn infos(&self) -> Arc<[Arc<RouteInfo>]> {
        self.infos.as_slice().into()
    }

    /// Finds the route of a request, and writes the positions of its arguments to `spans`. A HEAD
    /// request gets the GET route, unless HEAD has its own route.
    #[inline(always)]
    pub(crate) fn find(&self, method: &Method, path: &str, spans: &mut Spans) -> Lookup<'_, T> {
        let search = Search {
            path: without_trailing_slash(path),
            whole: path.len(),
            method,
            number: method_number(method),
            is_known: Cell::new(false),
        };
        match self.find_compact(&search, spans) {
            Some(route) => Lookup::Route(route),
            None => self.find_slowly(&search, spans),
        }
    }

    /// Completes the search if the compact form has found no route. The compact form does not
    /// handle a `%`, and it may not exist.
    #[cold]
    fn find_slowly(&self, search: &Search<'_>, spans: &mut Spans) -> Lookup<'_, T> {
        let is_encoded = has_percent(search.path.as_bytes());
        if is_encoded && !percent::is_well_formed(search.path) {
            return Lookup::Malformed;
        }
        if !search.path.is_empty() && !search.path.starts_with('/') {
            return Lookup::UnknownPath;
        }
        if (is_encoded || self.compact.is_none())
            && let Some(route) = self.search(&self.nodes[0], search, FIRST_SEGMENT, 0, spans)
        {
            return Lookup::Route(route);
        }
        if !search.is_known.get() {
            return Lookup::UnknownPath;
        }
        Lookup::OtherMethods(self.methods_of(search.path))
    }

    /// The methods that a path is mapped for. Routes for any method do not count.
    pub(crate) fn methods_of(&self, path: &str) -> Vec<Method> {
        let mut methods = Vec::new();
        let path = without_trailing_slash(path);
        self.methods(&self.nodes[0], path, FIRST_SEGMENT, &mut methods);
        methods
    }

    /// Finds the target whose pattern has the most segments before its `{*}`, whatever its method
    /// is. Of two with equally many, the one that the search tries first.
    pub(crate) fn find_deepest(&self, path: &str) -> Option<&T> {
        let mut deepest = None;
        let path = without_trailing_slash(path);
        if path.is_empty() || path.starts_with('/') {
            self.deepest(&self.nodes[0], path, (FIRST_SEGMENT, 0), &mut deepest);
        }
        deepest.map(|(_, route)| &route.target)
    }

    /// The methods and patterns of all routes in the order of the tree, for people to read.
    pub(crate) fn routes(&self) -> Vec<(&RouteMethod, &str)> {
        let mut routes = Vec::new();
        self.collect(&self.nodes[0], &mut routes);
        routes
    }

    /// Finds the route for the rest of a path, which starts at byte `at` and at this node. `depth`
    /// arguments were found before.
    fn search<'t>(
        &'t self,
        node: &'t Node<T>,
        search: &Search<'_>,
        at: usize,
        depth: usize,
        spans: &mut Spans,
    ) -> Option<&'t Route<T>> {
        let Some((segment, next)) = segment_at(search.path, at) else {
            return search.route_of(&node.routes);
        };
        let decoded = percent::decode_bytes(segment.as_bytes());
        if let Some(child) = node.statics.get(&*decoded)
            && let Some(found) =
                self.search(&self.nodes[*child as usize], search, next, depth, spans)
        {
            return Some(found);
        }
        if segment.is_empty() {
            return search.below(node, at, depth, spans);
        }
        for edge in node.args.iter().filter(|edge| edge.accepts(&decoded)) {
            spans.set(depth, at, next - 1);
            let child = &self.nodes[edge.node as usize];
            if let Some(found) = self.search(child, search, next, depth + 1, spans) {
                return Some(found);
            }
        }
        let Some(rest) = search.route_of(&node.rest) else {
            return search.below(node, at, depth, spans);
        };
        // The rest keeps its trailing slash.
        spans.set(depth, at, search.whole);
        Some(rest)
    }

    /// Adds the methods that the rest of a path is mapped for.
    fn methods(&self, node: &Node<T>, path: &str, at: usize, methods: &mut Vec<Method>) {
        let Some((segment, next)) = segment_at(path, at) else {
            return add_methods(&node.routes, methods);
        };
        let decoded = percent::decode_bytes(segment.as_bytes());
        if let Some(child) = node.statics.get(&*decoded) {
            self.methods(&self.nodes[*child as usize], path, next, methods);
        }
        if segment.is_empty() {
            return;
        }
        for edge in node.args.iter().filter(|edge| edge.accepts(&decoded)) {
            self.methods(&self.nodes[edge.node as usize], path, next, methods);
        }
        add_methods(&node.rest, methods);
        add_methods(&node.below, methods);
    }

    /// Looks for deeper targets in the rest of a path. The rest starts at byte `at`, after `depth`
    /// segments.
    fn deepest<'t>(
        &'t self,
        node: &'t Node<T>,
        path: &str,
        (at, depth): (usize, usize),
        deepest: &mut Option<(usize, &'t Route<T>)>,
    ) {
        let segment = segment_at(path, at);
        let ends = if segment.is_none() { &node.routes } else { &node.below };
        if let Some(route) = ends.first()
            && deepest.is_none_or(|(found, _)| found < depth)
        {
            *deepest = Some((depth, route));
        }
        let Some((segment, next)) = segment else { return };
        let decoded = percent::decode_bytes(segment.as_bytes());
        let next = (next, depth + 1);
        if let Some(child) = node.statics.get(&*decoded) {
            self.deepest(&self.nodes[*child as usize], path, next, deepest);
        }
        if segment.is_empty() {
            return;
        }
        for edge in node.args.iter().filter(|edge| edge.accepts(&decoded)) {
            self.deepest(&self.nodes[edge.node as usize], path, next, deepest);
        }
    }

    fn collect<'a>(&'a self, node: &'a Node<T>, routes: &mut Vec<(&'a RouteMethod, &'a str)>) {
        let own = |route: &'a Route<T>| (&route.method, &*route.info.pattern);
        routes.extend(node.routes.iter().map(own));
        for child in node.statics.values().chain(node.args.iter().map(|edge| &edge.node)) {
            self.collect(&self.nodes[*child as usize], routes);
        }
        routes.extend(node.rest.iter().chain(&node.below).map(own));
    }

    fn static_child(&mut self, node: usize, text: &[u8]) -> usize {
        if let Some(child) = self.nodes[node].statics.get(text) {
            return *child as usize;
        }
        let child = self.add_node();
        self.nodes[node].statics.insert(text.into(), child);
        child as usize
    }

    fn arg_child(&mut self, node: usize, constraint: Option<Constraint>) -> usize {
        // The argument without a constraint goes last.
        let order = |constraint: Option<Constraint>| (constraint.is_none(), constraint);
        let args = &self.nodes[node].args;
        match args.binary_search_by_key(&order(constraint), |edge| order(edge.constraint)) {
            Ok(at) => args[at].node as usize,
            Err(at) => {
                let child = self.add_node();
                self.nodes[node]
                    .args
                    .insert(at, ArgEdge { constraint, node: child, after: DEAD_END });
                child as usize
            }
        }
    }

    fn add_node(&mut self) -> u32 {
        self.nodes.push(Node::new());
        (self.nodes.len() - 1) as u32
    }
}

/// A request to find the route for.
struct Search<'a> {
    /// The path without one trailing slash.
    path: &'a str,
    /// The length of the path with the trailing slash.
    whole: usize,
    method: &'a Method,
    number: u8,
    /// Set if the path has routes, even if they are for other methods.
    is_known: Cell<bool>,
}

impl Search<'_> {
    #[inline(always)]
    fn route_of<'t, T>(&self, routes: &'t [Route<T>]) -> Option<&'t Route<T>> {
        if routes.is_empty() {
            return None;
        }
        let is_same = |route: &&Route<T>| {
            route.number == self.number
                && (self.number < OTHER_METHOD || route.method == *self.method)
        };
        let found = routes.iter().find(is_same);
        if found.is_none() {
            if *self.method == Method::HEAD
                && let Some(get) = routes.iter().find(|route| route.method == Method::GET)
            {
                return Some(get);
            }
            let any = routes.iter().find(|route| route.number == ANY_METHOD);
            self.is_known.set(self.is_known.get() || any.is_none());
            return any;
        }
        found
    }

    /// Finds the route for everything below a node. The rest of the path starts at byte `at`.
    #[cold]
    fn below<'t, T>(
        &self,
        node: &'t Node<T>,
        at: usize,
        depth: usize,
        spans: &mut Spans,
    ) -> Option<&'t Route<T>> {
        let found = self.route_of(&node.below)?;
        spans.set(depth, at, self.whole);
        Some(found)
    }
}

/// The end of a pattern.
enum End {
    Here,
    Rest,
    Below,
}

/// The number of every method that is not a usual one.
const OTHER_METHOD: u8 = 9;

/// The number of a route for any method. No request has it.
const ANY_METHOD: u8 = u8::MAX;

/// Returns a number for each of the usual methods. Comparing one byte is faster than comparing
/// `Method`s.
#[inline]
fn method_number(method: &Method) -> u8 {
    const USUAL: [Method; OTHER_METHOD as usize] = [
        Method::GET,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
        Method::PATCH,
        Method::TRACE,
        Method::CONNECT,
    ];
    USUAL.iter().position(|usual| usual == method).map_or(OTHER_METHOD, |number| number as u8)
}

impl ArgEdge {
    /// Whether the argument accepts this decoded segment.
    #[inline(always)]
    fn accepts(&self, segment: &[u8]) -> bool {
        self.constraint.is_none_or(|constraint| constraint.accepts(segment))
    }
}

impl<T> Node<T> {
    fn new() -> Self {
        Self {
            statics: BTreeMap::new(),
            args: Vec::new(),
            routes: Vec::new(),
            rest: Vec::new(),
            below: Vec::new(),
            has_rest: false,
        }
    }
}

fn add_methods<T>(routes: &[Route<T>], methods: &mut Vec<Method>) {
    for method in routes.iter().filter_map(|route| route.method.only()) {
        let head = (*method == Method::GET).then_some(&Method::HEAD);
        for method in [method].into_iter().chain(head) {
            if !methods.contains(method) {
                methods.push(method.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
