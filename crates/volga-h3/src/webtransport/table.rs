//! `SessionTable`: finds the session for each stream and each datagram of a connection.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::Notify;
use volga_http::Drain;
use volga_http::protocol::{ClientWaits, ServerSettings};

use super::arrivals::ArrivedStream;
use super::codes;
use super::state::SessionState;
use crate::code::Code;
use crate::limits::{
    DATAGRAM_OVERHEAD, MAX_EARLY_WEBTRANSPORT_DATAGRAMS, MAX_EARLY_WEBTRANSPORT_STREAMS,
    MAX_WEBTRANSPORT_SESSIONS,
};
use crate::varint;

/// How many of the last sessions that have ended are remembered, so that their late streams are
/// rejected at once.
const REMEMBERED: usize = 64;

/// The sessions of a connection.
#[derive(Debug)]
pub(crate) struct SessionTable {
    table: Mutex<Table>,
    /// Told when a session begins or ends.
    changed: Notify,
    pub(crate) drain: Drain,
    pub(crate) drain_deadline: Duration,
}

#[derive(Debug, Default)]
struct Table {
    /// `None` while the service has not responded.
    sessions: HashMap<u64, Option<Arc<SessionState>>>,
    ended: VecDeque<u64>,
    /// How many streams wait for their session.
    early_streams: usize,
    early_datagrams: VecDeque<(u64, Bytes)>,
    early_bytes: usize,
}

enum Found {
    Session(Arc<SessionState>),
    Ended,
    Unknown,
}

impl Table {
    fn find(&self, id: u64) -> Found {
        match self.sessions.get(&id) {
            Some(Some(session)) => Found::Session(Arc::clone(session)),
            None if self.ended.contains(&id) => Found::Ended,
            Some(None) | None => Found::Unknown,
        }
    }
}

impl SessionTable {
    pub(crate) fn new(settings: &ServerSettings) -> Self {
        Self {
            table: Mutex::default(),
            changed: Notify::new(),
            drain: settings.drain().clone(),
            drain_deadline: settings.drain_deadline(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a session is open, or asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().sessions.is_empty()
    }

    /// Begins a session with the ID of its request's stream. `None` if the connection has too many.
    pub(crate) fn begin(&self, id: u64) -> Option<TableEntry<'_>> {
        let mut table = self.lock();
        if table.sessions.len() >= MAX_WEBTRANSPORT_SESSIONS {
            return None;
        }
        table.sessions.insert(id, None);
        Some(TableEntry { table: self, id })
    }

    /// Hands a stream to its session. If the session is not known yet, this waits for it.
    ///
    /// # Errors
    ///
    /// Returns the code of the connection error if the ID cannot be that of a session.
    pub(crate) async fn deliver(
        &self,
        id: u64,
        stream: ArrivedStream,
        waits: &ClientWaits,
    ) -> Result<(), Code> {
        if !is_session_id(id) {
            return Err(Code::ID_ERROR);
        }
        match self.find_later(id, waits).await {
            Ok(session) => session.add_stream(stream),
            Err(code) => stream.reject(code),
        }
        Ok(())
    }

    async fn find_later(&self, id: u64, waits: &ClientWaits) -> Result<Arc<SessionState>, Code> {
        let early = {
            let mut table = self.lock();
            match table.find(id) {
                Found::Session(session) => return Ok(session),
                Found::Ended => return Err(codes::SESSION_GONE),
                Found::Unknown if table.early_streams >= MAX_EARLY_WEBTRANSPORT_STREAMS => {
                    return Err(codes::BUFFERED_STREAM_REJECTED);
                }
                Found::Unknown => {
                    table.early_streams += 1;
                    EarlyStream(self)
                }
            }
        };
        let waiting = async {
            loop {
                let mut changed = pin!(self.changed.notified());
                changed.as_mut().enable();
                let found = self.lock().find(id);
                match found {
                    Found::Session(session) => return Ok(session),
                    Found::Ended => return Err(codes::SESSION_GONE),
                    Found::Unknown => changed.await,
                }
            }
        };
        let mut timer = waits.head();
        let found = tokio::select! {
            biased;
            found = waiting => found,
            () = timer.expired() => Err(codes::BUFFERED_STREAM_REJECTED),
        };
        drop(early);
        found
    }

    /// Hands a datagram to its session, or keeps it for a session that is not known yet.
    ///
    /// # Errors
    ///
    /// Returns the code of the connection error if the datagram is malformed.
    pub(crate) fn add_datagram(&self, mut datagram: Bytes) -> Result<(), Code> {
        let (quarter, length) = varint::read(&datagram).ok_or(Code::DATAGRAM_ERROR)?;
        if quarter > varint::MAX / 4 {
            return Err(Code::DATAGRAM_ERROR);
        }
        datagram.advance(length);
        let id = quarter * 4;
        let mut table = self.lock();
        match table.find(id) {
            Found::Session(session) => {
                drop(table);
                session.add_datagram(datagram);
            }
            Found::Ended => {}
            Found::Unknown => {
                table.early_bytes += datagram.len() + DATAGRAM_OVERHEAD;
                table.early_datagrams.push_back((id, datagram));
                while table.early_bytes > MAX_EARLY_WEBTRANSPORT_DATAGRAMS
                    && let Some((_, oldest)) = table.early_datagrams.pop_front()
                {
                    table.early_bytes -= oldest.len() + DATAGRAM_OVERHEAD;
                }
            }
        }
        Ok(())
    }
}

/// Whether a stream can be the one of a session: a bidirectional stream of a client.
fn is_session_id(id: u64) -> bool {
    id.is_multiple_of(4)
}

/// A stream that waits for its session.
struct EarlyStream<'a>(&'a SessionTable);

impl Drop for EarlyStream<'_> {
    fn drop(&mut self) {
        self.0.lock().early_streams -= 1;
    }
}

/// The entry of a session. Dropping it ends the session for its connection.
pub(crate) struct TableEntry<'a> {
    table: &'a SessionTable,
    id: u64,
}

impl TableEntry<'_> {
    /// Sets the session, which now gets the streams and datagrams that have waited for it.
    pub(crate) fn open(&self, session: &Arc<SessionState>) {
        let mut table = self.table.lock();
        table.sessions.insert(self.id, Some(Arc::clone(session)));
        for datagram in take_datagrams(&mut table, self.id) {
            session.add_datagram(datagram);
        }
        drop(table);
        self.table.changed.notify_waiters();
    }
}

impl Drop for TableEntry<'_> {
    fn drop(&mut self) {
        let mut table = self.table.lock();
        let session = table.sessions.remove(&self.id);
        if table.ended.len() == REMEMBERED {
            table.ended.pop_front();
        }
        table.ended.push_back(self.id);
        drop(take_datagrams(&mut table, self.id));
        drop(table);
        drop(session);
        self.table.changed.notify_waiters();
    }
}

/// Takes the early datagrams of a session.
fn take_datagrams(table: &mut Table, id: u64) -> Vec<Bytes> {
    let mut taken = Vec::new();
    table.early_datagrams.retain(|(of, datagram)| {
        let is_other = *of != id;
        if !is_other {
            taken.push(datagram.clone());
        }
        is_other
    });
    table.early_bytes -= taken.iter().map(|one| one.len() + DATAGRAM_OVERHEAD).sum::<usize>();
    taken
}
