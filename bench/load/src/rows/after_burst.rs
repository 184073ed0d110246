//! The rows about the memory that a server keeps after a burst of large bodies is over.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use crate::{
    connect, failure::Failure, plan::Plan, server::Server, streams::PATIENCE, wire::Response,
};

/// The size of each body: 2.5 MiB.
pub(crate) const BODY: usize = 5 * 512 * 1024;

/// How long the server may take to give memory back after its connections are closed.
const PAUSE: Duration = Duration::from_secs(1);

/// How many parts each request body is sent in.
const PARTS: usize = 10;

/// Request bodies that the server collects, all of them at the same time.
pub(crate) fn collected(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let head = format!(
        "POST /collect HTTP/1.1\r\nhost: bench\r\ncontent-type: application/octet-stream\r\n\
         content-length: {BODY}\r\n\r\n"
    );
    let part = vec![b'.'; BODY / PARTS];
    let send = |clients: &mut [TcpStream], bytes: &[u8]| -> Result<(), Failure> {
        clients.iter_mut().try_for_each(|client| Ok(client.write_all(bytes)?))
    };
    measure(
        server,
        plan,
        |clients| {
            send(clients, head.as_bytes())?;
            // The bodies grow together, so the server holds nearly all of each at the same time.
            (1..PARTS).try_for_each(|_| send(clients, &part))
        },
        |clients| send(clients, &part),
    )
}

/// Responses that the server makes, all of them at the same time.
pub(crate) fn responses(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let request = connect::get("/built");
    let send = |clients: &mut [TcpStream]| {
        clients.iter_mut().try_for_each(|client| Ok(client.write_all(&request)?))
    };
    measure(server, plan, send, |_| Ok(()))
}

/// Begins the burst, reads the server's memory, completes the burst, reads the responses, and
/// closes the connections. All of it twice, because what a first burst leaves may serve the second
/// one.
fn measure(
    server: &Server,
    plan: &Plan,
    begin: impl Fn(&mut [TcpStream]) -> Result<(), Failure>,
    complete: impl Fn(&mut [TcpStream]) -> Result<(), Failure>,
) -> Result<Vec<f64>, Failure> {
    server.rest()?;
    let before = server.private_memory()? as f64;
    let (mut peak, mut after) = (before, [before; 2]);
    for after in &mut after {
        let mut clients = (0..plan.burst_bodies)
            .map(|number| connect::connect(server.address, number))
            .collect::<Result<Vec<_>, _>>()?;
        begin(&mut clients)?;
        server.rest()?;
        peak = peak.max(server.private_memory()? as f64);
        complete(&mut clients)?;
        for client in &mut clients {
            client.set_read_timeout(Some(PATIENCE))?;
            read_response(client)?;
        }
        drop(clients);
        server.rest()?;
        thread::sleep(PAUSE);
        *after = server.private_memory()? as f64;
    }
    Ok(vec![after[1] - before, after[0] - before, peak - before])
}

fn read_response(client: &mut TcpStream) -> Result<(), Failure> {
    let mut response = Response::new();
    let mut buffer = vec![0; 256 * 1024];
    while !response.is_complete() {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Err(Failure::new("the server closed a connection before its response ended"));
        }
        response.feed(&buffer[..read], |_| Ok(()))?;
    }
    Ok(())
}
