//! Every bound of the server, with its default, in one place.
//!
//! | bound | default | when it is reached |
//! |---|---|---|
//! | [`DEFAULT_HEADER_READ_TIMEOUT`] | 10 s | the connection is closed |
//! | [`DEFAULT_HANDSHAKE_TIMEOUT`] | 10 s | the connection is closed |
//! | [`DEFAULT_WRITE_STALL_TIMEOUT`] | 30 s | a client that reads nothing is closed; HTTP/2: a stream whose window stays shut is reset |
//! | [`DEFAULT_BODY_READ_TIMEOUT`], [`DEFAULT_MIN_BODY_RATE`] | 30 s, 240 bytes/s | the request's body ends with an error, for 408; HTTP/1: the connection closes after the response |
//! | [`DEFAULT_TUNNEL_IDLE_TIMEOUT`] | 5 min | reading from the tunnel fails |
//! | [`DEFAULT_DRAIN_DEADLINE`] | 10 s | what still runs is cut |
//! | [`DEFAULT_MAX_CONNECTIONS`] | 100,000 | a further connection is closed at once |
//! | [`DEFAULT_MAX_CONNECTIONS_PER_ADDRESS`] | none | a further connection of the address is closed at once |
//! | [`DEFAULT_DEAD_CLIENT_TIMEOUT`] | 60 s | TCP: a client that is gone without a word is closed |
//! | [`MAX_HEAD_BYTES`] | 32 KiB | the request is answered with 431 |
//! | [`MAX_HEAD_FIELDS`] | 100 | HTTP/1: the request is answered with 431 |
//! | [`MAX_TARGET_BYTES`] | 8 KiB | the request is answered with 414 |
//! | [`MAX_CHUNK_EXTENSION_BYTES`] | 16 KiB | HTTP/1: the request's body is malformed |
//! | [`MAX_PIPELINED_BYTES`] | 32 KiB | HTTP/1: the connection closes after the long-lived response during which they came |
//! | [`MAX_STREAMS`] | 250 | HTTP/2: the stream is refused |
//! | [`PING_INTERVAL`], [`PING_TIMEOUT`] | 30 s, 20 s | HTTP/2: a silent peer is closed |
//! | [`MAX_PENDING_RESETS`], [`MAX_ERROR_RESETS`] | 20, 1,024 | HTTP/2: the connection is closed (`ENHANCE_YOUR_CALM`) |
//! | [`MAX_UNANSWERED_RESETS`] | 250, and [more](UNANSWERED_RESETS_PER_SECOND) with time and responses | HTTP/2: the connection is closed (`ENHANCE_YOUR_CALM`) |
//! | [`STREAM_WINDOW`], [`CONNECTION_WINDOW`] | 1 MiB, 1 MiB | HTTP/2: the client waits until the request's body is read |
//! | [`FRAME_BYTES`] | 16 KiB | HTTP/2: a larger frame closes the connection; a larger piece of a body is several frames |
//! | [`SEND_BUFFER`] | 64 KiB | HTTP/2: a response's body is not asked for more until the client takes it |
//! | [`BACKLOG`] | 1,024 | the kernel refuses or ignores new connections |
//! | [`ACCEPT_PAUSE`] | 100 ms | accepting goes on after a shortage of descriptors or memory |
//! | [`HANDOVER_WAIT`] | 200 ms | a listener on a shared port closes |
//! | [`FIRST_BYTES_GRACE`] | 1 s | a connection without a request is closed by the drain |
//! | [`ABORT_GRACE`] | 1 s | code that blocks its thread is left behind |
//! | [`LINGER_TIME`], [`LINGER_PAUSE`], [`LINGER_BYTES`] | 5 s, 1 s, 64 MiB | HTTP/1: a client that sends on after its response is closed |
//! | [`PORT_TRIES`] | 16 | no port is free on every address of a target |
//!
//! The guide's page on limits says the same with the tests that reach each. An HTTP/1 connection
//! holds at most a head or [`MAX_PIPELINED_BYTES`] of what its client sent, and one piece of a
//! body. The rest of HTTP/2 stays as h2 0.4 has it, because that is sound for a server: frames
//! without content end a connection, be they DATA or CONTINUATION.

use std::time::Duration;

