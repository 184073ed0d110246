//! Decides how much may be sent directly, and on which stream. Pure.
//!
//! A client grants a window to its connection and one to each stream (RFC 9113, section 5.2). `h2`
//! keeps account of the data that it sends itself. This module keeps account of the data that is
//! sent directly, so that both together never send more than the client has granted:
//!
//! - **The connection's window is divided.** The client's grants go into a *pool* that pays for
//!   direct frames, and `h2` is not told of them. As soon as any stream waits for a window in `h2`,
//!   the pool and every further grant go to `h2`. So no stream waits while the window is open.
//! - **`h2` sees a stream's window plus a debt.** When a stream sends directly, its real window
//!   shrinks and the window that `h2` sees does not. The difference is the stream's debt. Grants
//!   pay the debt first, and `h2` is told of the rest. So `h2` never sees a smaller window than
//!   there is, with one exception. A change of the initial window must not widen the window that
//!   `h2` sees beyond the maximum, so `h2` may be told of a smaller initial window. The debt is
//!   then negative until the next grant.

use std::collections::VecDeque;

use super::super::upload_window::SharedUploadWindow;
use crate::limits::MAX_STREAMS;

/// The largest window (section 6.9.1).
const LARGEST: u32 = (1 << 31) - 1;
/// The window of a connection and of each stream at the start (section 6.9.2).
const FIRST: u32 = 65_535;
/// A stream may have ended in `h2` while its last frame is not written yet, so more streams are
/// followed than may be open.
const MAX_FOLLOWED: usize = 2 * MAX_STREAMS as usize;
/// Stands for no [key](StreamRef::key).
const NO_KEY: u16 = u16::MAX;

/// The windows of a connection.
#[derive(Debug)]
pub(in crate::http2) struct Windows {
    /// If false, `h2` is told of every grant, and all data is sent through it.
    is_direct: bool,
    /// The pool: grants to the connection that `h2` was not told of.
    pool: u32,
    /// The connection's whole window, including the part of `h2`.
    connection: i64,
    initial: InitialWindow,
    /// The initial windows in settings that were not acknowledged yet.
    announced: VecDeque<Option<InitialWindow>>,
    /// In the order of the stream IDs.
    streams: Vec<StreamWindow>,
    newest: u32,
    /// The index of the stream that was looked up last. A message for many streams goes out roughly
    /// in the order of their IDs, so the next lookup usually hits it or the stream after it.
    last: usize,
    opened: Vec<StreamRef>,
    request_counts: RequestCounts,
    /// The window in the other direction: how much the client may send.
    pub(in crate::http2) upload: SharedUploadWindow,
}

/// The window with which a stream opens.
#[derive(Clone, Copy, Debug)]
struct InitialWindow {
    /// As set by the client.
    client: u32,
    /// As `h2` was told.
    h2: u32,
}

/// How many responses have begun, and how many streams were reset before their response began.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::http2) struct RequestCounts {
    pub(in crate::http2) responses: usize,
    pub(in crate::http2) resets: usize,
}

/// A stream, and the key of its long-lived body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) struct StreamRef {
    pub(in crate::http2) id: u32,
    key: u16,
}

#[derive(Debug)]
struct StreamWindow {
    id: u32,
    /// Negative if the client has made the window smaller than what was sent.
    room: i32,
    /// How much wider the window that `h2` sees is than `room` and `in_h2` together.
    debt: i32,
    /// How many bytes of the stream `h2` holds and has not written yet.
    in_h2: u32,
    // A connection has far fewer streams, and a wider key would add 4 bytes to each of them.
    key: u16,
    has_head: bool,
    is_blocked: bool,
}

/// How data may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) enum SendPath {
    /// This many bytes directly. The windows were charged for them.
    Direct(usize),
    /// This many bytes through `h2`, as soon as `h2` has room for them.
    ViaH2(usize),
    /// Not now, because the stream's window is closed. [`Windows::take_opened`] reports when it
    /// opens.
    Blocked,
}

/// Whether the first byte of a body's next data could be sent now.
///
/// A body is polled only if that is the case. Otherwise its data would wait in memory until the
/// client opens the window, for every stream that the client has opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) enum FirstByte {
    /// It could be sent directly, together with this many bytes in total.
    Direct(usize),
    /// It has to go through `h2`, which knows whether it has room. The stream's window has this
    /// many bytes.
    ViaH2(usize),
    /// The stream's window is closed. [`Windows::take_opened`] tells when it opens.
    Blocked,
}

