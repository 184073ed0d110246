//! The rows about the memory of an idle stream. The figure is the slope from few streams to many,
//! so that it does not include the memory that the server needs anyway.

use crate::{
    failure::Failure,
    http2::{self, Http2Streams},
    meter,
    plan::Plan,
    server::Server,
    streams::Streams,
    wire::ignore,
};

pub(crate) fn http1(server: &mut Server, plan: &Plan) -> Result<Vec<f64>, Failure> {
    let mut streams = Streams::of(server.address, "/events")?;
    let (few, many) = plan.idle;
    streams.open(few, &mut ignore)?;
    let before = Held::now(server)?;
    streams.open(many, &mut ignore)?;
    let slope = Held::now(server)?.slope_from(before, many - few);
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
        let before = Held::now(server)?;
        streams.open(many).await?;
        let slope = Held::now(server)?.slope_from(before, many - few);
        streams.check()?;
        Ok(slope)
    })
}

/// Memory in bytes.
#[derive(Clone, Copy)]
struct Held {
    server: u64,
    sockets: u64,
}

impl Held {
    fn now(server: &Server) -> Result<Self, Failure> {
        server.rest()?;
        Ok(Self { server: server.private_memory()?, sockets: meter::socket_memory()? })
    }

    fn slope_from(self, before: Self, streams: usize) -> Vec<f64> {
        let slope = |now: u64, before: u64| (now as f64 - before as f64) / streams as f64;
        vec![slope(self.server, before.server), slope(self.sockets, before.sockets)]
    }
}
