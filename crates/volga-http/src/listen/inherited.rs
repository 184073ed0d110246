//! Sockets that the parent process opened for this one: socket activation, as systemd does it.

use std::sync::{Mutex, PoisonError};

use listenfd::ListenFd;
use socket2::SockRef;
use tokio::net::{TcpListener, UnixListener};

use crate::listen::error::BindError;
use crate::listen::listener::Listener;

/// Held while the sockets are taken, because a socket must not have two owners.
static TAKING: Mutex<()> = Mutex::new(());

/// Takes all sockets of `LISTEN_FDS`, and removes the variable from the environment.
pub(crate) fn take() -> Result<Vec<Listener>, BindError> {
    let mut inherited = {
        let _taking = TAKING.lock().unwrap_or_else(PoisonError::into_inner);
        ListenFd::from_env()
    };
    if inherited.len() == 0 {
        return Err(BindError::NothingInherited);
    }
    (0..inherited.len())
        .map(|index| {
            take_one(&mut inherited, index).map_err(|source| BindError::Inherited { index, source })
        })
        .collect()
}

fn take_one(inherited: &mut ListenFd, index: usize) -> std::io::Result<Listener> {
    if let Ok(Some(listener)) = inherited.take_unix_listener(index) {
        listener.set_nonblocking(true)?;
        check_listens(SockRef::from(&listener))?;
        return Ok(Listener::inherited(UnixListener::from_std(listener)?));
    }
    let listener = inherited.take_tcp_listener(index)?.ok_or(std::io::ErrorKind::NotFound)?;
    listener.set_nonblocking(true)?;
    check_listens(SockRef::from(&listener))?;
    Ok(Listener::inherited(TcpListener::from_std(listener)?))
}

/// Checks that the socket listens. With `Accept=yes`, systemd passes a connection instead.
fn check_listens(socket: SockRef<'_>) -> std::io::Result<()> {
    if socket.is_listener()? {
        return Ok(());
    }
    Err(std::io::Error::new(
        std::io::ErrorKind::InvalidInput,
        "the socket does not listen; with systemd, the socket unit needs `Accept=no`",
    ))
}
