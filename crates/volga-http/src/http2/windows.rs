//! How much may be sent past `h2`, and to whom. Pure.
//!
//! A client grants a window to its connection and one to each stream (RFC 9113, section 5.2). `h2` follows both for what it sends itself; this follows them for
//! what goes past it, so that both together never send more than was granted:
//!
//! - **The connection's window is divided.** What the client grants goes to the *pool*, which frames past `h2` are paid from, and `h2` is told nothing. As soon as
//!   anybody waits for a window in `h2`, the pool and every further grant are given to it, so nothing waits while there is room.
//! - **A stream's window is `h2`'s view of it, less a debt.** What a stream sends past `h2` it owes, and grants pay the debt before `h2` is told of the rest. So `h2` never
//!   sees less room than there is, and its view never grows beyond what a window may be.

use std::collections::VecDeque;

use super::upload_window::UploadWindow;
use crate::limits::MAX_STREAMS;

/// The largest window (section 6.9.1).
const LARGEST: u32 = (1 << 31) - 1;
/// The window of a connection and of each stream at the start (section 6.9.2).
const FIRST: u32 = 65_535;
/// Streams that are over in one view and not yet in the other may be followed beside those that are open.
const MAX_FOLLOWED: usize = 2 * MAX_STREAMS as usize;

/// The windows of a connection.
#[derive(Debug)]
pub(super) struct Windows {
    /// What was granted to the connection and not to `h2`.
    pool: u32,
    /// All of the connection's window, with that of `h2`.
    connection: i64,
    /// The window that a stream opens with.
    initial: u32,
    /// What settings say of it that were not acknowledged yet.
    announced: VecDeque<Option<u32>>,
    /// In the order of their numbers.
    streams: Vec<Stream>,
    newest: u32,
    /// Who comes after the last one that was asked for. A message for all of them goes out in about this order.
    next: usize,
    opened: Vec<u32>,
    /// The other direction: how much the client may send.
    pub(super) upload: UploadWindow,
}

#[derive(Debug)]
struct Stream {
    id: u32,
    /// Less than nothing if the client has made it smaller.
    room: i32,
    debt: u32,
    /// What `h2` has of its data and has not written yet.
    in_h2: u32,
    has_head: bool,
    is_shut: bool,
}

/// How data may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Way {
    /// So many bytes past `h2`. They are paid for.
    Past(usize),
    /// So many bytes through `h2`, as it has room for them.
    Through(usize),
    /// Not now: the stream's window is shut. The stream is [told](Windows::take_opened) when it opens.
    Shut,
}

impl Windows {
    pub(super) fn new() -> Self {
        Self {
            pool: 0,
            connection: i64::from(FIRST),
            initial: FIRST,
            announced: VecDeque::new(),
            streams: Vec::new(),
            newest: 0,
            next: 0,
            opened: Vec::new(),
            upload: UploadWindow::new(),
        }
    }

    /// The client has opened this stream, if it is a new one.
    pub(super) fn open(&mut self, id: u32) {
        if id <= self.newest || self.streams.len() >= MAX_FOLLOWED {
            // Trailers; or a stream that is left to `h2`.
            return;
        }
        self.newest = id;
        let room = self.initial.min(LARGEST) as i32;
        self.streams.push(Stream { id, room, debt: 0, in_h2: 0, has_head: false, is_shut: false });
    }

    /// One side has ended the stream. Returns whether it was open.
    pub(super) fn close(&mut self, id: u32) -> bool {
        let at = self.position(id);
        at.is_some_and(|at| self.streams.remove(at).id == id)
    }

    /// The client grants so much to the connection. Returns how much of it, and of what was granted before, `h2` is told of.
    pub(super) fn grant_connection(&mut self, increment: u32, is_h2_short: bool) -> u32 {
        self.connection += i64::from(increment);
        let pool = u64::from(self.pool) + u64::from(increment);
        // Of too much, `h2` makes an error.
        let is_too_much = self.connection > i64::from(LARGEST);
        let told = if is_h2_short || is_too_much { pool.min(u64::from(LARGEST)) } else { 0 };
        self.pool = u32::try_from(pool - told).unwrap_or(LARGEST);
        told as u32
    }

