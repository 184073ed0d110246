//! The settings of a WebSocket, and the defaults of its limits. Pure.

use std::time::Duration;

/// How large a message from the client may be: 1 MiB.
pub const DEFAULT_MAX_WS_MESSAGE: usize = 1024 * 1024;

/// How large one frame of a message from the client may be: 1 MiB.
pub const DEFAULT_MAX_WS_FRAME: usize = 1024 * 1024;

/// How many bytes may wait to be sent to the client before [`send`](crate::WebSocket::send) waits:
/// 64 KiB.
pub const DEFAULT_MAX_WS_UNSENT: usize = 64 * 1024;

/// How many bytes of messages may wait for the application before the server reads no more from the
/// client: 64 KiB.
pub const DEFAULT_MAX_WS_UNREAD: usize = 64 * 1024;

/// After how long without a byte from the client the server sends a ping: 30 seconds.
pub const DEFAULT_WS_PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long the client may take to respond to a ping: 30 seconds.
pub const DEFAULT_WS_PONG_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a WebSocket may be without a message in either direction. By default that is not
/// limited, because pings show that the client is there.
pub const DEFAULT_WS_IDLE_TIMEOUT: Duration = Duration::MAX;

/// How long a close may take, and how long the application may continue after the WebSocket has
/// ended: 5 seconds.
pub const DEFAULT_WS_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Which pages may open a WebSocket. See [`WebSocketSettings::origins`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum OriginRule {
    /// Pages from the host and port to which the request goes.
    #[default]
    SameOrigin,
    /// Pages from the same host and port, and from these origins.
    Listed(Vec<String>),
    /// All pages.
    Any,
}

/// Settings of a WebSocket: subprotocols, limits and times.
///
/// ```
/// use volga_ws::WebSocketSettings;
///
/// let settings = WebSocketSettings::new()
///     .protocols(["chat.v2", "chat.v1"])
///     .max_message_bytes(16 * 1024);
/// # let _ = settings;
/// ```
#[derive(Clone, Debug)]
pub struct WebSocketSettings {
    pub(crate) protocols: Vec<String>,
    pub(crate) origins: OriginRule,
    pub(crate) max_message_bytes: usize,
    pub(crate) max_frame_bytes: usize,
    pub(crate) max_unsent_bytes: usize,
    pub(crate) max_unread_bytes: usize,
    pub(crate) ping_interval: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) close_timeout: Duration,
}

impl WebSocketSettings {
    /// The default settings.
    #[must_use]
    pub fn new() -> Self {
        Self {
            protocols: Vec::new(),
            origins: OriginRule::SameOrigin,
            max_message_bytes: DEFAULT_MAX_WS_MESSAGE,
            max_frame_bytes: DEFAULT_MAX_WS_FRAME,
            max_unsent_bytes: DEFAULT_MAX_WS_UNSENT,
            max_unread_bytes: DEFAULT_MAX_WS_UNREAD,
            ping_interval: DEFAULT_WS_PING_INTERVAL,
            pong_timeout: DEFAULT_WS_PONG_TIMEOUT,
            idle_timeout: DEFAULT_WS_IDLE_TIMEOUT,
            close_timeout: DEFAULT_WS_CLOSE_TIMEOUT,
        }
    }

    /// Sets the subprotocols that the server speaks, the preferred one first. The handshake chooses
    /// the first one that the client offers.
    /// [`WebSocket::protocol`](crate::WebSocket::protocol) returns it. If the client offers none of
    /// them, the WebSocket has no subprotocol, and a browser that offered others closes it.
    #[must_use]
    pub fn protocols<T: Into<String>>(mut self, protocols: impl IntoIterator<Item = T>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Also accepts pages from these origins, such as `https://app.example`.
    ///
    /// By default a page may open a WebSocket only if it comes from the host and port to which it
    /// sends the request. A browser sends its cookies with the handshake from any page, so any page
    /// could otherwise act for its visitor. Programs other than browsers send no origin, and are
    /// always accepted.
    #[must_use]
    pub fn origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.origins = OriginRule::Listed(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts pages from any origin. Use it for data that is public, or if the client proves who
    /// it is by something that a browser does not send by itself.
    #[must_use]
    pub fn any_origin(mut self) -> Self {
        self.origins = OriginRule::Any;
        self
    }

    /// Sets how large a message from the client may be, [`DEFAULT_MAX_WS_MESSAGE`] by default. A
    /// larger message closes the WebSocket with code 1009.
    #[must_use]
    pub fn max_message_bytes(mut self, bytes: usize) -> Self {
        self.max_message_bytes = bytes;
        self
    }

    /// Sets how large one frame of a message from the client may be, [`DEFAULT_MAX_WS_FRAME`] by
    /// default. A larger frame closes the WebSocket with code 1009.
    #[must_use]
    pub fn max_frame_bytes(mut self, bytes: usize) -> Self {
        self.max_frame_bytes = bytes;
        self
    }

    /// Sets how many bytes may wait to be sent, [`DEFAULT_MAX_WS_UNSENT`] by default. At this
    /// limit, [`send`](crate::WebSocket::send) waits, and so does the reading of the client's
    /// messages, since a client could otherwise have the server collect replies to pings. A message
    /// may exceed the limit if less than the limit waits before it.
    #[must_use]
    pub fn max_unsent_bytes(mut self, bytes: usize) -> Self {
        self.max_unsent_bytes = bytes.max(1);
        self
    }

    /// Sets how many bytes of messages may wait for the application,
    /// [`DEFAULT_MAX_WS_UNREAD`] by default. At this limit the server reads no more from the
    /// client until the application has received a message. Each message counts 64 bytes more than
    /// it has. One read, of up to 8 KiB, may exceed the limit.
    #[must_use]
    pub fn max_unread_bytes(mut self, bytes: usize) -> Self {
        self.max_unread_bytes = bytes.max(1);
        self
    }

    /// Sets after how long without a byte from the client the server sends a ping,
    /// [`DEFAULT_WS_PING_INTERVAL`] by default. `Duration::MAX` switches pings off.
    #[must_use]
    pub fn ping_interval(mut self, time: Duration) -> Self {
        self.ping_interval = time;
        self
    }

    /// Sets how long the client may take to respond to a ping, with any byte,
    /// [`DEFAULT_WS_PONG_TIMEOUT`] by default. Then the WebSocket ends. The time in which the
    /// server itself does not read, because the application is slow, does not count.
    #[must_use]
    pub fn pong_timeout(mut self, time: Duration) -> Self {
        self.pong_timeout = time;
        self
    }

    /// Sets how long the WebSocket may be without a message in either direction,
    /// [`DEFAULT_WS_IDLE_TIMEOUT`] by default. Then the server closes it with code 1000. Pings and
    /// pongs are not messages.
    #[must_use]
    pub fn idle_timeout(mut self, time: Duration) -> Self {
        self.idle_timeout = time;
        self
    }

    /// Sets how long a close may take, [`DEFAULT_WS_CLOSE_TIMEOUT`] by default: until the client
    /// has responded to it. The application's function may continue for as long after the
    /// WebSocket has ended, to do what is left to do. Then it is dropped.
    #[must_use]
    pub fn close_timeout(mut self, time: Duration) -> Self {
        self.close_timeout = time;
        self
    }
}

impl Default for WebSocketSettings {
    fn default() -> Self {
        Self::new()
    }
}
