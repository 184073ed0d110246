//! `Http3Listener`: a UDP socket on which a server accepts connections.

use std::fmt;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex, PoisonError};

use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime, TransportConfig};
use quinn::{VarInt, crypto};
use socket2::{Domain, Protocol, Socket, Type};
use volga_http::TlsAcceptor;
use volga_http::protocol::ServerSettings;

use crate::limits::{
    CONNECTION_WINDOW, INCOMING_BYTES, INCOMING_BYTES_EACH, MAX_QUIC_CLIENT_STREAMS,
    MAX_QUIC_HANDSHAKES, MAX_STREAMS, MAX_UNSENT_DATAGRAM_BYTES, QUIC_KEEP_ALIVE, QUIC_SEND_WINDOW,
    STREAM_WINDOW,
};

/// A UDP socket on which an [`Http3Server`](crate::Http3Server) accepts connections. [`bind`]
/// returns it.
#[derive(Debug)]
pub struct Http3Listener {
    socket: UdpSocket,
    address: SocketAddr,
    tls: TlsAcceptor,
}

/// Binds a UDP socket to each of these addresses. The certificates are those of `tls`, also after
/// they were reloaded.
///
/// An IPv6 address next to an IPv4 address serves IPv6 alone, as for TCP. Clients that know a name
/// such as `localhost` try one of its addresses and may not try the next one, so bind all of them.
///
/// # Errors
///
/// Returns the first error, with its address.
///
/// # Panics
///
/// Panics outside a tokio runtime with its I/O driver.
///
/// ```
/// # fn example(tls: &volga_http::TlsAcceptor) -> std::io::Result<()> {
/// let addresses = ["127.0.0.1:4433".parse().unwrap(), "[::1]:4433".parse().unwrap()];
/// let listeners = volga_h3::bind(addresses, tls)?;
/// # let _ = listeners;
/// # Ok(()) }
/// ```
pub fn bind(
    addresses: impl IntoIterator<Item = SocketAddr>,
    tls: &TlsAcceptor,
) -> io::Result<Vec<Http3Listener>> {
    let addresses: Vec<SocketAddr> = addresses.into_iter().collect();
    let has_ipv4 = addresses.iter().any(SocketAddr::is_ipv4);
    let listen = |address: SocketAddr| {
        let socket = open(address, has_ipv4).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot listen on UDP {address}: {error}"))
        })?;
        let address = socket.local_addr()?;
        Ok(Http3Listener { socket, address, tls: tls.clone() })
    };
    addresses.into_iter().map(listen).collect()
}

fn open(address: SocketAddr, has_ipv4: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() && has_ipv4 {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket.into())
}

impl Http3Listener {
    /// The address on which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to receive.
    pub(crate) fn start(
        self,
        settings: &ServerSettings,
        has_webtransport: bool,
    ) -> io::Result<ListeningEndpoint> {
        self.tls.start_watching();
        let certificates = Certificates::new(self.tls, transport(settings, has_webtransport))?;
        let endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(certificates.current()?.as_ref().clone()),
            self.socket,
            Arc::new(TokioRuntime),
        )?;
        Ok(ListeningEndpoint {
            endpoint,
            certificates: Arc::new(certificates),
            address: self.address,
        })
    }
}

/// An endpoint that accepts connections.
#[derive(Clone, Debug)]
pub(crate) struct ListeningEndpoint {
    pub(crate) endpoint: Endpoint,
    pub(crate) certificates: Arc<Certificates>,
    pub(crate) address: SocketAddr,
}

/// The configuration of QUIC with the certificates in use.
pub(crate) struct Certificates {
    tls: TlsAcceptor,
    /// The configuration for the certificates that were in use last.
    made: Mutex<(Arc<rustls::ServerConfig>, Arc<ServerConfig>)>,
}

impl Certificates {
    fn new(tls: TlsAcceptor, transport: TransportConfig) -> io::Result<Self> {
        let config = tls.server_config();
        let mut made = ServerConfig::with_crypto(with_alpn(&config)?);
        made.transport_config(Arc::new(transport))
            .max_incoming(MAX_QUIC_HANDSHAKES)
            .incoming_buffer_size(INCOMING_BYTES_EACH)
            .incoming_buffer_size_total(INCOMING_BYTES);
        Ok(Self { tls, made: Mutex::new((config, Arc::new(made))) })
    }

    /// The configuration with the certificates in use now.
    pub(crate) fn current(&self) -> io::Result<Arc<ServerConfig>> {
        let config = self.tls.server_config();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&made.0, &config) {
            let mut changed = made.1.as_ref().clone();
            changed.crypto = with_alpn(&config)?;
            *made = (config, Arc::new(changed));
        }
        Ok(Arc::clone(&made.1))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates").field(&self.tls).finish()
    }
}

/// The same configuration, for HTTP/3 alone.
fn with_alpn(config: &rustls::ServerConfig) -> io::Result<Arc<dyn crypto::ServerConfig>> {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"h3".to_vec()];
    // A request in the first flight could be sent again by an attacker (RFC 8470).
    config.max_early_data_size = 0;
    let quic = QuicServerConfig::try_from(config).map_err(|_| {
        let text = "HTTP/3 needs TLS 1.3 with the cipher suite AES-128-GCM: add it to the `rustls::ServerConfig`";
        io::Error::new(io::ErrorKind::InvalidInput, text)
    })?;
    Ok(Arc::new(quic))
}

fn transport(settings: &ServerSettings, has_webtransport: bool) -> TransportConfig {
    let dead = settings.dead_client_timeout();
    // Sessions have streams beside those of HTTP/3, and datagrams.
    let session_streams = if has_webtransport { MAX_STREAMS } else { 0 };
    let mut transport = TransportConfig::default();
    transport
        .max_concurrent_bidi_streams(MAX_STREAMS.into())
        .max_concurrent_uni_streams((MAX_QUIC_CLIENT_STREAMS + session_streams).into())
        .stream_receive_window(STREAM_WINDOW.into())
        .receive_window(CONNECTION_WINDOW.into())
        .send_window(QUIC_SEND_WINDOW.into())
        .keep_alive_interval(Some(QUIC_KEEP_ALIVE.min(dead / 4)))
        .max_idle_timeout(Some(IdleTimeout::try_from(dead).unwrap_or(VarInt::MAX.into())))
        .datagram_receive_buffer_size(has_webtransport.then_some(MAX_UNSENT_DATAGRAM_BYTES))
        .datagram_send_buffer_size(MAX_UNSENT_DATAGRAM_BYTES);
    transport
}
