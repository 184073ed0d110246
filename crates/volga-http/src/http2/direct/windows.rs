//! How much may be sent directly, and to which stream. Pure.
//!
//! A client grants a window to its connection and one to each stream (RFC 9113, section 5.2). `h2`
//! keeps both for what it sends itself. This keeps them for what is sent directly, so that both
//! together never send more than was granted:
//!
//! - **The connection's window is divided.** What the client grants goes into a *pool* from which
//!   direct frames are paid, and `h2` is not told. As soon as anything waits for a window in `h2`,
//!   the pool and every further grant go to `h2`, so nothing waits while there is room.
//! - **`h2` sees a stream's window and a debt.** What a stream sends directly is missing from its
//!   window and not from the one that `h2` sees; the difference is the stream's debt. Grants pay the
//!   debt before `h2` is told of the rest. So `h2` never sees less room than there is, with one
//!   exception: a change of the initial window must not widen what `h2` sees beyond the maximum, so
//!   `h2` may be told of a smaller one, and the debt is then negative until the next grant.

use std::collections::VecDeque;

use super::super::upload_window::SharedUploadWindow;
use crate::limits::MAX_STREAMS;

/// The largest window (section 6.9.1).
const LARGEST: u32 = (1 << 31) - 1;
/// The window of a connection and of each stream at the start (section 6.9.2).
const FIRST: u32 = 65_535;
/// A stream may have ended for `h2` and not yet on the wire, so more are followed than may be open.
const MAX_FOLLOWED: usize = 2 * MAX_STREAMS as usize;
/// No [key](Place::key).
const NO_KEY: u32 = u32::MAX;

/// The windows of a connection.
#[derive(Debug)]
pub(in crate::http2) struct Windows {
    /// Without it, `h2` is told of everything, and everything is sent through it.
    is_direct: bool,
    /// What was granted to the connection and not to `h2`.
    pool: u32,
    /// All of the connection's window, with that of `h2`.
    connection: i64,
    initial: Initial,
    /// What settings say of the initial window that were not acknowledged yet.
    announced: VecDeque<Option<Initial>>,
    /// In the order of their numbers.
    streams: Vec<Stream>,
    newest: u32,
    /// The index of the stream that was asked for last. A message for all of them goes out in about
    /// the order of their numbers.
    last: usize,
    opened: Vec<Place>,
    starts: Starts,
    /// The other direction: how much the client may send.
    pub(in crate::http2) upload: SharedUploadWindow,
}

/// The window with which a stream opens.
#[derive(Clone, Copy, Debug)]
struct Initial {
    /// As the client has set it.
    client: u32,
    /// As `h2` was told.
    h2: u32,
}

/// What became of requests: how many responses have begun, and how many streams were reset before
/// their response had.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(in crate::http2) struct Starts {
    pub(in crate::http2) responses: usize,
    pub(in crate::http2) resets: usize,
}

/// A stream, and where its long-lived body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) struct Place {
    pub(in crate::http2) id: u32,
    key: u32,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    key: u32,
    /// Negative if the client has made the window smaller than what was sent.
    room: i32,
    /// By how much the window that `h2` sees is wider than `room` and `in_h2` together.
    debt: i32,
    /// What `h2` has of its data and has not written yet.
    in_h2: u32,
    has_head: bool,
    is_blocked: bool,
}

/// How data may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) enum SendPath {
    /// This many bytes directly. They are paid for.
    Direct(usize),
    /// This many bytes through `h2`, as soon as it has room for them.
    ViaH2(usize),
    /// Not now: the stream's window is closed. [`Windows::take_opened`] tells when it opens.
    Blocked,
}

/// Whether the first byte of what a body may have could be sent now.
///
/// A body is asked for data only if it could. Otherwise its data would lie in memory until the client
/// opens the window, once for each stream that the client cares to open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::http2) enum FirstByte {
    /// It could be sent directly, and this many bytes with it.
    Direct(usize),
    /// It has to go through `h2`, which knows whether it has room. The stream's window has this many
    /// bytes.
    ViaH2(usize),
    /// The stream's window is closed. [`Windows::take_opened`] tells when it opens.
    Blocked,
}

