//! `ClientAddr`: the address of the client.

use std::{fmt, net::SocketAddr, ops::Deref};

use volga_core::{Description, Error, ExtractError, FromRequestParts, OptionalArg, RequestParts};
use volga_http::ConnectionInfo;

/// The address of the client, as an argument of a handler. It dereferences to the address.
///
/// It is the client's end of the connection, so behind a proxy it is the address of the proxy.
///
/// The client of a Unix-domain socket has no address. A request that another server or a test
/// passes to the app has one only if its extensions hold a [`ConnectionInfo`] with an address.
/// Without an address the status is 500, and `Option<ClientAddr>` is `None`. Use the `Option` in an
/// app that listens on a Unix-domain socket.
///
/// ```
/// use volga::{App, http::ClientAddr, ok};
///
/// let mut app = App::new();
/// app.map_get("/whoami", async |client: ClientAddr| ok!("{}", client.ip()));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ClientAddr(pub SocketAddr);

impl FromRequestParts for ClientAddr {
    fn describe(description: &mut Description) {
        description.reads_extensions();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let address =
            address(parts).ok_or(ExtractError::MissingExtension { type_name: "ConnectionInfo" })?;
        Ok(Self(address))
    }
}

/// Absent if the request did not come over a TCP connection of Volga.
impl OptionalArg for ClientAddr {
    fn is_absent(parts: &RequestParts) -> bool {
        address(parts).is_none()
    }
}

fn address(parts: &RequestParts) -> Option<SocketAddr> {
    parts.extensions.get().and_then(ConnectionInfo::peer)
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
