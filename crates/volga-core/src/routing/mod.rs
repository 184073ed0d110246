//! From a method and a path to an endpoint: patterns, the tree of routes, the router and its service.

mod constraint;
pub(crate) mod fault;
pub(crate) mod method;

pub(crate) mod pattern;
mod radix;
pub(crate) mod router;
pub(crate) mod service;
pub(crate) mod strip_prefix;
pub(crate) mod tree;
mod words;
