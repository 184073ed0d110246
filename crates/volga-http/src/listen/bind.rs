//! Binds every address of a target.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

use crate::limits::{BACKLOG, PORT_TRIES};
use crate::listen::bind_target::{BindTarget, PortUse, loopbacks};
use crate::listen::error::BindError;
use crate::listen::listener::Listener;
use crate::listen::target_text::TargetKind;

/// Listens on every address of `target`, with one listener for each address; or on its Unix-domain
/// socket, or on the sockets that the process inherited.
///
/// If there are several addresses, those that the machine does not have (as on a host without IPv6)
/// are skipped, as long as one address remains. With port 0 the system chooses a free port, the
/// same for all addresses. On Unix a port can be bound again while connections of an earlier
/// process linger (`SO_REUSEADDR`).
///
/// A name is resolved by the system's resolver, whose timeout is the system's.
///
/// The file of a Unix-domain socket is replaced if no process listens on it any more. A file of
/// another kind is never replaced. The file is removed when its listener is dropped.
///
/// Inherited sockets can be taken once.
///
/// # Errors
///
/// Returns a [`BindError`] if the target is malformed; if the name has no address; if an address is
/// in use, forbidden or not one of this machine's; or if no socket was inherited.
///
/// # Panics
///
/// Panics outside a tokio runtime with its I/O driver.
///
/// # Cancel safety
///
/// Cancel safe: the sockets that were bound so far are closed.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga_http::BindError> {
/// let listeners = volga_http::bind("localhost:0").await?;
/// for listener in &listeners {
///     println!("listening on {listener}");
/// }
/// # Ok(())
/// # }
/// ```
pub async fn bind(target: impl Into<BindTarget>) -> Result<Vec<Listener>, BindError> {
    let target = target.into();
    let port = target.port_use();
    let addresses = match target.check()? {
        TargetKind::Address(address) => vec![address],
        TargetKind::Localhost(port) => loopbacks(port).to_vec(),
        TargetKind::Name { host, port } => resolve(&host, port).await?,
        #[cfg(unix)]
        TargetKind::Unix { path, mode } => {
            let (listener, file) = crate::listen::unix_socket::listen(&path, mode)?;
            return Ok(vec![Listener::with_file(listener, file)]);
        }
        #[cfg(unix)]
        TargetKind::Inherited => return crate::listen::inherited::take(),
    };
    let mut tries = 1;
    loop {
        match listen_on_all(&addresses, port) {
            // The system chose a port for the first address that is in use on another one. Let it
            // choose again.
            Err(BindError::InUse { address, .. })
                if is_chosen(&addresses, address) && tries < PORT_TRIES =>
            {
                tries += 1
            }
            result => {
                let of = |listener| match port {
                    PortUse::Exclusive => Listener::from(listener),
                    PortUse::Shared => Listener::sharing_port(listener),
                };
                return Ok(result?.into_iter().map(of).collect());
            }
        }
    }
}

/// Listens on every address of several targets, as [`bind`] does for one.
///
/// # Errors
///
/// Returns the first error. The sockets that were bound before are closed. If an address is in use
/// by an earlier target, the error is [`BindError::BoundTwice`].
///
/// # Panics
///
/// Panics outside a tokio runtime with its I/O driver.
///
/// # Cancel safety
///
/// Cancel safe: the sockets that were bound so far are closed.
pub async fn bind_all<T: Into<BindTarget>>(
    targets: impl IntoIterator<Item = T>,
) -> Result<Vec<Listener>, BindError> {
    let mut listeners: Vec<Listener> = Vec::new();
    for target in targets {
        match bind(target).await {
            Ok(more) => listeners.extend(more),
            Err(error) => {
                let is_own = listeners.iter().any(|listener| listener.is_where(&error));
                return Err(if is_own { error.into_bound_twice() } else { error });
            }
        }
    }
    Ok(listeners)
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let failed = |source| BindError::Resolve { name: host.to_owned(), source };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in lookup_host((host, port)).await.map_err(failed)? {
        // The hosts file may list an address more than once.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(addresses)
}

/// Whether the system chose the port of `address`.
fn is_chosen(targets: &[SocketAddr], address: SocketAddr) -> bool {
    address.port() != 0 && targets.iter().any(|target| target.port() == 0)
}

fn listen_on_all(
    addresses: &[SocketAddr],
    port_use: PortUse,
) -> Result<Vec<TcpListener>, BindError> {
    // Alone, `[::]` may serve IPv4 as well, as the system is configured. Together with an IPv4
    // address, each family gets its own socket.
    let both_families =
        addresses.iter().any(SocketAddr::is_ipv4) && addresses.iter().any(SocketAddr::is_ipv6);
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut chosen_port = None;
    let mut lacking = None;
    for &(mut address) in addresses {
        if let Some(port) = chosen_port {
            address.set_port(port);
        }
        let listening = listen(address, both_families, port_use)
            .and_then(|listener| Ok((listener.local_addr()?.port(), listener)))
            .map_err(|source| BindError::listen(address, source));
        match listening {
            Ok((port, listener)) => {
                chosen_port = Some(port);
                listeners.push(listener);
            }
            Err(error @ BindError::NotLocal { .. }) => lacking = Some(error),
            Err(error) => return Err(error),
        }
    }
    match lacking {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

fn listen(address: SocketAddr, both_families: bool, port: PortUse) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows the same option would let two programs listen on one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    if port == PortUse::Shared {
        socket.set_reuse_port(true)?;
    }
    #[cfg(not(unix))]
    let PortUse::Exclusive = port else { return Err(io::ErrorKind::Unsupported.into()) };
    if both_families && address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
