//! Connections in memory for the fuzz targets. This module exists only in fuzzing builds, so it is
//! not public API.

use bytes::Bytes;
use tokio::io::DuplexStream;

use crate::connection::info::ConnectionInfo;
use crate::connection::settings::ConnectionSettings;
use crate::connection::task_tracker::task_tracker;
use crate::drain::client_timeouts::ClientTimeouts;
use crate::drain::handle::Drain;
use crate::exchange::service::{ConnectionService, HttpService};
use crate::http1::{Http1, NextStage};

/// Serves an HTTP/1 connection through all its stages.
pub async fn serve_http1<S: HttpService>(io: DuplexStream, service: S) {
    let settings = ConnectionSettings::DEFAULT;
    let http1 = Http1::new(settings, ClientTimeouts::new(&settings, Drain::new()));
    let address = ([127, 0, 0, 1], 1).into();
    let make_service = || ConnectionService {
        service: service.clone(),
        info: Some(ConnectionInfo::tcp(address, address)),
    };
    let mut next = http1.serve(io, Bytes::new(), make_service()).await;
    loop {
        next = match next {
            NextStage::Closed | NextStage::Serve(..) | NextStage::Tunnel(_) => return,
            NextStage::Stream(stream) => Box::into_pin(stream).await,
            NextStage::Requests(io, received) => http1.serve(io, received, make_service()).await,
            NextStage::Linger(io) => return http1.linger(io).await,
            NextStage::SendRest(io, unsent) => return http1.send_rest(io, *unsent).await,
        };
    }
}

/// Serves an HTTP/2 connection, from its preface until it and all tasks that it started have ended,
/// with or without the direct data path.
pub async fn serve_http2<S: HttpService>(io: DuplexStream, service: S, direct_data: bool) {
    let address = ([127, 0, 0, 1], 1).into();
    let service = ConnectionService { service, info: Some(ConnectionInfo::tcp(address, address)) };
    let (token, waiter) = task_tracker();
    let settings =
        ConnectionSettings { http2_direct_data: direct_data, ..ConnectionSettings::DEFAULT };
    let timeouts = ClientTimeouts::new(&settings, Drain::new());
    crate::http2::serve(io, service, settings, &timeouts, token).await;
    waiter.wait().await;
}
