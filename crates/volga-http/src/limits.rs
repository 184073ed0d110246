//! Every limit of the server, with its default, in one place.
//!
//! | limit | default | what happens at the limit |
//! |---|---|---|
//! | [`DEFAULT_HEADER_READ_TIMEOUT`] | 10 s | the connection is closed |
//! | [`DEFAULT_HANDSHAKE_TIMEOUT`] | 10 s | the connection is closed |
//! | `DEFAULT_TLS_RELOAD_INTERVAL` | 10 s | changed certificates are used from now on |
//! | `MAX_PEM_BYTES` | 1 MiB | the server does not start, or keeps its certificates |
//! | `MAX_TICKET_KEYS` | 16 | the server does not start, or keeps its keys |
//! | `TICKET_LIFETIME` | 12 h | clients do a full handshake |
//! | [`DEFAULT_WRITE_STALL_TIMEOUT`] | 30 s | the connection is closed; HTTP/2: a stream whose window stays closed is reset |
//! | [`DEFAULT_MAX_UNSENT_BYTES`] | 64 KiB | a long-lived body is not polled until the client takes more |
//! | [`DEFAULT_BODY_READ_TIMEOUT`], [`DEFAULT_MIN_BODY_RATE`] | 30 s, 240 bytes/s | the request body ends with an error, for a response with 408; HTTP/1: the connection closes after the response |
//! | [`DEFAULT_TUNNEL_IDLE_TIMEOUT`] | 5 min | reading from the tunnel fails |
//! | [`DEFAULT_DRAIN_DEADLINE`] | 10 s | running requests are aborted |
//! | [`DEFAULT_MAX_CONNECTIONS`] | 100,000 | a new connection is closed at once |
//! | [`DEFAULT_MAX_CONNECTIONS_PER_ADDRESS`] | no limit | a new connection of the address is closed at once |
//! | [`DEFAULT_DEAD_CLIENT_TIMEOUT`] | 60 s | TCP: the connection of a client that has disappeared is closed |
//! | [`MAX_HEAD_BYTES`] | 32 KiB | the response is 431 |
//! | [`MAX_HEAD_FIELDS`] | 100 | HTTP/1: the response is 431 |
//! | [`MAX_TARGET_BYTES`] | 8 KiB | the response is 414 |
//! | [`MAX_CHUNK_EXTENSION_BYTES`] | 16 KiB | HTTP/1: the request body is malformed |
//! | [`MAX_PIPELINED_BYTES`] | 32 KiB | HTTP/1: the connection closes after the long-lived response during which they arrived |
//! | [`MAX_STREAMS`] | 250 | HTTP/2: the stream is refused |
//! | [`PING_INTERVAL`], [`PING_TIMEOUT`] | 30 s, 20 s | HTTP/2: the connection of a silent client is closed |
//! | [`MAX_PENDING_RESETS`], [`MAX_ERROR_RESETS`] | 20, 1,024 | HTTP/2: the connection is closed (`ENHANCE_YOUR_CALM`) |
//! | [`MAX_UNANSWERED_RESETS`], [`RESET_WITHOUT_HANDLER`] | 250, or 15 without a handler, and [more](UNANSWERED_RESETS_PER_SECOND) with time and responses | HTTP/2: the connection is closed (`ENHANCE_YOUR_CALM`) |
//! | [`MAX_PADDING_BYTES`], [`PADDING_BYTES_PER_SECOND`] | 256 KiB, and 64 KiB with each second | HTTP/2: the connection is closed (`ENHANCE_YOUR_CALM`) |
//! | [`STREAM_WINDOW`], [`CONNECTION_WINDOW`] | 1 MiB, 1 MiB | HTTP/2: the client waits until the request body is read |
//! | [`FRAME_BYTES`] | 16 KiB | HTTP/2: a larger frame from the client closes the connection; a larger piece of a response is split |
//! | [`SEND_BUFFER`] | 64 KiB | HTTP/2: a response body is not polled until the client accepts more |
//! | [`BACKLOG`] | 1,024 | the kernel refuses or ignores new connections |
//! | [`ACCEPT_PAUSE`] | 100 ms | accepting continues after a shortage of descriptors or memory |
//! | [`HANDOVER_WAIT`] | 200 ms | a listener on a shared port closes |
//! | [`DRAIN_GRACE`] | 500 ms | the drain closes the connection of a client that makes no progress |
//! | [`DEFAULT_UPLOAD_GRACE`] | 1 s | the same for a client that stops within a body of which the handler has read a part |
//! | [`FIRST_BYTES_GRACE`] | 1 s | a connection without a request is closed by the drain |
//! | [`ABORT_GRACE`] | 1 s | aborted code that still blocks its thread is left behind |
//! | [`LINGER_TIME`], [`LINGER_PAUSE`], [`LINGER_BYTES`] | 5 s, 1 s, 64 MiB | HTTP/1: the connection of a client that still sends after its response is closed |
//! | [`HALF_CLOSE_GRACE`] | 100 ms | HTTP/1: a client that has closed its sending side counts as disconnected |
//! | [`MAX_UNIX_PATH`] | 107 bytes, or 103 outside of Linux | binding fails |
//! | [`PORT_TRIES`] | 16 | binding fails, because no port is free on every address |
//!
//! The guide's page on limits has the same list, with the test that reaches each limit. An HTTP/1
//! connection holds at most a head or [`MAX_PIPELINED_BYTES`] of what its client sent, and one
//! piece of a body. Other HTTP/2 settings keep the defaults of h2 0.4, which are sound for a
//! server: for example, it ends a connection that sends many DATA or CONTINUATION frames without
//! content.

