//! The row in which clients connect over TLS, send a request, read the response, and leave.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use crate::{
    connect, failure::Failure, plan::Plan, server::Server, streams::PATIENCE, windows::Windows,
    wire::Response,
};

pub(crate) fn run(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    // This run warms the server up.
    come_and_go(server, plan.window)?;
    let mut windows = Windows::of(server)?;
    while windows.begin()? {
        let clients = come_and_go(server, plan.window)?;
        windows.end(clients)?;
    }
    Ok(vec![1e9 / windows.cpu(), windows.cpu()])
}

/// Clients come one after another for this time. Returns the number of clients.
fn come_and_go(server: &Server, window: Duration) -> Result<u64, Failure> {
    let listener = server.tls()?;
    let request = connect::get("/plaintext");
    let begin = Instant::now();
    let mut clients = 0;
    while begin.elapsed() < window {
        let socket = connect::connect(listener.address, clients as usize)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let mut stream = listener.handshake(socket)?;
        stream.write_all(&request)?;
        let mut response = Response::new();
        let mut content = Vec::new();
        let mut buffer = [0; 4096];
        while !response.is_complete() {
            let read = stream.read(&mut buffer)?;
            if read == 0 {
                return Err(Failure::new("the server closed a connection"));
            }
            response.feed(&buffer[..read], |bytes| {
                content.extend_from_slice(bytes);
                Ok(())
            })?;
        }
        if content != b"Hello, World!" {
            return Err(Failure::new(format!("`{}` as a response", content.escape_ascii())));
        }
        clients += 1;
    }
    Ok(clients)
}
