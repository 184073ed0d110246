//! `RedisHub`: makes a hub that several nodes share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use volga_sse::hub::{Hub, HubBuilder};

use crate::appender::Appender;
use crate::connection_error::ConnectionError;
use crate::keys::Keys;
use crate::queue::RequestQueue;
use crate::reader::Reader;
use crate::relay::RedisRelay;
use crate::servers::{Server, ServerFault, Servers};
use crate::settings::{
    DEFAULT_MAX_ENTRIES, DEFAULT_MAX_PENDING, DEFAULT_MAX_PENDING_BYTES, DEFAULT_MAX_SEND_WAIT,
    DEFAULT_REPLICA_WAIT, OnConnectionError, Settings,
};
#[cfg(feature = "tls")]
use crate::tls_settings::TlsSettings;

/// The settings of a hub that several nodes share through Redis.
///
/// ```no_run
/// use volga_relay_redis::RedisHub;
/// use volga_sse::hub::Hub;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), volga_relay_redis::RedisHubError> {
/// let hub = RedisHub::new("redis://localhost:6379")
///     .name("shop")
///     .on_connection_error(|error| eprintln!("{error}"))
///     .build(Hub::builder().max_messages(200))?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use = "a hub is made with `build`"]
pub struct RedisHub {
    urls: Vec<String>,
    replica: Option<String>,
    name: String,
    max_entries: usize,
    max_pending: usize,
    max_pending_bytes: usize,
    max_send_wait: Duration,
    replicas: u32,
    replica_wait: Duration,
    on_connection_error: Option<OnConnectionError>,
    #[cfg(feature = "tls")]
    tls: TlsSettings,
}

/// Why a hub was not made.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RedisHubError {
    /// The URL of a server is invalid. The text does not have the URL, which may have a password.
    #[error(
        "the URL of a Redis server is invalid ({reason}): write redis://HOST:PORT, or \
         rediss://HOST:PORT for TLS"
    )]
    Url {
        /// The reason.
        reason: String,
    },
    /// The URL asks for TLS, and the feature is not enabled.
    #[error(
        "`rediss://` needs the feature `tls` of `volga-relay-redis`, or `redis-tls` of `volga`: \
         enable it in Cargo.toml"
    )]
    Tls,
    /// A certificate or a key for TLS is not what it should be. The text does not have the key.
    #[error("{reason}")]
    Certificate {
        /// The reason.
        reason: String,
    },
    /// The name of the hub is empty or has a brace.
    #[error("`{name}` is not a name for a hub in Redis: use at least one character, and no braces")]
    Name {
        /// The name.
        name: String,
    },
    /// There is no tokio runtime on which the tasks could run.
    #[error(
        "`RedisHub::build` needs a tokio runtime: call it in an async function, for example in `main` under `#[tokio::main]`"
    )]
    NoRuntime,
}