// To add a limit of the server, add its constant here, a row to the table above, and a row to
// `docs/src/limits.md` that names the test which reaches it. If users may change the limit, it
// also needs a field in `connection/settings.rs` and a setter in `server.rs` and in
// `volga/src/app.rs`. A limit of another crate is declared beside the code that keeps it, and
// `limits` in `volga/src/lib.rs` exports it.

use std::num::NonZeroU32;
use std::time::Duration;

/// How long a client may take to send a request head, from the moment the server waits for it: 10
/// seconds.
///
/// It is also how long an HTTP/1 connection may be idle between two requests.
pub const DEFAULT_HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the [handshake](crate::Listener::with_handshake) of a connection may take: 10 seconds.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How often the files of certificates are read to find whether they have changed: 10 seconds.
#[cfg(feature = "tls")]
pub const DEFAULT_TLS_RELOAD_INTERVAL: Duration = Duration::from_secs(10);

/// The largest file of certificates, of a key or of ticket keys: 1 MiB. A larger one is refused, so
/// that a wrong path does not fill the memory.
#[cfg(feature = "tls")]
pub const MAX_PEM_BYTES: usize = 1024 * 1024;

/// How many [ticket keys](crate::Tls::ticket_keys) there may be: 16. Two are enough to replace one.
#[cfg(feature = "tls")]
pub const MAX_TICKET_KEYS: usize = 16;

/// For how long clients may keep a session ticket that is encrypted with
/// [keys of yours](crate::Tls::ticket_keys): 12 hours.
#[cfg(feature = "tls")]
pub const TICKET_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// How many bytes of a TLS connection may be encrypted and not accepted by the socket: 64 KiB.
/// While there are any, no further bytes are taken, so it only limits a single write.
#[cfg(feature = "tls")]
pub(crate) const TLS_WRITE_BUFFER: usize = 64 * 1024;

/// How many bytes of a TLS connection one read takes: a whole record.
#[cfg(feature = "tls")]
pub(crate) const TLS_READ: usize = 16 * 1024;

/// How many bytes of incomplete TLS messages a client may send. The largest record has 18 KiB, and
/// the largest message of a handshake has 64 KiB in several records.
#[cfg(feature = "tls")]
pub(crate) const TLS_INCOMPLETE_BYTES: usize = 96 * 1024;

/// How many bytes of a TLS connection one read takes if only its disconnect is watched.
#[cfg(feature = "tls")]
pub(crate) const TLS_RECEIVE: usize = 4 * 1024;

/// How long a [tunnel](crate::TunnelStream) may be idle, with no byte in either direction: 5
/// minutes.
pub const DEFAULT_TUNNEL_IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long a client may accept no byte that waits to be sent to it: 30 seconds.
///
/// A stalled connection holds at most one frame of its response, and what the kernel buffers. This
/// is how long it may hold that. On HTTP/2 it is also how long the window of a stream may stay
/// closed; then that stream is reset (`CANCEL`).
pub const DEFAULT_WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes of a [long-lived](crate::LongLivedResponse) response the kernel may hold that it
/// has not sent yet: 64 KiB.
///
/// Bytes that wait there are old when a slow client reads them, and they take memory that no
/// process shows. On Linux the default would be up to 4 MiB for each client. The limit applies to
/// TCP on Linux and Android.
pub const DEFAULT_MAX_UNSENT_BYTES: usize = 64 * 1024;

