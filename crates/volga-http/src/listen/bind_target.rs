//! Where a server listens, as the user wrote it. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
#[cfg(unix)]
use std::path::PathBuf;
use std::str::FromStr;

use crate::listen::error::BindError;

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
    written: TargetSource,
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

/// A target that was checked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum TargetKind {
    Address(SocketAddr),
    Localhost(u16),
    Name {
        host: String,
        port: u16,
    },
    #[cfg(unix)]
    Unix {
        path: PathBuf,
        mode: Option<u32>,
    },
    #[cfg(unix)]
    Inherited,
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

    fn new(written: TargetSource) -> Self {
        Self {
            written,
            port: PortUse::Exclusive,
            #[cfg(unix)]
            mode: None,
        }
    }

    pub(crate) fn port_use(&self) -> PortUse {
        self.port
    }

    pub(crate) fn check(self) -> Result<TargetKind, BindError> {
        let place = match self.written {
            TargetSource::Kind(place) => place,
            TargetSource::Text(text) => check_text(&text)?,
        };
        #[cfg(unix)]
        if let TargetKind::Unix { path, .. } = place {
            return Ok(TargetKind::Unix { path, mode: self.mode });
        }
        Ok(place)
    }
}

/// Unlike `From`, it checks the text.
impl FromStr for BindTarget {
    type Err = BindError;

    fn from_str(text: &str) -> Result<Self, BindError> {
        check_text(text).map(|_| text.into())
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

fn check_text(text: &str) -> Result<TargetKind, BindError> {
    #[cfg(unix)]
    match text.split_once(':') {
        Some(("unix", "")) => return Err(BindError::Malformed { target: text.to_owned() }),
        Some(("unix", path)) => return Ok(TargetKind::Unix { path: path.into(), mode: None }),
        Some(("inherited", "")) => return Ok(TargetKind::Inherited),
        // A word without its colon looks like a host without its port.
        None if text == "unix" || text == "inherited" => {
            return Err(BindError::Malformed { target: text.to_owned() });
        }
        _ => {}
    }
    if let Ok(address) = text.parse() {
        return Ok(TargetKind::Address(address));
    }
    let target = || text.to_owned();
    if is_ip(text) {
        return Err(BindError::MissingPort { target: target() });
    }
    let Some((host, port)) = text.rsplit_once(':') else {
        return Err(if port_of(text).is_some() {
            BindError::MissingHost { target: target() }
        } else if is_name(text) {
            BindError::MissingPort { target: target() }
        } else {
            BindError::Malformed { target: target() }
        });
    };
    if host.is_empty() && port_of(port).is_some() {
        return Err(BindError::MissingHost { target: target() });
    }
    if !is_name(host) && !is_ip(host) {
        return Err(BindError::Malformed { target: target() });
    }
    if port.is_empty() {
        return Err(BindError::MissingPort { target: target() });
    }
    let Some(port) = port_of(port) else {
        return Err(
            if host.eq_ignore_ascii_case("unix")
                || port.contains(|c: char| c == '/' || c.is_whitespace())
            {
                BindError::Malformed { target: target() }
            } else {
                BindError::InvalidPort { target: target() }
            },
        );
    };
    if is_ip(host) {
        // Without brackets, `::1:80` can be an address, or an address with a port. The user must
        // say which.
        return Err(BindError::Malformed { target: target() });
    }
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(TargetKind::Localhost(port));
    }
    Ok(TargetKind::Name { host: host.to_owned(), port })
}

/// Whether a text is a target.
pub(crate) fn is_valid(text: &str) -> bool {
    check_text(text).is_ok()
}

/// Parses a port. `parse` alone would accept a sign.
fn port_of(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// An address with or without brackets.
fn is_ip(text: &str) -> bool {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse::<IpAddr>().is_ok()
}

/// Whether the resolver should be asked for this name. Underscores are not allowed in host names,
/// but some networks use them.
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

#[cfg(test)]
mod tests;
