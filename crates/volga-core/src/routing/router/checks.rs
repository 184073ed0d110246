//! What is checked of patterns and endpoints when they are mapped (pure).

use crate::handler::description::Description;
use crate::handler::endpoint::Endpoint;
use crate::routing::fault::RouteError;
use crate::routing::method::RouteMethod;
use crate::routing::pattern::Pattern;

/// A pattern that is known to be sound. One that is not has no requests.
pub(super) fn parsed(pattern: &str) -> Vec<Pattern> {
    Pattern::parse(pattern).into_iter().collect()
}

/// How many path arguments an endpoint takes by position.
pub(super) fn path_args_of(endpoint: &impl Endpoint) -> usize {
    let mut description = Description::new();
    endpoint.describe(&mut description);
    description.path_args()
}

/// How many segments a prefix has.
pub(super) fn depth_of(prefix: &str) -> usize {
    Pattern::below(prefix).map_or(0, |below| below.segments().len() - 1)
}

/// A function cannot take more path arguments than its pattern has.
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

/// A prefix is a pattern that something may follow.
pub(super) fn check_prefix(prefix: &str) -> Result<(), RouteError> {
    Pattern::parse(prefix)?.check_prefix()
}