/// The least such limit for connections with a [handshake](crate::Listener::with_handshake), whose
/// ordinary responses have it as well: 128 KiB. With less, a download over a fast network would
/// wake the server too often.
pub(crate) const HANDSHAKE_UNSENT_BYTES: NonZeroU32 =
    NonZeroU32::new(128 * 1024).expect("it is not zero");

/// How long the server waits for a byte of a request body: 30 seconds.
///
/// Time counts only while something reads the body and the client may send.
pub const DEFAULT_BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes of a request body a client has to send per second in which the server waits for
/// it: 240.
///
/// This stops clients that send a byte now and then to occupy a connection and its memory. A modem
/// of 1990 is faster.
pub const DEFAULT_MIN_BODY_RATE: u32 = 240;

/// How long a drain waits for running requests before it aborts them: 10 seconds.
///
/// Kubernetes kills a process 30 seconds after SIGTERM, which leaves enough time for this and
/// [`ABORT_GRACE`]. `docker stop` kills it after 10 seconds: set a shorter deadline there.
pub const DEFAULT_DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// How many connections may be open at a time: 100,000.
///
/// This limits what a flood of connections can use, on a system that allows more descriptors. It is
/// no promise: each connection needs one descriptor. Set the descriptor limit (`LimitNOFILE=`,
/// `ulimit -n`) above it, with some to spare for files and other servers.
pub const DEFAULT_MAX_CONNECTIONS: usize = 100_000;

/// How many connections one client may have open at a time: no limit of its own.
///
/// Behind a proxy all clients have the proxy's address, so set a limit only if there is no proxy.
pub const DEFAULT_MAX_CONNECTIONS_PER_ADDRESS: usize = usize::MAX;

/// How long it may take to notice that a client has disappeared without closing, as after a power
/// cut: 60 seconds.
///
/// After half of the time without a byte, the kernel sends [`DEAD_CLIENT_PROBES`] probes during the
/// other half. On Linux, sent bytes that stay unacknowledged for this long also end the connection.
/// On HTTP/2 the server sends a PING as well.
pub const DEFAULT_DEAD_CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// How many TCP keep-alive probes a client may leave unanswered: 3, because one or two may get
/// lost.
pub const DEAD_CLIENT_PROBES: u32 = 3;

/// The longest time for TCP probes that Linux accepts, about nine hours.
pub(crate) const LONGEST_PROBE: Duration = Duration::from_secs(32_767);

/// The largest request head. On HTTP/1 that is the start line and the header fields together, on
/// HTTP/2 the header list of RFC 9113, section 6.5.2.
pub const MAX_HEAD_BYTES: u32 = 32 * 1024;

/// How many header fields an HTTP/1 request may have, and how many trailers. On HTTP/2
/// [`MAX_HEAD_BYTES`] is the limit, where each field counts as 32 bytes more than it has.
pub const MAX_HEAD_FIELDS: usize = 100;

/// The longest request target, with path, query and authority together: 8 KiB. The response to a
/// longer one is 414.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// How many bytes of its next requests an HTTP/1 client may send during a response: 32 KiB.
///
/// Beyond that the server does not read. After a [long-lived](crate::LongLivedResponse) response
/// the connection then closes. Other responses end soon, and the rest is read after them.
pub const MAX_PIPELINED_BYTES: usize = 32 * 1024;

/// How many streams one HTTP/2 connection may have open at a time.
///
/// A browser opens about a hundred at most. Together the streams of a connection may hold this many
/// times [`SEND_BUFFER`] for ordinary responses, and this many times [`FRAME_BYTES`] for long-lived
/// ones.
pub const MAX_STREAMS: u32 = 250;

/// How many requests of one HTTP/2 connection may be abandoned before their responses have begun:
/// as many as may be open at a time.
///
/// A request counts as abandoned when the client resets its stream, or when the server resets it
/// because of the client's errors, in whatever order the frames arrive. One more closes the
/// connection (`ENHANCE_YOUR_CALM`), because each costs the client two small frames and the server
/// a whole request (a "rapid reset", CVE-2023-44487). A request whose handler was
/// not called counts [`RESET_WITHOUT_HANDLER`] times. [`RESPONSES_PER_RESET`] and
/// [`UNANSWERED_RESETS_PER_SECOND`] allow for more over time.
pub const MAX_UNANSWERED_RESETS: usize = MAX_STREAMS as usize;