impl Place {
    /// Where the stream's long-lived body is, if it has one.
    pub(in crate::http2) fn key(self) -> Option<usize> {
        (self.key != NO_KEY).then_some(self.key as usize)
    }
}

impl Windows {
    pub(in crate::http2) fn new(is_direct: bool) -> Self {
        Self {
            is_direct,
            pool: 0,
            connection: i64::from(FIRST),
            initial: Initial { client: FIRST, h2: FIRST },
            announced: VecDeque::new(),
            streams: Vec::new(),
            newest: 0,
            last: 0,
            opened: Vec::new(),
            starts: Starts::default(),
            upload: SharedUploadWindow::new(),
        }
    }

    /// The client has opened this stream, if it is a new one.
    pub(in crate::http2) fn open(&mut self, id: u32) {
        if id <= self.newest || self.streams.len() >= MAX_FOLLOWED {
            // Trailers; or a stream that is left to `h2`.
            return;
        }
        self.newest = id;
        let Initial { client, h2 } = self.initial;
        self.streams.push(Stream {
            id,
            key: NO_KEY,
            room: client as i32,
            debt: h2 as i32 - client as i32,
            in_h2: 0,
            has_head: false,
            is_blocked: false,
        });
    }

    /// The stream has a long-lived body, which is found under this key.
    pub(in crate::http2) fn set_key(&mut self, id: u32, key: usize) {
        if let Some(stream) = self.find(id) {
            stream.key = u32::try_from(key).unwrap_or(NO_KEY);
        }
    }

    /// The response has ended. Returns the stream if it was open.
    pub(in crate::http2) fn close(&mut self, id: u32) -> Option<Place> {
        self.remove(id).map(|stream| stream.place())
    }

    /// One side has reset the stream. Returns it if it was open.
    pub(in crate::http2) fn reset(&mut self, id: u32) -> Option<Place> {
        let stream = self.remove(id)?;
        self.starts.resets += usize::from(!stream.has_head);
        Some(stream.place())
    }

    /// What became of requests since this was last called.
    pub(in crate::http2) fn take_starts(&mut self) -> Starts {
        std::mem::take(&mut self.starts)
    }

    /// The client grants this much to the connection. Returns how much of it, and of what was granted
    /// before, `h2` is told of.
    pub(in crate::http2) fn grant_connection(&mut self, increment: u32, is_h2_short: bool) -> u32 {
        self.connection += i64::from(increment);
        let pool = u64::from(self.pool) + u64::from(increment);
        // `h2` makes an error of a window that is too wide.
        let is_too_much = self.connection > i64::from(LARGEST);
        let is_for_h2 = is_h2_short || is_too_much || !self.is_direct;
        let told = if is_for_h2 { pool.min(u64::from(LARGEST)) } else { 0 };
        self.pool = u32::try_from(pool - told).unwrap_or(LARGEST);
        told as u32
    }

    /// The client grants this much to a stream. Returns how much `h2` is told of.
    pub(in crate::http2) fn grant_stream(&mut self, id: u32, increment: u32) -> u32 {
        let largest = i64::from(LARGEST);
        let acknowledged = self.initial;
        let latest = self.latest_initial();
        let Some(stream) = self.find(id) else { return increment };
        let window = stream.window(acknowledged.client, latest.client);
        if window + i64::from(increment) > largest {
            // `h2` makes an error of this, even if it sees a smaller window than there is.
            return if stream.debt < 0 { LARGEST } else { increment };
        }
        let seen = stream.seen_by_h2(acknowledged.h2, latest.h2);
        let wanted = i64::from(increment) - i64::from(stream.debt);
        let told = wanted.clamp(0, (largest - seen).max(0)) as u32;
        stream.room = stream.room.saturating_add_unsigned(increment);
        stream.debt = (i64::from(stream.debt) + i64::from(told) - i64::from(increment)) as i32;
        if stream.unblock() {
            let place = stream.place();
            self.opened.push(place);
        }
        told
    }

