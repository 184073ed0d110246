//! Listening on every address of a target.

use std::io;
use std::net::SocketAddr;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, lookup_host};

use crate::bind_target::{BindTarget, Place, loopbacks};
use crate::error::BindError;
use crate::limits::{BACKLOG, PORT_TRIES};

/// Listens on every address of `target`, with a listener for each.
///
/// Of several addresses, those that the machine lacks (as on a host without IPv6) are left out as long as one is left.
/// With port 0 the system chooses a free port, the same for all. On Unix a port can be bound again while connections of
/// an earlier process linger (`SO_REUSEADDR`).
///
/// A name is looked up by the system's resolver, which takes as long as it is configured to.
///
/// # Errors
///
/// [`BindError`]: the target makes no sense, the name has no address, or an address is busy, forbidden or not there.
///
/// # Panics
///
/// Outside a tokio runtime with its I/O driver.
///
/// # Cancel safety
///
/// Cancel safe: what was bound so far is closed again.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), volga_http::BindError> {
/// let listeners = volga_http::bind("localhost:0").await?;
/// for listener in &listeners {
///     println!("listening on {:?}", listener.local_addr());
/// }
/// # Ok(())
/// # }
/// ```
pub async fn bind(target: impl Into<BindTarget>) -> Result<Vec<TcpListener>, BindError> {
    let addresses = match target.into().check()? {
        Place::Address(address) => vec![address],
        Place::Localhost(port) => loopbacks(port).to_vec(),
        Place::Name { host, port } => resolve(&host, port).await?,
    };
    let mut tries = 1;
    loop {
        match listen_on_all(&addresses) {
            // The system chose a port for the first address that another one has taken: let it choose again.
            Err(BindError::InUse { address, .. })
                if is_chosen(&addresses, address) && tries < PORT_TRIES =>
            {
                tries += 1
            }
            result => return result,
        }
    }
}

async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BindError> {
    let failed = |source| BindError::Resolve { name: host.to_owned(), source };
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in lookup_host((host, port)).await.map_err(failed)? {
        // The hosts file may have an address more than once.
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::NotFound, "the name has no address")));
    }
    Ok(addresses)
}

/// Whether `address` has its port from the system instead of the target.
fn is_chosen(targets: &[SocketAddr], address: SocketAddr) -> bool {
    address.port() != 0 && targets.iter().any(|target| target.port() == 0)
}

fn listen_on_all(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, BindError> {
    // Alone, `[::]` may serve IPv4 as well, as the system has it; together, each family has its own socket.
    let both_families =
        addresses.iter().any(SocketAddr::is_ipv4) && addresses.iter().any(SocketAddr::is_ipv6);
    let mut listeners = Vec::with_capacity(addresses.len());
    let mut chosen_port = None;
    let mut lacking = None;
    for &(mut address) in addresses {
        if let Some(port) = chosen_port {
            address.set_port(port);
        }
        let listening = listen(address, both_families)
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

fn listen(address: SocketAddr, both_families: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // On Windows the same option would let two programs listen on one port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    if both_families && address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}
