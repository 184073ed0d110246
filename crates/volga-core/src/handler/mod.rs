//! Endpoints, and functions as endpoints.
//!
//! Three traits say what a handler is, each about one thing: the function
//! ([`Handler`](function::Handler)), its arguments ([`HandlerArgs`](function::HandlerArgs)) and its
//! result ([`HandlerOutput`](output::HandlerOutput)). With one trait for all three, the compiler
//! could not name the argument that is wrong. With three, it finds the types of the arguments first
//! and then checks each of them.

pub(crate) mod box_future;
pub(crate) mod description;
pub(crate) mod detached;
pub(crate) mod finish;
pub(crate) mod function;
pub(crate) mod handler_endpoint;
pub(crate) mod output;
