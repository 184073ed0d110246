//! Finds the patterns that match a name, without looking at the others. Pure.

use crate::hub::stepped_map::SteppedMap;
use crate::hub::topic::pattern::{Pattern, segments};

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
}

impl<T> Default for PatternTree<T> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self { literal: SteppedMap::default(), any: None, rest: None, end: None }
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

    /// Visits the values of the patterns that match a name.
    pub(crate) fn find<'a>(&'a self, name: &str, visit: &mut impl FnMut(&'a T)) {
        self.root.find(Some(name), visit);
    }

    #[cfg(test)]
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

    /// `name` is the rest of the name, or `None` after its last segment.
    fn find<'a>(&'a self, name: Option<&str>, visit: &mut impl FnMut(&'a T)) {
        let Some(name) = name else {
            self.end.iter().for_each(visit);
            return;
        };
        self.rest.iter().for_each(&mut *visit);
        let (segment, rest) = match name.split_once('.') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (name, None),
        };
        if let Some(any) = &self.any {
            any.find(rest, visit);
        }
        if !self.literal.is_empty()
            && let Some(node) = self.literal.get(segment)
        {
            node.find(rest, visit);
        }
    }

    #[cfg(test)]
    fn for_each<'a>(&'a self, visit: &mut impl FnMut(&'a T)) {
        self.rest.iter().chain(&self.end).for_each(&mut *visit);
        self.any.iter().for_each(|any| any.for_each(visit));
        self.literal.iter().for_each(|(_, node)| node.for_each(visit));
    }
}

#[cfg(test)]
mod tests {
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
                let (mut all, mut found) = (Vec::new(), Vec::new());
                tree.for_each(&mut |text| all.push(text.clone()));
                tree.find(&name, &mut |text| found.push(text.clone()));
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
    }
}
