//! Patterns of routes: `/users/{id}/orders`, `/users/{id:int}`, `/files/{*path}` (pure).

pub(in crate::routing) mod constraint;

use crate::request::percent;
use crate::routing::fault::RouteError;
use crate::routing::pattern::constraint::{Constraint, KNOWN};

/// The maximum number of arguments of a pattern.
pub const MAX_PATH_ARGS: usize = 16;

/// The maximum length of a path in bytes. `http` refuses longer ones.
const MAX_PATH: usize = 65_534;

/// A parsed pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Pattern {
    text: String,
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Segment {
    /// Matches itself, byte by byte.
    Static(Box<str>),
    /// `{name}` or `{name:constraint}`: matches one segment that is not empty and satisfies the
    /// constraint.
    Arg(Box<str>, Option<Constraint>),
    /// `{*name}`, the last segment: matches one or more segments, of which the first is not empty.
    Rest(Box<str>),
    /// The last segment of a pattern from [`Pattern::below`], printed as `{*}`: matches one or more
    /// segments, which may be empty. It is not an argument.
    Below,
}

/// A segment without its name.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Shape<'a> {
    Static(&'a str),
    Arg(Option<Constraint>),
    Rest,
}

/// Why a segment is malformed.
enum SegmentFault {
    /// The segment breaks a rule at this byte.
    At(usize, &'static str),
    /// The segment is percent-encoded at this byte. The text says what to write.
    Encoded(usize, String),
    UnknownConstraint(String),
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, RouteError> {
        let malformed =
            |at, expected| RouteError::Pattern { pattern: text.to_owned(), at, expected };
        if !text.starts_with('/') {
            return Err(malformed(0, "a pattern starts with `/`"));
        }
        if text.len() > MAX_PATH {
            return Err(malformed(MAX_PATH, "a path has at most 65,534 bytes"));
        }
        let mut segments = Vec::new();
        let mut at = FIRST_SEGMENT;
        while let Some((segment, next)) = segment_at(without_trailing_slash(text), at) {
            if matches!(segments.last(), Some(Segment::Rest(_))) {
                return Err(malformed(at, "`{*name}` must be the last segment"));
            }
            segments.push(parse_segment(segment).map_err(|wrong| match wrong {
                SegmentFault::Encoded(offset, instead) => {
                    RouteError::Encoded { pattern: text.to_owned(), at: at + offset, instead }
                }
                SegmentFault::At(offset, expected) => malformed(at + offset, expected),
                SegmentFault::UnknownConstraint(constraint) => RouteError::UnknownConstraint {
                    pattern: text.to_owned(),
                    constraint,
                    known: KNOWN,
                },
            })?);
            at = next;
        }
        let pattern = Self { text: text.to_owned(), segments };
        pattern.check_names()?;
        Ok(pattern)
    }

    /// Creates the pattern of everything below a prefix. The prefix is a pattern itself.
    ///
    /// Unlike `{*name}` it matches a path such as `/prefix//x`. A service may treat that path as
    /// `/prefix/x`, so both paths must get the same route.
    pub(crate) fn below(prefix: &str) -> Result<Self, RouteError> {
        let prefix = without_trailing_slash(prefix);
        let mut pattern = match prefix {
            "" => Self { text: String::new(), segments: Vec::new() },
            prefix => Self::parse(prefix)?,
        };
        pattern.check_prefix()?;
        pattern.segments.push(Segment::Below);
        pattern.text = format!("{prefix}/{{*}}");
        // The span of the last segment needs a slot beside the arguments.
        if pattern.names().count() >= MAX_PATH_ARGS {
            let limit = MAX_PATH_ARGS - 1;
            return Err(RouteError::TooManyArgs { pattern: pattern.text, limit });
        }
        Ok(pattern)
    }

    /// Checks that the pattern can be a prefix.
    pub(crate) fn check_prefix(&self) -> Result<(), RouteError> {
        match self.segments.last() {
            Some(Segment::Rest(_)) => Err(RouteError::Pattern {
                pattern: self.text.clone(),
                at: self.text.rfind("{*").unwrap_or_default(),
                expected: "a prefix cannot end with `{*name}`",
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::Static(_) | Segment::Below => None,
            Segment::Arg(name, _) | Segment::Rest(name) => Some(&**name),
        })
    }

    /// The pattern without the names of its arguments. Two patterns with the same shape match the
    /// same paths.
    pub(crate) fn shape(&self) -> Vec<Shape<'_>> {
        let segments = self.segments.iter().map(|segment| match segment {
            Segment::Static(text) => Shape::Static(text),
            Segment::Arg(_, constraint) => Shape::Arg(*constraint),
            Segment::Rest(_) | Segment::Below => Shape::Rest,
        });
        segments.collect()
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

/// The byte at which the first segment of a path starts.
pub(crate) const FIRST_SEGMENT: usize = 1;

/// Removes one trailing slash: `/a` and `/a/` are the same path.
pub(crate) fn without_trailing_slash(path: &str) -> &str {
    // A comparison of bytes is faster than one of characters.
    if path.as_bytes().ends_with(b"/") { &path[..path.len() - 1] } else { path }
}

/// Returns the segment that starts at this byte, and the byte at which the next segment starts.
/// Returns `None` after the last segment. A segment may be empty.
pub(crate) fn segment_at(path: &str, at: usize) -> Option<(&str, usize)> {
    let rest = path.get(at..)?;
    let len = rest.find('/').unwrap_or(rest.len());
    Some((&rest[..len], at + len + 1))
}

fn parse_segment(segment: &str) -> Result<Segment, SegmentFault> {
    const WHOLE: &str = "an argument is a whole segment: `/{name}/`";
    let Some(inner) = segment.strip_prefix('{') else {
        return parse_static(segment, WHOLE);
    };
    let Some(inner) = inner.strip_suffix('}') else {
        let expected = if inner.contains('}') { WHOLE } else { "a `}` closes the argument" };
        return Err(SegmentFault::At(inner.find('}').map_or(segment.len(), |at| at + 2), expected));
    };
    if let Some(name) = inner.strip_prefix('*') {
        check_name(name, 2)?;
        return Ok(Segment::Rest(name.into()));
    }
    let (name, constraint) = match inner.split_once(':') {
        None => (inner, None),
        Some((name, constraint)) => (name, Some(constraint)),
    };
    check_name(name, 1)?;
    let constraint = match constraint {
        None => None,
        Some(text) => Some(
            Constraint::from_name(text)
                .ok_or_else(|| SegmentFault::UnknownConstraint(text.to_owned()))?,
        ),
    };
    Ok(Segment::Arg(name.into(), constraint))
}

/// Parses a static segment. A segment that is an argument in another framework, such as `:id`, is
/// refused, because as a static segment it would silently match nothing.
fn parse_static(segment: &str, whole: &'static str) -> Result<Segment, SegmentFault> {
    if segment.starts_with(':') {
        return Err(SegmentFault::At(0, "an argument is written `{name}`"));
    }
    if segment.starts_with('*') {
        return Err(SegmentFault::At(0, "the rest of a path is written `{*name}`"));
    }
    if segment.starts_with(['<', '[']) && segment.ends_with(['>', ']']) {
        return Err(SegmentFault::At(0, "an argument is written `{name}`"));
    }
    if segment == "." || segment == ".." {
        return Err(SegmentFault::At(0, "clients resolve `.` and `..` before they send a path"));
    }
    if let Some(at) = segment.find(char::is_control) {
        return Err(SegmentFault::At(at, "a pattern has no control characters, such as NUL"));
    }
    check_percent(segment)?;
    match segment.find(['{', '}', '?', '#']) {
        None => Ok(Segment::Static(segment.into())),
        Some(at) if segment[at..].starts_with(['{', '}']) => Err(SegmentFault::At(at, whole)),
        Some(at) => Err(SegmentFault::At(at, "a pattern is a path alone, without `?` and `#`")),
    }
}

/// Checks that a static segment is not percent-encoded. Paths are decoded before they are compared,
/// so `%20` in a pattern would match `%2520` in a path. A `%` at the end is a percent sign.
fn check_percent(segment: &str) -> Result<(), SegmentFault> {
    let Some(at) = segment.find('%').filter(|at| at + 1 < segment.len()) else { return Ok(()) };
    // `None` for text that is malformed or not UTF-8.
    let decoded = percent::decode(segment);
    let decoded = decoded.filter(|text| matches!(parse_plain(text), Ok(Segment::Static(_))));
    Err(SegmentFault::Encoded(
        at,
        match decoded {
            Some(decoded) => format!("the segment decoded: `{decoded}`"),
            None => "the segment decoded, or take it as an argument: `{name}`".to_owned(),
        },
    ))
}

/// Parses a decoded segment.
fn parse_plain(segment: &str) -> Result<Segment, SegmentFault> {
    match segment.contains(['/', '%']) {
        true => Err(SegmentFault::At(0, "a segment has no `/`")),
        false => parse_segment(segment),
    }
}

/// Checks the name of an argument. It starts at this byte of its segment.
fn check_name(name: &str, at: usize) -> Result<(), SegmentFault> {
    if name.is_empty() {
        return Err(SegmentFault::At(at, "an argument has a name"));
    }
    match name.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-') {
        None => Ok(()),
        Some(offset) => {
            Err(SegmentFault::At(at + offset, "an argument's name is letters, digits, `_` and `-`"))
        }
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
        assert_eq!(names("/{id:int}/{*rest}"), ["id", "rest"]);
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
            ("/a/{id}.png", 7),
            ("/{a b}", 3),
            ("/{id?}", 4),
            ("/a}", 2),
            ("/{*}", 3),
            ("/{*rest}/a", 9),
            ("/{:int}", 2),
            ("/users/:id", 7),
            ("/files/*rest", 7),
            ("/a?b=c", 2),
            ("/users/<id>", 7),
            ("/users/[id]", 7),
            ("/a/b\0", 4),
            ("/a/b\n/c", 4),
            ("/a/../b", 3),
            ("/.", 1),
        ] {
            match Pattern::parse(pattern) {
                Err(RouteError::Pattern { at, .. }) => assert_eq!(at, byte, "{pattern}"),
                other => panic!("{pattern}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_percent_encoded_pattern_says_what_to_write() {
        for (pattern, byte, instead) in [
            ("/a%20b", 2, "the segment decoded: `a b`"),
            ("/x/caf%C3%A9/", 6, "the segment decoded: `caf\u{e9}`"),
            ("/%61%62/{id}", 1, "the segment decoded: `ab`"),
            ("/a%zz", 2, "the segment decoded, or take it as an argument: `{name}`"),
            ("/a%2Fb", 2, "the segment decoded, or take it as an argument: `{name}`"),
            ("/a%3F", 2, "the segment decoded, or take it as an argument: `{name}`"),
            ("/%7Bid%7D", 1, "the segment decoded, or take it as an argument: `{name}`"),
            ("/%2525", 1, "the segment decoded, or take it as an argument: `{name}`"),
            ("/%00", 1, "the segment decoded, or take it as an argument: `{name}`"),
            ("/%ff", 1, "the segment decoded, or take it as an argument: `{name}`"),
            ("/50%off", 3, "the segment decoded, or take it as an argument: `{name}`"),
        ] {
            let expect = RouteError::Encoded {
                pattern: pattern.to_owned(),
                at: byte,
                instead: instead.to_owned(),
            };
            assert_eq!(Pattern::parse(pattern), Err(expect), "{pattern}");
        }
        assert!(Pattern::parse("/100%/x").is_ok());
    }

    #[test]
    fn a_pattern_is_not_longer_than_a_path() {
        assert!(Pattern::parse(&format!("/{}", "a".repeat(MAX_PATH - 1))).is_ok());
        assert!(Pattern::parse(&format!("/{}", "a".repeat(MAX_PATH))).is_err());
    }

    #[test]
    fn an_unknown_constraint_is_reported_with_the_known_ones() {
        let error = Pattern::parse("/{id:integer}").unwrap_err().to_string();
        assert_eq!(
            error,
            "pattern `/{id:integer}` has the unknown constraint `integer`: use one of `uuid`, `bool`, `uint`, `int`, `hex`, `alpha`"
        );
    }

    #[test]
    fn names_are_unique_and_their_number_is_limited() {
        assert!(matches!(Pattern::parse("/{a}/{*a}"), Err(RouteError::SameName { .. })));
        let args = |count| (0..count).map(|n| format!("/{{a{n}}}")).collect::<String>();
        assert!(Pattern::parse(&args(MAX_PATH_ARGS)).is_ok());
        assert!(matches!(
            Pattern::parse(&args(MAX_PATH_ARGS + 1)),
            Err(RouteError::TooManyArgs { .. })
        ));
    }
}
