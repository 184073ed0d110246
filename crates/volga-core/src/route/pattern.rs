//! A route's pattern: `/users/{id}/orders`. Pure.

use super::RouteError;

/// The most arguments that a pattern may have.
pub const MAX_PATH_ARGS: usize = 16;

/// A pattern, taken apart.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Segment {
    /// Matches itself, byte by byte.
    Static(Box<str>),
    /// `{name}`: matches any one segment that is not empty.
    Arg(Box<str>),
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, RouteError> {
        let malformed =
            |at, expected| RouteError::Pattern { pattern: text.to_owned(), at, expected };
        if !text.starts_with('/') {
            return Err(malformed(0, "a pattern starts with `/`"));
        }
        let mut segments = Vec::new();
        let mut at = FIRST_SEGMENT;
        while let Some((segment, next)) = segment_at(without_trailing_slash(text), at) {
            let parsed = parse_segment(segment);
            segments.push(parsed.map_err(|(offset, expected)| malformed(at + offset, expected))?);
            at = next;
        }
        let pattern = Self { text: text.to_owned(), segments };
        pattern.check_names()?;
        Ok(pattern)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Static(_) => None,
            Segment::Arg(name) => Some(&**name),
        })
    }

    fn check_names(&self) -> Result<(), RouteError> {
        let pattern = || self.text.clone();
        let names: Vec<&str> = self.names().collect();
        if names.len() > MAX_PATH_ARGS {
            return Err(RouteError::TooManyArgs { pattern: pattern(), limit: MAX_PATH_ARGS });
        }
        for (index, name) in names.iter().enumerate() {
            if names[..index].contains(name) {
                return Err(RouteError::SameName { pattern: pattern(), name: (*name).to_owned() });
            }
        }
        Ok(())
    }
}

/// Where the first segment of a path starts.
pub(crate) const FIRST_SEGMENT: usize = 1;

/// `/a` and `/a/` are the same path.
pub(crate) fn without_trailing_slash(path: &str) -> &str {
    path.strip_suffix('/').unwrap_or(path)
}

/// The segment that starts at this byte, and where the next one starts; `None` after the last. A segment may be empty.
pub(crate) fn segment_at(path: &str, at: usize) -> Option<(&str, usize)> {
    let rest = path.get(at..)?;
    let len = rest.find('/').unwrap_or(rest.len());
    Some((&rest[..len], at + len + 1))
}

fn parse_segment(segment: &str) -> Result<Segment, (usize, &'static str)> {
    const WHOLE: &str = "an argument is a whole segment: `/{name}/`";
    let Some(name) = segment.strip_prefix('{') else {
        return match segment.find(['{', '}']) {
            None => Ok(Segment::Static(segment.into())),
            Some(at) => Err((at, WHOLE)),
        };
    };
    let name = name.strip_suffix('}').ok_or((segment.len(), "a `}` closes the argument"))?;
    if name.is_empty() {
        return Err((1, "an argument has a name"));
    }
    match name.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-') {
        None => Ok(Segment::Arg(name.into())),
        Some(at) => Err((1 + at, "an argument's name is letters, digits, `_` and `-`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(pattern: &str) -> Vec<String> {
        Pattern::parse(pattern).unwrap().names().map(str::to_owned).collect()
    }

    #[test]
    fn arguments_are_whole_segments() {
        assert!(names("/").is_empty());
        assert_eq!(names("/users/{id}/orders/{order_id}"), ["id", "order_id"]);
        assert_eq!(Pattern::parse("/a/").unwrap().segments().len(), 1);
        assert_eq!(Pattern::parse("/a//b").unwrap().segments().len(), 3);
    }

    #[test]
    fn a_malformed_pattern_names_the_byte() {
        for (pattern, byte) in [
            ("", 0),
            ("users", 0),
            ("/a/{id", 6),
            ("/a/{}", 4),
            ("/a/x{id}", 4),
            ("/{a b}", 3),
            ("/a}", 2),
        ] {
            match Pattern::parse(pattern) {
                Err(RouteError::Pattern { at, .. }) => assert_eq!(at, byte, "{pattern}"),
                other => panic!("{pattern}: {other:?}"),
            }
        }
    }

    #[test]
    fn names_differ_and_are_not_too_many() {
        assert!(matches!(Pattern::parse("/{a}/{a}"), Err(RouteError::SameName { .. })));
        let args = |count| (0..count).map(|n| format!("/{{a{n}}}")).collect::<String>();
        assert!(Pattern::parse(&args(MAX_PATH_ARGS)).is_ok());
        assert!(matches!(
            Pattern::parse(&args(MAX_PATH_ARGS + 1)),
            Err(RouteError::TooManyArgs { .. })
        ));
    }
}