/// How many abandoned requests a request counts as if it is reset before its handler is called:
/// 16, so 16 such requests in a row end the connection.
///
/// A client that gives up a request has usually waited for a response. A client that sends a
/// request and its reset together only makes the server work. The number is chosen so that the
/// first block of such a client already ends its connection, in the same turn in which it arrives.
pub const RESET_WITHOUT_HANDLER: usize = 16;

/// How many responses allow for one more abandoned request: 4.
pub const RESPONSES_PER_RESET: u32 = 4;

/// How many more requests may be abandoned with each second: 25.
pub const UNANSWERED_RESETS_PER_SECOND: u32 = 25;

/// How long an HTTP/2 connection may be silent before the server sends a PING to check whether the
/// client is still there.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long the client may take to respond to that PING before the connection is closed.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How many HTTP/2 streams of one connection the client may have reset before the server has looked
/// at them.
///
/// One more is a rapid reset (CVE-2023-44487), which makes work for the price of two frames, and
/// ends the connection.
pub const MAX_PENDING_RESETS: usize = 20;

/// How many HTTP/2 streams of one connection the server may have reset because of the client's
/// errors before it ends the connection.
pub const MAX_ERROR_RESETS: usize = 1_024;

/// How many bytes of padding an HTTP/2 client may send in DATA frames beyond their content: 256
/// KiB.
///
/// Padding of a frame that has more content than padding does not count.
/// [`PADDING_BYTES_PER_SECOND`] allows for more over time. Beyond that the connection is closed
/// (`ENHANCE_YOUR_CALM`): the client makes the server do the work of a frame for each byte.
pub const MAX_PADDING_BYTES: usize = 256 * 1024;

/// How many more bytes of such padding a client may send with each second: 64 KiB.
pub const PADDING_BYTES_PER_SECOND: usize = 64 * 1024;

/// How many bytes of a request's body an HTTP/2 client may send before the handler reads them: 1
/// MiB, so that one stream can fill a fast network.
pub const STREAM_WINDOW: u32 = 1024 * 1024;

/// The same limit for all streams of a connection together. It is not larger than the limit of one
/// stream, so it bounds what a connection can make the server hold.
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The largest HTTP/2 frame that the server accepts, and the largest that it sends: 16 KiB, which
/// every client accepts.
pub const FRAME_BYTES: usize = 16 * 1024;

/// How many bytes of a response may wait for an HTTP/2 client whose window is open but whose
/// network is slow: 64 KiB for each stream, four frames.
///
/// The [long-lived](crate::LongLivedResponse) bodies of a connection share this amount. In addition
/// each may hold less than one frame, if its window closed in the middle of the frame.
pub const SEND_BUFFER: usize = 64 * 1024;

/// How many bytes of HTTP/2 frames are gathered for one write. The frames of long-lived bodies are
/// copied for it; it has space for four of the largest.
pub(crate) const GATHER_BYTES: usize = 64 * 1024;

/// The largest piece written by `h2` that is gathered. Copying a larger one costs more than the
/// write that it saves.
pub(crate) const GATHER_PIECE: usize = 4 * 1024;

/// How many long-lived bodies are started or served before `h2` writes the frames that it was
/// given. It allocates 300 bytes for each waiting frame, and keeps that memory.
pub(crate) const FRAMES_AT_ONCE: usize = 4;

/// How many requests `h2` reads before the server takes them. `h2` allocates slots for at least
/// four, and keeps as many as it ever needed.
pub(crate) const HEADS_AT_ONCE: usize = 4;

/// How many streams a client may reset before their bodies are dropped and `h2` reads more.
/// Remembering one takes four bytes, so it matters only that there is a limit.
pub(crate) const RESETS_AT_ONCE: usize = 32;

/// How many SETTINGS frames a client may send before `h2` acknowledges them and reads more.
pub(crate) const SETTINGS_AT_ONCE: usize = 32;

/// How many frames of each long-lived body one turn of its connection sends, if the body always has
/// more.
pub(crate) const ROUNDS_PER_TURN: usize = 4;

/// The same if only one body is ready. So its turn sends as many bytes as one over HTTP/1, and the
/// runtime asks the kernel for ready sockets half as often.
pub(crate) const ROUNDS_ALONE: usize = 8;