    /// The client grants so much to a stream. Returns how much `h2` is told of.
    pub(super) fn grant_stream(&mut self, id: u32, increment: u32) -> u32 {
        let Some(stream) = self.find(id) else { return increment };
        if i64::from(stream.room) + i64::from(increment) > i64::from(LARGEST) {
            // It has at least as much in the view of `h2`, which makes an error of it.
            return increment;
        }
        stream.room += increment as i32;
        let paid = stream.debt.min(increment);
        stream.debt -= paid;
        if stream.is_shut && stream.room > 0 {
            stream.is_shut = false;
            self.opened.push(id);
        }
        increment - paid
    }

    /// The client has sent settings, perhaps with another window for streams to open with. It counts once they are acknowledged.
    pub(super) fn announce(&mut self, initial: Option<u32>) {
        self.announced.push_back(initial);
    }

    /// How many settings wait to be acknowledged.
    pub(super) fn announced(&self) -> usize {
        self.announced.len()
    }

    /// The first of those settings are acknowledged.
    pub(super) fn acknowledge(&mut self) {
        let Some(Some(initial)) = self.announced.pop_front() else { return };
        // Settings that ask for more, `h2` does not acknowledge.
        let change = (i64::from(initial) - i64::from(self.initial)) as i32;
        self.initial = initial;
        for stream in &mut self.streams {
            stream.room = stream.room.saturating_add(change);
            if stream.is_shut && stream.room > 0 {
                stream.is_shut = false;
                self.opened.push(stream.id);
            }
        }
    }

    /// Everything that the pool has, for `h2`.
    pub(super) fn give_back(&mut self) -> u32 {
        std::mem::take(&mut self.pool)
    }

    /// How the stream may send these bytes, which are not none.
    pub(super) fn claim(&mut self, id: u32, wanted: usize) -> Way {
        let pool = self.pool;
        let Some(stream) = self.find(id) else { return Way::Through(wanted) };
        let through = stream.claim(wanted);
        let Way::Through(part) = through else { return through };
        let paid = part as u32;
        // What `h2` has of the stream must not be overtaken.
        if !stream.has_head || stream.in_h2 > 0 || pool < paid {
            return through;
        }
        stream.room -= paid as i32;
        stream.debt = stream.debt.saturating_add(paid);
        self.pool -= paid;
        self.connection -= i64::from(paid);
        Way::Past(part)
    }

    /// How much of these bytes the stream may send through `h2`.
    pub(super) fn claim_through(&mut self, id: u32, wanted: usize) -> Way {
        // A stream that is left to `h2` has there what it has.
        self.find(id).map_or(Way::Through(wanted), |stream| stream.claim(wanted))
    }

    /// `h2` was given so many bytes of the stream.
    pub(super) fn give_h2(&mut self, id: u32, bytes: usize) {
        let Some(stream) = self.find(id) else { return };
        let bytes = bytes.min(LARGEST as usize);
        stream.room = stream.room.saturating_sub(bytes as i32);
        stream.in_h2 = stream.in_h2.saturating_add(bytes as u32);
    }

    /// `h2` has written so many bytes of the stream.
    pub(super) fn written(&mut self, id: u32, bytes: u32) {
        self.connection -= i64::from(bytes);
        if let Some(stream) = self.find(id) {
            stream.in_h2 = stream.in_h2.saturating_sub(bytes);
        }
    }

    /// `h2` has written the head of the response.
    pub(super) fn written_head(&mut self, id: u32) {
        if let Some(stream) = self.find(id) {
            stream.has_head = true;
        }
    }

    /// The streams that were [shut](Way::Shut) and are no more. Each is returned once.
    pub(super) fn take_opened(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.opened)
    }

    fn find(&mut self, id: u32) -> Option<&mut Stream> {
        let at = self.position(id)?;
        self.streams.get_mut(at)
    }

    fn position(&mut self, id: u32) -> Option<usize> {
        let is_next = self.streams.get(self.next).is_some_and(|stream| stream.id == id);
        let at = if is_next {
            self.next
        } else {
            self.streams.binary_search_by_key(&id, |stream| stream.id).ok()?
        };
        self.next = at + 1;
        Some(at)
    }
}

