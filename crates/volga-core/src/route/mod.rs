//! From a method and a path to what was mapped there. Pure.

mod fault;
mod pattern;
mod tree;

pub use fault::{RouteError, RouteFault, RouteFaults};
pub use pattern::MAX_PATH_ARGS;
pub(crate) use pattern::Pattern;
pub(crate) use tree::{Found, Tree};
