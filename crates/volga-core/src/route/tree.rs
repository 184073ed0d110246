//! The tree of routes, a node for each segment of a pattern. Pure.
//!
//! At each segment the static child is tried first, then arguments with a constraint, then the argument without, then the rest of the path;
//! what leads nowhere is left again. A node is reached in one way only, so a request visits each at most once.
//!
//! [`Tree::compact`] makes the look-up faster and changes nothing that it finds.

use std::{cell::Cell, panic::Location, sync::Arc};

use http::Method;

use super::{
    MAX_PATH_ARGS, RouteError,
    constraint::Constraint,
    key::{Key, has_percent, word_at},
    pattern::{FIRST_SEGMENT, Pattern, Segment, without_trailing_slash},
    statics::Statics,
};
use crate::percent;

/// All routes, by path and then by method.
pub(crate) struct Tree<T> {
    /// The first one is the root.
    nodes: Vec<Node<T>>,
}

struct Node<T> {
    statics: Statics,
    /// In the order in which they are tried; the one without a constraint is the last.
    args: Vec<ArgEdge>,
    /// Mapped for the path that ends here.
    routes: Vec<Route<T>>,
    /// Mapped for the path that ends here and one or more segments after it.
    rest: Vec<Route<T>>,
    /// The same as `statics`, where they are few.
    ways: Option<Box<[Way]>>,
}

/// As many static children as are compared one by one: what a processor can foresee is quicker than a hash.
const FEW: usize = 4;

/// One or more static segments, and the node after them.
struct Way {
    text: Box<[u8]>,
    /// The first eight bytes of the text, or all of a shorter one, and a mask of them.
    word: u64,
    mask: u64,
    end: u32,
}

struct ArgEdge {
    constraint: Option<Constraint>,
    node: u32,
}

/// A route of the tree.
pub(crate) struct Route<T> {
    method: Method,
    number: u8,
    place: &'static Location<'static>,
    pub(crate) info: Arc<RouteInfo>,
    pub(crate) target: T,
}

/// What a request is told of its route.
pub(crate) struct RouteInfo {
    pub(crate) pattern: Box<str>,
    pub(crate) names: Box<[Box<str>]>,
}

/// Where in a path the arguments stand, by first byte and the byte after the last. A path is at most 65,534 bytes long; `http` refuses longer ones.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spans([(u16, u16); MAX_PATH_ARGS]);

impl Spans {
    /// The raw text of an argument that the route has.
    pub(crate) fn slice<'p>(&self, path: &'p str, index: usize) -> Option<&'p str> {
        let (start, end) = *self.0.get(index)?;
        path.get(usize::from(start)..usize::from(end))
    }

    fn set(&mut self, index: usize, start: usize, end: usize) {
        self.0[index] = (start as u16, end as u16);
    }
}

/// What the tree says of a request.
pub(crate) enum Found<'a, T> {
    Route(&'a Route<T>),
    /// The path is known, for these methods only.
    OtherMethods(Vec<Method>),
    /// A `%` in the path without two hexadecimal digits.
    Malformed,
    Nothing,
}

impl<T> Tree<T> {
    pub(crate) fn new() -> Self {
        Self { nodes: vec![Node::new()] }
    }

    /// Adds a route.
    pub(crate) fn insert(
        &mut self,
        method: Method,
        pattern: &Pattern,
        place: &'static Location<'static>,
        target: T,
    ) -> Result<(), RouteError> {
        let mut node = 0;
        let mut has_rest = false;
        for segment in pattern.segments() {
            match segment {
                Segment::Static(text) => node = self.static_child(node, text.as_bytes()),
                Segment::Arg(_, constraint) => node = self.arg_child(node, *constraint),
                Segment::Rest(_) => has_rest = true,
            }
        }
        let node = &mut self.nodes[node];
        let routes = if has_rest { &mut node.rest } else { &mut node.routes };
        if let Some(old) = routes.iter().find(|route| route.method == method) {
            return Err(RouteError::Conflict {
                method,
                new: pattern.text().to_owned(),
                old: old.info.pattern.to_string(),
                old_place: old.place,
            });
        }
        let info = Arc::new(RouteInfo {
            pattern: pattern.text().into(),
            names: pattern.names().map(Box::from).collect(),
        });
        let number = method_number(&method);
        routes.push(Route { method, number, place, info, target });
        Ok(())
    }

    /// Gives each node with few static children their texts to compare with, which is quicker than a hash; each text goes on to the next node that matters.
    /// What is inserted later is found once this is called again.
    pub(crate) fn compact(&mut self) {
        for index in 0..self.nodes.len() {
            let children = self.nodes[index].statics.children();
            let ways = children.iter().map(|(segment, child)| self.way(segment, *child)).collect();
            self.nodes[index].ways = (children.len() <= FEW).then_some(ways);
        }
    }