/// How long a client may take to send a request head, from the moment the server waits for it: 10
/// seconds.
///
/// It is also how long an HTTP/1 connection may idle between two requests.
pub const DEFAULT_HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the [handshake](crate::Listener::with_handshake) of a connection may take: 10 seconds.
pub const DEFAULT_HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// How long nothing may go through a [tunnel](crate::TunnelStream), in either direction: 5 minutes.
pub const DEFAULT_TUNNEL_IDLE_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// How long a client may take no byte of what waits to be sent to it: 30 seconds.
///
/// A stalled connection holds no more than one frame of its response and what the kernel buffers;
/// this is how long it may hold that. On HTTP/2 it is also how long the window of a stream may stay
/// shut; then that stream is reset (`CANCEL`).
pub const DEFAULT_WRITE_STALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the server waits for a byte of a request's body: 30 seconds.
///
/// Only time counts in which something reads the body and the client may send.
pub const DEFAULT_BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes of a request's body a client has to send in each second in which the server waits
/// for them: 240.
///
/// It is a bound on clients that send a byte now and then to keep a connection and its memory. A
/// modem of 1990 is faster.
pub const DEFAULT_MIN_BODY_RATE: u32 = 240;

/// How long a drain waits for running requests before it cuts them: 10 seconds.
///
/// Kubernetes kills a process 30 seconds after SIGTERM, which leaves room for it and [`ABORT_GRACE`].
/// `docker stop` kills after 10: set a shorter deadline there.
pub const DEFAULT_DRAIN_DEADLINE: Duration = Duration::from_secs(10);

/// How many connections may be open at a time: 100,000.
///
/// A bound on what a flood can take where the process may have more descriptors than that. It is no
/// promise: one connection is one descriptor, so set the limit of descriptors (`LimitNOFILE=`,
/// `ulimit -n`) above it, or it below them and leave some for files and other servers.
pub const DEFAULT_MAX_CONNECTIONS: usize = 100_000;

/// How many connections one client may have open at a time: as many as there may be in all.
///
/// Behind a proxy all clients have the same address, so only who knows that there is none can set a
/// bound.
pub const DEFAULT_MAX_CONNECTIONS_PER_ADDRESS: usize = usize::MAX;

/// How long it may take to find that a client is gone without a word, as after a power cut: 60
/// seconds.
///
/// After half of it without a byte the kernel asks, [`DEAD_CLIENT_PROBES`] times in the other half.
/// Bytes that the client does not acknowledge for this long end its connection, on Linux. On HTTP/2
/// a PING asks as well.
pub const DEFAULT_DEAD_CLIENT_TIMEOUT: Duration = Duration::from_secs(60);

/// How many TCP keep-alive probes a client may leave unanswered: 3, so that one or two may get
/// lost.
pub const DEAD_CLIENT_PROBES: u32 = 3;

/// The longest time for TCP probes that Linux takes, about nine hours.
pub(crate) const LONGEST_PROBE: Duration = Duration::from_secs(32_767);

/// The largest request head: start line and header fields together on HTTP/1, the header list of
/// RFC 9113, section 6.5.2, on HTTP/2.
pub const MAX_HEAD_BYTES: u32 = 32 * 1024;

/// How many header fields an HTTP/1 request may have, and as many trailers. On HTTP/2, where each
/// counts as 32 bytes more than it has, [`MAX_HEAD_BYTES`] is the bound.
pub const MAX_HEAD_FIELDS: usize = 100;

/// The longest target of a request, path, query and authority together: 8 KiB. A longer one is
/// answered with 414.
pub const MAX_TARGET_BYTES: usize = 8 * 1024;

/// How many bytes of its next requests an HTTP/1 client may send during a response: 32 KiB.
///
/// From there on nothing is read. After a [long-lived](crate::LongLived) response the connection
/// then closes; another response is soon over, and the rest read after it.
pub const MAX_PIPELINED_BYTES: usize = 32 * 1024;

/// How many streams one HTTP/2 connection may have open at a time.
///
/// A browser opens about a hundred at most. What the streams of a connection may hold together is
/// this many times [`SEND_BUFFER`] for ordinary responses, and [`FRAME_BYTES`] for long-lived ones.
pub const MAX_STREAMS: u32 = 250;

