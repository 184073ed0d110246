//! Errors in routes, with the place in the source.

use std::{fmt, panic::Location};

use crate::routing::method::RouteMethod;

/// Why a route could not be mapped.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RouteError {
    /// Two patterns match the same requests.
    #[error(
        "`{method} {new}` conflicts with `{method} {old}`, mapped before at {old_location}: \
         change or remove one of them"
    )]
    Conflict {
        /// The method of both routes.
        method: RouteMethod,
        /// The pattern that was refused.
        new: String,
        /// The pattern that was mapped first.
        old: String,
        /// The place in the source where the first pattern was mapped.
        old_location: &'static Location<'static>,
    },
    /// The pattern does not start with `/`, has a `{` without its `}`, an argument that is not a
    /// whole segment or has no name, a `{*rest}` before the end, the syntax of another framework,
    /// or something that no path has.
    #[error("pattern `{pattern}` is malformed at byte {at}: {expected}")]
    Pattern {
        /// The pattern that was refused.
        pattern: String,
        /// The index of the wrong byte.
        at: usize,
        /// The rule that the pattern breaks.
        expected: &'static str,
    },
    /// `{name:constraint}` with a constraint that does not exist.
    #[error("pattern `{pattern}` has the unknown constraint `{constraint}`: use one of {known}")]
    UnknownConstraint {
        /// The pattern that was refused.
        pattern: String,
        /// The unknown constraint.
        constraint: String,
        /// The constraints that exist.
        known: &'static str,
    },
    /// Two arguments of one pattern have the same name.
    #[error("pattern `{pattern}` has two arguments named `{name}`: rename one of them")]
    SameName {
        /// The pattern that was refused.
        pattern: String,
        /// The name of both arguments.
        name: String,
    },
    /// The pattern has more arguments than [`MAX_PATH_ARGS`](crate::MAX_PATH_ARGS).
    #[error("pattern `{pattern}` has more than {limit} arguments, which is the maximum")]
    TooManyArgs {
        /// The pattern that was refused.
        pattern: String,
        /// The limit.
        limit: usize,
    },
    /// The handler takes more path arguments than its pattern has.
    #[error(
        "the handler of `{method} {pattern}` takes {taken} path argument{s}, but the pattern has \
         {present}: add a segment such as `{{name}}` for each missing one",
        s = if *taken == 1 { "" } else { "s" }
    )]
    MissingArgs {
        /// The method of the route.
        method: RouteMethod,
        /// The pattern of the route.
        pattern: String,
        /// The number of path arguments that the handler takes.
        taken: usize,
        /// The number of arguments that the pattern has.
        present: usize,
    },
    /// The handler takes some arguments of its pattern by position and not the others.
    #[error(
        "the handler of `{method} {pattern}` takes {taken} path argument{s} by position, but the \
         pattern has {present} with its prefixes: take all of them in their order, with \
         `_: SkipPathArg` for each that the handler leaves out, or take them by name with `Path`",
        s = if *taken == 1 { "" } else { "s" }
    )]
    LeftOutArgs {
        /// The method of the route.
        method: RouteMethod,
        /// The pattern of the route.
        pattern: String,
        /// The number of path arguments that the handler takes.
        taken: usize,
        /// The number of arguments that the pattern has.
        present: usize,
    },
    /// The type in the handler's `Path` can never be created from the arguments of its pattern.
    #[error("`Path` in the handler of `{method} {pattern}`: {reason}")]
    PathType {
        /// The method of the route.
        method: RouteMethod,
        /// The pattern of the route.
        pattern: String,
        /// What does not fit, and what to do.
        reason: String,
    },
    /// A setting of an app, a group or a route is not valid.
    #[error("`{setting}`: {reason}")]
    Setting {
        /// The name of the method that sets it.
        setting: &'static str,
        /// The fault, and what to do about it.
        reason: String,
    },
    /// The pattern is percent-encoded. It would match paths in which the `%` is encoded again.
    #[error("pattern `{pattern}` is percent-encoded at byte {at}: write {instead}")]
    Encoded {
        /// The pattern that was refused.
        pattern: String,
        /// The index of the `%`.
        at: usize,
        /// What to write instead.
        instead: String,
    },
}

/// A route that could not be mapped, and the place in the source where it was mapped.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{location}: {error}")]
pub struct RouteFault {
    /// The error.
    pub error: RouteError,
    /// The place in the source where the route was mapped.
    pub location: &'static Location<'static>,
}

/// All routes that could not be mapped.
#[derive(Clone, Eq, PartialEq)]
pub struct RouteFaults(pub(crate) Vec<RouteFault>);

impl RouteFaults {
    /// The faults, in the order of mapping. There is at least one.
    pub fn iter(&self) -> impl Iterator<Item = &RouteFault> {
        self.0.iter()
    }
}

impl fmt::Display for RouteFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_setting = |fault: &RouteFault| matches!(fault.error, RouteError::Setting { .. });
        match (self.0.len(), self.0.iter().any(is_setting)) {
            (1, true) => f.write_str("1 problem with the settings of routes:")?,
            (count, true) => write!(f, "{count} problems with routes and their settings:")?,
            (1, false) => f.write_str("1 route could not be mapped:")?,
            (count, false) => write!(f, "{count} routes could not be mapped:")?,
        }
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// Prints the message, because a `main` that returns the error prints it by `Debug`.
impl fmt::Debug for RouteFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::error::Error for RouteFaults {}
