//! `ClientAddr`: the address of the client.

use std::{fmt, net::SocketAddr, ops::Deref};

use http::Extensions;
use volga_core::{Description, Error, FromRequestParts, OptionalArg, RequestParts};
use volga_http::ConnectionInfo;

/// The address of the client, as an argument of a handler. It dereferences to the address.
///
/// It is the client's end of the connection, so behind a proxy it is the address of the proxy.
///
/// The client of a Unix-domain socket has no address. Without an address the status is 500, and
/// `Option<ClientAddr>` is `None`. Use the `Option` in an app that listens on a Unix-domain socket.
///
/// ```
/// use volga::{App, http::ClientAddr, ok};
///
/// let mut app = App::new();
/// app.map_get("/whoami", async |client: ClientAddr| ok!("{}", client.ip()));
/// ```
///
/// # With another server
///
/// If another server calls the app, it knows the address. Put the address into the extensions of
/// each request, as a `ClientAddr` or as a [`ConnectionInfo`]. A `ClientAddr` goes first, so
/// middleware [before routing](crate::App::before_routing) may also set it.
///
/// ```
/// use std::net::SocketAddr;
/// use volga::{App, HttpBody, http::ClientAddr, ok};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut app = App::new();
/// app.map_get("/whoami", async |client: ClientAddr| ok!("{}", client.ip()));
/// let service = app.into_service().unwrap();
///
/// let peer = SocketAddr::from(([192, 0, 2, 7], 50_000));
/// let mut request = http::Request::get("/whoami").body(HttpBody::empty()).unwrap();
/// request.extensions_mut().insert(ClientAddr(peer));
/// assert_eq!(service.respond(request).await.status(), 200);
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientAddr(pub SocketAddr);

impl FromRequestParts for ClientAddr {
    fn describe(description: &mut Description) {
        description.reads_extensions();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        address(&parts.extensions).map(Self).ok_or_else(|| {
            let error = match parts.extensions.get::<ConnectionInfo>() {
                Some(_) => NoClientAddr::Unix,
                None => NoClientAddr::NotInserted,
            };
            Error::server_error(error)
        })
    }
}

/// Why a request has no client address.
#[derive(Debug, thiserror::Error)]
enum NoClientAddr {
    #[error(
        "the connection has no client address, as on a Unix-domain socket; take `Option<ClientAddr>`"
    )]
    Unix,
    #[error(
        "the request has no client address: the server that calls the app must insert it by `request.extensions_mut().insert(volga::http::ClientAddr(peer))`, where `peer` is the `SocketAddr` of the client"
    )]
    NotInserted,
}

/// Absent if the request did not come over a TCP connection of Volga, and no other server has
/// inserted the address.
impl OptionalArg for ClientAddr {
    fn is_absent(parts: &RequestParts) -> bool {
        address(&parts.extensions).is_none()
    }
}

/// The address of the client in the extensions of a request.
pub(crate) fn address(extensions: &Extensions) -> Option<SocketAddr> {
    let inserted = extensions.get::<ClientAddr>().map(|client| client.0);
    inserted.or_else(|| extensions.get().and_then(ConnectionInfo::peer))
}

impl Deref for ClientAddr {
    type Target = SocketAddr;

    fn deref(&self) -> &SocketAddr {
        &self.0
    }
}

impl fmt::Display for ClientAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
