//! Why a server could not listen.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};

/// Why [`bind`](crate::bind()) failed. Each message names the target or address, and says what to
/// do.
#[non_exhaustive]
#[derive(thiserror::Error)]
pub enum BindError {
    /// The text has no port. There is no default, so write one.
    #[error(
        "`{target}` names no port; write it as `host:port`, with an IPv6 address in brackets: `[::1]:7878`"
    )]
    MissingPort {
        /// The text as given.
        target: String,
    },
    /// The text has a port only. Say which address: `localhost`, or `0.0.0.0` for all of IPv4.
    #[error(
        "`{target}` names no host; write `localhost{target}` for this machine alone, or `0.0.0.0{target}` for all"
    )]
    MissingHost {
        /// The text as given.
        target: String,
    },
    /// What stands for the port is no number from 0 to 65535.
    #[error("the port of `{target}` is not a number from 0 to 65535")]
    InvalidPort {
        /// The text as given.
        target: String,
    },
    /// The text is neither an address nor a name with a port.
    #[error(
        "`{target}` is not an address to listen on; write `host:port`, for example `localhost:7878` or `[::1]:7878`"
    )]
    Malformed {
        /// The text as given.
        target: String,
    },
    /// The name has no address, or the resolver failed.
    #[error("cannot find the address of `{name}`; check the name, or bind an IP address")]
    Resolve {
        /// The name without its port.
        name: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Another socket listens there.
    #[error(
        "cannot listen on {address}: another program is listening on it; stop that program or bind another port"
    )]
    InUse {
        /// The address that is busy.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The process may not listen there.
    #[error(
        "cannot listen on {address}: not permitted; bind a port from 1024 on, or give the program the right to"
    )]
    Denied {
        /// The address that is refused.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The address is not one of this machine's.
    #[error(
        "cannot listen on {address}: this machine has no such address; bind one of its own, or 0.0.0.0 for all"
    )]
    NotLocal {
        /// The address that the machine lacks.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused for another reason, which is the source.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address that failed.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Another program listens on the Unix-domain socket.
    #[cfg(unix)]
    #[error(
        "cannot listen on unix:{}: another program is listening on it; stop that program or choose another path",
        path.display()
    )]
    PathInUse {
        /// The path that is busy.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// At the path of the Unix-domain socket lies a file that is none, and so is not replaced.
    #[cfg(unix)]
    #[error(
        "cannot listen on unix:{}: there is a file that is no socket; remove it or choose another path",
        path.display()
    )]
    NotASocket {
        /// The path that is taken.
        path: PathBuf,
    },
    /// The system refused the Unix-domain socket, for a reason that is the source: a directory that
    /// is not there or may not be written to, a path that is too long.
    #[cfg(unix)]
    #[error("cannot listen on unix:{}", path.display())]
    Path {
        /// The path that failed.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No socket was opened for this process, or all were taken already.
    #[cfg(unix)]
    #[error(
        "no socket was inherited: `LISTEN_FDS` is not set for this process; start it by a socket unit, or bind an address"
    )]
    NothingInherited,
    /// What was inherited is no socket that connections could come from.
    #[cfg(unix)]
    #[error("cannot accept connections on inherited socket {index}, counted from 0")]
    Inherited {
        /// Which one of those inherited.
        index: usize,
        /// What is wrong with it.
        source: io::Error,
    },
}

/// The message and its cause: a `main` that returns the error prints it in this form, and it is
/// then all that a person sees.
impl fmt::Debug for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.source().map_or(Ok(()), |source| write!(f, " ({source})"))
    }
}

impl BindError {
    /// Names the cause of a failed attempt to listen on `address`.
    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, source },
            io::ErrorKind::PermissionDenied => Self::Denied { address, source },
            _ if lacks_address(&source) => Self::NotLocal { address, source },
            _ => Self::Listen { address, source },
        }
    }

    /// Names the cause of a failed attempt to listen at `path`.
    #[cfg(unix)]
    pub(crate) fn unix(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PathInUse { path, source },
            _ => Self::Path { path, source },
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::MissingPort { .. }
            | Self::MissingHost { .. }
            | Self::InvalidPort { .. }
            | Self::Malformed { .. } => io::ErrorKind::InvalidInput,
            Self::Resolve { source, .. }
            | Self::InUse { source, .. }
            | Self::Denied { source, .. }
            | Self::NotLocal { source, .. }
            | Self::Listen { source, .. } => source.kind(),
            #[cfg(unix)]
            Self::PathInUse { source, .. }
            | Self::Path { source, .. }
            | Self::Inherited { source, .. } => source.kind(),
            #[cfg(unix)]
            Self::NotASocket { .. } => io::ErrorKind::AlreadyExists,
            #[cfg(unix)]
            Self::NothingInherited => io::ErrorKind::NotFound,
        }
    }
}

/// Keeps the kind; the `BindError` becomes the inner error.
impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Whether the machine lacks the address, or its whole family.
fn lacks_address(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == NO_SUCH_FAMILY
}

/// `EAFNOSUPPORT`, for which `io::ErrorKind` has no name.
const NO_SUCH_FAMILY: Option<i32> = if cfg!(any(target_os = "linux", target_os = "android")) {
    Some(97)
} else if cfg!(windows) {
    Some(10047)
} else if cfg!(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)) {
    Some(47)
} else {
    None
};

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn the_debug_form_is_for_people() {
        let address = ([127, 0, 0, 1], 7878).into();
        let error = BindError::listen(address, io::ErrorKind::AddrInUse.into());
        assert_eq!(format!("{error:?}"), format!("{error} (address in use)"));
    }

    #[test]
    fn the_message_names_the_address_and_the_way_out_and_the_cause_is_its_source() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        for (kind, way_out) in [
            (io::ErrorKind::AddrInUse, "bind another port"),
            (io::ErrorKind::PermissionDenied, "from 1024 on"),
            (io::ErrorKind::AddrNotAvailable, "one of its own"),
            (io::ErrorKind::OutOfMemory, "127.0.0.1"),
        ] {
            let error = BindError::listen(address, kind.into());
            let message = error.to_string();
            assert!(message.contains("127.0.0.1:80") && message.contains(way_out), "{message}");
            assert!(error.source().is_some(), "{message}");
            assert_eq!(io::Error::from(error).kind(), kind);
        }
    }

    #[test]
    fn a_malformed_target_is_invalid_input() {
        let error = io::Error::from(BindError::MissingPort { target: "localhost".to_owned() });
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("`localhost`"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_missing_family_is_a_missing_address() {
        let address = SocketAddr::from(([0; 16], 80));
        let error = BindError::listen(address, io::Error::from_raw_os_error(97));
        assert!(matches!(error, BindError::NotLocal { .. }), "{error:?}");
    }
}
