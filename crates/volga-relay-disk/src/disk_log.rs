//! The settings of a log, and opening it.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use volga_sse::hub::{Hub, HubBuilder};

use crate::error::{DiskLogError, StoreError};
use crate::relay::DiskRelay;
use crate::store::{Store, StoreSettings};
use crate::writer::Writer;

/// How long a log keeps messages.
pub const DEFAULT_MAX_DISK_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// How many bytes of messages a log keeps.
pub const DEFAULT_MAX_DISK_BYTES: u64 = 256 * 1024 * 1024;
/// How many values of keys a log keeps, over all topics.
pub const DEFAULT_MAX_DISK_KEYS: u64 = 1_000_000;
/// How many calls of `Hub::send` wait for the disk at most.
pub const DEFAULT_MAX_QUEUED: usize = 1_024;
/// How long opening a log waits for a file that is in use.
pub const DEFAULT_DISK_OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// How often opening a log tries a file that is in use.
const OPEN_PAUSE: Duration = Duration::from_millis(20);

/// When a message that was sent is safe.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Durability {
    /// Each transaction is written to the disk (`fsync`) before its messages are acknowledged and
    /// delivered. `kill -9` loses nothing that was acknowledged. A power failure loses nothing
    /// either, if the disk keeps what it has confirmed: so says the documentation of redb, and it
    /// is not tested here.
    #[default]
    EachBatch,
    /// Messages are acknowledged and delivered at once, and written to the disk at least this
    /// often. `kill -9` and a power failure lose what came since then. A client that has received
    /// one of the lost messages is told by a gap.
    Every(Duration),
}

/// A log on the disk. See the [crate](crate).
#[derive(Clone, Debug)]
#[must_use = "a log does nothing until it is opened"]
pub struct DiskLog {
    path: PathBuf,
    settings: StoreSettings,
    max_queued: usize,
    open_timeout: Duration,
}

impl DiskLog {
    /// A log in this file, which is created if it does not exist.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            settings: StoreSettings {
                durability: Durability::EachBatch,
                max_age: DEFAULT_MAX_DISK_AGE,
                max_bytes: DEFAULT_MAX_DISK_BYTES,
                max_keys: DEFAULT_MAX_DISK_KEYS,
            },
            max_queued: DEFAULT_MAX_QUEUED,
            open_timeout: DEFAULT_DISK_OPEN_TIMEOUT,
        }
    }

    /// Sets when a message that was sent is safe. The default is [`Durability::EachBatch`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.settings.durability = durability;
        self
    }

    /// Sets how long the log keeps messages. The default is [`DEFAULT_MAX_DISK_AGE`]. The newest
    /// message of each key of a keyed topic stays.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.settings.max_age = age;
        self
    }

    /// Sets how many bytes of messages the log keeps. The default is [`DEFAULT_MAX_DISK_BYTES`].
    /// Beyond it, the oldest messages go. The file is larger than that, because the store has pages
    /// of its own, which it reuses. The file seldom becomes smaller.
    pub fn max_bytes(mut self, bytes: u64) -> Self {
        self.settings.max_bytes = bytes;
        self
    }

    /// Sets how many values of keys the log keeps, over all keyed topics. The default is
    /// [`DEFAULT_MAX_DISK_KEYS`]. Beyond it, a message with a new key is refused.
    pub fn max_keys(mut self, keys: u64) -> Self {
        self.settings.max_keys = keys;
        self
    }

    /// Sets how many calls of [`Hub::send`] wait for the disk at most. The default is
    /// [`DEFAULT_MAX_QUEUED`]. Beyond it, a call returns
    /// [`SendError::NotSent`](volga_sse::hub::SendError::NotSent) at once.
    pub fn max_queued(mut self, calls: usize) -> Self {
        self.max_queued = calls.max(1);
        self
    }

    /// Sets how long [`open`](Self::open) waits for a file that is in use, for example until the
    /// program's last run has ended. The default is [`DEFAULT_DISK_OPEN_TIMEOUT`]. With
    /// `Duration::ZERO` it does not wait.
    pub fn open_timeout(mut self, time: Duration) -> Self {
        self.open_timeout = time;
        self
    }

    /// Opens the file, and builds a hub that holds what is in it, within the hub's own bounds. Use
    /// [`Hub::send`] to publish.
    ///
    /// This reads and checks the whole file, and blocks the thread meanwhile. So call it when the
    /// program starts, before it serves.
    ///
    /// The file is closed a moment after [`Hub::close`], or after the last handle of the hub and
    /// the last subscription are dropped. A test that opens a log again calls `open` in tokio's
    /// `spawn_blocking`, because the runtime must drop the last app meanwhile.
    ///
    /// # Errors
    ///
    /// Returns an error if the file is damaged, of another format, cannot be read or written, or
    /// stays in use for [`open_timeout`](Self::open_timeout). Nothing has been changed then.
    pub fn open(self, hub: HubBuilder) -> Result<Hub, DiskLogError> {
        let Self { path, settings, max_queued, open_timeout } = self;
        let store =
            open_store(&path, &settings, open_timeout).map_err(|error| error.at(path.clone()))?;
        let (relay, jobs) = DiskRelay::new(max_queued);
        let tail = relay.tail.clone();
        let (hub, feed) = hub.build_shared(relay);
        let mut writer = Writer::new(path.clone(), settings, feed, jobs, tail);
        writer.start(store).map_err(|error| error.at(path))?;
        thread::Builder::new()
            .name("volga-disk-log".to_owned())
            .spawn(move || writer.run())
            .map_err(DiskLogError::Thread)?;
        Ok(hub)
    }
}

/// Opens the file. Tries again while another hub or process has it open.
fn open_store(path: &Path, settings: &StoreSettings, time: Duration) -> Result<Store, StoreError> {
    let start = Instant::now();
    loop {
        match Store::open(path, settings.clone()) {
            Err(StoreError::InUse) if start.elapsed() < time => thread::sleep(OPEN_PAUSE),
            result => return result,
        }
    }
}
