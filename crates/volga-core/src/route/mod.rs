//! From a method and a path to what was mapped there. Pure.

mod constraint;
mod fault;
mod method;
mod pattern;
mod radix;
mod tree;
mod words;

pub use fault::{RouteError, RouteFault, RouteFaults};
pub use method::RouteMethod;
pub use pattern::MAX_PATH_ARGS;
pub(crate) use pattern::Pattern;
pub(crate) use tree::{Found, RouteInfo, Spans, Tree};
