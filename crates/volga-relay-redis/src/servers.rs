//! The addresses of Redis servers.

use std::fmt;
use std::sync::Arc;

use redis::{Client, IntoConnectionInfo};

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
    Tls,
}

impl Server {
    pub(crate) fn parse(url: &str) -> Result<Self, ServerFault> {
        let invalid = |error: redis::RedisError| ServerFault::Invalid(error.to_string());
        if url.starts_with("rediss:") || url.starts_with("valkeys:") {
            return Err(ServerFault::Tls);
        }
        let info = url.into_connection_info().map_err(invalid)?;
        let address = info.addr().to_string().into();
        Ok(Self { client: Client::open(info).map_err(invalid)?, address })
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|server| &server.address)).finish()
    }
}
