//! The addresses of Redis servers.

use std::fmt;
use std::sync::Arc;

use redis::{Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

#[cfg(feature = "tls")]
use crate::tls_settings::TlsSettings;

/// Without the feature there are no settings.
#[cfg(not(feature = "tls"))]
pub(crate) type TlsSettings = ();

/// The servers of which one is the primary.
#[derive(Clone)]
pub(crate) struct Servers(pub(crate) Vec<Server>);

/// One server.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) client: Client,
    /// The address, without a password.
    pub(crate) address: Arc<str>,
}

/// Why an address is refused.
#[derive(Debug)]
pub(crate) enum ServerFault {
    Invalid(String),
    /// The address has TLS, for which the feature is not enabled.
    Tls,
}

impl Server {
    pub(crate) fn parse(url: &str, tls: &TlsSettings) -> Result<Self, ServerFault> {
        let invalid = |error: redis::RedisError| ServerFault::Invalid(error.to_string());
        let has_tls = ["rediss:", "valkeys:"].iter().any(|scheme| url.starts_with(scheme));
        if has_tls && cfg!(not(feature = "tls")) {
            return Err(ServerFault::Tls);
        }
        let info = url.into_connection_info().map_err(invalid)?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { insecure: true, .. }) {
            let reason = "`#insecure` would accept any certificate".to_owned();
            return Err(ServerFault::Invalid(reason));
        }
        let address = info.addr().to_string().into();
        let client = if has_tls { client_with_tls(info, tls) } else { Client::open(info) };
        Ok(Self { client: client.map_err(invalid)?, address })
    }
}

#[cfg(feature = "tls")]
fn client_with_tls(info: ConnectionInfo, tls: &TlsSettings) -> redis::RedisResult<Client> {
    tls.client(info)
}

#[cfg(not(feature = "tls"))]
fn client_with_tls(info: ConnectionInfo, _: &TlsSettings) -> redis::RedisResult<Client> {
    Client::open(info)
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|server| &server.address)).finish()
    }
}
