//! Routing: from a method and a path to an endpoint.
//!
//! [`Router`](router::Router) collects routes and settings. It becomes a
//! [`RouterService`](service::RouterService), which finds the target of each request in a
//! [`Tree`](tree::Tree).

pub(crate) mod fault;
pub(crate) mod method;
pub(crate) mod no_route;
pub(crate) mod pattern;
mod query_method;
pub(crate) mod router;
pub(crate) mod service;
pub(crate) mod settings;
pub(crate) mod strip_prefix;
pub(crate) mod tree;