impl StreamRef {
    /// The key of the stream's long-lived body, if it has one.
    pub(in crate::http2) fn key(self) -> Option<usize> {
        (self.key != NO_KEY).then_some(usize::from(self.key))
    }
}

impl Windows {
    pub(in crate::http2) fn new(is_direct: bool) -> Self {
        Self {
            is_direct,
            pool: 0,
            connection: i64::from(FIRST),
            initial: InitialWindow { client: FIRST, h2: FIRST },
            announced: VecDeque::new(),
            streams: Vec::new(),
            newest: 0,
            last: 0,
            opened: Vec::new(),
            request_counts: RequestCounts::default(),
            upload: SharedUploadWindow::new(),
        }
    }

    /// Notes that the client has sent HEADERS on this stream, which opens it if it is new.
    pub(in crate::http2) fn open(&mut self, id: u32) {
        if id <= self.newest || self.streams.len() >= MAX_FOLLOWED {
            // The stream is known, so these are trailers; or the stream is left to `h2`.
            return;
        }
        self.newest = id;
        let InitialWindow { client, h2 } = self.initial;
        self.streams.push(StreamWindow {
            id,
            room: client as i32,
            debt: h2 as i32 - client as i32,
            in_h2: 0,
            key: NO_KEY,
            has_head: false,
            is_blocked: false,
        });
    }

    /// Notes that the stream has a long-lived body, with this key.
    pub(in crate::http2) fn set_key(&mut self, id: u32, key: usize) {
        if let Some(stream) = self.find(id) {
            stream.key = u16::try_from(key).unwrap_or(NO_KEY);
        }
    }

    /// Notes the end of the response. Returns the stream if it was open.
    pub(in crate::http2) fn close(&mut self, id: u32) -> Option<StreamRef> {
        self.remove(id).map(|stream| stream.stream_ref())
    }

    /// Notes that one side has reset the stream. Returns it if it was open.
    pub(in crate::http2) fn reset(&mut self, id: u32) -> Option<StreamRef> {
        let stream = self.remove(id)?;
        self.request_counts.resets += usize::from(!stream.has_head);
        Some(stream.stream_ref())
    }

    /// The counts since this was last called.
    pub(in crate::http2) fn take_request_counts(&mut self) -> RequestCounts {
        std::mem::take(&mut self.request_counts)
    }

    /// Notes a grant to the connection. Returns how much of the grants, this one and earlier ones,
    /// `h2` is told of.
    pub(in crate::http2) fn grant_connection(
        &mut self,
        increment: u32,
        is_waiting_in_h2: bool,
    ) -> u32 {
        self.connection += i64::from(increment);
        let pool = u64::from(self.pool) + u64::from(increment);
        // `h2` reports a window that is too wide as an error.
        let is_too_much = self.connection > i64::from(LARGEST);
        let is_for_h2 = is_waiting_in_h2 || is_too_much || !self.is_direct;
        let told = if is_for_h2 { pool.min(u64::from(LARGEST)) } else { 0 };
        self.pool = u32::try_from(pool - told).unwrap_or(LARGEST);
        told as u32
    }

    /// Notes a grant to a stream. Returns how much of it `h2` is told of.
    pub(in crate::http2) fn grant_stream(&mut self, id: u32, increment: u32) -> u32 {
        let largest = i64::from(LARGEST);
        let acknowledged = self.initial;
        let latest = self.latest_initial();
        let Some(stream) = self.find(id) else { return increment };
        let window = stream.window(acknowledged.client, latest.client);
        if window + i64::from(increment) > largest {
            // `h2` reports this as an error even if it sees a smaller window than there is.
            return if stream.debt < 0 { LARGEST } else { increment };
        }
        let seen = stream.seen_by_h2(acknowledged.h2, latest.h2);
        let wanted = i64::from(increment) - i64::from(stream.debt);
        let told = wanted.clamp(0, (largest - seen).max(0)) as u32;
        stream.room = stream.room.saturating_add_unsigned(increment);
        stream.debt = (i64::from(stream.debt) + i64::from(told) - i64::from(increment)) as i32;
        if stream.unblock() {
            let opened = stream.stream_ref();
            self.opened.push(opened);
        }
        told
    }

