//! The settings of sessions. Pure.

use std::time::Duration;

use crate::limits::{
    DEFAULT_MAX_WEBTRANSPORT_DATAGRAM_BYTES, DEFAULT_MAX_WEBTRANSPORT_STREAMS,
    DEFAULT_WEBTRANSPORT_CLOSE_TIMEOUT,
};

/// Which pages may open a session.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum OriginRule {
    /// Pages from the host and port to which the request goes.
    #[default]
    SameOrigin,
    /// Pages from the same host and port, and from these origins.
    Listed(Vec<String>),
    /// All pages.
    Any,
}

/// Settings of a WebTransport session: the pages that may open it, limits and times.
///
/// ```
/// use volga_h3::WebTransportSettings;
///
/// let settings = WebTransportSettings::new()
///     .origins(["https://app.example"])
///     .max_streams(16);
/// # let _ = settings;
/// ```
#[derive(Clone, Debug)]
pub struct WebTransportSettings {
    pub(crate) origins: OriginRule,
    pub(crate) max_streams: usize,
    pub(crate) max_datagram_bytes: usize,
    pub(crate) close_timeout: Duration,
}

impl WebTransportSettings {
    /// The default settings.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origins: OriginRule::SameOrigin,
            max_streams: DEFAULT_MAX_WEBTRANSPORT_STREAMS,
            max_datagram_bytes: DEFAULT_MAX_WEBTRANSPORT_DATAGRAM_BYTES,
            close_timeout: DEFAULT_WEBTRANSPORT_CLOSE_TIMEOUT,
        }
    }

    /// Also accepts pages from these origins, such as `https://app.example`.
    ///
    /// By default a page may open a session only if it comes from the host and port to which it
    /// sends the request, over HTTPS. Programs other than browsers send no origin, and are always
    /// accepted.
    #[must_use]
    pub fn origins<T: Into<String>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        self.origins = OriginRule::Listed(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts pages from any origin. Use it for data that is public, or if the client proves who
    /// it is.
    #[must_use]
    pub fn any_origin(mut self) -> Self {
        self.origins = OriginRule::Any;
        self
    }

    /// Sets how many streams that the client has opened the session may have at a time,
    /// [`DEFAULT_MAX_WEBTRANSPORT_STREAMS`] by default. A further stream is rejected. A stream
    /// counts until the application has dropped it. A connection has a limit, too: 250
    /// bidirectional and 250 unidirectional streams, at which the client waits.
    #[must_use]
    pub fn max_streams(mut self, streams: usize) -> Self {
        self.max_streams = streams;
        self
    }

    /// Sets how many bytes of datagrams may wait for the application,
    /// [`DEFAULT_MAX_WEBTRANSPORT_DATAGRAM_BYTES`] by default. The oldest ones are dropped for
    /// newer ones. Each datagram counts as 64 bytes more than it has.
    #[must_use]
    pub fn max_datagram_bytes(mut self, bytes: usize) -> Self {
        self.max_datagram_bytes = bytes;
        self
    }

    /// Sets how long the application's function may continue after the client has closed its
    /// session, [`DEFAULT_WEBTRANSPORT_CLOSE_TIMEOUT`] by default. Then it is dropped. The server
    /// waits as long for the client when it closes a session itself.
    #[must_use]
    pub fn close_timeout(mut self, time: Duration) -> Self {
        self.close_timeout = time;
        self
    }
}

impl Default for WebTransportSettings {
    fn default() -> Self {
        Self::new()
    }
}