    /// The client has sent settings, perhaps with another window for streams to open with, which
    /// counts once the settings are acknowledged. Returns what `h2` is told instead, if it is told
    /// something else.
    pub(in crate::http2) fn announce(&mut self, initial: Option<u32>) -> Option<u32> {
        let initial = initial.map(|client| Initial { client, h2: self.initial_for_h2(client) });
        self.announced.push_back(initial);
        initial.filter(|initial| initial.h2 != initial.client).map(|initial| initial.h2)
    }

    /// The initial window that `h2` may be told of, so that it sees no stream's window as too wide
    /// because of the stream's debt.
    fn initial_for_h2(&self, client: u32) -> u32 {
        let largest = i64::from(LARGEST);
        let is_too_wide = |stream: &Stream| stream.window(self.initial.client, client) > largest;
        if client > LARGEST || self.streams.iter().any(is_too_wide) {
            // The client breaks the rules, of which `h2` makes an error.
            return client;
        }
        let beyond = |stream: &Stream| stream.seen_by_h2(self.initial.h2, client) - largest;
        let most = self.streams.iter().map(beyond).max().unwrap_or(0).max(0);
        (i64::from(client) - most).max(0) as u32
    }

    fn latest_initial(&self) -> Initial {
        self.announced.iter().rev().find_map(|initial| *initial).unwrap_or(self.initial)
    }

    /// How many settings wait to be acknowledged.
    pub(in crate::http2) fn announced(&self) -> usize {
        self.announced.len()
    }

    /// The first of those settings are acknowledged.
    pub(in crate::http2) fn acknowledge(&mut self) {
        let Some(Some(initial)) = self.announced.pop_front() else { return };
        // Settings that ask for more than the maximum, `h2` does not acknowledge.
        let change = i64::from(initial.client) - i64::from(self.initial.client);
        let seen_change = i64::from(initial.h2) - i64::from(self.initial.h2);
        self.initial = initial;
        for stream in &mut self.streams {
            stream.room = stream.room.saturating_add(change as i32);
            stream.debt = stream.debt.saturating_add((seen_change - change) as i32);
            if stream.unblock() {
                self.opened.push(stream.place());
            }
        }
    }

    /// Everything that the pool has, for `h2`.
    pub(in crate::http2) fn give_back(&mut self) -> u32 {
        std::mem::take(&mut self.pool)
    }

    /// Whether a first byte of the stream could be sent now.
    pub(in crate::http2) fn first_byte(&mut self, id: u32) -> FirstByte {
        let pool = self.pool;
        // The window of a stream that is left to `h2` is known there alone.
        let Some(stream) = self.find_direct(id) else { return FirstByte::ViaH2(usize::MAX) };
        match stream.claim(usize::MAX) {
            SendPath::ViaH2(room) if stream.may_be_direct() && pool > 0 => {
                FirstByte::Direct(room.min(pool as usize))
            }
            SendPath::ViaH2(room) => FirstByte::ViaH2(room),
            _ => FirstByte::Blocked,
        }
    }

    /// The same for a byte that may not be sent directly.
    pub(in crate::http2) fn first_byte_via_h2(&mut self, id: u32) -> FirstByte {
        match self.first_byte(id) {
            FirstByte::Direct(room) => FirstByte::ViaH2(room),
            other => other,
        }
    }

    /// How the stream may send `wanted` bytes, of which there is at least one.
    pub(in crate::http2) fn claim(&mut self, id: u32, wanted: usize) -> SendPath {
        let pool = self.pool;
        let Some(stream) = self.find_direct(id) else { return SendPath::ViaH2(wanted) };
        let via_h2 = stream.claim(wanted);
        let SendPath::ViaH2(part) = via_h2 else { return via_h2 };
        if !stream.may_be_direct() || pool == 0 {
            return via_h2;
        }
        // The body was asked for data because the pool had a byte, so what the pool has is used up
        // before `h2` is asked for more.
        let part = part.min(pool as usize);
        let paid = part as u32;
        stream.room -= paid as i32;
        stream.debt = stream.debt.saturating_add_unsigned(paid);
        self.pool -= paid;
        self.connection -= i64::from(paid);
        SendPath::Direct(part)
    }

