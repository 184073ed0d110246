//! Where a server listens, as the user wrote it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::str::FromStr;

use crate::listen::error::BindError;
use crate::listen::target_text::{self, TargetKind};

/// Where to listen: an address, or a name that stands for several.
///
/// | made from | means |
/// |---|---|
/// | `"127.0.0.1:80"`, `"[::1]:80"`, a `SocketAddr`, `([127, 0, 0, 1], 80)` | this address |
/// | `"localhost:80"`, [`BindTarget::localhost`] | `127.0.0.1` and `[::1]`; no resolver is asked (RFC 6761, section 6.3) |
/// | `"example.org:80"` | every address that the system resolves the name to |
/// | `"unix:/run/app.sock"`, [`BindTarget::unix`] | a Unix-domain socket at this path (on Unix) |
/// | `"inherited:"`, [`BindTarget::inherited`] | the sockets that were opened for the process, as systemd does (on Unix) |
///
/// With port 0 the system chooses a free port, the same for all addresses. Text is checked by
/// [`bind`](crate::bind()), which returns an error if it is malformed. `parse` checks it at once.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct BindTarget {
    source: TargetSource,
    port: PortUse,
    #[cfg(unix)]
    mode: Option<u32>,
}

/// Whether other sockets may listen on the same port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum PortUse {
    Exclusive,
    Shared,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum TargetSource {
    Text(String),
    Kind(TargetKind),
}

impl BindTarget {
    /// Both loopback addresses, `127.0.0.1` and `[::1]`.
    pub fn localhost(port: u16) -> Self {
        Self::new(TargetSource::Kind(TargetKind::Localhost(port)))
    }

    /// A Unix-domain socket at this path. The umask decides who may connect, unless you set
    /// [`unix_mode`](Self::unix_mode).
    #[cfg(unix)]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(TargetSource::Kind(TargetKind::Unix { path: path.into(), mode: None }))
    }

    /// The TCP or Unix-domain sockets that the parent process opened for this one: socket
    /// activation with `LISTEN_FDS` and `LISTEN_PID`, as systemd does it. They stay open when the
    /// process ends, so a client that connects in between is served by the next process.
    #[cfg(unix)]
    pub fn inherited() -> Self {
        Self::new(TargetSource::Kind(TargetKind::Inherited))
    }

    /// Lets other processes of the same user listen on the same port at the same time, if they set
    /// this as well (`SO_REUSEPORT`).
    ///
    /// So a new version of a program can start while the old version still listens, and no client
    /// is refused in between. When you tell the old version to end, it first stops new connections
    /// from reaching it and then serves all that have arrived. On Linux the system spreads new
    /// connections over all listening processes; other systems have rules of their own. This has no
    /// effect on Unix-domain and inherited sockets.
    ///
    /// It also lets the same program be started twice by mistake.
    #[cfg(unix)]
    pub fn reuse_port(mut self) -> Self {
        self.port = PortUse::Shared;
        self
    }

    /// Sets the permissions of a Unix-domain socket's file, such as `0o660`. Every user who may
    /// write to the file may connect. By default the umask decides. This has no effect on other
    /// targets.
    #[cfg(unix)]
    pub fn unix_mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    fn new(source: TargetSource) -> Self {
        Self {
            source,
            port: PortUse::Exclusive,
            #[cfg(unix)]
            mode: None,
        }
    }

    pub(crate) fn port_use(&self) -> PortUse {
        self.port
    }

    pub(crate) fn check(self) -> Result<TargetKind, BindError> {
        let kind = match self.source {
            TargetSource::Kind(kind) => kind,
            TargetSource::Text(text) => parse(text)?,
        };
        #[cfg(unix)]
        if let TargetKind::Unix { path, .. } = kind {
            return Ok(TargetKind::Unix { path, mode: self.mode });
        }
        Ok(kind)
    }
}

/// Unlike `From`, it checks the text.
impl FromStr for BindTarget {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        parse(text.to_owned()).map(|_| text.into())
    }
}

impl From<&str> for BindTarget {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl From<String> for BindTarget {
    fn from(text: String) -> Self {
        Self::new(TargetSource::Text(text))
    }
}

impl From<SocketAddr> for BindTarget {
    fn from(address: SocketAddr) -> Self {
        Self::new(TargetSource::Kind(TargetKind::Address(address)))
    }
}

impl<I: Into<IpAddr>> From<(I, u16)> for BindTarget {
    fn from((ip, port): (I, u16)) -> Self {
        SocketAddr::new(ip.into(), port).into()
    }
}

/// Both loopback addresses. IPv4 comes first, so that port 0 is chosen where most clients look.
pub(crate) fn loopbacks(port: u16) -> [SocketAddr; 2] {
    [(Ipv4Addr::LOCALHOST, port).into(), (Ipv6Addr::LOCALHOST, port).into()]
}

fn parse(text: String) -> Result<TargetKind, BindError> {
    target_text::parse(&text).map_err(|error| BindError::text(error, text))
}

#[cfg(test)]
mod tests;
