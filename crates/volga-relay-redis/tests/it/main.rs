//! Nodes that share a real Redis.

mod epochs;
mod limits;
mod messages;
mod node;
mod redis_server;
mod settings;