impl RedisHub {
    /// Starts with the URL of a Redis server: `redis://HOST:PORT`, with a user and a password
    /// `redis://USER:PASSWORD@HOST:PORT`, or `redis+unix:///PATH` for a Unix socket. With the
    /// feature `tls`, `rediss://` instead of `redis://` connects over TLS.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            urls: vec![url.into()],
            replica: None,
            name: "volga".to_owned(),
            max_entries: DEFAULT_MAX_ENTRIES,
            max_pending: DEFAULT_MAX_PENDING,
            max_pending_bytes: DEFAULT_MAX_PENDING_BYTES,
            max_send_wait: DEFAULT_MAX_SEND_WAIT,
            replicas: 0,
            replica_wait: DEFAULT_REPLICA_WAIT,
            on_connection_error: None,
            #[cfg(feature = "tls")]
            tls: TlsSettings::default(),
        }
    }

    /// Sets the authorities that sign the certificates of the servers, as a text in the format PEM.
    /// It is for `rediss://` URLs. By default the authorities of the system are trusted, so this is
    /// for servers with certificates of your own.
    #[cfg(feature = "tls")]
    pub fn tls_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.authorities = Some(pem.into());
        self
    }

    /// Sets the certificate with which this node identifies itself to the servers, and its private
    /// key, each as a text in the format PEM. A Redis with TLS asks for it unless it is configured
    /// with `tls-auth-clients no`.
    #[cfg(feature = "tls")]
    pub fn tls_client_certificate(
        mut self,
        chain: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.tls.client = Some((chain.into(), key.into()));
        self
    }

    /// Adds another server of the same group. Each connection goes to the one that is the primary.
    /// If several say that they are, because one has just come back after a failover, it goes to
    /// the one with the newest log.
    ///
    /// The servers do not become primaries by themselves. Sentinel or an operator promotes them.
    pub fn other_server(mut self, url: impl Into<String>) -> Self {
        self.urls.push(url.into());
        self
    }

    /// Reads messages from a replica, so that many nodes do not all read from the primary. What is
    /// delivered is then on two machines. Messages are still sent to the primary.
    pub fn read_from(mut self, url: impl Into<String>) -> Self {
        self.replica = Some(url.into());
        self
    }

    /// Sets the name of the hub in Redis. All nodes of a hub have the same name, and the hubs of
    /// one server have different names. The default is `volga`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets how many messages the log in Redis keeps, about. A node that was away for longer than
    /// the log reaches back tells its clients of a gap. The default is [`DEFAULT_MAX_ENTRIES`].
    ///
    /// Redis needs about 250 bytes of memory for a message of 200 bytes. The settings of the
    /// [`HubBuilder`] limit what each node holds, topic by topic.
    pub fn max_entries(mut self, count: usize) -> Self {
        self.max_entries = count;
        self
    }

    /// Sets how many messages of this node wait for Redis. With one more,
    /// [`Hub::send`] fails with [`NotSent`](volga_sse::hub::SendError::NotSent). The default is
    /// [`DEFAULT_MAX_PENDING`].
    pub fn max_pending(mut self, count: usize) -> Self {
        self.max_pending = count;
        self
    }

    /// Sets how many bytes the messages have that wait for Redis. The default is
    /// [`DEFAULT_MAX_PENDING_BYTES`].
    pub fn max_pending_bytes(mut self, bytes: usize) -> Self {
        self.max_pending_bytes = bytes;
        self
    }

    /// Sets how long a message waits for a connection to Redis. After that, [`Hub::send`] fails.
    /// The default is [`DEFAULT_MAX_SEND_WAIT`].
    pub fn max_send_wait(mut self, wait: Duration) -> Self {
        self.max_send_wait = wait;
        self
    }

    /// Sets how many replicas a message waits for, before [`Hub::send`] returns its receipt. The
    /// message counts as sent even if fewer replicas have it within
    /// [`replica_wait`](Self::replica_wait): [`Receipt::machines`](volga_sse::hub::Receipt) says
    /// how many machines have it. The default is 0, so `machines` is 1.
    ///
    /// A failover loses messages that the promoted replica does not have.
    pub fn replicas(mut self, count: u32) -> Self {
        self.replicas = count;
        self
    }

    /// Sets how long a message waits for replicas. The default is [`DEFAULT_REPLICA_WAIT`].
    pub fn replica_wait(mut self, wait: Duration) -> Self {
        self.replica_wait = wait;
        self
    }

    /// Calls a function each time this node loses its connection or cannot connect, for a log. It
    /// must not block.
    pub fn on_connection_error(
        mut self,
        on_error: impl Fn(&ConnectionError) + Send + Sync + 'static,
    ) -> Self {
        self.on_connection_error = Some(Arc::new(on_error));
        self
    }

    /// Makes the hub, and starts the two tasks that connect to Redis. The settings of `hub` apply
    /// to this node.
    ///
    /// This does not wait for a connection: until the node has read the log, its clients wait, and
    /// [`Hub::is_ready`] is false. The tasks run on the tokio runtime that calls this, and end
    /// with it.
    ///
    /// After [`Hub::close`] the hub keeps no connection to Redis, even if you keep a clone of it.
    /// [`Hub::send_close_identity`] still works, and connects for a moment.
    ///
    /// # Errors
    ///
    /// Returns [`RedisHubError`] if a setting is invalid, or if there is no tokio runtime.
    pub fn build(self, hub: HubBuilder) -> Result<Hub, RedisHubError> {
        let runtime = Handle::try_current().map_err(|_| RedisHubError::NoRuntime)?;
        if self.name.is_empty() || self.name.contains(['{', '}']) {
            return Err(RedisHubError::Name { name: self.name });
        }
        #[cfg(feature = "tls")]
        let tls = &self.tls;
        #[cfg(not(feature = "tls"))]
        let tls = &();
        #[cfg(feature = "tls")]
        tls.check().map_err(|reason| RedisHubError::Certificate { reason })?;
        let parse = |urls: &[String]| {
            urls.iter().map(|url| Server::parse(url, tls)).collect::<Result<_, _>>().map(Servers)
        };
        let settings = Arc::new(Settings {
            servers: parse(&self.urls)?,
            replica: self.replica.map(|url| parse(&[url])).transpose()?,
            keys: Keys::new(&self.name),
            max_entries: self.max_entries,
            max_pending: self.max_pending,
            max_pending_bytes: self.max_pending_bytes,
            max_send_wait: self.max_send_wait,
            replicas: self.replicas,
            replica_wait: self.replica_wait,
            on_connection_error: self.on_connection_error,
        });
        let (queue, requests) = RequestQueue::new(settings.max_pending, settings.max_pending_bytes);
        let queue = Arc::new(queue);
        let relay = RedisRelay { queue: Arc::clone(&queue), max_send_wait: settings.max_send_wait };
        let (hub, feed) = hub.build_shared(relay);
        let reader_failed = Arc::new(Notify::new());
        let appender = Appender::new(requests, Arc::clone(&settings), Arc::clone(&reader_failed));
        runtime.spawn(appender.run());
        runtime.spawn(Reader::new(feed, queue, settings, reader_failed).run());
        Ok(hub)
    }
}

impl From<ServerFault> for RedisHubError {
    fn from(fault: ServerFault) -> Self {
        match fault {
            ServerFault::Invalid(reason) => Self::Url { reason },
            ServerFault::Tls => Self::Tls,
        }
    }
}

impl fmt::Debug for RedisHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the URLs, which may have passwords.
        f.debug_struct("RedisHub").field("name", &self.name).finish_non_exhaustive()
    }
}
