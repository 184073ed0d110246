//! `ClientAddr`: who sent a request.

use std::{fmt, net::SocketAddr, ops::Deref};

use volga_core::{Description, Error, ExtractError, FromRequestParts, OptionalArg, RequestParts};
use volga_http::ConnectionInfo;

/// The address of the client, as an argument of a handler. Dereferences to it.
///
/// It is the client's end of the connection, so behind a proxy it is the proxy's. The client of a
/// Unix-domain socket has no address, and neither has a request that came over no connection of
/// Volga, unless it was given a [`ConnectionInfo`] with one. Then the response has status 500, and
/// `Option<ClientAddr>` is `None`: an app that listens on such a socket takes the `Option`.
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

/// Absent when the request came over no TCP connection of Volga.
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
