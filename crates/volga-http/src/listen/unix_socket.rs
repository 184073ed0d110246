//! Unix-domain sockets and their files.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;

use crate::limits::{BACKLOG, MAX_UNIX_PATH};
use crate::listen::error::BindError;

/// The file of a socket. It is removed when the server stops listening.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode, because another program may have put its own file at the path later.
    id: (u64, u64),
}

/// Listens on `path`, with these permissions or the ones that the umask leaves.
pub(crate) fn listen(
    path: &Path,
    mode: Option<u32>,
) -> Result<(UnixListener, SocketFile), BindError> {
    let bytes = path.as_os_str().as_encoded_bytes();
    if bytes.len() > MAX_UNIX_PATH || bytes.contains(&0) {
        return Err(BindError::InvalidPath { path: path.to_owned() });
    }
    remove_stale(path)?;
    let failed = |source| BindError::unix(path, source);
    let socket = bind(path).map_err(failed)?;
    let file = SocketFile::at(path).map_err(failed)?;
    let listener = (|| {
        if let Some(mode) = mode {
            // Set before the socket listens, so that no client connects without permission.
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        socket.listen(BACKLOG)?;
        UnixListener::from_std(socket.into())
    })();
    Ok((listener.map_err(failed)?, file))
}

fn bind(path: &Path) -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    Ok(socket)
}

/// Removes the socket file of a process that ended without removing it.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let failed = |source| BindError::unix(path, source);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        // A typing error in the path must not delete a file.
        Ok(file) if !file.file_type().is_socket() => {
            return Err(BindError::NotASocket { path: path.to_owned() });
        }
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None).map_err(failed)?;
    // A full backlog must not block this.
    probe.set_nonblocking(true).map_err(failed)?;
    match probe.connect(&SockAddr::unix(path).map_err(failed)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            fs::remove_file(path).map_err(failed)
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(failed(error)),
        // A process accepts the connection, or its queue is full.
        _ => Err(failed(io::ErrorKind::AddrInUse.into())),
    }
}

impl SocketFile {
    fn at(path: &Path) -> io::Result<Self> {
        let id = id_of(path)?;
        Ok(Self { path: path.to_owned(), id })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if id_of(&self.path).is_ok_and(|id| id == self.id) {
            // If this fails, the next process that listens there removes the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn id_of(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}
