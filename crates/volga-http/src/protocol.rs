//! Parts for a protocol that has a server of its own, such as HTTP/3, which runs over UDP.
//!
//! With them the other server has the settings, the limits and the drain of a
//! [`Server`](crate::Server), and treats requests and responses in the same way. The crate
//! `volga-h3` is the example.

use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, StatusCode, request, response};

use crate::connection::info::network;
use crate::connection::settings::ConnectionSettings;
use crate::drain::client_timeouts::{self, ClientTimeouts};
use crate::drain::handle::Drain;
use crate::exchange::body_timer::BodyTimer;
use crate::exchange::date::date;
use crate::exchange::request_body_error::RequestBodyError;
use crate::exchange::tunnel::TunnelStream;
use crate::exchange::{request_fields, response_fields};
use crate::io::byte_stream::ByteStream;
use crate::listen::admission::{Admission, AdmissionPermit, ConnectionBounds};
use crate::listen::counts::{ConnectionCounts, ServerCounts};

pub use crate::exchange::reset_budget::{BudgetError, ResetBudget};
pub use crate::exchange::tunnel::{TunnelFn, TunnelFuture, accepted_tunnel};

/// The settings of a [`Server`](crate::Server), for a server of another protocol.
/// [`Server::settings`](crate::Server::settings) returns them.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub(crate) connection: ConnectionSettings,
    pub(crate) dead_client_timeout: Duration,
    pub(crate) bounds: ConnectionBounds,
    pub(crate) drain_deadline: Duration,
    pub(crate) drain: Drain,
    pub(crate) counts: ConnectionCounts,
}

impl ServerSettings {
    /// How long the head of a request may take.
    pub fn header_read_timeout(&self) -> Duration {
        self.connection.header_read_timeout
    }

    /// How long a handshake may take.
    pub fn handshake_timeout(&self) -> Duration {
        self.connection.handshake_timeout
    }

    /// How long it may take to notice that a client has disappeared.
    pub fn dead_client_timeout(&self) -> Duration {
        self.dead_client_timeout
    }

    /// How long running requests may continue once the drain has started.
    pub fn drain_deadline(&self) -> Duration {
        self.drain_deadline
    }

    /// How long a drain waits for a client that makes no progress.
    pub fn drain_grace(&self) -> Duration {
        self.connection.drain_grace
    }

    /// The drain that ends the server.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// The waits of one connection for its client.
    pub fn client_waits(&self) -> ClientWaits {
        ClientWaits {
            timeouts: ClientTimeouts::new(&self.connection, self.drain.clone()),
            settings: self.connection,
        }
    }

    /// The limits and the counts of a server's connections. They are apart from those of other
    /// servers with these settings, except that [`ConnectionCounts`] has the sum.
    pub fn connections(&self) -> Connections {
        Connections { admission: Admission::new(self.bounds), counts: self.counts.for_server() }
    }
}

/// The connections of one server: their limits and their counts.
#[derive(Debug)]
pub struct Connections {
    admission: Admission,
    counts: ServerCounts,
}

/// A place for one connection. Dropping it makes the place of its client's network free.
#[derive(Debug)]
pub struct ConnectionPermit {
    _network: Option<AdmissionPermit>,
}

impl Connections {
    /// Counts one more connection. `None` if a limit is reached: refuse the connection, which is
    /// counted as refused.
    pub fn open(&mut self, peer: SocketAddr) -> Option<ConnectionPermit> {
        let admitted = self.admission.admit(self.counts.open());
        match admitted.and_then(|()| self.admission.permit(network(peer))) {
            Ok(permit) => {
                self.counts.count_opened();
                Some(ConnectionPermit { _network: permit })
            }
            Err(reached) => {
                self.counts.count_refused(reached);
                None
            }
        }
    }

    /// How many connections are open.
    pub fn count(&self) -> usize {
        self.counts.open()
    }

    /// Counts the end of a connection.
    pub fn note_closed(&mut self) {
        self.counts.count_closed();
    }
}

/// The waits for a client: with their time limits, which are shorter during a drain.
#[derive(Clone, Debug)]
pub struct ClientWaits {
    timeouts: ClientTimeouts,
    settings: ConnectionSettings,
}

impl ClientWaits {
    /// A wait for the head of a request.
    pub fn head(&self) -> ClientTimer {
        ClientTimer(Box::pin(self.timeouts.timer(self.settings.header_read_timeout)))
    }

    /// A wait for a client that accepts no byte of a response.
    pub fn write(&self) -> ClientTimer {
        ClientTimer(Box::pin(self.timeouts.write_timer()))
    }

    /// A tunnel over this stream, for the function of [`accepted_tunnel`]. It has the drain of the
    /// server, and its limit for idle tunnels. The stream itself must limit how long a write may
    /// wait, with [`write`](Self::write).
    pub fn tunnel(&self, stream: impl ByteStream) -> TunnelStream {
        let idle_timeout = self.settings.tunnel_idle_timeout;
        TunnelStream::new(stream, self.timeouts.drain().clone(), idle_timeout)
    }

    /// The waits for the body of one request.
    pub fn body(&self) -> BodyWaits {
        BodyWaits(BodyTimer::new(self.settings.body_limits, self.timeouts.clone()))
    }
}

/// One wait for a client.
#[derive(Debug)]
pub struct ClientTimer(Pin<Box<client_timeouts::ClientTimer>>);

impl ClientTimer {
    /// Waits until the client has taken too long.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the wait continues in the next call.
    pub async fn expired(&mut self) {
        std::future::poll_fn(|cx| self.0.as_mut().poll(cx)).await;
    }
}

/// Decides whether a client sends the body of its request fast enough.
#[derive(Debug)]
pub struct BodyWaits(BodyTimer);

impl BodyWaits {
    /// Waits until the client is too slow. Call it whenever the reader waits for the body.
    pub fn poll_too_slow(&mut self, cx: &mut Context<'_>) -> Poll<RequestBodyError> {
        self.0.poll_too_slow(|_| None, cx).map(RequestBodyError::too_slow)
    }

    /// Notes that this many bytes of the content have arrived.
    pub fn note_received(&mut self, bytes: usize) {
        self.0.note_received(bytes, |_| None);
    }
}

/// Checks the target, the authority and the length of a request, and joins its cookies to one
/// field.
///
/// # Errors
///
/// Returns the status with which to refuse the request.
pub fn check_request(head: &mut request::Parts) -> Result<(), StatusCode> {
    request_fields::check(head)
}

/// Completes the head of a response to a request with this method: removes the fields that belong
/// to HTTP/1 connections, adds the date, and makes `content-length` agree with the length of the
/// body, if that is known.
///
/// Returns whether content follows.
pub fn complete_response(head: &mut response::Parts, method: &Method, length: Option<u64>) -> bool {
    response_fields::complete(&mut head.headers, date);
    response_fields::set_length(&mut head.headers, (method, head.status), length);
    length != Some(0) && !response_fields::is_without_content(method, head.status)
}