/// How many bytes one turn of an HTTP/2 connection takes from long-lived bodies beyond what it can
/// send, because the windows close in the middle of frames.
pub(crate) const HELD_PER_TURN: usize = 16 * FRAME_BYTES;

/// About how many pipelined requests one turn of an HTTP/1 connection begins.
pub(crate) const REQUESTS_PER_TURN: usize = 64;

/// How many frames one turn of an HTTP/2 connection reads. The smallest have nine bytes, so without
/// this limit a client that floods the server would delay the other tasks of the thread.
pub(crate) const TURN_FRAMES: usize = 64;

/// The same for a client that has used up a quarter of its budget of abandoned requests. A turn of
/// such frames takes longer, and every other client waits for it.
pub(crate) const SUSPECT_TURN_FRAMES: usize = 16;

/// About how many bytes one turn of an HTTP/2 connection reads.
pub(crate) const TURN_READ_BYTES: usize = 128 * 1024;

/// How many requests must be in one full read of an HTTP/2 connection before it reads further at
/// once, up to [`LOOK_AHEAD_BYTES`]. Their resets may have arrived too, and then none of them is
/// served.
pub(crate) const LOOK_AHEAD_HEADS: usize = 64;

/// About how many bytes of an HTTP/2 connection are held to look for the resets of the requests
/// among them.
pub(crate) const LOOK_AHEAD_BYTES: usize = 4 * FRAME_BYTES;

/// How many requests one turn of an HTTP/2 connection begins.
pub(crate) const TURN_REQUESTS: usize = 32;

/// For how many turns of an HTTP/2 connection a request waits, if the client has sent more than one
/// turn reads.
pub(crate) const DEFERRED_TURNS: usize = 32;

/// How many requests of an HTTP/2 connection may wait for their resets in this way.
///
/// Their heads cost memory, which a connection with many event streams would not give back. When a
/// client resets all of them, [`RESET_WITHOUT_HANDLER`] makes them more than its budget of
/// [`MAX_UNANSWERED_RESETS`].
pub(crate) const MAX_DEFERRED_REQUESTS: usize = 32;

/// How many accepted requests of an HTTP/2 connection may wait for their handlers before the server
/// reads no more heads in this turn. It is more than [`MAX_DEFERRED_REQUESTS`], so that every turn
/// begins some of them.
pub(crate) const MAX_ACCEPTED_REQUESTS: usize = 48;

/// How many bytes the server discards after it has ended a connection with GOAWAY. A client that
/// floods the server sends more, and reading all of it would help the flood.
pub(crate) const LINGER_BYTES_AFTER_GOAWAY: usize = 128 * 1024;

/// How many tasks the requests of an HTTP/2 connection may have. This is more than the number of
/// streams, because the task of an abandoned request exists until it has run once more.
pub(crate) const MAX_REQUEST_TASKS: usize = 2 * MAX_STREAMS as usize;

/// How many pieces of a body are joined into one HTTP/2 frame. Without a limit, a body with empty
/// pieces could block its connection.
pub(crate) const FRAME_PIECES: usize = 64;

/// The maximum number of bytes of the path of a Unix-domain socket. The system sets it.
pub const MAX_UNIX_PATH: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 107 } else { 103 };

/// How many connections the kernel holds for each listener until the server accepts them.
pub const BACKLOG: i32 = 1024;

/// How long accepting pauses after the process or the machine ran out of descriptors or memory.
///
/// Long enough not to spin, and short enough that no client notices once the shortage is over.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a listener on a [shared port](crate::BindTarget::reuse_port) stays open, on Linux,
/// after it has stopped new connections from reaching it.
///
/// In that time handshakes that have begun finish; nearly everywhere a round trip takes less. A
/// client that tries to connect in that time succeeds a second later.
pub const HANDOVER_WAIT: Duration = Duration::from_millis(200);

/// How long a drain waits for a client that makes no progress: it reads nothing of what waits for
/// it, sends nothing of the body or the head that it has begun, or has no request at all on HTTP/2.
///
/// Such a client loses nothing, or has stopped to receive before. The time is at most a quarter of
/// the drain's deadline.
pub const DRAIN_GRACE: Duration = Duration::from_millis(500);

