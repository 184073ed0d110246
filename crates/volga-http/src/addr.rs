//! What a request knows of its connection.

use std::net::SocketAddr;

/// The address of the client's end of the connection, an extension of every request.
///
/// Behind a proxy it is the proxy's.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct PeerAddr(pub SocketAddr);

/// The address of the server's end of the connection, an extension of every request.
///
/// Where the server listens on an unspecified address such as `0.0.0.0`, this is the one that the client reached.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct LocalAddr(pub SocketAddr);