    /// How much of these bytes the stream may send through `h2`.
    pub(in crate::http2) fn claim_via_h2(&mut self, id: u32, wanted: usize) -> SendPath {
        self.find_direct(id).map_or(SendPath::ViaH2(wanted), |stream| stream.claim(wanted))
    }

    /// `h2` was given this many bytes of the stream.
    pub(in crate::http2) fn give_h2(&mut self, id: u32, bytes: usize) {
        let Some(stream) = self.find(id) else { return };
        let bytes = bytes.min(LARGEST as usize);
        stream.room = stream.room.saturating_sub(bytes as i32);
        stream.in_h2 = stream.in_h2.saturating_add(bytes as u32);
    }

    /// `h2` has written this many bytes of the stream.
    pub(in crate::http2) fn written(&mut self, id: u32, bytes: u32) {
        self.connection -= i64::from(bytes);
        if let Some(stream) = self.find(id) {
            stream.in_h2 = stream.in_h2.saturating_sub(bytes);
        }
    }

    /// `h2` has written the head of the response.
    pub(in crate::http2) fn written_head(&mut self, id: u32) {
        if let Some(stream) = self.find(id)
            && !stream.has_head
        {
            stream.has_head = true;
            self.starts.responses += 1;
        }
    }

    /// The streams that were [blocked](SendPath::Blocked) and are no more. Each is returned once.
    pub(in crate::http2) fn take_opened(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.opened)
    }

    fn find_direct(&mut self, id: u32) -> Option<&mut Stream> {
        if self.is_direct { self.find(id) } else { None }
    }

    fn find(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.index(id)?;
        self.streams.get_mut(at)
    }

    fn remove(&mut self, id: u32) -> Option<Stream> {
        let at = self.index(id)?;
        Some(self.streams.remove(at))
    }

    fn index(&mut self, id: u32) -> Option<usize> {
        // Mostly the stream that was asked for last, or the one after it.
        let is_at = |at: &usize| self.streams.get(*at).is_some_and(|stream| stream.id == id);
        let near = [self.last, self.last + 1].into_iter().find(is_at);
        let search = || self.streams.binary_search_by_key(&id, |stream| stream.id).ok();
        self.last = near.or_else(search)?;
        Some(self.last)
    }
}

impl Stream {
    fn place(&self) -> Place {
        Place { id: self.id, key: self.key }
    }

    /// A direct frame must not overtake what `h2` has of the stream.
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

    /// Whether the stream was blocked and is no more.
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn ids(places: Vec<Place>) -> Vec<u32> {
        places.into_iter().map(|place| place.id).collect()
    }

    /// A stream that may send directly.
    fn opened(windows: &mut Windows, id: u32) {
        windows.open(id);
        windows.written_head(id);
    }

    #[test]
    fn what_a_client_grants_is_paid_from_and_one_stream_cannot_take_more_than_its_own() {
        let mut windows = Windows::new(true);
        opened(&mut windows, 1);
        assert_eq!(
            windows.claim(1, 100),
            SendPath::ViaH2(100),
            "all of the first window is in `h2`"
        );
        assert_eq!(windows.grant_connection(100_000, false), 0);
        assert_eq!(windows.claim(1, 60_000), SendPath::Direct(60_000));
        assert_eq!(windows.claim(1, 60_000), SendPath::Direct(5_535));
        assert_eq!(windows.claim(1, 1), SendPath::Blocked);
        assert_eq!(windows.claim_via_h2(1, 1), SendPath::Blocked);
        assert_eq!(windows.grant_stream(1, 70_000), 4_465, "after the debt");
        assert_eq!(ids(windows.take_opened()), [1]);
        assert!(windows.take_opened().is_empty());
        assert_eq!(windows.claim(1, 40_000), SendPath::Direct(34_465), "all that the pool has");
        assert_eq!(windows.claim(1, 5_535), SendPath::ViaH2(5_535));
    }

    #[test]
    fn nothing_overtakes_what_h2_has_of_the_stream() {
        let mut windows = Windows::new(true);
        windows.grant_connection(1_000, false);
        windows.open(1);
        assert_eq!(windows.claim(1, 10), SendPath::ViaH2(10), "there is no head yet");
        windows.written_head(1);
        windows.give_h2(1, 10);
        assert_eq!(windows.claim(1, 10), SendPath::ViaH2(10));
        windows.written(1, 4);
        assert_eq!(windows.claim(1, 10), SendPath::ViaH2(10));
        windows.written(1, 6);
        assert_eq!(windows.claim(1, 10), SendPath::Direct(10));
    }

