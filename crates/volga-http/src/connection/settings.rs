//! The settings that apply to each connection of a server.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::exchange::body_pace::PaceLimits;
use crate::limits::{
    DEFAULT_HANDSHAKE_TIMEOUT, DEFAULT_HEADER_READ_TIMEOUT, DEFAULT_MAX_UNSENT_BYTES,
    DEFAULT_TUNNEL_IDLE_TIMEOUT, DEFAULT_UPLOAD_GRACE, DEFAULT_WRITE_STALL_TIMEOUT, DRAIN_GRACE,
};

/// The settings that apply to each connection of a server.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ConnectionSettings {
    /// How long a handshake may take.
    pub(crate) handshake_timeout: Duration,
    /// How long the head of a request may take. On HTTP/2 it is also how long the server's first
    /// frame may wait to be written.
    pub(crate) header_read_timeout: Duration,
    /// How long the client may accept no byte that waits to be sent to it, on the whole connection
    /// or on one HTTP/2 stream.
    pub(crate) write_stall_timeout: Duration,
    /// How many bytes of a long-lived response the kernel may hold unsent; `None` if it decides.
    pub(crate) max_unsent_bytes: Option<NonZeroU32>,
    /// How fast the client must send the body of a request.
    pub(crate) body_limits: PaceLimits,
    /// Whether the data of long-lived bodies on HTTP/2 is written directly, beside `h2`.
    pub(crate) http2_direct_data: bool,
    /// Whether a client may close its sending side and still read, on HTTP/1.
    pub(crate) http1_half_close: bool,
    /// How long a drain waits for a client that makes no progress.
    pub(crate) drain_grace: Duration,
    /// How long a drain waits for more of a body of which the handler has read a part.
    pub(crate) upload_grace: Duration,
    /// How long a tunnel may be idle.
    pub(crate) tunnel_idle_timeout: Duration,
}

impl ConnectionSettings {
    pub(crate) const DEFAULT: Self = Self {
        handshake_timeout: DEFAULT_HANDSHAKE_TIMEOUT,
        header_read_timeout: DEFAULT_HEADER_READ_TIMEOUT,
        write_stall_timeout: DEFAULT_WRITE_STALL_TIMEOUT,
        max_unsent_bytes: NonZeroU32::new(DEFAULT_MAX_UNSENT_BYTES as u32),
        body_limits: PaceLimits::DEFAULT,
        http2_direct_data: true,
        http1_half_close: false,
        drain_grace: DRAIN_GRACE,
        upload_grace: DEFAULT_UPLOAD_GRACE,
        tunnel_idle_timeout: DEFAULT_TUNNEL_IDLE_TIMEOUT,
    };
}
