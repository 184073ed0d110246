//! The state that the tasks of one connection share.

use std::sync::atomic::AtomicU64;
use std::sync::{Mutex, PoisonError};

use quinn::Connection;
use volga_http::protocol::ClientWaits;

use crate::settings::ClientSettings;
use crate::webtransport::table::SessionTable;

/// A connection, its time limits, and what its client has said so far.
#[derive(Debug)]
pub(crate) struct SharedConnection {
    pub(crate) quic: Connection,
    pub(crate) waits: ClientWaits,
    pub(crate) unique_streams: UniqueStreams,
    /// The largest head that the client accepts.
    pub(crate) max_field_section_size: AtomicU64,
    /// `None` if the server accepts no WebTransport sessions.
    pub(crate) sessions: Option<SessionTable>,
}

impl SharedConnection {
    pub(crate) fn new(
        quic: Connection,
        waits: ClientWaits,
        sessions: Option<SessionTable>,
    ) -> Self {
        Self {
            quic,
            waits,
            unique_streams: UniqueStreams::default(),
            max_field_section_size: AtomicU64::new(ClientSettings::DEFAULT.max_field_section_size),
            sessions,
        }
    }
}

/// The streams that a client may open only once.
#[derive(Debug, Default)]
pub(crate) struct UniqueStreams(Mutex<[bool; 3]>);

impl UniqueStreams {
    /// Notes that a stream was opened. Returns false if there was one already.
    pub(crate) fn open(&self, index: usize) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        !std::mem::replace(&mut open[index], true)
    }
}