    #[test]
    fn whatever_is_granted_is_for_h2_while_it_is_short() {
        let mut windows = Windows::new(true);
        windows.grant_connection(1_000, false);
        assert_eq!(windows.grant_connection(500, true), 1_500);
        windows.grant_connection(70, false);
        assert_eq!(windows.give_back(), 70);
        assert_eq!(windows.give_back(), 0);
    }

    #[test]
    fn a_grant_too_large_is_one_for_h2_too() {
        let mut windows = Windows::new(true);
        assert_eq!(windows.grant_connection(LARGEST - FIRST, false), 0);
        let told = windows.grant_connection(1, false);
        assert!(i64::from(FIRST) + i64::from(told) > i64::from(LARGEST), "{told}");

        opened(&mut windows, 1);
        let told = windows.grant_stream(1, LARGEST);
        assert!(i64::from(FIRST) + i64::from(told) > i64::from(LARGEST), "{told}");
    }

    #[test]
    fn another_window_counts_once_it_is_acknowledged_and_may_be_less_than_nothing() {
        let mut windows = Windows::new(true);
        opened(&mut windows, 1);
        windows.grant_connection(100_000, false);
        assert_eq!(windows.claim(1, 65_000), SendPath::Direct(65_000));
        windows.announce(Some(1_000));
        windows.announce(None);
        windows.announce(Some(66_000));
        assert_eq!(windows.announced(), 3);
        assert_eq!(windows.claim(1, 35), SendPath::Direct(35));
        windows.acknowledge();
        assert_eq!(windows.claim(1, 1), SendPath::Blocked);
        windows.acknowledge();
        assert!(windows.take_opened().is_empty());
        windows.acknowledge();
        assert_eq!(ids(windows.take_opened()), [1]);
        assert_eq!(windows.claim(1, 1_000), SendPath::Direct(965));
        opened(&mut windows, 3);
        windows.grant_connection(100_000, false);
        assert_eq!(windows.claim(3, 100_000), SendPath::Direct(66_000));
    }

    #[test]
    fn a_stream_that_is_not_followed_is_left_to_h2() {
        let mut windows = Windows::new(true);
        windows.grant_connection(1_000, false);
        for stream in (1..).step_by(2).take(MAX_FOLLOWED + 1) {
            windows.open(stream);
        }
        assert_eq!(windows.streams.len(), MAX_FOLLOWED);
        let beyond = 2 * MAX_FOLLOWED as u32 + 1;
        assert_eq!(windows.claim(beyond, 10), SendPath::ViaH2(10));
        assert!(windows.close(1).is_some());
        assert!(windows.close(1).is_none());
        windows.open(1);
        assert_eq!(windows.claim(1, 10), SendPath::ViaH2(10), "its trailers do not open it again");
        assert_eq!(windows.grant_stream(1, 10), 10);
    }

    /// What may happen, with streams by their place.
    #[derive(Clone, Debug)]
    enum Act {
        Open,
        Close(usize),
        GrantConnection(u32),
        GrantStream(usize, u32),
        Settings(u32),
        Acknowledge,
        Send(usize, usize),
        Write,
    }

    fn act() -> impl Strategy<Value = Act> {
        let size = || prop_oneof![0..300u32, 0..100_000u32, 0..=LARGEST];
        prop_oneof![
            Just(Act::Open),
            (0..8usize).prop_map(Act::Close),
            size().prop_map(Act::GrantConnection),
            (0..8usize, size()).prop_map(|(at, size)| Act::GrantStream(at, size)),
            prop_oneof![0..100u32, 0..200_000u32, 0..=LARGEST, Just(LARGEST)]
                .prop_map(Act::Settings),
            Just(Act::Acknowledge),
            (0..8usize, 1..20_000usize).prop_map(|(at, size)| Act::Send(at, size)),
            (0..8usize, 1..20_000usize).prop_map(|(at, size)| Act::Send(at, size)),
            Just(Act::Write),
        ]
    }

