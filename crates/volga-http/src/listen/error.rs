//! Why a server could not listen.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};

#[cfg(unix)]
use crate::limits::MAX_UNIX_PATH;
use crate::listen::bind_hints;
use crate::listen::target_text::TargetTextError;

/// Why [`bind`](crate::bind()) failed. Each message names the target or the address, and says what
/// to do.
#[non_exhaustive]
#[derive(thiserror::Error)]
pub enum BindError {
    /// The text has no port. There is no default port, so write one.
    #[error(
        "`{}` has no port; {}",
        bind_hints::escape_control(target),
        bind_hints::missing_port(target)
    )]
    MissingPort {
        /// The text as given.
        target: String,
    },
    /// The text has only a port. Write the address as well: `localhost`, or `0.0.0.0` for all IPv4
    /// addresses.
    #[error(
        "`{}` has a port and no host; {}",
        bind_hints::escape_control(target),
        bind_hints::missing_host(target)
    )]
    MissingHost {
        /// The text as given.
        target: String,
    },
    /// The port is not a number from 0 to 65535.
    #[error(
        "the port of `{}` is not a number from 0 to 65535; {}",
        bind_hints::escape_control(target),
        bind_hints::invalid_port(target)
    )]
    InvalidPort {
        /// The text as given.
        target: String,
    },
    /// The text is neither an address nor a name with a port.
    #[error(
        "`{}` is not an address to listen on; {}",
        bind_hints::escape_control(target),
        bind_hints::malformed(target)
    )]
    Malformed {
        /// The text as given.
        target: String,
    },
    /// The name has no address, or the resolver failed.
    #[error("cannot find the address of `{name}`: {source}; check the name, or bind an IP address")]
    Resolve {
        /// The name without its port.
        name: String,
        /// The resolver's error.
        source: io::Error,
    },
    /// Another socket listens there.
    #[error(
        "cannot listen on {address}: another program is listening on it; stop that program or bind another port"
    )]
    InUse {
        /// The address that is busy.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The process is not permitted to listen there.
    #[error(
        "cannot listen on {address}: permission denied; bind port 1024 or higher, or give the program the permission"
    )]
    Denied {
        /// The address that is refused.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The machine does not have this address.
    #[error(
        "cannot listen on {address}: this machine does not have the address; bind one that it has, or 0.0.0.0 for all of IPv4"
    )]
    NotLocal {
        /// The address that the machine does not have.
        address: SocketAddr,
        /// The error of the system.
        source: io::Error,
    },
    /// The system refused for another reason, which is the source.
    #[error("cannot listen on {address}: {source}; remove the cause, or bind another address")]
    Listen {
        /// The address that failed.
        address: SocketAddr,
        /// The error of the system.
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
        /// The error of the system.
        source: io::Error,
    },
    /// The path of the Unix-domain socket is taken by a file of another kind, which is not
    /// replaced.
    #[cfg(unix)]
    #[error(
        "cannot listen on unix:{}: a file or directory that is not a socket is there; remove it or choose another path",
        path.display()
    )]
    NotASocket {
        /// The path that is taken.
        path: PathBuf,
    },
    /// The path of the Unix-domain socket has more than
    /// [`MAX_UNIX_PATH`](crate::limits::MAX_UNIX_PATH) bytes, or a NUL byte.
    #[cfg(unix)]
    #[error(
        "cannot listen on unix:{}: the path of a socket has at most {MAX_UNIX_PATH} bytes and no NUL byte, and this one has {} bytes; choose a shorter one",
        bind_hints::escape_control(&path.to_string_lossy()),
        path.as_os_str().len()
    )]
    InvalidPath {
        /// The path as given.
        path: PathBuf,
    },
    /// The system refused the Unix-domain socket, for the reason in the source: for example, a
    /// directory that does not exist or is not writable.
    #[cfg(unix)]
    #[error("cannot listen on unix:{}: {}", path.display(), bind_hints::path_error(path, source))]
    Path {
        /// The path that failed.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Two targets of one program are the same address.
    #[error(
        "cannot listen on {target} twice: this program is already listening on it; leave out one of the two"
    )]
    BoundTwice {
        /// The target that comes a second time.
        target: String,
    },
    /// No socket was inherited, or all of them were taken already.
    #[cfg(unix)]
    #[error(
        "no socket was inherited: `LISTEN_FDS` is not set for this process; start it with a socket unit, or bind an address"
    )]
    NothingInherited,
    /// An inherited socket cannot accept connections.
    #[cfg(unix)]
    #[error(
        "cannot accept connections on inherited socket {index}, counted from 0: {source}; change the unit that opens it"
    )]
    Inherited {
        /// The index of the inherited socket.
        index: usize,
        /// The reason from the operating system.
        source: io::Error,
    },
}

