//! Every limit of this crate, in one place. The other limits of a server apply as well: see
//! [`volga_http::limits`].
//!
//! | limit | default | what happens at the limit |
//! |---|---|---|
//! | [`MAX_QUIC_HANDSHAKES`] | 1,024 | a new connection is refused |
//! | [`QUIC_HANDSHAKES_BEFORE_RETRY`] | 64 | a new client must show that its address is its own |
//! | [`MAX_QUIC_CLIENT_STREAMS`] | 16 | the client must close one of its other streams first |
//! | [`QUIC_SEND_WINDOW`] | 1 MiB | a response body is not polled until the client takes more |
//! | [`QUIC_KEEP_ALIVE`] | 15 s | the server asks whether a silent client is still there |
//! | [`QUIC_IDLE_TIMEOUT`] | 30 s | a connection without a request is closed |
//! | [`QUIC_CLOSE_WAIT`] | 500 ms | clients that do not confirm the end are not waited for |
//! | [`MAX_WEBTRANSPORT_SESSIONS`] | 16 | a further session of the connection gets status 429 |
//! | [`DEFAULT_MAX_WEBTRANSPORT_STREAMS`] | 128 | a further stream of the session is rejected |
//! | [`MAX_EARLY_WEBTRANSPORT_STREAMS`] | 16 | a further stream without its session is rejected |
//! | [`MAX_EARLY_WEBTRANSPORT_DATAGRAMS`] | 64 KiB | the oldest datagrams are dropped |
//! | [`DEFAULT_MAX_WEBTRANSPORT_DATAGRAM_BYTES`] | 64 KiB | the oldest datagrams are dropped |
//! | [`MAX_UNSENT_DATAGRAM_BYTES`] | 256 KiB | the oldest datagrams are dropped |
//! | [`MAX_WEBTRANSPORT_CLOSE_REASON`] | 1,024 bytes | a longer text is cut, or refused from a client |
//! | [`DEFAULT_WEBTRANSPORT_CLOSE_TIMEOUT`] | 5 s | the function of a closed session is dropped |

// To add a limit, add its constant here, a row to the table above, and a row to
// `docs/src/limits.md` that names the test which reaches it.

use std::time::Duration;

pub(crate) use volga_http::limits::{CONNECTION_WINDOW, MAX_HEAD_BYTES, MAX_STREAMS};

/// How many bytes of one request's body a client may send before the handler reads them: a quarter
/// of the connection's window, so that a body that nobody reads does not close that window.
///
/// A client on quinn does not notice that the server has stopped its stream while the window of the
/// connection is closed.
pub(crate) const STREAM_WINDOW: u32 = CONNECTION_WINDOW / 4;

/// How many handshakes may run at a time: 1,024. Beyond that a new connection is refused.
///
/// Each one costs the server a signature, and memory until the client responds or the [time
/// limit](volga_http::Server::handshake_timeout) is over.
pub const MAX_QUIC_HANDSHAKES: usize = 1_024;

/// How many handshakes may run before a new client must show that its address is its own: 64.
///
/// The server then responds with a Retry packet (RFC 9000, section 8.1.2), which costs the client a
/// round trip and the server next to nothing. So a flood of packets with forged addresses makes no
/// work, and takes no place from clients whose addresses are their own.
pub const QUIC_HANDSHAKES_BEFORE_RETRY: usize = 64;

/// How many unidirectional streams a client may have open at a time: 16. HTTP/3 needs three, and
/// there are some for extensions that the server does not know.
pub const MAX_QUIC_CLIENT_STREAMS: u32 = 16;

/// How many bytes of a connection's responses may be sent and not acknowledged, or wait to be sent:
/// 1 MiB. Until the client acknowledges some, no response body is polled.
pub const QUIC_SEND_WINDOW: u32 = 1024 * 1024;

/// After how much silence the server sends a PING: 15 seconds, and at most a quarter of the time
/// after which it gives up a [silent client](volga_http::Server::dead_client_timeout).
///
/// Without it, a router would forget the connection of a quiet event stream, and the client's own
/// time limit would end it: browsers set 30 seconds.
pub const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a connection may have no request before the server closes it: 30 seconds, and at most
/// three times the time for a [request head](volga_http::Server::header_read_timeout).
///
/// The client then gets GOAWAY first, so it knows which requests it may send again.
pub const QUIC_IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a server that ends waits until its clients have confirmed the end of their connections:
/// 500 milliseconds. Packets may get lost, and are sent again in this time.
pub const QUIC_CLOSE_WAIT: Duration = Duration::from_millis(500);

/// How many WebTransport sessions, and requests for one, a connection may have at a time: 16. A
/// further request gets status 429.
pub const MAX_WEBTRANSPORT_SESSIONS: usize = 16;

/// How many streams that the client has opened a session may have at a time: 128. A further stream
/// is rejected. Both directions of a stream count as one.
pub const DEFAULT_MAX_WEBTRANSPORT_STREAMS: usize = 128;

/// How many streams of a connection may wait for their session: 16. The network may deliver a
/// stream before the request that opens its session. A further stream is rejected, and so is one
/// that has waited for the time of a [request head](volga_http::Server::header_read_timeout).
pub const MAX_EARLY_WEBTRANSPORT_STREAMS: usize = 16;

/// How many bytes of a connection's datagrams may wait for their session: 64 KiB. The oldest ones
/// are dropped for newer ones. Each datagram counts as 64 bytes more than it has.
pub const MAX_EARLY_WEBTRANSPORT_DATAGRAMS: usize = 64 * 1024;

/// How many bytes of a session's datagrams may wait for the application: 64 KiB. The oldest ones
/// are dropped for newer ones. Each datagram counts as 64 bytes more than it has.
pub const DEFAULT_MAX_WEBTRANSPORT_DATAGRAM_BYTES: usize = 64 * 1024;

/// How many bytes of a connection's datagrams may wait to be sent, and how many received ones may
/// wait to be read: 256 KiB each. The oldest ones are dropped for newer ones.
pub const MAX_UNSENT_DATAGRAM_BYTES: usize = 256 * 1024;

/// How long the text of a close may be, in bytes: 1,024, as the protocol says. A longer text of the
/// application is cut, and a longer one of a client ends the session as a fault of the client.
pub const MAX_WEBTRANSPORT_CLOSE_REASON: usize = 1024;

/// How long the application's function may continue after the client has closed its session: 5
/// seconds. The server waits as long for the client when it closes a session itself.
pub const DEFAULT_WEBTRANSPORT_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A waiting datagram counts as its bytes and this many more.
pub(crate) const DATAGRAM_OVERHEAD: usize = 64;

/// The largest SETTINGS frame of a client. The known settings need a few dozen bytes.
pub(crate) const SETTINGS_MAX: usize = 1024;

/// How long the packets of connections that are not accepted yet may be together, in bytes, and for
/// one of them.
pub(crate) const INCOMING_BYTES: u64 = 4 * 1024 * 1024;
pub(crate) const INCOMING_BYTES_EACH: u64 = 64 * 1024;

/// How many bytes one read takes from a stream.
pub(crate) const READ_BYTES: usize = 64 * 1024;

/// How long the server waits at least, and at most, for what is on its way in one direction: twice
/// the time of a round trip.
pub(crate) const SHORTEST_WAIT: Duration = Duration::from_millis(20);
pub(crate) const LONGEST_WAIT: Duration = Duration::from_millis(500);
