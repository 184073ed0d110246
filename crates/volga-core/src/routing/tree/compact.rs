//! The compact form of a tree: static segments become texts of a [`Radix`], whatever number of
//! segments they span. Pure.
//!
//! It is for paths without a `%`. Every byte of a path that a route is found for was either
//! compared with a text, and no text has a `%`, or lies in an argument, where a `%` is looked for.
//! So a path with one leads nowhere here, and nearly every other is spared a search for it.

use super::Node;
use super::Search;
use crate::routing::radix::{Radix, Stop};
use crate::routing::tree::{Route, Spans, Tree};
use crate::routing::words::{has_percent, last_word, plain};

/// The static segments after the root, and after each argument.
pub(super) struct Compact {
    radix: Radix,
    /// The step from which those after the root are found.
    start: u32,
}

impl<T> Tree<T> {
    /// Makes the look-up faster, until something is inserted.
    pub(crate) fn compact(&mut self) {
        let mut radix = Radix::new();
        let start = radix.add(self.texts(0));
        for node in 0..self.nodes.len() {
            for edge in 0..self.nodes[node].args.len() {
                let texts = self.texts(self.nodes[node].args[edge].node);
                self.nodes[node].args[edge].after = radix.add(texts);
            }
        }
        self.compact = Some(Compact { radix, start });
    }

    /// The texts of the static segments that may follow a node, and what each leads to.
    fn texts(&self, node: u32) -> Vec<(Vec<u8>, Stop)> {
        let mut texts = Vec::new();
        let mut places = vec![(Vec::new(), node)];
        while let Some((text, number)) = places.pop() {
            let node = &self.nodes[number as usize];
            let slash = [&text, &b"/"[..]].concat();
            for (segment, child) in &node.statics {
                if !segment.contains(&b'%') {
                    places.push(([&*slash, segment].concat(), *child));
                }
            }
            if !node.args.is_empty() || node.goes_on {
                texts.push((slash, Stop::Args(number)));
            }
            // A path that ends before all of these segments asks no step.
            if !node.routes.is_empty() && !text.is_empty() {
                texts.push((text, Stop::End(number)));
            }
        }
        texts
    }

    /// Finds the route of a path without a `%`.
    #[inline(always)]
    pub(super) fn find_compact<'t>(
        &'t self,
        search: &Search<'_>,
        spans: &mut Spans,
    ) -> Option<&'t Route<T>> {
        let Compact { radix, start } = self.compact.as_ref()?;
        let path = search.path.as_bytes();
        let last_word = last_word(path);
        let mut walk = Walk { nodes: &self.nodes, radix, search, last_word, spans };
        walk.go_on(0, *start, path, 0)
    }
}

/// The look-up of one path.
struct Walk<'t, 'p, T> {
    nodes: &'t [Node<T>],
    radix: &'t Radix,
    search: &'p Search<'p>,
    /// Of the path.
    last_word: u64,
    spans: &'p mut Spans,
}

impl<'t, 'p, T> Walk<'t, 'p, T> {
    /// Finds the route for the rest of a path after a node, which is a slash and more, or nothing;
    /// `after` is the step after the node.
    #[inline(always)]
    fn go_on(
        &mut self,
        node: u32,
        after: u32,
        rest: &'p [u8],
        depth: usize,
    ) -> Option<&'t Route<T>> {
        if rest.is_empty() {
            return self.search.route_of(&self.nodes[node as usize].routes);
        }
        self.walk(after, rest, depth)
    }

    /// Finds the route for the rest of a path, by the steps from this one on; `depth` arguments
    /// were found before it.
    fn walk(
        &mut self,
        mut step: u32,
        mut rest: &'p [u8],
        mut depth: usize,
    ) -> Option<&'t Route<T>> {
        loop {
            let here = self.radix.step(step);
            (rest, step) = here.follow(rest, self.last_word)?;
            if rest.is_empty() {
                if let Some(end) = here.end()
                    && let Some(found) = self.search.route_of(&self.nodes[end as usize].routes)
                {
                    return Some(found);
                }
                // The path has a slash here that is not the one that is ignored.
                let node = &self.nodes[here.args()? as usize];
                return self.below(node, rest, self.search.path.len(), depth);
            }
            let Some(node) = here.args() else { continue };

            // Looked at before it is called: beside an argument, a static segment is mostly not
            // what comes next.
            if self.radix.step(step).follow(rest, self.last_word).is_some()
                && let Some(found) = self.walk(step, rest, depth)
            {
                return Some(found);
            }
            let (segment, after) = rest.split_at(plain(rest, self.last_word));
            let start = self.search.path.len() - rest.len();
            let node = &self.nodes[node as usize];
            if segment.is_empty() {
                return if node.goes_on { self.below(node, rest, start, depth) } else { None };
            }
            let end = start + segment.len();
            if let [edge] = &*node.args
                && !node.goes_on
            {
                // The usual case goes on without a stack frame.
                if !edge.accepts(segment) {
                    return None;
                }
                self.spans.set(depth, start, end);
                if after.is_empty() {
                    return self.search.route_of(&self.nodes[edge.node as usize].routes);
                }
                (step, rest, depth) = (edge.after, after, depth + 1);
                continue;
            }
            for edge in node.args.iter().filter(|edge| edge.accepts(segment)) {
                self.spans.set(depth, start, end);
                if let Some(found) = self.go_on(edge.node, edge.after, after, depth + 1) {
                    return Some(found);
                }
            }
            if !node.goes_on || has_percent(rest) {
                return None;
            }
            let Some(found) = self.search.route_of(&node.rest) else {
                return self.below(node, rest, start, depth);
            };
            // The rest is given as it came, with a slash at its end.
            self.spans.set(depth, start, self.search.whole);
            return Some(found);
        }
    }

    /// The route for everything below a node; the rest of the path starts at byte `start`.
    #[cold]
    fn below(
        &mut self,
        node: &'t Node<T>,
        rest: &[u8],
        start: usize,
        depth: usize,
    ) -> Option<&'t Route<T>> {
        if node.below.is_empty() || has_percent(rest) {
            return None;
        }
        self.search.below(node, start, depth, self.spans)
    }
}