    /// The way from a segment to the next node that has routes or more than one way on.
    fn way(&self, segment: &[u8], child: u32) -> Way {
        let mut text = segment.to_vec();
        let mut end = child;
        while let Some((segment, child)) = self.nodes[end as usize].passes_on_to() {
            text.push(b'/');
            text.extend_from_slice(segment);
            end = child;
        }
        let mask = if text.len() < 8 { (1 << (8 * text.len())) - 1 } else { u64::MAX };
        Way { word: word_at(&text, 0), mask, text: text.into(), end }
    }

    /// Finds the route of a request, and says where the arguments stand. HEAD goes where GET does, unless it has a route of its own.
    #[inline]
    pub(crate) fn find(&self, method: &Method, path: &str, spans: &mut Spans) -> Found<'_, T> {
        // One look at the whole path, so that the segments of nearly every path are compared as they are.
        let encoded = has_percent(path.as_bytes());
        if encoded && !percent::is_well_formed(path) {
            return Found::Malformed;
        }
        let search = Search {
            path: without_trailing_slash(path).as_bytes(),
            whole: path.len(),
            encoded,
            method,
            number: method_number(method),
            is_known: Cell::new(false),
        };
        if let Some(route) = self.search(&self.nodes[0], &search, FIRST_SEGMENT, 0, spans) {
            return Found::Route(route);
        }
        if !search.is_known.get() {
            return Found::Nothing;
        }
        let mut methods = Vec::new();
        self.methods(&self.nodes[0], &search, FIRST_SEGMENT, &mut methods);
        Found::OtherMethods(methods)
    }

    /// Every route, for people to read: methods and patterns, in the order of the tree.
    pub(crate) fn routes(&self) -> Vec<(&Method, &str)> {
        let mut routes = Vec::new();
        self.collect(&self.nodes[0], &mut routes);
        routes
    }

    /// Finds the route for the rest of the path, which starts at byte `at` and at this node; `depth` arguments were found before it.
    fn search<'t>(
        &'t self,
        mut node: &'t Node<T>,
        search: &Search<'_>,
        mut at: usize,
        mut depth: usize,
        spans: &mut Spans,
    ) -> Option<&'t Route<T>> {
        loop {
            if at > search.path.len() {
                return search.route_of(&node.routes);
            }
            let named = match &node.ways {
                Some(ways) if !search.encoded => {
                    let word = word_at(search.path, at);
                    ways.iter().find_map(|way| Some((way.end, way.follow(search.path, at, word)?)))
                }
                _ => node.static_child(search, at),
            };
            let named = named.map(|(child, next)| (&self.nodes[child as usize], next));
            if !node.is_open() {
                (node, at) = named?;
                continue;
            }
            if let Some((child, next)) = named
                && let Some(found) = self.search(child, search, next, depth, spans)
            {
                return Some(found);
            }
            let (segment, next) = search.segment(at)?;
            if segment.is_empty() {
                return None;
            }
            if let [edge] = &*node.args
                && node.rest.is_empty()
            {
                // The usual case goes on without a stack frame.
                if !edge.accepts(search, segment) {
                    return None;
                }
                spans.set(depth, at, next - 1);
                (node, at, depth) = (&self.nodes[edge.node as usize], next, depth + 1);
                continue;
            }
            for edge in node.args.iter().filter(|edge| edge.accepts(search, segment)) {
                spans.set(depth, at, next - 1);
                let child = &self.nodes[edge.node as usize];
                if let Some(found) = self.search(child, search, next, depth + 1, spans) {
                    return Some(found);
                }
            }
            let rest = search.route_of(&node.rest)?;
            // The rest is given as it came, with a slash at its end.
            spans.set(depth, at, search.whole);
            return Some(rest);
        }
    }

    /// Adds the methods that the rest of the path is mapped for.
    fn methods(&self, node: &Node<T>, search: &Search<'_>, at: usize, methods: &mut Vec<Method>) {
        let Some((segment, next)) = search.segment(at) else {
            return add_methods(&node.routes, methods);
        };
        if let Some((named, next)) = node.static_child(search, at) {
            self.methods(&self.nodes[named as usize], search, next, methods);
        }
        if segment.is_empty() {
            return;
        }
        for edge in node.args.iter().filter(|edge| edge.accepts(search, segment)) {
            self.methods(&self.nodes[edge.node as usize], search, next, methods);
        }
        add_methods(&node.rest, methods);
    }

    fn collect<'a>(&'a self, node: &'a Node<T>, routes: &mut Vec<(&'a Method, &'a str)>) {
        let own = |route: &'a Route<T>| (&route.method, &*route.info.pattern);
        routes.extend(node.routes.iter().map(own));
        let named = node.statics.children().into_iter().map(|(_, child)| child);
        for child in named.chain(node.args.iter().map(|edge| edge.node)) {
            self.collect(&self.nodes[child as usize], routes);
        }
        routes.extend(node.rest.iter().map(own));
    }

    fn static_child(&mut self, node: usize, text: &[u8]) -> usize {
        if let Some(child) = self.nodes[node].statics.get(Key::of(text), text) {
            return child as usize;
        }
        let child = self.add_node();
        self.nodes[node].statics.insert(text, child);
        child as usize
    }

    fn arg_child(&mut self, node: usize, constraint: Option<Constraint>) -> usize {
        // `None` goes last.
        let order = |constraint: Option<Constraint>| (constraint.is_none(), constraint);
        let args = &self.nodes[node].args;
        match args.binary_search_by_key(&order(constraint), |edge| order(edge.constraint)) {
            Ok(at) => args[at].node as usize,
            Err(at) => {
                let child = self.add_node();
                self.nodes[node].args.insert(at, ArgEdge { constraint, node: child });
                child as usize
            }
        }
    }

    fn add_node(&mut self) -> u32 {
        self.nodes.push(Node::new());
        (self.nodes.len() - 1) as u32
    }
}