/// How many requests of one HTTP/2 connection may be abandoned before their responses have begun:
/// as many as may be open at a time.
///
/// A request counts when its stream is reset by the client, or by the server because of the
/// client's errors, whatever the order of the frames. One more closes the connection
/// (`ENHANCE_YOUR_CALM`), for each costs the client two small frames and the server a request (a
/// "rapid reset", CVE-2023-44487). [`RESPONSES_PER_RESET`] and [`UNANSWERED_RESETS_PER_SECOND`]
/// allow for more.
pub const MAX_UNANSWERED_RESETS: usize = MAX_STREAMS as usize;

/// How many responses allow for one more request that is abandoned: 4.
pub const RESPONSES_PER_RESET: u32 = 4;

/// How many requests more may be abandoned with each second: 25.
pub const UNANSWERED_RESETS_PER_SECOND: u32 = 25;

/// How long an HTTP/2 connection may be silent before the server asks with a PING whether the peer
/// is still there.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);

/// How long the peer may take to answer that PING before the connection is closed.
pub const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How many HTTP/2 streams of one connection the peer may have reset before they were so much as
/// looked at.
///
/// One more is a rapid reset (CVE-2023-44487), which makes work for the price of two frames, and
/// ends the connection.
pub const MAX_PENDING_RESETS: usize = 20;

/// How many HTTP/2 streams of one connection the server may have had to reset because of the peer's
/// errors, before it ends the connection.
pub const MAX_ERROR_RESETS: usize = 1_024;

/// How many bytes of a request's body an HTTP/2 client may send before the handler reads them: 1
/// MiB, so that one stream can fill a fast network.
pub const STREAM_WINDOW: u32 = 1024 * 1024;

/// The same for all streams of a connection together. It is not more than that of one, so it bounds
/// what a connection can make the server hold.
pub const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// The largest HTTP/2 frame that the server takes, and the largest that it makes: 16 KiB, which is
/// what every peer takes.
pub const FRAME_BYTES: usize = 16 * 1024;

/// How many bytes of a response may wait for an HTTP/2 client whose window has room, but whose
/// network has not: 64 KiB for each stream, four frames.
///
/// Bodies with the mark [`LongLived`](crate::LongLived) have as much for all of a connection
/// together, and each less than one frame whose window closed in the middle.
pub const SEND_BUFFER: usize = 64 * 1024;

/// How many bytes of HTTP/2 frames are gathered before they are written. Frames of long-lived
/// bodies are copied for it, four of the largest.
pub(crate) const GATHER_BYTES: usize = 64 * 1024;

/// The largest piece of what `h2` writes that is gathered. To copy a larger one costs more than the
/// write that it saves.
pub(crate) const GATHER_PIECE: usize = 4 * 1024;

/// How many long-lived bodies are started, or served, before `h2` passes on what it was given. It
/// has to allocate a place for each frame, of 300 bytes, and keeps it.
pub(crate) const FRAMES_AT_ONCE: usize = 4;

/// How many requests `h2` reads before the server takes them: it makes places for four at least,
/// and keeps as many as ever lay in it.
pub(crate) const HEADS_AT_ONCE: usize = 4;

/// How many streams a client may reset before `h2` reads on and their bodies are dropped. The
/// memory of one is four bytes, so that it is bounded is what matters.
pub(crate) const RESETS_AT_ONCE: usize = 32;

/// How many settings a client may send before `h2` acknowledges them and reads on.
pub(crate) const SETTINGS_AT_ONCE: usize = 32;

/// How many frames of each long-lived body one turn of its connection takes, if it always has more.
pub(crate) const ROUNDS_PER_TURN: usize = 4;

/// How many requests that a client has sent ahead of their responses one turn of an HTTP/1
/// connection begins, about.
pub(crate) const REQUESTS_PER_TURN: usize = 64;

/// How many frames one turn of an HTTP/2 connection reads. The smallest have nine bytes, so without
/// this bound a client that floods the server would make the others on the thread wait for long.
pub(crate) const TURN_FRAMES: usize = 64;

/// How many bytes one turn of an HTTP/2 connection reads, about.
pub(crate) const TURN_READ_BYTES: usize = 128 * 1024;

/// How many requests one turn of an HTTP/2 connection begins.
pub(crate) const TURN_REQUESTS: usize = 32;

/// For how many turns of an HTTP/2 connection a request waits while the client has sent more than
/// one turn reads.
pub(crate) const DEFERRED_TURNS: usize = 32;

/// How many bytes are discarded of what a client still sends that was refused with GOAWAY. Who
/// floods the server sends more, and reading all of that would be what it wants.
pub(crate) const LINGER_BYTES_AFTER_GOAWAY: usize = 128 * 1024;

