//! A log on the disk for the hub of [`volga_sse`], so that clients resume after a restart of the
//! process: nothing is lost, nothing comes twice, and there is no gap.
//!
//! ```
//! use volga_relay_disk::DiskLog;
//! use volga_sse::{Message, hub::Hub};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("hub.redb");
//! let hub = DiskLog::new(&path).open(Hub::builder())?;
//! let receipt = hub.send("orders", Message::new().data("paid")).await?;
//! drop(hub);
//!
//! // The program starts again, and a client returns with the ID of the last event that it has.
//! let hub = DiskLog::new(&path).open(Hub::builder())?;
//! let client = hub.subscribe("orders").resume(receipt.position).open()?;
//! assert_eq!(client.position(), receipt.position);
//! # Ok(()) }
//! ```
//!
//! Everything that the hub sends goes through one file of `redb`, an embedded store with
//! transactions. One thread owns it, so no task of the runtime waits for the disk. The messages
//! that are sent while the thread writes are written together in the next transaction.
//!
//! One process uses a file at a time. Several nodes share an engine instead.

// | module | content |
// |---|---|
// | `disk_log` | the settings, and opening |
// | `error` | why a log is not opened |
// | `store` | the file: transactions, truncation, keys |
// | `entry` (pure) | a message as bytes |
// | `writer` | the thread that owns the file, and the feed of the hub |
// | `relay` | the queue between the hub and the thread |

mod disk_log;
mod entry;
mod error;
mod relay;
mod store;
mod writer;

pub use disk_log::{
    DEFAULT_DISK_OPEN_TIMEOUT, DEFAULT_MAX_DISK_AGE, DEFAULT_MAX_DISK_BYTES, DEFAULT_MAX_DISK_KEYS,
    DEFAULT_MAX_QUEUED, DiskLog, Durability,
};
pub use error::DiskLogError;
