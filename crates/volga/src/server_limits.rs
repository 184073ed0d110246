//! The limits of the server, as settings of an app.

use std::{sync::atomic::Ordering, time::Duration};

use crate::app::App;

impl App {
    /// Sets how long a client may take to send the head of a request,
    /// [`DEFAULT_HEADER_READ_TIMEOUT`](crate::limits::DEFAULT_HEADER_READ_TIMEOUT) by default.
    pub fn with_header_read_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.header_read_timeout(time);
        self
    }

    /// Sets how long a client may read nothing while data waits to be sent to it. Then its
    /// connection is closed. On HTTP/2 this is also how long the window of a stream may stay
    /// closed. Then that stream is reset.
    /// [`DEFAULT_WRITE_STALL_TIMEOUT`](crate::limits::DEFAULT_WRITE_STALL_TIMEOUT) by default.
    pub fn with_write_stall_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.write_stall_timeout(time);
        self
    }

    /// Sets how many bytes of an event stream the kernel may hold that it has not sent yet,
    /// [`DEFAULT_MAX_UNSENT_BYTES`](crate::limits::DEFAULT_MAX_UNSENT_BYTES) by default. At this
    /// limit the stream takes no more messages, so a client that reads slowly gets newer ones.
    ///
    /// `usize::MAX` leaves it to the system. [`Server`](volga_http::Server::max_unsent_bytes) has
    /// the details.
    pub fn with_max_unsent_bytes(mut self, bytes: usize) -> Self {
        self.server = self.server.max_unsent_bytes(bytes);
        self
    }

    /// Sets how long a client may be silent during a shutdown, while a handler waits for more of a
    /// request's body and has read a part of it. Then the handler gets an error instead of the rest
    /// of the body, which extractors turn into 408.
    /// [`DEFAULT_UPLOAD_GRACE`](crate::limits::DEFAULT_UPLOAD_GRACE) by default, and at most half
    /// of the [shutdown timeout](Self::with_shutdown_timeout).
    ///
    /// An upload that makes progress has the whole shutdown timeout.
    pub fn with_upload_grace(mut self, time: Duration) -> Self {
        self.server = self.server.upload_grace(time);
        self
    }

    /// Sets how long the [handshake](crate::Listener::with_handshake) of a connection may take.
    /// Then the connection is closed.
    /// [`DEFAULT_HANDSHAKE_TIMEOUT`](crate::limits::DEFAULT_HANDSHAKE_TIMEOUT) by default.
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga::App;
    ///
    /// let app = App::new()
    ///     .with_handshake_timeout(Duration::from_secs(5))
    ///     .with_tunnel_idle_timeout(Duration::from_secs(60))
    ///     .with_http1_half_close(true)
    ///     .with_http2_direct_data(true);
    /// # drop(app);
    /// ```
    pub fn with_handshake_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.handshake_timeout(time);
        self
    }

    /// Sets how long a [tunnel](crate::http::TunnelStream) may be idle. Then reading from it fails.
    /// [`DEFAULT_TUNNEL_IDLE_TIMEOUT`](crate::limits::DEFAULT_TUNNEL_IDLE_TIMEOUT) by default.
    /// WebSockets have pings and an idle timeout of their own in its place.
    pub fn with_tunnel_idle_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.tunnel_idle_timeout(time);
        self
    }

    /// Sets whether event streams on HTTP/2 are [written
    /// directly](volga_http::Server::http2_direct_data), beside the `h2` library. The default is
    /// `true`.
    pub fn with_http2_direct_data(mut self, is_on: bool) -> Self {
        self.server = self.server.http2_direct_data(is_on);
        self
    }

    /// Sets whether an HTTP/1 client may close its sending side and still receive, as `nc -N` and
    /// other one-shot clients do. The default is `false`: the end of a client's input means that
    /// the client has left. Its handler is dropped unless it responds within
    /// [`HALF_CLOSE_GRACE`](crate::limits::HALF_CLOSE_GRACE), and its response ends after what is
    /// ready.
    ///
    /// With `true`, handlers continue, and responses are sent to their end. So are event streams
    /// with an end of their own. A subscription gets what is ready, its farewell and a proper end,
    /// because a client that has closed its connection looks the same. Handlers then continue for
    /// such a client until something is written to it. [The
    /// server](volga_http::Server::http1_half_close) has the details. HTTP/2 is not affected.
    pub fn with_http1_half_close(mut self, is_allowed: bool) -> Self {
        self.server = self.server.http1_half_close(is_allowed);
        self.streams().half_close.store(is_allowed, Ordering::Relaxed);
        self
    }

    /// Sets how long the app waits for the next byte of a request body. Then the status is 408, and
    /// the connection (on HTTP/2 the stream) ends.
    /// [`DEFAULT_BODY_READ_TIMEOUT`](crate::limits::DEFAULT_BODY_READ_TIMEOUT) by default.
    ///
    /// Only the time counts in which the app reads the body and the client may send. A handler that
    /// reads slowly does not count against the client.
    pub fn with_body_read_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.body_read_timeout(time);
        self
    }

    /// Sets how many bytes of a request body a client must send in each second in which the app
    /// waits for it, on average. A slower client gets status 408, as a client that sends
    /// [nothing](Self::with_body_read_timeout) does.
    /// [`DEFAULT_MIN_BODY_RATE`](crate::limits::DEFAULT_MIN_BODY_RATE) by default. 0 switches the
    /// limit off, for apps whose clients send a line from time to time for hours.
    pub fn with_min_body_rate(mut self, bytes_per_second: u32) -> Self {
        self.server = self.server.min_body_rate(bytes_per_second);
        self
    }

    /// Sets how many bytes of memory all requests together may use to collect request bodies for
    /// arguments: for `Json`, `Bytes`, `Text`, and for an incomplete line of an `NdJson`.
    /// [`DEFAULT_MAX_COLLECTED_BYTES`](crate::limits::DEFAULT_MAX_COLLECTED_BYTES) by default.
    ///
    /// A request that needs more gets status 503 with `Retry-After`. The first of these requests is
    /// reported to [`on_error`](Self::on_error). The next one is reported only after
    /// half of the memory was free again. Bytes that a handler collects by itself do not count.
    pub fn with_max_collected_bytes(mut self, bytes: usize) -> Self {
        self.max_collected_bytes = bytes;
        self
    }

    /// Sets how long it may take to notice that a TCP client has disappeared without closing its
    /// connection, as after a power failure,
    /// [`DEFAULT_DEAD_CLIENT_TIMEOUT`](crate::limits::DEFAULT_DEAD_CLIENT_TIMEOUT) by default.
    pub fn with_dead_client_timeout(mut self, time: Duration) -> Self {
        self.server = self.server.dead_client_timeout(time);
        self
    }

    /// Sets how many connections may be open at a time,
    /// [`DEFAULT_MAX_CONNECTIONS`](crate::limits::DEFAULT_MAX_CONNECTIONS) by default. Further
    /// connections are closed at once. An `EventSource` then reconnects by itself.
    ///
    /// ```
    /// use std::time::Duration;
    /// use volga::App;
    ///
    /// let app = App::new()
    ///     .with_max_connections(10_000)
    ///     .with_max_connections_per_address(100)
    ///     .with_max_collected_bytes(64 * 1024 * 1024)
    ///     .with_max_unsent_bytes(64 * 1024)
    ///     .with_header_read_timeout(Duration::from_secs(5))
    ///     .with_body_read_timeout(Duration::from_secs(10))
    ///     .with_min_body_rate(1024)
    ///     .with_write_stall_timeout(Duration::from_secs(20))
    ///     .with_dead_client_timeout(Duration::from_secs(60));
    /// # drop(app);
    /// ```
    pub fn with_max_connections(mut self, count: usize) -> Self {
        self.server = self.server.max_connections(count);
        self
    }

    /// Sets how many connections one client may have open at a time. IPv6 clients are identified by
    /// the first 64 bits of their address. Further connections are closed at once. By default there
    /// is no such limit, because behind a proxy all clients have the address of the proxy.
    pub fn with_max_connections_per_address(mut self, count: usize) -> Self {
        self.server = self.server.max_connections_per_address(count);
        self
    }
}