/// How long a drain waits for more of a request's body when the handler has read a part of it: 1
/// second, and at most half of the drain's deadline.
///
/// Two lost packets in a row make a client silent for more than half a second, and the upload would
/// be lost although the client is there. A client that stays silent for longer has stopped as far
/// as the server can tell. The handler then gets an error instead of the rest of the body.
pub const DEFAULT_UPLOAD_GRACE: Duration = Duration::from_secs(1);

/// How long a connection that has sent nothing yet may take to send its first bytes after the drain
/// has started.
///
/// Its client may have connected a moment before, and has no way to know that its request would not
/// be served.
pub const FIRST_BYTES_GRACE: Duration = Duration::from_secs(1);

/// How long a server waits for aborted tasks to release what they hold.
///
/// An abort takes effect where a task waits, so only code that blocks its thread takes longer. Such
/// code is left behind, because otherwise it would keep the process from ending.
pub const ABORT_GRACE: Duration = Duration::from_secs(1);

/// How long the server reads from an HTTP/1 connection whose response was ready before the whole
/// request, so that the client can receive the response.
pub const LINGER_TIME: Duration = Duration::from_secs(5);

/// How long the client of such a connection may send nothing before the connection is closed.
pub const LINGER_PAUSE: Duration = Duration::from_secs(1);

/// How many bytes of such a connection are discarded before it is closed: 64 MiB.
pub const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How many bytes one read discards.
pub(crate) const LINGER_READ: usize = 16 * 1024;

/// How often [`bind`](crate::bind) tries to find a port that is free on every address of the
/// target.
pub const PORT_TRIES: usize = 16;

/// How many bytes of extensions the chunks of one request body may have together: 16 KiB. With
/// more, the body is malformed.
///
/// Extensions are read and dropped. Blanks and leading zeros of the sizes count as well. The
/// trailers have the same limits as a request head.
pub const MAX_CHUNK_EXTENSION_BYTES: usize = 16 * 1024;

/// How many bytes one read of an HTTP/1 connection takes, on the stack: a piece of a body, or
/// several pipelined heads.
pub(crate) const READ_BYTES: usize = 8 * 1024;

/// How many bytes of an unread body are dropped so that the connection can stay open, if they have
/// arrived already.
pub(crate) const DISCARD_BYTES: usize = 64 * 1024;

/// The largest header map that a thread keeps for its next request, in fields.
pub(crate) const POOLED_FIELDS: usize = 64;

/// How many bytes one read takes while the protocol is not known. An ordinary request head fits.
pub(crate) const DETECT_READ: usize = 1024;

/// The largest frame of a response body that is copied, to be sent in one write with its framing.
/// Up to this size the copy costs less than a vectored write.
pub(crate) const COPY_MAX: usize = 8 * 1024;

/// The size of a frame that is cached with its framing, for the next client that gets the same
/// bytes. For smaller frames a copy costs less; larger ones would take too much memory of a thread.
pub(crate) const CACHED_CHUNK_MIN: usize = 1024;
pub(crate) const CACHED_CHUNK_MAX: usize = 64 * 1024;

/// How many bytes of small frames one write gathers before it takes no more frames.
pub(crate) const GATHER_MAX: usize = 16 * 1024;

/// The largest frame that one more frame may follow in the same write. An event stream that always
/// has more needs a sixth less CPU time when two of its frames are sent with one write.
pub(crate) const FOLLOWED_MAX: usize = 24 * 1024;

/// The largest buffer for such a write that a thread keeps.
pub(crate) const POOLED_BUFFER_MAX: usize = 64 * 1024;

/// How many frames one write takes. Without a limit, a body of empty frames would never end its
/// turn.
pub(crate) const FRAMES_PER_WRITE: usize = 64;

/// How many writes a stream that always has more may do before the other tasks of its thread run.
pub(crate) const WRITES_PER_TURN: usize = 4;

/// How long the response may still take once an HTTP/1 client has closed its sending side: 100 ms.
/// Then the client counts as disconnected. Each piece of the request's body that the handler gets
/// begins the time again.
///
/// The client may have sent its whole request, and the response may only wait for another task,
/// such as one that reads the body on another thread.
pub const HALF_CLOSE_GRACE: Duration = Duration::from_millis(100);

/// How often the server checks whether a half-closed HTTP/1 connection is broken.
pub(crate) const HALF_CLOSED_CHECK: Duration = Duration::from_secs(1);

/// The longest wait that can be configured: a year. Adding it to the clock cannot overflow.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