/// What is looked for.
struct Search<'a> {
    /// Without one trailing slash.
    path: &'a [u8],
    /// How long the path is with it.
    whole: usize,
    /// Whether there is a `%` in it; every one is well formed then.
    encoded: bool,
    method: &'a Method,
    number: u8,
    /// Set when the path leads to routes, if only of other methods.
    is_known: Cell<bool>,
}

impl<'a> Search<'a> {
    /// The segment that starts at this byte, and where the next one starts; `None` after the last.
    #[inline(always)]
    fn segment(&self, at: usize) -> Option<(&'a [u8], usize)> {
        let rest = self.path.get(at..)?;
        let len = Key::at(self.path, at).len;
        Some((&rest[..len], at + len + 1))
    }

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
            self.is_known.set(true);
            if *self.method == Method::HEAD {
                return routes.iter().find(|route| route.method == Method::GET);
            }
        }
        found
    }
}

/// The number of a method that none of the usual is.
const OTHER_METHOD: u8 = 9;

/// Tells the usual methods apart by one byte, which is quicker than what `Method` compares.
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
    #[inline]
    fn accepts(&self, search: &Search<'_>, segment: &[u8]) -> bool {
        match self.constraint {
            None => true,
            Some(constraint) if search.encoded => {
                constraint.accepts(&percent::decode_bytes(segment))
            }
            Some(constraint) => constraint.accepts(segment),
        }
    }
}

impl<T> Node<T> {
    fn new() -> Self {
        Self {
            statics: Statics::default(),
            args: Vec::new(),
            routes: Vec::new(),
            rest: Vec::new(),
            ways: None,
        }
    }

    /// True when more than static segments may follow.
    #[inline]
    fn is_open(&self) -> bool {
        !self.args.is_empty() || !self.rest.is_empty()
    }

    /// The static child for the segment that starts at this byte, and where the next one starts.
    #[inline(always)]
    fn static_child(&self, search: &Search<'_>, at: usize) -> Option<(u32, usize)> {
        let key = Key::at(search.path, at);
        let segment = &search.path[at..at + key.len];
        let child = if search.encoded {
            let decoded = percent::decode_bytes(segment);
            self.statics.get(Key::of(&decoded), &decoded)
        } else {
            self.statics.get(key, segment)
        };
        child.map(|child| (child, at + key.len + 1))
    }

    /// The child, where this node does nothing but lead to it.
    fn passes_on_to(&self) -> Option<(&[u8], u32)> {
        match *self.statics.children() {
            [only] if self.routes.is_empty() && !self.is_open() => Some(only),
            _ => None,
        }
    }
}

impl Way {
    /// Where the path goes on after this way, if it goes this way; `word` are its next eight bytes.
    #[inline(always)]
    fn follow(&self, path: &[u8], at: usize, word: u64) -> Option<usize> {
        if word & self.mask != self.word {
            return None;
        }
        let end = at + self.text.len();
        if self.text.len() > 8 && path.get(at + 8..end)? != &self.text[8..] {
            return None;
        }
        path.get(end).is_none_or(|byte| *byte == b'/').then_some(end + 1)
    }
}

fn add_methods<T>(routes: &[Route<T>], methods: &mut Vec<Method>) {
    for route in routes {
        let method = &route.method;
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
