//! Compares the windows of a connection with simple accounts: the client's, and what `h2` sees of
//! them.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn ids(streams: Vec<StreamRef>) -> Vec<u32> {
    streams.into_iter().map(|stream| stream.id).collect()
}

/// A stream that may send directly.
fn opened(windows: &mut Windows, id: u32) {
    windows.open(id);
    windows.note_head_sent(id);
}

#[test]
fn direct_data_uses_the_windows_of_its_stream_and_of_the_connection() {
    let mut windows = Windows::new(true);
    opened(&mut windows, 1);
    assert_eq!(windows.claim(1, 100), SendPath::ViaH2(100), "all of the first window is in `h2`");
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
fn direct_data_does_not_overtake_the_data_in_h2() {
    let mut windows = Windows::new(true);
    windows.grant_connection(1_000, false);
    windows.open(1);
    assert_eq!(windows.claim(1, 10), SendPath::ViaH2(10), "there is no head yet");
    windows.note_head_sent(1);
    windows.give_h2(1, 10);
    assert_eq!(windows.claim(1, 10), SendPath::ViaH2(10));
    windows.note_sent(1, 4);
    assert_eq!(windows.claim(1, 10), SendPath::ViaH2(10));
    windows.note_sent(1, 6);
    assert_eq!(windows.claim(1, 10), SendPath::Direct(10));
}

#[test]
fn while_h2_waits_for_a_window_it_gets_every_grant() {
    let mut windows = Windows::new(true);
    windows.grant_connection(1_000, false);
    assert_eq!(windows.grant_connection(500, true), 1_500);
    windows.grant_connection(70, false);
    assert_eq!(windows.give_back(), 70);
    assert_eq!(windows.give_back(), 0);
}

#[test]
fn a_grant_that_is_too_large_is_passed_on_to_h2() {
    let mut windows = Windows::new(true);
    assert_eq!(windows.grant_connection(LARGEST - FIRST, false), 0);
    let told = windows.grant_connection(1, false);
    assert!(i64::from(FIRST) + i64::from(told) > i64::from(LARGEST), "{told}");

    opened(&mut windows, 1);
    let told = windows.grant_stream(1, LARGEST);
    assert!(i64::from(FIRST) + i64::from(told) > i64::from(LARGEST), "{told}");
}

#[test]
fn a_new_initial_window_applies_when_acknowledged_and_may_make_windows_negative() {
    let mut windows = Windows::new(true);
    opened(&mut windows, 1);
    windows.grant_connection(100_000, false);
    assert_eq!(windows.claim(1, 65_000), SendPath::Direct(65_000));
    windows.announce(Some(1_000));
    windows.announce(None);
    windows.announce(Some(66_000));
    assert_eq!(windows.pending_settings(), 3);
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

/// An event, with streams by their index.
#[derive(Clone, Debug)]
enum WindowEvent {
    Open,
    Close(usize),
    GrantConnection(u32),
    GrantStream(usize, u32),
    Settings(u32),
    Acknowledge,
    Send(usize, usize),
    Write,
}

fn act() -> impl Strategy<Value = WindowEvent> {
    let size = || prop_oneof![0..300u32, 0..100_000u32, 0..=LARGEST];
    prop_oneof![
        Just(WindowEvent::Open),
        (0..8usize).prop_map(WindowEvent::Close),
        size().prop_map(WindowEvent::GrantConnection),
        (0..8usize, size()).prop_map(|(at, size)| WindowEvent::GrantStream(at, size)),
        prop_oneof![0..100u32, 0..200_000u32, 0..=LARGEST, Just(LARGEST)]
            .prop_map(WindowEvent::Settings),
        Just(WindowEvent::Acknowledge),
        (0..8usize, 1..20_000usize).prop_map(|(at, size)| WindowEvent::Send(at, size)),
        (0..8usize, 1..20_000usize).prop_map(|(at, size)| WindowEvent::Send(at, size)),
        Just(WindowEvent::Write),
    ]
}

/// The windows from the point of view of one side.
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

/// The client's windows and what `h2` sees of them, as simple accounts beside the [`Windows`].
struct Model {
    windows: Windows,
    client: View,
    h2: View,
    newest: u32,
    /// The initial windows that are acknowledged: the client's and the one that `h2` was told.
    initial: (i64, i64),
    announced: VecDeque<(u32, u32)>,
    /// The grants and settings that `h2` reads after the settings before them.
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

    /// The largest value of a stream's window before or after the announced settings, including the
    /// data that `h2` holds and has not written.
    fn widest(&self, id: u32) -> i64 {
        let values = self.announced.iter().map(|(client, _)| i64::from(*client));
        let most = values.chain([self.initial.0]).max().unwrap_or_default();
        self.client.streams[&id] + self.held(id) + most - self.initial.0
    }

    fn held(&self, id: u32) -> i64 {
        self.in_h2.iter().filter(|(stream, _)| *stream == id).map(|(_, held)| held).sum()
    }

    fn act(&mut self, act: WindowEvent) {
        match act {
            WindowEvent::Open => {
                self.newest = if self.newest == 0 { 1 } else { self.newest + 2 };
                opened(&mut self.windows, self.newest);
                self.client.streams.insert(self.newest, self.initial.0);
                self.h2.streams.insert(self.newest, self.initial.1);
            }
            WindowEvent::Close(at) => {
                let Some(id) = self.at(at) else { return };
                self.windows.close(id);
                self.client.streams.remove(&id);
                self.h2.streams.remove(&id);
                self.in_h2.retain(|&(stream, _)| stream != id);
            }
            WindowEvent::GrantConnection(more) => {
                let more = more.min((i64::from(LARGEST) - self.client.connection) as u32);
                self.client.connection += i64::from(more);
                self.h2.connection += i64::from(self.windows.grant_connection(more, false));
            }
            WindowEvent::GrantStream(at, more) => {
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
            WindowEvent::Settings(value) => {
                let room = |id: &u32| i64::from(LARGEST) - (self.widest(*id) - self.latest());
                let most = self.client.streams.keys().map(room).min().unwrap_or(i64::MAX);
                let value = i64::from(value).min(most).max(0) as u32;
                let told = self.windows.announce(Some(value)).unwrap_or(value);
                self.announced.push_back((value, told));
                self.unread.push_back(Unread::Initial(i64::from(told)));
            }
            WindowEvent::Acknowledge => {
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
            WindowEvent::Send(at, bytes) => {
                let Some(id) = self.at(at) else { return };
                match self.windows.claim(id, bytes) {
                    SendPath::Direct(sent) => self.client.send(id, sent as i64),
                    SendPath::Blocked => {
                        assert!(self.client.streams[&id] <= 0, "it has room");
                    }
                    SendPath::ViaH2(wanted) => self.send_via_h2(id, wanted as i64),
                }
            }
            WindowEvent::Write => {
                let Some((id, sent)) = self.in_h2.pop_front() else { return };
                self.windows.note_sent(id, sent as u32);
            }
        }
        self.check();
    }

    /// `h2` counts data that it holds and has not written as a part of the stream's window.
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
    fn no_data_exceeds_the_grants_and_h2_never_sees_a_window_that_is_too_wide(
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
    windows.note_sent(3, 1_000_000);
    assert_eq!(windows.grant_stream(3, 1), 1_000_001, "what `h2` was not told before");
}
