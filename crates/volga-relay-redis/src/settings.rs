//! The settings of a `RedisHub`, and the default of each bound.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connection_error::ConnectionError;
use crate::keys::Keys;
use crate::servers::Servers;

/// How many messages the log in Redis keeps.
pub const DEFAULT_MAX_ENTRIES: usize = 100_000;
/// How many messages of this node wait for Redis.
pub const DEFAULT_MAX_PENDING: usize = 10_000;
/// How many bytes the messages have that wait for Redis.
pub const DEFAULT_MAX_PENDING_BYTES: usize = 16 * 1024 * 1024;
/// How long a message waits for a connection to Redis.
pub const DEFAULT_MAX_SEND_WAIT: Duration = Duration::from_secs(5);
/// How long a message waits for replicas to have it.
pub const DEFAULT_REPLICA_WAIT: Duration = Duration::from_secs(1);
/// The length of a retry key, in bytes.
pub const MAX_RETRY_KEY: usize = 1_024;
/// After this time without a reply from Redis, a node knows that the connection is lost.
pub const MAX_SILENCE: Duration = Duration::from_secs(3);
/// The longest time between two attempts to connect.
pub const MAX_RECONNECT_WAIT: Duration = Duration::from_secs(2);

/// For how long Redis holds back the reply to a read if there is no message.
pub(crate) const READ_BLOCK: Duration = Duration::from_secs(1);
/// How long a reply may take, apart from the time for which Redis holds it back on purpose. With
/// [`READ_BLOCK`], this stays below [`MAX_SILENCE`].
pub(crate) const REPLY_TIMEOUT: Duration = Duration::from_millis(1_500);
const _: () = assert!(READ_BLOCK.as_millis() + REPLY_TIMEOUT.as_millis() < MAX_SILENCE.as_millis());

/// How many entries one read returns.
pub(crate) const READ_COUNT: usize = 1_000;
/// How many messages, and about how many bytes, one call of the append script has. Redis serves
/// nobody else while a script runs.
pub(crate) const MAX_BATCH: usize = 256;
pub(crate) const MAX_BATCH_BYTES: usize = 1024 * 1024;

/// A function that is called with each error of a connection.
pub(crate) type OnConnectionError = Arc<dyn Fn(&ConnectionError) + Send + Sync>;

/// The settings of a `RedisHub` that were checked.
pub(crate) struct Settings {
    /// The servers of which one is the primary.
    pub(crate) servers: Servers,
    /// The replica from which the node reads.
    pub(crate) replica: Option<Servers>,
    pub(crate) keys: Keys,
    pub(crate) max_entries: usize,
    pub(crate) max_pending: usize,
    pub(crate) max_pending_bytes: usize,
    pub(crate) max_send_wait: Duration,
    /// How many replicas a message waits for.
    pub(crate) replicas: u32,
    pub(crate) replica_wait: Duration,
    pub(crate) on_connection_error: Option<OnConnectionError>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("servers", &self.servers).finish_non_exhaustive()
    }
}
