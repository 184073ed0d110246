//! A hub whose messages survive a restart.

/// The settings of a log on the disk, which makes a hub whose clients resume after a restart.
///
/// ```
/// use std::time::Duration;
/// use volga::http::sse::{DiskLog, Hub, Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("hub.redb");
/// let log = DiskLog::new(path).max_age(Duration::from_secs(60 * 60)).max_bytes(64 * 1024 * 1024);
/// let hub = log.open(Hub::builder())?;
/// hub.send("orders", Message::new().data("paid")).await?;
/// # Ok(())
/// # }
/// ```
pub use volga_relay_disk::DiskLog;

/// When a message of a [`DiskLog`] is safe.
///
/// ```
/// use std::time::Duration;
/// use volga::http::sse::{DiskLog, Durability};
///
/// let log = DiskLog::new("hub.redb").durability(Durability::Every(Duration::from_millis(50)));
/// ```
pub use volga_relay_disk::Durability;
