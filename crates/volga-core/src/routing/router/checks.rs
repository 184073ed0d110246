//! Checks of patterns and endpoints when they are mapped (pure).

use crate::handler::description::Description;
use crate::handler::endpoint::Endpoint;
use crate::routing::fault::RouteError;
use crate::routing::method::RouteMethod;
use crate::routing::pattern::Pattern;

/// Parses a pattern that was checked before. A malformed pattern gives an empty list.
pub(super) fn parsed(pattern: &str) -> Vec<Pattern> {
    Pattern::parse(pattern).into_iter().collect()
}

/// The number of path arguments that an endpoint takes by position.
pub(super) fn path_args_of(endpoint: &impl Endpoint) -> usize {
    let mut description = Description::new();
    endpoint.describe(&mut description);
    description.path_args()
}

/// The number of segments of a prefix.
pub(super) fn depth_of(prefix: &str) -> usize {
    Pattern::below(prefix).map_or(0, |below| below.segments().len() - 1)
}

/// Checks that an endpoint takes no more path arguments than its pattern has.
pub(super) fn check_args(
    method: &RouteMethod,
    parsed: &Pattern,
    pattern: &str,
    taken: usize,
) -> Result<(), RouteError> {
    let present = parsed.names().count();
    if present < taken {
        let (method, pattern) = (method.clone(), pattern.to_owned());
        return Err(RouteError::MissingArgs { method, pattern, taken, present });
    }
    Ok(())
}

/// Checks that a pattern can be a prefix.
pub(super) fn check_prefix(prefix: &str) -> Result<(), RouteError> {
    Pattern::parse(prefix)?.check_prefix()
}
