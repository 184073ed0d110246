//! Opens connections from many addresses of this machine, so that ports do not run out.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

/// How many source addresses there are. Each has about 28,000 ports, and a used port stays taken
/// for a minute.
const SOURCES: u32 = 100;

/// Connects from a source address that depends on the number: the addresses are used in turns.
pub(crate) fn connect(server: SocketAddr, number: usize) -> io::Result<TcpStream> {
    let socket = from_source(number)?;
    socket.connect(&server.into())?;
    socket.set_tcp_nodelay(true)?;
    Ok(socket.into())
}

/// Begins to connect as [`connect`] does, but does not wait for the connection. Until it is there,
/// reads and writes would block.
pub(crate) fn begin(server: SocketAddr, number: usize) -> io::Result<mio::net::TcpStream> {
    let socket = from_source(number)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        // The kernel reports with this error that the connection is on its way.
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => return Err(error),
        _ => {}
    }
    socket.set_tcp_nodelay(true)?;
    Ok(mio::net::TcpStream::from_std(socket.into()))
}

/// Connects, sends a GET request, and leaves the socket ready for epoll.
pub(crate) fn ask(
    server: SocketAddr,
    number: usize,
    request: &[u8],
) -> io::Result<mio::net::TcpStream> {
    let mut socket = connect(server, number)?;
    socket.write_all(request)?;
    socket.set_nonblocking(true)?;
    Ok(mio::net::TcpStream::from_std(socket))
}

fn from_source(number: usize) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let source = u32::from(Ipv4Addr::new(127, 0, 0, 1)) + number as u32 % SOURCES;
    socket.bind(&SocketAddr::from((Ipv4Addr::from(source), 0)).into())?;
    Ok(socket)
}

/// A GET request for the path.
pub(crate) fn get(path: &str) -> Vec<u8> {
    let accept = if path.starts_with("/events") || path.starts_with("/firehose") {
        "text/event-stream"
    } else {
        "*/*"
    };
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: {accept}\r\n\r\n").into_bytes()
}
