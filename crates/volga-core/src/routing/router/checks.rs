//! Checks of patterns and endpoints when they are mapped (pure).
//!
//! To add a check of routes: add a variant to `RouteError` in `routing/fault.rs`, write the check
//! here, and call it in `router.rs`, which collects the faults. What a check can know of an
//! endpoint is in its [`Description`]. `volga/tests/it/describe.rs` and `routing/router/tests.rs`
//! have the tests. Checks of an app's settings are in `volga/src/app_faults.rs`.

use crate::handler::description::Description;
use crate::request::parts::Endpoint;
use crate::routing::fault::RouteError;
use crate::routing::method::RouteMethod;
use crate::routing::pattern::Pattern;

/// Parses a pattern that was checked before. A malformed pattern gives an empty list.
pub(super) fn parsed(pattern: &str) -> Vec<Pattern> {
    Pattern::parse(pattern).into_iter().collect()
}

/// The description of an endpoint alone, without middleware.
pub(super) fn described(endpoint: &impl Endpoint) -> Description {
    let mut description = Description::new();
    endpoint.describe(&mut description);
    description
}

/// The number of segments of a prefix.
pub(super) fn depth_of(prefix: &str) -> usize {
    Pattern::below(prefix).map_or(0, |below| below.segments().len() - 1)
}

/// Checks that the path arguments of an endpoint fit its pattern.
pub(super) fn check_args(
    method: &RouteMethod,
    parsed: &Pattern,
    pattern: &str,
    endpoint: &Description,
) -> Result<(), RouteError> {
    let names: Vec<&str> = parsed.names().collect();
    let (taken, present) = (endpoint.path_args(), names.len());
    let (method, pattern) = (method.clone(), pattern.to_owned());
    if present < taken {
        return Err(RouteError::MissingArgs { method, pattern, taken, present });
    }
    if taken > 0 && taken < present {
        return Err(RouteError::LeftOutArgs { method, pattern, taken, present });
    }
    match endpoint.path_checks().iter().find_map(|check| check(&names)) {
        Some(reason) => Err(RouteError::PathType { method, pattern, reason }),
        None => Ok(()),
    }
}

/// Checks that a pattern starts with `/` after the prefix of this length, unless it is empty.
/// Otherwise it would change the last segment of the prefix.
pub(super) fn check_start(full: &str, prefix: usize) -> Result<(), RouteError> {
    match &full[prefix..] {
        "" if prefix > 0 => Ok(()),
        pattern if pattern.starts_with('/') => Ok(()),
        _ => Err(RouteError::Pattern {
            pattern: full.to_owned(),
            at: prefix,
            expected: "a pattern starts with `/`",
        }),
    }
}

/// Checks that a pattern can be a prefix.
pub(super) fn check_prefix(prefix: &str) -> Result<(), RouteError> {
    Pattern::parse(prefix)?.check_prefix()
}