    /// Notes settings of the client, perhaps with another initial window, which applies once the
    /// settings are acknowledged. Returns the initial window that `h2` is told of, if it is another
    /// one.
    pub(in crate::http2) fn announce(&mut self, initial: Option<u32>) -> Option<u32> {
        let initial =
            initial.map(|client| InitialWindow { client, h2: self.initial_for_h2(client) });
        self.announced.push_back(initial);
        initial.filter(|initial| initial.h2 != initial.client).map(|initial| initial.h2)
    }

    /// The initial window that `h2` may be told of, so that no stream's debt makes a window too
    /// wide for `h2`.
    fn initial_for_h2(&self, client: u32) -> u32 {
        let largest = i64::from(LARGEST);
        let is_too_wide =
            |stream: &StreamWindow| stream.window(self.initial.client, client) > largest;
        if client > LARGEST || self.streams.iter().any(is_too_wide) {
            // The client breaks the rules, and `h2` reports the error.
            return client;
        }
        let beyond = |stream: &StreamWindow| stream.seen_by_h2(self.initial.h2, client) - largest;
        let most = self.streams.iter().map(beyond).max().unwrap_or(0).max(0);
        (i64::from(client) - most).max(0) as u32
    }

    fn latest_initial(&self) -> InitialWindow {
        self.announced.iter().rev().find_map(|initial| *initial).unwrap_or(self.initial)
    }

    /// How many settings wait to be acknowledged.
    pub(in crate::http2) fn pending_settings(&self) -> usize {
        self.announced.len()
    }

    /// Notes that the oldest of those settings are acknowledged.
    pub(in crate::http2) fn acknowledge(&mut self) {
        let Some(Some(initial)) = self.announced.pop_front() else { return };
        // `h2` does not acknowledge settings that exceed the maximum.
        let change = i64::from(initial.client) - i64::from(self.initial.client);
        let seen_change = i64::from(initial.h2) - i64::from(self.initial.h2);
        self.initial = initial;
        for stream in &mut self.streams {
            stream.room = stream.room.saturating_add(change as i32);
            stream.debt = stream.debt.saturating_add((seen_change - change) as i32);
            if stream.unblock() {
                self.opened.push(stream.stream_ref());
            }
        }
    }

    /// Takes the whole pool, for `h2`.
    pub(in crate::http2) fn give_back(&mut self) -> u32 {
        std::mem::take(&mut self.pool)
    }

    /// Whether a first byte of the stream could be sent now.
    pub(in crate::http2) fn first_byte(&mut self, id: u32) -> FirstByte {
        let pool = self.pool;
        // Only `h2` knows the window of a stream that is left to it.
        let Some(stream) = self.find_direct(id) else { return FirstByte::ViaH2(usize::MAX) };
        match stream.claim(usize::MAX) {
            SendPath::ViaH2(room) if stream.may_be_direct() && pool > 0 => {
                FirstByte::Direct(room.min(pool as usize))
            }
            SendPath::ViaH2(room) => FirstByte::ViaH2(room),
            _ => FirstByte::Blocked,
        }
    }

    /// Like [`first_byte`](Self::first_byte), for a byte that may not be sent directly.
    pub(in crate::http2) fn first_byte_via_h2(&mut self, id: u32) -> FirstByte {
        match self.first_byte(id) {
            FirstByte::Direct(room) => FirstByte::ViaH2(room),
            other => other,
        }
    }

    /// How the stream may send `wanted` bytes, which must not be 0.
    pub(in crate::http2) fn claim(&mut self, id: u32, wanted: usize) -> SendPath {
        let pool = self.pool;
        let Some(stream) = self.find_direct(id) else { return SendPath::ViaH2(wanted) };
        let via_h2 = stream.claim(wanted);
        let SendPath::ViaH2(part) = via_h2 else { return via_h2 };
        if !stream.may_be_direct() || pool == 0 {
            return via_h2;
        }
        // The body was polled because the pool had a byte, so the pool is used up before data goes
        // through `h2`.
        let part = part.min(pool as usize);
        stream.charge(part as u32);
        self.pool -= part as u32;
        self.connection -= part as i64;
        SendPath::Direct(part)
    }

