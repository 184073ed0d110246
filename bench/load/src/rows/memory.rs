//! The rows about the memory of a stream that is idle, or whose client reads nothing. The figure of
//! an idle stream is the slope from few streams to many, so that it does not include the memory
//! that the server needs anyway.

use std::{thread, time::Duration};

use crate::{
    connect,
    failure::Failure,
    http2::{self, Http2Streams},
    http3::Http3Streams,
    meter,
    plan::{Plan, STREAMS_A_CONNECTION},
    server::Server,
    streams::Streams,
    wire::ignore,
};

pub(crate) fn http1(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut streams = Streams::of(server.address, "/events")?;
    slope(server, &mut streams, plan.idle)
}

pub(crate) fn web_sockets(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut streams = Streams::web_sockets(server.address, "/ws/events")?;
    slope(server, &mut streams, plan.idle)
}

/// Plain streams and then streams over TLS, on one server. The plain ones stay open, so that their
/// memory is not used again.
pub(crate) fn over_tls(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut streams = Streams::of(server.address, "/events")?;
    let plain = slope(server, &mut streams, plan.idle_tls)?[0];
    let mut streams_with_tls = Streams::over_tls(server.tls()?, "/events")?;
    let with_tls = slope(server, &mut streams_with_tls, plan.idle_tls)?[0];
    if streams.ends().ended > 0 {
        return Err(Failure::new("a plain stream ended by itself"));
    }
    Ok(vec![with_tls, with_tls - plain, plain])
}

/// Opens the smaller and then the larger number of streams, and returns what each of those between
/// them takes.
fn slope(
    server: &Server,
    streams: &mut Streams<'_>,
    (few, many): (usize, usize),
) -> Result<Vec<f64>, Failure> {
    streams.open(few, &mut ignore)?;
    let before = MemoryUse::now(server)?;
    streams.open(many, &mut ignore)?;
    let slope = MemoryUse::now(server)?.slope_from(before, many - few);
    if streams.ends().ended > 0 {
        return Err(Failure::new("a stream ended by itself"));
    }
    Ok(slope)
}

pub(crate) fn http2(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let (few, many) = plan.idle;
    http2::block_on(async {
        let mut streams = Http2Streams::of(server.address, "/events", ignore);
        streams.open(few).await?;
        let before = MemoryUse::now(server)?;
        streams.open(many).await?;
        let slope = MemoryUse::now(server)?.slope_from(before, many - few);
        streams.check()?;
        Ok(slope)
    })
}

/// Many streams on a connection, and then one on each connection, on one server. The first ones
/// stay open, so that their memory is not used again.
pub(crate) fn http3(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let open = |streams_a_connection| {
        Http3Streams::of(server.tls()?, "/events", streams_a_connection, |_, _| Ok(false))
    };
    let mut many = open(STREAMS_A_CONNECTION)?;
    let on_few_connections = slope_of_http3(server, &mut many, plan.idle_http3)?;
    let on_own_connections = slope_of_http3(server, &mut open(1)?, plan.idle_quic)?;
    many.check()?;
    Ok(vec![on_few_connections, on_own_connections])
}

/// The user memory of each stream between the smaller and the larger number.
fn slope_of_http3(
    server: &Server,
    streams: &mut Http3Streams,
    (few, many): (usize, usize),
) -> Result<f64, Failure> {
    streams.open(few)?;
    let before = MemoryUse::now(server)?;
    streams.open(many)?;
    let slope = MemoryUse::now(server)?.slope_from(before, many - few);
    streams.check()?;
    Ok(slope[0])
}

/// How many streams are stalled at the same time.
pub(crate) const STALLED: usize = 100;

/// How long the servers fill the buffers of clients that read nothing.
const FILL: Duration = Duration::from_millis(500);

/// Streams that always have another event, and whose clients read nothing.
pub(crate) fn stalled(server: &mut Server, _: &Plan) -> Result<Vec<f64>, Failure> {
    let before = MemoryUse::now(server)?;
    let request = connect::get("/firehose?n=1000000000");
    let clients = (0..STALLED)
        .map(|number| connect::ask(server.address, number, &request))
        .collect::<Result<Vec<_>, _>>()?;
    thread::sleep(FILL);
    let slope = MemoryUse::now(server)?.slope_from(before, clients.len());
    Ok(slope)
}

/// Memory in bytes.
#[derive(Clone, Copy)]
struct MemoryUse {
    server: f64,
    socket_buffers: f64,
    socket_objects: f64,
}

impl MemoryUse {
    fn now(server: &Server) -> Result<Self, Failure> {
        server.rest()?;
        Ok(Self {
            server: server.private_memory()? as f64,
            socket_buffers: meter::socket_buffers(server.address.port())?,
            socket_objects: meter::socket_objects(),
        })
    }

    fn slope_from(self, before: Self, streams: usize) -> Vec<f64> {
        let slope = |now: f64, before: f64| (now - before) / streams as f64;
        vec![
            slope(self.server, before.server),
            slope(self.socket_buffers, before.socket_buffers),
            // Both ends are on this machine, and each has the same objects.
            slope(self.socket_objects, before.socket_objects) / 2.0,
        ]
    }
}
