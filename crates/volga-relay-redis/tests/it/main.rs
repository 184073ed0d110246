//! Nodes that share a real Redis.

mod client;
mod cuts;
mod durability;
mod epochs;
mod kills;
mod limits;
mod messages;
mod node;
mod node_process;
mod oracle;
mod presence;
mod proxy;
mod redis_server;
mod replicas;
mod scale;
mod sends;
mod settings;
#[cfg(feature = "tls")]
mod tls;
