//! Opens connections from many addresses of this machine, so that ports do not run out.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::{failure::Failure, streams::PATIENCE, wire::Response};

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
    get_with(path, "")
}

/// Sends a GET request on a connection of its own, and returns the content of the response.
pub(crate) fn fetch(server: SocketAddr, path: &str) -> Result<Vec<u8>, Failure> {
    let mut socket = connect(server, 0)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.write_all(&get(path))?;
    let mut response = Response::new();
    let mut content = Vec::new();
    let mut buffer = [0; 4096];
    while !response.is_complete() {
        let read = socket.read(&mut buffer)?;
        if read == 0 {
            return Err(Failure::new("the server closed a connection"));
        }
        response.feed(&buffer[..read], |bytes| {
            content.extend_from_slice(bytes);
            Ok(())
        })?;
    }
    Ok(content)
}

/// A GET request for the path with more header lines, each with its end.
pub(crate) fn get_with(path: &str, lines: &str) -> Vec<u8> {
    let accept = if path.starts_with("/events") || path.starts_with("/firehose") {
        "text/event-stream"
    } else {
        "*/*"
    };
    format!("GET {path} HTTP/1.1\r\nhost: bench\r\naccept: {accept}\r\n{lines}\r\n").into_bytes()
}
