//! Finds the patterns that match a name, without looking at the others.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::hub::patterns::sleeper_count::SleeperCount;
use crate::hub::stepped_map::SteppedMap;
use crate::hub::topic::pattern::{Pattern, segments};

/// How many values a list for one name has at most.
pub(crate) const MAX_LISTED: usize = match (cfg!(test), cfg!(loom)) {
    (false, _) => 64,
    (true, false) => 4,
    (true, true) => 1,
};

/// How many places of the tree a list for one name looks at.
const MAX_NODES_TO_LIST: usize = if cfg!(test) { 8 } else { 256 };

/// Values by pattern, as a tree of segments.
#[derive(Debug)]
pub(crate) struct PatternTree<T> {
    root: Node<T>,
}

#[derive(Debug)]
struct Node<T> {
    /// The next segment is this text.
    literal: SteppedMap<Box<str>, Node<T>>,
    /// The next segment is `*`.
    any: Option<Box<Node<T>>>,
    /// The pattern ends with `>` after this node.
    rest: Option<T>,
    /// The pattern ends at this node.
    end: Option<T>,
    /// `None` for the root, and in a tree that does not count sleepers.
    sleepers: Option<Arc<SleeperCount>>,
}

/// A search for the patterns that match a name. Many patterns can match one name: those of `n`
/// segments are more than `2^n`. So a search takes one page after the other, and the tree may
/// change in between. It visits each pattern once that is there from the start to the end.
#[derive(Debug, Default)]
pub(crate) struct Search {
    /// Where the next page begins: the branches from its first node up to the root.
    branches: Vec<Branch>,
    /// Whether it skips each part of the tree without a sleeping reader.
    only_sleepers: bool,
    /// How many more nodes this page may visit.
    left: usize,
}

/// A branch of a node that a name may take, in the order in which a search takes them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Branch {
    Any,
    Literal,
}

impl Search {
    /// A search that skips each part of the tree without a sleeping reader.
    pub(crate) fn for_sleepers() -> Self {
        Self { only_sleepers: true, ..Self::default() }
    }

    fn skips<T>(&self, node: &Node<T>) -> bool {
        self.only_sleepers && node.sleepers.as_ref().is_some_and(|sleepers| !sleepers.has_any())
    }
}

impl<T> Default for PatternTree<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literal: SteppedMap::default(), any: None, rest: None, end: None, sleepers: None }
    }
}

impl<T> PatternTree<T> {
    /// The place of the value of a pattern. The caller puts a value there.
    pub(crate) fn entry(&mut self, pattern: &Pattern) -> &mut Option<T> {
        let mut node = &mut self.root;
        for segment in pattern.segments() {
            node = match segment {
                ">" => return &mut node.rest,
                "*" => node.any.get_or_insert_default(),
                _ => node.literal.entry_or_default(segment.into()),
            };
        }
        &mut node.end
    }

    /// The same, and the count of the patterns with sleepers at this place and below it. The root
    /// has no count.
    pub(crate) fn counted_entry(
        &mut self,
        pattern: &Pattern,
    ) -> (&mut Option<T>, Option<Arc<SleeperCount>>) {
        let mut node = &mut self.root;
        for segment in pattern.segments() {
            let above = node.sleepers.clone();
            node = match segment {
                ">" => return (&mut node.rest, above),
                "*" => node.any.get_or_insert_default(),
                _ => node.literal.entry_or_default(segment.into()),
            };
            node.sleepers.get_or_insert_with(|| Arc::new(SleeperCount::below(above)));
        }
        (&mut node.end, node.sleepers.clone())
    }

    /// The value of a pattern, which is given as text.
    pub(crate) fn get(&self, pattern: &str) -> Option<&T> {
        let mut node = &self.root;
        for segment in segments(pattern) {
            node = match segment {
                ">" => return node.rest.as_ref(),
                "*" => node.any.as_deref()?,
                _ => node.literal.get(segment)?,
            };
        }
        node.end.as_ref()
    }

    /// Removes the value of a pattern.
    pub(crate) fn remove(&mut self, pattern: &Pattern) {
        let segments: Vec<_> = pattern.segments().collect();
        self.root.remove(&segments);
    }

    /// The values of the patterns that match a name. `None` if they are too many, or if it takes
    /// too long to find them.
    pub(crate) fn list(&self, name: &str) -> Option<Vec<&T>> {
        let mut values = Vec::new();
        let add = &mut |value| values.push(value);
        let is_whole = self.find_page(name, &mut Search::default(), MAX_NODES_TO_LIST, add);
        (is_whole && values.len() <= MAX_LISTED).then_some(values)
    }

