//! What can be wrong with a route, and where it was mapped.

use std::{fmt, panic::Location};

use crate::routing::method::RouteMethod;

/// Why a route could not be mapped.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RouteError {
    /// Two patterns match the same requests. Change one of them, or take one away.
    #[error("`{method} {new}` conflicts with `{method} {old}`, mapped before at {old_place}")]
    Conflict {
        /// The method that both are mapped for.
        method: RouteMethod,
        /// The pattern that was refused.
        new: String,
        /// The pattern that stands.
        old: String,
        /// Where the pattern that stands was mapped.
        old_place: &'static Location<'static>,
    },
    /// A pattern that does not start with `/`, a `{` without its `}`, an argument that is not a
    /// whole segment or has no name, a `{*rest}` before the end, or the spelling of another
    /// framework.
    #[error("pattern `{pattern}` is malformed at byte {at}: {expected}")]
    Pattern {
        /// The pattern that was refused.
        pattern: String,
        /// The byte at which it is wrong.
        at: usize,
        /// What should have stood there.
        expected: &'static str,
    },
    /// `{name:constraint}` with a constraint that does not exist.
    #[error(
        "pattern `{pattern}` asks for `{constraint}`, which is no constraint; there are {known}"
    )]
    UnknownConstraint {
        /// The pattern that was refused.
        pattern: String,
        /// What it asks for.
        constraint: String,
        /// Those that exist.
        known: &'static str,
    },
    /// The same name twice in one pattern.
    #[error("pattern `{pattern}` names `{name}` twice")]
    SameName {
        /// The pattern that was refused.
        pattern: String,
        /// The name.
        name: String,
    },
    /// More path arguments than [`MAX_PATH_ARGS`](crate::MAX_PATH_ARGS).
    #[error("pattern `{pattern}` has more than {limit} arguments")]
    TooManyArgs {
        /// The pattern that was refused.
        pattern: String,
        /// The limit.
        limit: usize,
    },
    /// A handler takes more path arguments than its pattern has.
    #[error(
        "the handler of `{method} {pattern}` takes {taken} path arguments, but the pattern has {present}"
    )]
    MissingArgs {
        /// The method of the route.
        method: RouteMethod,
        /// The pattern of the route.
        pattern: String,
        /// How many the handler takes.
        taken: usize,
        /// How many the pattern has.
        present: usize,
    },
}

/// A route that could not be mapped, and the place in the source that tried.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}: {error}")]
pub struct RouteFault {
    /// What is wrong.
    pub error: RouteError,
    /// Where the route was mapped.
    pub place: &'static Location<'static>,
}

/// All routes that could not be mapped.
#[derive(Clone, Eq, PartialEq)]
pub struct RouteFaults(pub(crate) Vec<RouteFault>);

impl RouteFaults {
    /// The faults, in the order of mapping; at least one.
    pub fn iter(&self) -> impl Iterator<Item = &RouteFault> {
        self.0.iter()
    }
}

impl fmt::Display for RouteFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the routes could not be mapped", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// The message: a `main` that returns the error prints it in this form.
impl fmt::Debug for RouteFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for RouteFaults {}