impl Stream {
    fn claim(&mut self, wanted: usize) -> Way {
        match usize::try_from(self.room) {
            Ok(room @ 1..) => Way::Through(wanted.min(room)),
            _ => {
                self.is_shut = true;
                Way::Shut
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A stream that may send past `h2`.
    fn opened(windows: &mut Windows, id: u32) {
        windows.open(id);
        windows.written_head(id);
    }

    #[test]
    fn what_a_client_grants_is_paid_from_and_one_stream_cannot_take_more_than_its_own() {
        let mut windows = Windows::new();
        opened(&mut windows, 1);
        assert_eq!(windows.claim(1, 100), Way::Through(100), "all of the first window is in `h2`");
        assert_eq!(windows.grant_connection(100_000, false), 0);
        assert_eq!(windows.claim(1, 60_000), Way::Past(60_000));
        assert_eq!(windows.claim(1, 60_000), Way::Past(5_535));
        assert_eq!(windows.claim(1, 1), Way::Shut);
        assert_eq!(windows.claim_through(1, 1), Way::Shut);
        assert_eq!(windows.grant_stream(1, 70_000), 4_465, "after the debt");
        assert_eq!(windows.take_opened(), [1]);
        assert!(windows.take_opened().is_empty());
        assert_eq!(windows.claim(1, 40_000), Way::Through(40_000), "the pool has less");
    }

    #[test]
    fn nothing_overtakes_what_h2_has_of_the_stream() {
        let mut windows = Windows::new();
        windows.grant_connection(1_000, false);
        windows.open(1);
        assert_eq!(windows.claim(1, 10), Way::Through(10), "there is no head yet");
        windows.written_head(1);
        windows.give_h2(1, 10);
        assert_eq!(windows.claim(1, 10), Way::Through(10));
        windows.written(1, 4);
        assert_eq!(windows.claim(1, 10), Way::Through(10));
        windows.written(1, 6);
        assert_eq!(windows.claim(1, 10), Way::Past(10));
    }

    #[test]
    fn whatever_is_granted_is_for_h2_while_it_is_short() {
        let mut windows = Windows::new();
        windows.grant_connection(1_000, false);
        assert_eq!(windows.grant_connection(500, true), 1_500);
        windows.grant_connection(70, false);
        assert_eq!(windows.give_back(), 70);
        assert_eq!(windows.give_back(), 0);
    }

    #[test]
    fn a_grant_too_large_is_one_for_h2_too() {
        let mut windows = Windows::new();
        assert_eq!(windows.grant_connection(LARGEST - FIRST, false), 0);
        let told = windows.grant_connection(1, false);
        assert!(i64::from(FIRST) + i64::from(told) > i64::from(LARGEST), "{told}");

        opened(&mut windows, 1);
        let told = windows.grant_stream(1, LARGEST);
        assert!(i64::from(FIRST) + i64::from(told) > i64::from(LARGEST), "{told}");
    }

    #[test]
    fn another_window_counts_once_it_is_acknowledged_and_may_be_less_than_nothing() {
        let mut windows = Windows::new();
        opened(&mut windows, 1);
        windows.grant_connection(100_000, false);
        assert_eq!(windows.claim(1, 65_000), Way::Past(65_000));
        windows.announce(Some(1_000));
        windows.announce(None);
        windows.announce(Some(66_000));
        assert_eq!(windows.announced(), 3);
        assert_eq!(windows.claim(1, 35), Way::Past(35));
        windows.acknowledge();
        assert_eq!(windows.claim(1, 1), Way::Shut);
        windows.acknowledge();
        assert!(windows.take_opened().is_empty());
        windows.acknowledge();
        assert_eq!(windows.take_opened(), [1]);
        assert_eq!(windows.claim(1, 1_000), Way::Past(965));
        opened(&mut windows, 3);
        assert_eq!(windows.claim(3, 100_000), Way::Through(66_000));
    }

    #[test]
    fn a_stream_that_is_not_followed_is_left_to_h2() {
        let mut windows = Windows::new();
        windows.grant_connection(1_000, false);
        for stream in (1..).step_by(2).take(MAX_FOLLOWED + 1) {
            windows.open(stream);
        }
        assert_eq!(windows.streams.len(), MAX_FOLLOWED);
        let beyond = 2 * MAX_FOLLOWED as u32 + 1;
        assert_eq!(windows.claim(beyond, 10), Way::Through(10));
        assert!(windows.close(1));
        assert!(!windows.close(1));
        windows.open(1);
        assert_eq!(windows.claim(1, 10), Way::Through(10), "its trailers do not open it again");
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
            prop_oneof![0..100u32, 0..200_000u32].prop_map(Act::Settings),
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

    proptest! {
        /// Against plain books: one as the client keeps them, and one as `h2` does with what it is told.
        #[test]
        fn nobody_sends_more_than_was_granted_and_h2_sees_no_less_room_than_there_is(
            acts in prop::collection::vec(act(), 0..200),
        ) {
            let mut windows = Windows::new();
            let first = i64::from(FIRST);
            let mut client = View { connection: first, ..View::default() };
            let mut h2 = View { connection: first, ..View::default() };
            let (mut newest, mut initial) = (0, first);
            let (mut announced, mut in_h2) = (VecDeque::new(), VecDeque::new());
            for act in acts {
                let open = |at: usize| client.streams.keys().copied().nth(at);
                match act {
                    Act::Open => {
                        newest = if newest == 0 { 1 } else { newest + 2 };
                        opened(&mut windows, newest);
                        client.streams.insert(newest, initial);
                        h2.streams.insert(newest, initial);
                    }
                    Act::Close(at) => {
                        let Some(id) = open(at) else { continue };
                        windows.close(id);
                        client.streams.remove(&id);
                        h2.streams.remove(&id);
                        in_h2.retain(|&(stream, _)| stream != id);
                    }
                    Act::GrantConnection(more) => {
                        let more = more.min((i64::from(LARGEST) - client.connection) as u32);
                        client.connection += i64::from(more);
                        h2.connection += i64::from(windows.grant_connection(more, false));
                    }
                    Act::GrantStream(at, more) => {
                        let Some(id) = open(at) else { continue };
                        let window = client.streams.get_mut(&id).expect("it is open");
                        let more = more.min((i64::from(LARGEST) / 2 - *window).max(0) as u32);
                        *window += i64::from(more);
                        *h2.streams.get_mut(&id).expect("it is open") +=
                            i64::from(windows.grant_stream(id, more));
                    }
                    Act::Settings(value) => {
                        announced.push_back(value);
                        windows.announce(Some(value));
                    }
                    Act::Acknowledge => {
                        let Some(value) = announced.pop_front() else { continue };
                        windows.acknowledge();
                        let change = i64::from(value) - initial;
                        initial = i64::from(value);
                        for view in [&mut client, &mut h2] {
                            view.streams.values_mut().for_each(|window| *window += change);
                        }
                    }
                    Act::Send(at, bytes) => {
                        let Some(id) = open(at) else { continue };
                        match windows.claim(id, bytes) {
                            Way::Past(sent) => client.send(id, sent as i64),
                            Way::Shut => assert!(client.streams[&id] <= 0, "it has room"),
                            Way::Through(wanted) => {
                                let wanted = wanted as i64;
                                assert!(h2.streams[&id] >= wanted, "`h2` sees less room");
                                if h2.connection < wanted {
                                    h2.connection += i64::from(windows.give_back());
                                    let held: i64 = in_h2.iter().map(|&(_, held)| held).sum();
                                    assert!(h2.connection >= client.connection - held);
                                }
                                let sent = wanted.min(h2.connection);
                                if sent > 0 {
                                    windows.give_h2(id, sent as usize);
                                    h2.send(id, sent);
                                    client.send(id, sent);
                                    in_h2.push_back((id, sent));
                                }
                            }
                        }
                    }
                    Act::Write => {
                        let Some((id, sent)) = in_h2.pop_front() else { continue };
                        windows.written(id, sent as u32);
                    }
                }
                h2.check();
            }
        }
    }
}
