//! How the tests reach a server: over TCP, or over TLS through a relay.
//!
//! The tests of `volga-h3` have another file in its place, and run the same tests over HTTP/3.

use std::io;
use std::net::SocketAddr;

use volga_http::{DrainOutcome, HttpService, Server, bind};

/// Prepares a server for this service. Returns the address for clients, and the future that serves.
pub(crate) async fn serving<S: HttpService>(
    server: Server,
    service: S,
) -> (SocketAddr, impl Future<Output = io::Result<DrainOutcome>> + Send) {
    let listeners = bind(([127, 0, 0, 1], 0)).await.expect("a free port");
    let address = listeners[0].tcp_addr().expect("a TCP socket");
    #[cfg(feature = "tls")]
    if crate::tls_relay::is_on() {
        let (certificate, key) = crate::tls_relay::pem();
        let tls = volga_http::Tls::pem(certificate, key).load().expect("a pair");
        let listeners = listeners.into_iter().map(|listener| listener.with_tls(&tls));
        let listeners: Vec<_> = listeners.collect();
        return (crate::tls_relay::relay(address).await, server.serve(listeners, service));
    }
    (address, server.serve(listeners, service))
}