/// How many tasks the requests of an HTTP/2 connection are at most. More than there may be streams,
/// because the task of an abandoned request is there until it has run once more.
pub(crate) const MAX_REQUEST_TASKS: usize = 2 * MAX_STREAMS as usize;

/// How many pieces of a body become one HTTP/2 frame, so that a body with empty ones cannot hold up
/// its connection.
pub(crate) const FRAME_PIECES: usize = 64;

/// How many connections the kernel may hold for each listener before the server accepts them.
pub const BACKLOG: i32 = 1024;

/// How long accepting rests after the process or the machine ran out of descriptors or memory.
///
/// Long enough not to spin, short enough that nobody notices once the shortage is over.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long a listener on a [shared port](crate::BindTarget::reuse_port) stays open, on Linux,
/// after it lets no new connection come to it.
///
/// In that time handshakes that have begun come to their end; a round trip takes less, nearly
/// everywhere. Whoever would connect in that time does so a second later.
pub const HANDOVER_WAIT: Duration = Duration::from_millis(200);

/// How long a connection that has sent nothing yet may take to send its first bytes once the drain
/// has started.
///
/// Its client may have connected a moment before, and not be told by anything that its request
/// would not be answered.
pub const FIRST_BYTES_GRACE: Duration = Duration::from_secs(1);

/// How long a server waits for cut tasks to let go of what they hold.
///
/// A cut takes effect where a task waits, so only code that blocks its thread needs longer; it is
/// then left behind, for otherwise it would keep the process from ending.
pub const ABORT_GRACE: Duration = Duration::from_secs(1);

/// How long an HTTP/1 connection whose response was there before the whole request is read on, for
/// the client to see the response.
pub const LINGER_TIME: Duration = Duration::from_secs(5);

/// How long the client of such a connection may send nothing before it is closed.
pub const LINGER_PAUSE: Duration = Duration::from_secs(1);

/// How many bytes such a connection discards before it is closed: 64 MiB.
pub const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How many bytes one read discards.
pub(crate) const LINGER_READ: usize = 16 * 1024;

/// How often [`bind`](crate::bind) looks for a port that is free on every address of the target.
pub const PORT_TRIES: usize = 16;

/// How many bytes of extensions the chunks of one request's body may have, together: 16 KiB. With
/// more it is malformed.
///
/// They are read and dropped. Blanks and leading zeros of the sizes count as well. The trailers
/// behind the chunks have the bounds of a head.
pub const MAX_CHUNK_EXTENSION_BYTES: usize = 16 * 1024;

/// How many bytes one read of an HTTP/1 connection takes, on the stack: a piece of a body, or a few
/// heads that were sent together.
pub(crate) const READ_BYTES: usize = 8 * 1024;

/// How much of a body that nobody reads, and that has come with its head, is dropped for the
/// connection to live on.
pub(crate) const DISCARD_BYTES: usize = 64 * 1024;

/// How large the map of header fields may be that a thread keeps for its next request.
pub(crate) const POOLED_FIELDS: usize = 64;

/// How many bytes one read takes while the protocol is not known yet; an ordinary request head
/// fits.
pub(crate) const DETECT_READ: usize = 1024;

/// The largest frame of a long-lived response that is copied to be sent with what goes before and
/// after it; up to here that costs less than a write of several pieces.
pub(crate) const COPY_MAX: usize = 8 * 1024;

/// How large a frame is that is kept with its framing for the next client that gets the same bytes:
/// for smaller ones a copy costs less, and for larger ones it would be much for a thread to keep.
pub(crate) const CACHED_CHUNK_MIN: usize = 1024;
pub(crate) const CACHED_CHUNK_MAX: usize = 64 * 1024;

/// How many bytes of small frames one write takes before it takes no further frame.
pub(crate) const GATHER_MAX: usize = 16 * 1024;

/// How large a thread's buffer for such a write may stay.
pub(crate) const POOLED_BUFFER_MAX: usize = 64 * 1024;

/// How many frames one write takes, so that a body of empty ones ends its turn.
pub(crate) const FRAMES_PER_WRITE: usize = 64;

/// How many writes a stream that always has more may do before the others on its thread have their
/// turn.
pub(crate) const WRITES_PER_TURN: usize = 4;

/// The longest wait that can be configured, a year, so that adding it to the clock cannot overflow.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
