//! The compact form of a tree (pure). Consecutive static segments become one text in a [`Radix`].
//!
//! It handles paths without a `%`. A search compares every byte of the path with a text, or the
//! byte is part of an argument, which is searched for a `%`. No text has a `%`. So the compact form
//! finds no route for a path with a `%`, and most other paths need no separate search for one.

use super::Node;
use super::Search;
use crate::routing::tree::radix::{Radix, Stop};
use crate::routing::tree::words::{has_percent, last_word, plain_len};
use crate::routing::tree::{Route, Spans, Tree};

/// The static segments after the root, and after each argument.
pub(super) struct Compact {
    radix: Radix,
    /// The first step of the segments after the root.
    start: u32,
}

impl<T> Tree<T> {
    /// Creates the compact form. Inserting a route drops it again.
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

    /// The texts of the static segments that may follow a node, and the result at the end of each.
    fn texts(&self, node: u32) -> Vec<(Vec<u8>, Stop)> {
        let mut texts = Vec::new();
        let mut open = vec![(Vec::new(), node)];
        while let Some((text, number)) = open.pop() {
            let node = &self.nodes[number as usize];
            let slash = [&text, &b"/"[..]].concat();
            for (segment, child) in &node.statics {
                if !segment.contains(&b'%') {
                    open.push(([&*slash, segment].concat(), *child));
                }
            }
            if !node.args.is_empty() || node.has_rest {
                texts.push((slash, Stop::Args(number)));
            }
            // A path that ends at the start node needs no step.
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
        let mut lookup = CompactLookup { nodes: &self.nodes, radix, search, last_word, spans };
        lookup.after_node(0, *start, path, 0)
    }
}

/// The lookup of one path.
struct CompactLookup<'t, 'p, T> {
    nodes: &'t [Node<T>],
    radix: &'t Radix,
    search: &'p Search<'p>,
    /// The last word of the path.
    last_word: u64,
    spans: &'p mut Spans,
}

impl<'t, 'p, T> CompactLookup<'t, 'p, T> {
    /// Finds the route for the rest of a path after a node. The rest is empty or starts with a
    /// slash, and `after` is the step after the node.
    #[inline(always)]
    fn after_node(
        &mut self,
        node: u32,
        after: u32,
        rest: &'p [u8],
        depth: usize,
    ) -> Option<&'t Route<T>> {
        if rest.is_empty() {
            return self.search.route_of(&self.nodes[node as usize].routes);
        }
        self.follow(after, rest, depth)
    }

    /// Finds the route for the rest of a path, starting with this step. `depth` arguments were
    /// found before.
    fn follow(
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
                // The path ends with a slash that is not the ignored one.
                let node = &self.nodes[here.args()? as usize];
                return self.below(node, rest, self.search.path.len(), depth);
            }
            let Some(node) = here.args() else { continue };

            // The first step is checked before the call, because beside an argument the next
            // segment rarely is a static one.
            if self.radix.step(step).follow(rest, self.last_word).is_some()
                && let Some(found) = self.follow(step, rest, depth)
            {
                return Some(found);
            }
            let (segment, after) = rest.split_at(plain_len(rest, self.last_word));
            let start = self.search.path.len() - rest.len();
            let node = &self.nodes[node as usize];
            if segment.is_empty() {
                return if node.has_rest { self.below(node, rest, start, depth) } else { None };
            }
            let end = start + segment.len();
            if let [edge] = &*node.args
                && !node.has_rest
            {
                // The usual case continues in the loop, without another stack frame.
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
                if let Some(found) = self.after_node(edge.node, edge.after, after, depth + 1) {
                    return Some(found);
                }
            }
            if !node.has_rest || has_percent(rest) {
                return None;
            }
            let Some(found) = self.search.route_of(&node.rest) else {
                return self.below(node, rest, start, depth);
            };
            // The rest keeps its trailing slash.
            self.spans.set(depth, start, self.search.whole);
            return Some(found);
        }
    }

    /// Finds the route for everything below a node. The rest of the path starts at byte `start`.
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