    /// The windows as somebody sees them.
    #[derive(Default)]
    struct View {
        connection: i64,
        streams: BTreeMap<u32, i64>,
    }

    impl View {
        fn send(&mut self, id: u32, bytes: i64) {
            self.connection -= bytes;
            let stream = self.streams.get_mut(&id).expect("an open stream");
            *stream -= bytes;
            assert!(self.connection >= 0 && *stream >= 0, "more than was granted");
        }

        fn check(&self) {
            let all = self.streams.values().chain([&self.connection]);
            assert!(all.into_iter().all(|&window| window <= i64::from(LARGEST)), "too wide");
        }
    }

    /// The client's windows and what `h2` sees of them, as plain books beside the [`Windows`].
    struct Model {
        windows: Windows,
        client: View,
        h2: View,
        newest: u32,
        /// The initial windows that are acknowledged: the client's and the one that `h2` was told.
        initial: (i64, i64),
        announced: VecDeque<(u32, u32)>,
        /// What `h2` reads after the settings before it: grants, and further settings.
        unread: VecDeque<Unread>,
        in_h2: VecDeque<(u32, i64)>,
    }

    #[derive(Clone, Copy, Debug)]
    enum Unread {
        Grant(u32, i64),
        Initial(i64),
    }

    impl Model {
        fn new() -> Self {
            let first = i64::from(FIRST);
            let view = || View { connection: first, ..View::default() };
            Self {
                windows: Windows::new(true),
                client: view(),
                h2: view(),
                newest: 0,
                initial: (first, first),
                announced: VecDeque::new(),
                unread: VecDeque::new(),
                in_h2: VecDeque::new(),
            }
        }

        fn at(&self, at: usize) -> Option<u32> {
            self.client.streams.keys().copied().nth(at)
        }

        /// The initial window that the client last announced.
        fn latest(&self) -> i64 {
            self.announced.back().map_or(self.initial.0, |(client, _)| i64::from(*client))
        }

        /// The widest that a stream's window is before or after the announced settings, what `h2` has
        /// and not written included.
        fn widest(&self, id: u32) -> i64 {
            let values = self.announced.iter().map(|(client, _)| i64::from(*client));
            let most = values.chain([self.initial.0]).max().unwrap_or_default();
            self.client.streams[&id] + self.held(id) + most - self.initial.0
        }

        fn held(&self, id: u32) -> i64 {
            self.in_h2.iter().filter(|(stream, _)| *stream == id).map(|(_, held)| held).sum()
        }