    /// Charges the windows for this many bytes, which are not more than
    /// [`first_byte`](Self::first_byte) has just granted.
    pub(in crate::http2) fn charge(&mut self, id: u32, granted: usize) {
        let Some(stream) = self.find(id) else { return };
        stream.charge(granted as u32);
        self.pool = self.pool.saturating_sub(granted as u32);
        self.connection -= granted as i64;
    }

    /// How many of these bytes the stream may send through `h2`.
    pub(in crate::http2) fn claim_via_h2(&mut self, id: u32, wanted: usize) -> SendPath {
        self.find_direct(id).map_or(SendPath::ViaH2(wanted), |stream| stream.claim(wanted))
    }

    /// Notes that `h2` was given this many bytes of the stream.
    pub(in crate::http2) fn give_h2(&mut self, id: u32, bytes: usize) {
        let Some(stream) = self.find(id) else { return };
        let bytes = bytes.min(LARGEST as usize);
        stream.room = stream.room.saturating_sub(bytes as i32);
        stream.in_h2 = stream.in_h2.saturating_add(bytes as u32);
    }

    /// Notes that `h2` has written this many bytes of the stream.
    pub(in crate::http2) fn note_sent(&mut self, id: u32, bytes: u32) {
        self.connection -= i64::from(bytes);
        if let Some(stream) = self.find(id) {
            stream.in_h2 = stream.in_h2.saturating_sub(bytes);
        }
    }

    /// Notes that `h2` has written the head of the response.
    pub(in crate::http2) fn note_head_sent(&mut self, id: u32) {
        if let Some(stream) = self.find(id)
            && !stream.has_head
        {
            stream.has_head = true;
            self.request_counts.responses += 1;
        }
    }

    /// The streams that were [blocked](SendPath::Blocked) and are not any more. Each is returned
    /// once.
    pub(in crate::http2) fn take_opened(&mut self) -> Vec<StreamRef> {
        std::mem::take(&mut self.opened)
    }

    fn find_direct(&mut self, id: u32) -> Option<&mut StreamWindow> {
        if self.is_direct { self.find(id) } else { None }
    }

    fn find(&mut self, id: u32) -> Option<&mut StreamWindow> {
        let at = self.index(id)?;
        self.streams.get_mut(at)
    }

    fn remove(&mut self, id: u32) -> Option<StreamWindow> {
        let at = self.index(id)?;
        Some(self.streams.remove(at))
    }

    fn index(&mut self, id: u32) -> Option<usize> {
        // Usually this is the stream that was looked up last, or the one after it.
        let is_at = |at: &usize| self.streams.get(*at).is_some_and(|stream| stream.id == id);
        let near = [self.last, self.last + 1].into_iter().find(is_at);
        let search = || self.streams.binary_search_by_key(&id, |stream| stream.id).ok();
        self.last = near.or_else(search)?;
        Some(self.last)
    }
}

impl StreamWindow {
    fn stream_ref(&self) -> StreamRef {
        StreamRef { id: self.id, key: self.key }
    }

    /// A direct frame must not overtake the stream's data in `h2`.
    fn may_be_direct(&self) -> bool {
        self.has_head && self.in_h2 == 0
    }

    fn claim(&mut self, wanted: usize) -> SendPath {
        match usize::try_from(self.room) {
            Ok(room @ 1..) => SendPath::ViaH2(wanted.min(room)),
            _ => {
                self.is_blocked = true;
                SendPath::Blocked
            }
        }
    }

    /// Pays for bytes that are sent directly.
    fn charge(&mut self, bytes: u32) {
        self.room = self.room.saturating_sub_unsigned(bytes);
        self.debt = self.debt.saturating_add_unsigned(bytes);
    }

    /// Whether the stream was blocked and is not any more.
    fn unblock(&mut self) -> bool {
        let is_open = self.is_blocked && self.room > 0;
        self.is_blocked &= !is_open;
        is_open
    }

    /// The stream's window, once the initial window changes between these values.
    fn window(&self, from: u32, to: u32) -> i64 {
        i64::from(self.room) + i64::from(self.in_h2) + i64::from(to) - i64::from(from)
    }

    /// The stream's window as `h2` sees it, once the initial window that `h2` knows changes between
    /// these values.
    fn seen_by_h2(&self, from: u32, to: u32) -> i64 {
        self.window(from, to) + i64::from(self.debt)
    }
}

#[cfg(test)]
mod tests;
