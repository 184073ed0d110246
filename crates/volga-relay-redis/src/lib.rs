//! Several nodes as one hub of `volga-sse`, with a Redis Stream between them.
//!
//! Each node makes its hub with [`RedisHub`]. Everything else in the program stays as it is, apart
//! from publishing, which is [`Hub::send`](volga_sse::hub::Hub::send). A message that one node
//! sends reaches the subscribers of all nodes, in one order, and a client resumes on any node.
//!
//! ```no_run
//! use volga_relay_redis::RedisHub;
//! use volga_sse::{Message, hub::Hub};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let hub = RedisHub::new("redis://localhost:6379").build(Hub::builder())?;
//! let receipt = hub.send("orders.7", Message::new().data("paid")).await?;
//! println!("{} machines have message {}", receipt.machines, receipt.position);
//! # Ok(()) }
//! ```
//!
//! Redis 7 or later is needed. [`RedisHub::build`] starts two tasks on the tokio runtime that calls
//! it, so this must be a runtime that lives as long as the program. They connect, and they connect
//! again whenever the connection breaks. [`Hub::is_ready`](volga_sse::hub::Hub::is_ready) says
//! whether this node has everything that Redis has.
//!
//! # What is in Redis
//!
//! All keys begin with the [name](RedisHub::name) of the hub in braces, so they are in one slot of
//! a cluster.
//!
//! | key | content |
//! |---|---|
//! | `{volga}:log` | the stream: one entry for each message. Its ID is the position of the message: `<epoch>-<number>` |
//! | `{volga}:run` | the run ID of the server that began the epoch |
//! | `{volga}:epochs` | the last 64 epochs, each with the end of the one before |
//! | `{volga}:keyed` | the names of the keyed topics that have keys |
//! | `{volga}:table:TOPIC` | the newest message of each key of a keyed topic |
//! | `{volga}:retry:KEY` | where the message with this retry key is, for two minutes |
//!
//! Because the ID of an entry begins with the epoch, Redis numbers the messages of an epoch without
//! holes, and refuses messages of a node that has not noticed the next epoch. Each connection first
//! runs a script that begins an epoch if the server has another run ID than before: after a
//! restart, and after a failover. The first entry of an epoch says where the one before ended.

mod appender;
mod backoff;
mod connection_error;
mod engine;
mod engine_clock;
mod entry;
mod epoch_list;
mod keys;
mod lazy_timer;
mod queue;
mod reader;
mod redis_hub;
mod relay;
mod reply;
mod servers;
mod settings;
#[cfg(feature = "tls")]
mod tls_settings;

pub use connection_error::ConnectionError;
pub use redis_hub::{RedisHub, RedisHubError};
pub use settings::{
    DEFAULT_MAX_ENTRIES, DEFAULT_MAX_PENDING, DEFAULT_MAX_PENDING_BYTES, DEFAULT_MAX_SEND_WAIT,
    DEFAULT_REPLICA_WAIT, MAX_RECONNECT_WAIT, MAX_RETRY_KEY, MAX_SILENCE,
};