        fn act(&mut self, act: Act) {
            match act {
                Act::Open => {
                    self.newest = if self.newest == 0 { 1 } else { self.newest + 2 };
                    opened(&mut self.windows, self.newest);
                    self.client.streams.insert(self.newest, self.initial.0);
                    self.h2.streams.insert(self.newest, self.initial.1);
                }
                Act::Close(at) => {
                    let Some(id) = self.at(at) else { return };
                    self.windows.close(id);
                    self.client.streams.remove(&id);
                    self.h2.streams.remove(&id);
                    self.in_h2.retain(|&(stream, _)| stream != id);
                }
                Act::GrantConnection(more) => {
                    let more = more.min((i64::from(LARGEST) - self.client.connection) as u32);
                    self.client.connection += i64::from(more);
                    self.h2.connection += i64::from(self.windows.grant_connection(more, false));
                }
                Act::GrantStream(at, more) => {
                    let Some(id) = self.at(at) else { return };
                    let room = (i64::from(LARGEST) - self.widest(id)).max(0);
                    let more = more.min(room as u32);
                    if more == 0 {
                        return;
                    }
                    *self.client.streams.get_mut(&id).expect("it is open") += i64::from(more);
                    let told = i64::from(self.windows.grant_stream(id, more));
                    self.unread.push_back(Unread::Grant(id, told));
                    self.read_grants();
                }
                Act::Settings(value) => {
                    let room = |id: &u32| i64::from(LARGEST) - (self.widest(*id) - self.latest());
                    let most = self.client.streams.keys().map(room).min().unwrap_or(i64::MAX);
                    let value = i64::from(value).min(most).max(0) as u32;
                    let told = self.windows.announce(Some(value)).unwrap_or(value);
                    self.announced.push_back((value, told));
                    self.unread.push_back(Unread::Initial(i64::from(told)));
                }
                Act::Acknowledge => {
                    let Some((client, h2)) = self.announced.pop_front() else { return };
                    self.windows.acknowledge();
                    let change = i64::from(client) - self.initial.0;
                    self.client.streams.values_mut().for_each(|window| *window += change);
                    let read = self.unread.pop_front();
                    assert!(matches!(read, Some(Unread::Initial(told)) if told == i64::from(h2)));
                    let change = i64::from(h2) - self.initial.1;
                    self.h2.streams.values_mut().for_each(|window| *window += change);
                    self.initial = (i64::from(client), i64::from(h2));
                    self.check();
                    self.read_grants();
                }
                Act::Send(at, bytes) => {
                    let Some(id) = self.at(at) else { return };
                    match self.windows.claim(id, bytes) {
                        SendPath::Direct(sent) => self.client.send(id, sent as i64),
                        SendPath::Blocked => {
                            assert!(self.client.streams[&id] <= 0, "it has room");
                        }
                        SendPath::ViaH2(wanted) => self.send_via_h2(id, wanted as i64),
                    }
                }
                Act::Write => {
                    let Some((id, sent)) = self.in_h2.pop_front() else { return };
                    self.windows.written(id, sent as u32);
                }
            }
            self.check();
        }

        /// `h2` keeps in a stream's window what it has of the stream and has not written.
        fn check(&self) {
            self.h2.check();
            for (id, window) in &self.h2.streams {
                assert!(window + self.held(*id) <= i64::from(LARGEST), "too wide");
            }
        }

        /// `h2` reads the grants up to the next settings.
        fn read_grants(&mut self) {
            while let Some(Unread::Grant(id, told)) = self.unread.front().copied() {
                self.unread.pop_front();
                if let Some(window) = self.h2.streams.get_mut(&id) {
                    *window += told;
                    self.check();
                }
            }
        }

        fn send_via_h2(&mut self, id: u32, wanted: i64) {
            if self.h2.connection < wanted {
                self.h2.connection += i64::from(self.windows.give_back());
                let held: i64 = self.in_h2.iter().map(|&(_, held)| held).sum();
                assert!(self.h2.connection >= self.client.connection - held);
            }
            let sent = wanted.min(self.h2.connection).min(self.h2.streams[&id]);
            if sent > 0 {
                self.windows.give_h2(id, sent as usize);
                self.h2.send(id, sent);
                self.client.send(id, sent);
                self.in_h2.push_back((id, sent));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn nobody_sends_more_than_was_granted_and_h2_never_sees_a_window_too_wide(
            acts in prop::collection::vec(act(), 0..200),
        ) {
            let mut model = Model::new();
            acts.into_iter().for_each(|act| model.act(act));
        }
    }

    #[test]
    fn a_debt_does_not_make_a_legal_initial_window_too_wide_for_h2() {
        let mut windows = Windows::new(true);
        opened(&mut windows, 1);
        windows.grant_connection(2_000_000, false);
        assert_eq!(windows.grant_stream(1, 1_000_000), 1_000_000);
        assert_eq!(windows.claim(1, 1_065_535), SendPath::Direct(1_065_535));
        // For the client the window is empty, and for `h2` it has 1,065,535 bytes.
        let told = windows.announce(Some(LARGEST)).expect("less than that");
        assert_eq!(told, LARGEST - 1_000_000);
        windows.acknowledge();
        assert_eq!(windows.claim(1, usize::MAX), SendPath::Direct(934_465), "all of the pool");
        opened(&mut windows, 3);
        assert_eq!(windows.claim(3, usize::MAX), SendPath::ViaH2(LARGEST as usize));
        windows.give_h2(3, 1_000_000);
        windows.written(3, 1_000_000);
        assert_eq!(windows.grant_stream(3, 1), 1_000_001, "what `h2` was not told before");
    }
}