/// Prints the message and its cause. If `main` returns the error, Rust prints it in this form, and
/// it is all that a person sees.
impl fmt::Debug for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.to_string();
        f.write_str(&text)?;
        match self.source().map(ToString::to_string) {
            Some(source) if !text.contains(&source) => write!(f, " ({source})"),
            _ => Ok(()),
        }
    }
}

impl BindError {
    /// Creates the error for the text of a target.
    pub(crate) fn text(error: TargetTextError, target: String) -> Self {
        match error {
            TargetTextError::MissingPort => Self::MissingPort { target },
            TargetTextError::MissingHost => Self::MissingHost { target },
            TargetTextError::InvalidPort => Self::InvalidPort { target },
            TargetTextError::Malformed => Self::Malformed { target },
        }
    }

    /// Creates the error for a failed attempt to listen on `address`.
    pub(crate) fn listen(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::InUse { address, source },
            io::ErrorKind::PermissionDenied => Self::Denied { address, source },
            _ if lacks_address(&source) => Self::NotLocal { address, source },
            _ => Self::Listen { address, source },
        }
    }

    /// Creates the error for a failed attempt to listen at `path`.
    #[cfg(unix)]
    pub(crate) fn unix(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PathInUse { path, source },
            _ => Self::Path { path, source },
        }
    }

    /// The error for an address that an earlier target of the same program has taken.
    pub(crate) fn into_bound_twice(self) -> Self {
        let target = match &self {
            Self::InUse { address, .. } => address.to_string(),
            #[cfg(unix)]
            Self::PathInUse { path, .. } => format!("unix:{}", path.display()),
            #[cfg(unix)]
            Self::NothingInherited => "inherited:".to_owned(),
            _ => return self,
        };
        Self::BoundTwice { target }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            Self::BoundTwice { .. } => io::ErrorKind::AddrInUse,
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
            Self::InvalidPath { .. } => io::ErrorKind::InvalidInput,
            #[cfg(unix)]
            Self::NotASocket { .. } => io::ErrorKind::AlreadyExists,
            #[cfg(unix)]
            Self::NothingInherited => io::ErrorKind::NotFound,
        }
    }
}

/// Keeps the error kind. The `BindError` becomes the inner error.
impl From<BindError> for io::Error {
    fn from(error: BindError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// Whether the machine does not have the address, or its whole address family.
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
    fn the_message_names_the_address_and_a_remedy_and_the_source_is_the_cause() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        for (kind, way_out) in [
            (io::ErrorKind::AddrInUse, "bind another port"),
            (io::ErrorKind::PermissionDenied, "1024 or higher"),
            (io::ErrorKind::AddrNotAvailable, "one that it has"),
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

    #[cfg(unix)]
    #[test]
    fn the_error_of_a_path_has_the_reason_and_what_to_do() {
        for (kind, hint) in [
            (io::ErrorKind::NotFound, "directory `/run/app` does not exist; create it"),
            (io::ErrorKind::PermissionDenied, "who may write to `/run/app`"),
            (io::ErrorKind::NotADirectory, "`/run/app` is not a directory; choose another"),
            (io::ErrorKind::ReadOnlyFilesystem, "read-only; choose another path"),
            (io::ErrorKind::AddrInUse, "stop that program or choose another path"),
            (io::ErrorKind::StorageFull, "no storage space; choose another path"),
        ] {
            let error = BindError::unix(Path::new("/run/app/s.sock"), kind.into());
            let message = error.to_string();
            assert!(message.contains("unix:/run/app/s.sock: "), "{message}");
            assert!(message.contains(hint), "{message}");
            assert_eq!(io::Error::from(error).kind(), kind);
        }
        let error = BindError::unix(Path::new("s.sock"), io::ErrorKind::NotFound.into());
        assert!(error.to_string().contains("the current directory"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_missing_address_family_is_a_missing_address() {
        let address = SocketAddr::from(([0; 16], 80));
        let error = BindError::listen(address, io::Error::from_raw_os_error(97));
        assert!(matches!(error, BindError::NotLocal { .. }), "{error:?}");
    }
}