    /// Visits the next values of a search, those of at most `max_nodes` nodes. Returns true at the
    /// end of the search.
    pub(crate) fn find_page<'a>(
        &'a self,
        name: &str,
        search: &mut Search,
        max_nodes: usize,
        visit: &mut impl FnMut(&'a T),
    ) -> bool {
        search.left = max_nodes;
        self.root.find(Some(name), search, visit).is_continue()
    }

    #[cfg(all(test, not(loom)))]
    fn for_each<'a>(&'a self, visit: &mut impl FnMut(&'a T)) {
        self.root.for_each(visit);
    }
}

impl<T> Node<T> {
    fn remove(&mut self, segments: &[&str]) {
        match segments {
            [] => self.end = None,
            [">"] => self.rest = None,
            ["*", rest @ ..] => {
                if let Some(any) = &mut self.any {
                    any.remove(rest);
                    self.any.take_if(|any| any.is_empty());
                }
            }
            [segment, rest @ ..] => {
                if let Some(node) = self.literal.get_mut(*segment) {
                    node.remove(rest);
                    if node.is_empty() {
                        self.literal.remove(*segment);
                    }
                }
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.any.is_none() && self.rest.is_none() && self.end.is_none()
    }

    /// `name` is the rest of the name, or `None` after its last segment. Breaks at the end of a
    /// page.
    fn find<'a>(
        &'a self,
        name: Option<&str>,
        search: &mut Search,
        visit: &mut impl FnMut(&'a T),
    ) -> ControlFlow<()> {
        // The page before has visited this node if it ended in one of its branches.
        let last_branch = search.branches.pop();
        if last_branch.is_none() {
            search.left = match search.left.checked_sub(1) {
                Some(left) => left,
                None => return ControlFlow::Break(()),
            };
            #[cfg(test)]
            crate::hub::work_counts::note_work(1);
            let matching = if name.is_some() { &self.rest } else { &self.end };
            matching.iter().for_each(&mut *visit);
        }
        let Some(name) = name else { return ControlFlow::Continue(()) };
        // Segments are short, so a loop over their bytes is faster than a search for a `char`.
        let (segment, rest) = match name.bytes().position(|byte| byte == b'.') {
            Some(end) => (&name[..end], Some(&name[end + 1..])),
            None => (name, None),
        };
        for branch in [Branch::Any, Branch::Literal] {
            let node = match branch {
                Branch::Any if last_branch == Some(Branch::Literal) => continue,
                Branch::Any => self.any.as_deref(),
                Branch::Literal if self.literal.is_empty() => None,
                Branch::Literal => self.literal.get(segment),
            };
            let Some(node) = node.filter(|node| !search.skips(node)) else {
                // If the page before ended here, there is nothing left to go on with.
                if last_branch == Some(branch) {
                    search.branches.clear();
                }
                continue;
            };
            if node.find(rest, search, visit).is_break() {
                search.branches.push(branch);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    #[cfg(all(test, not(loom)))]
    fn for_each<'a>(&'a self, visit: &mut impl FnMut(&'a T)) {
        self.rest.iter().chain(&self.end).for_each(&mut *visit);
        self.any.iter().for_each(|any| any.for_each(visit));
        self.literal.iter().for_each(|(_, node)| node.for_each(visit));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::hub::topic::pattern::TopicFilter;

    fn pattern(text: &str) -> Pattern {
        match TopicFilter::parse(text, 50).expect("valid") {
            TopicFilter::Pattern(pattern) => pattern,
            TopicFilter::Name(name) => panic!("{name}"),
        }
    }

    proptest! {
        #[test]
        fn it_finds_what_a_search_through_all_patterns_finds(
            steps in vec((any::<bool>(), "([ab*]\\.){0,3}[*>]"), 0..40),
            name in "[ab](\\.[ab]){0,4}",
        ) {
            let mut tree = PatternTree::default();
            let mut naive: Vec<String> = Vec::new();
            for (adds, text) in steps {
                if adds {
                    tree.entry(&pattern(&text)).get_or_insert_with(|| text.clone());
                    naive.retain(|other| *other != text);
                    naive.push(text);
                } else {
                    // Mostly a pattern that is there.
                    let text = naive.pop().unwrap_or(text);
                    tree.remove(&pattern(&text));
                }
                for text in &naive {
                    prop_assert_eq!(tree.get(text), Some(text));
                }
                prop_assert_eq!(tree.get("a.b.>").is_some(), naive.iter().any(|text| text == "a.b.>"));
                for max_nodes in 1..5 {
                    let mut found = Vec::new();
                    let mut search = Search::default();
                    let add = &mut |text: &String| found.push(text.clone());
                    while !tree.find_page(&name, &mut search, max_nodes, add) {}
                    found.sort_unstable();
                    let mut expect = naive.clone();
                    expect.retain(|text| pattern(text).matches(&name));
                    expect.sort_unstable();
                    prop_assert_eq!(found, expect);
                }
                let (mut all, mut found) = (Vec::new(), Vec::new());
                tree.for_each(&mut |text| all.push(text.clone()));
                tree.find_page(&name, &mut Search::default(), usize::MAX, &mut |text| {
                    found.push(text.clone());
                });
                naive.sort_unstable();
                all.sort_unstable();
                found.sort_unstable();
                prop_assert_eq!(&all, &naive);
                let mut expect = naive.clone();
                expect.retain(|text| pattern(text).matches(&name));
                prop_assert_eq!(found, expect);
            }
            for text in &naive {
                tree.remove(&pattern(text));
            }
            prop_assert!(tree.root.is_empty());
        }

        /// So thousands of sleeping readers of other names do not slow a publish down, if their
        /// patterns have few shapes.
        #[test]
        fn a_search_for_sleepers_looks_at_the_segments_of_each_shape_at_most_once(
            texts in proptest::collection::hash_set("([ab*]\\.){0,5}[ab*>]", 1..300),
            sleepers in vec(any::<bool>(), 300),
            name in "[ab](\\.[ab]){0,5}",
        ) {
            let texts = texts.iter().filter(|text| text.contains(['*', '>']));
            let mut tree = PatternTree::default();
            let mut shapes = HashSet::new();
            for (text, sleeps) in texts.zip(sleepers) {
                let (entry, count) = tree.counted_entry(&pattern(text));
                *entry = Some(text.clone());
                if sleeps && let Some(count) = count {
                    count.add_one();
                    shapes.insert(text.replace('b', "a"));
                }
            }
            let ((), places) = crate::hub::work_counts::work(|| {
                let mut search = Search::for_sleepers();
                assert!(tree.find_page(&name, &mut search, usize::MAX, &mut |_| {}));
            });
            let most = 1 + shapes.len() * segments(&name).count();
            prop_assert!(places <= most, "{} places, {} shapes", places, shapes.len());
        }

        #[test]
        fn a_search_in_pages_finds_once_what_stays_while_the_tree_changes(
            texts in proptest::collection::hash_set("([ab*]\\.){0,3}[ab*>]", 1..60),
            changes in vec((any::<prop::sample::Index>(), any::<bool>()), 0..30),
            max_nodes in 1..6_usize,
            sleepers in vec(any::<bool>(), 60),
        ) {
            let texts: Vec<_> = texts.into_iter().filter(|text| text.contains(['*', '>'])).collect();
            let name = "a.b.a.b";
            let mut tree = PatternTree::default();
            let mut counts = Vec::new();
            for (text, sleeps) in texts.iter().zip(&sleepers) {
                let (entry, count) = tree.counted_entry(&pattern(text));
                *entry = Some(text.clone());
                if *sleeps && let Some(count) = count {
                    count.add_one();
                    counts.push(count);
                }
            }
            // Some patterns come and go after each page. None of the others is missed.
            let mut stays = vec![true; texts.len()];
            let mut found = Vec::new();
            let mut search = Search::for_sleepers();
            let mut changes = changes.iter();
            while !tree.find_page(name, &mut search, max_nodes, &mut |text| found.push(text.clone())) {
                let Some((index, comes)) = changes.next() else { continue };
                if texts.is_empty() {
                    continue;
                }
                let index = index.index(texts.len());
                stays[index] = false;
                match comes {
                    true => *tree.counted_entry(&pattern(&texts[index])).0 = Some(texts[index].clone()),
                    false => tree.remove(&pattern(&texts[index])),
                }
            }
            for ((text, stays), sleeps) in texts.iter().zip(stays).zip(&sleepers) {
                let times = found.iter().filter(|found| *found == text).count();
                let matches = pattern(text).matches(name);
                prop_assert!(matches || times == 0, "{} does not match", text);
                if matches && stays {
                    prop_assert!(times <= 1 && (times == 1 || !sleeps), "{}: {} times", text, times);
                }
            }
            // Once nobody sleeps, a search looks at the first place alone.
            counts.iter().for_each(|count| count.remove_one());
            let ((), places) = crate::hub::work_counts::work(|| {
                let mut search = Search::for_sleepers();
                assert!(tree.find_page(name, &mut search, usize::MAX, &mut |_| {}));
            });
            prop_assert_eq!(places, 1);
        }
    }
}
