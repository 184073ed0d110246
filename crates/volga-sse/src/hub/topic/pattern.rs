//! Patterns of topic names. Pure.

use std::sync::Arc;

use crate::hub::topic::name::{TopicError, check_segments};

/// What a subscription asks for: one topic, or all topics whose names match a pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TopicFilter {
    Name(String),
    Pattern(Pattern),
}

/// A valid name or pattern as text. Names come before patterns in the order.
///
/// A subscription needs no [`Pattern`] of its own if others read the pattern already.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct FilterText {
    pub(crate) is_pattern: bool,
    pub(crate) text: String,
}

impl FilterText {
    pub(crate) fn parse(text: impl Into<String>, max: usize) -> Result<Self, TopicError> {
        let text = text.into();
        check_segments(&text, max)?;
        let mut at = 0;
        let mut is_pattern = false;
        for segment in text.split('.') {
            let end = at + segment.len();
            match segment {
                "*" => is_pattern = true,
                ">" if end == text.len() => is_pattern = true,
                _ => {
                    if let Some(inside) = segment.find(['*', '>']) {
                        return Err(TopicError::Wildcard { at: at + inside });
                    }
                }
            }
            at = end + 1;
        }
        Ok(Self { is_pattern, text })
    }
}

impl TopicFilter {
    pub(crate) fn parse(text: impl Into<String>, max: usize) -> Result<Self, TopicError> {
        let FilterText { is_pattern, text } = FilterText::parse(text, max)?;
        Ok(if is_pattern { Self::Pattern(Pattern(text.into())) } else { Self::Name(text) })
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Pattern(pattern) => pattern.matches(name),
        }
    }

    /// Whether there is a name that it matches, and that the pattern matches as well.
    pub(crate) fn shares_names_with(&self, pattern: &Pattern) -> bool {
        match self {
            Self::Name(own) => pattern.matches(own),
            Self::Pattern(own) => own.shares_names_with(pattern),
        }
    }
}

/// A name with wildcards. `*` stands for one segment, and `>` at the end for one or more segments.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pattern(Arc<str>);

impl Pattern {
    /// The text must be that of a valid pattern.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The pattern of a valid name or pattern. `None` if it is a name.
    pub(crate) fn of(filter: &Arc<str>) -> Option<Self> {
        filter.contains(['*', '>']).then(|| Self(Arc::clone(filter)))
    }

    pub(crate) fn text(&self) -> &Arc<str> {
        &self.0
    }

    pub(crate) fn matches(&self, name: &str) -> bool {
        is_match(&self.0, name)
    }

    fn shares_names_with(&self, other: &Self) -> bool {
        let (mut own, mut others) = (self.segments(), other.segments());
        loop {
            match (own.next(), others.next()) {
                (None, None) | (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
                (Some(one), Some(other)) if one == "*" || other == "*" || one == other => {}
                _ => return false,
            }
        }
    }

    /// The segments, of which some are wildcards.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &str> {
        segments(&self.0)
    }

    /// The text with which every matching name begins.
    pub(crate) fn prefix(&self) -> &str {
        &self.0[..self.0.find(['*', '>']).unwrap_or(self.0.len())]
    }
}

/// The segments of a name or pattern.
pub(crate) fn segments(text: &str) -> impl Iterator<Item = &str> {
    text.split('.')
}

/// Whether a valid pattern matches a name, or a valid name is the same.
pub(crate) fn is_match(filter: &str, name: &str) -> bool {
    let mut name = name.as_bytes();
    // Wildcards are whole segments, so there is no need to look for the ends of the others.
    for own in filter.bytes() {
        match own {
            b'>' => return !name.is_empty(),
            b'*' => {
                let end = name.iter().position(|byte| *byte == b'.').unwrap_or(name.len());
                name = &name[end..];
            }
            own => match name.split_first() {
                Some((first, rest)) if *first == own => name = rest,
                _ => return false,
            },
        }
    }
    name.is_empty()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn wildcards_stand_for_segments() {
        for (filter, name, expect) in [
            ("orders.*", "orders.7", true),
            ("orders.*", "orders", false),
            ("orders.*", "orders.7.lines", false),
            ("orders.>", "orders.7", true),
            ("orders.>", "orders.7.lines", true),
            ("orders.>", "orders", false),
            ("*.7", "orders.7", true),
            ("*.7", "orders.8", false),
            (">", "a", true),
            (">", "a.b", true),
            ("*", "a.b", false),
            ("a.*.c", "a.b.c", true),
            ("a.*.>", "a.b", false),
            ("a.b", "a.b", true),
            ("a.b", "a.bc", false),
        ] {
            let filter = TopicFilter::parse(filter, 20).unwrap();
            assert_eq!(filter.matches(name), expect, "{filter:?} and {name}");
        }
    }

    #[test]
    fn a_wildcard_is_a_whole_segment_and_the_rest_is_last() {
        for (text, at) in [("a*", 1), ("a.b>", 3), (">.a", 0), ("a.>.*", 2), ("**", 0), ("a.*>", 2)]
        {
            assert_eq!(TopicFilter::parse(text, 20), Err(TopicError::Wildcard { at }), "{text}");
        }
    }

    /// The same definition in another form: segments by recursion.
    fn naive(pattern: &[&str], name: &[&str]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([">"], [_, ..]) => true,
            ([own, pattern @ ..], [segment, name @ ..]) => {
                (*own == "*" || own == segment) && naive(pattern, name)
            }
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(
            pattern in "[ab*](\\.[ab*]){0,3}(\\.>)?",
            name in "[ab](\\.[ab]){0,4}",
        ) {
            let filter = TopicFilter::parse(&pattern, 20).unwrap();
            let segments = |text: &'static str| text.split('.').collect::<Vec<_>>();
            let expect = naive(&segments(pattern.clone().leak()), &segments(name.clone().leak()));
            prop_assert_eq!(filter.matches(&name), expect);
            if let TopicFilter::Pattern(pattern) = &filter && expect {
                prop_assert!(name.starts_with(pattern.prefix()));
            }
        }

        #[test]
        fn two_filters_share_names_if_some_name_matches_both(
            one in "[ab*](\\.[ab*]){0,2}(\\.>)?",
            other in "[ab*](\\.[ab*]){0,2}(\\.>)?",
        ) {
            let filter = |text: &str| TopicFilter::parse(text, 20).unwrap();
            // No filter tells `c` from a segment that it does not name.
            let mut names: Vec<String> = vec![String::new()];
            let mut is_shared = false;
            for _ in 0..4 {
                let longer = names.iter().flat_map(|name| ["a", "b", "c"].map(|segment| {
                    if name.is_empty() { segment.to_owned() } else { format!("{name}.{segment}") }
                }));
                names = longer.collect();
                let is_of_both = |name: &String| filter(&one).matches(name) && filter(&other).matches(name);
                is_shared |= names.iter().any(is_of_both);
            }
            if let TopicFilter::Pattern(other) = filter(&other) {
                prop_assert_eq!(filter(&one).shares_names_with(&other), is_shared);
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,30}") {
            if let Ok(filter) = TopicFilter::parse(&text, 30) {
                prop_assert_eq!(matches!(filter, TopicFilter::Pattern(_)), text.contains(['*', '>']));
            }
        }
    }
}
