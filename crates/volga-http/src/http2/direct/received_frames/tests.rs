//! Which frames pass, whatever the network does to them.

use super::super::windows::SendPath;
use super::*;

fn frame(kind: u8, length: usize) -> Vec<u8> {
    let head = Head { kind, flags: END_HEADERS, stream: 1, length };
    // A payload that looks like heads.
    [&head.write()[..], &vec![HEADERS; length]].concat()
}

/// Frames of a client that arrive in parts.
struct FrameClient {
    frames: ReceivedFrames,
    windows: Windows,
    bytes: Vec<u8>,
    passed: usize,
}

impl FrameClient {
    fn new() -> Self {
        let (frames, windows) = (ReceivedFrames::new(), Windows::new(true));
        Self { frames, windows, bytes: vec![], passed: 0 }
    }

    /// Adds bytes that arrive. Returns how many pass.
    fn send(&mut self, bytes: &[u8]) -> usize {
        self.bytes.extend_from_slice(bytes);
        let Self { frames, windows, bytes, passed } = self;
        let before = *passed;
        *passed = frames.pass(bytes, before, false, windows);
        *passed - before
    }
}

fn client(frames: &[(u8, usize)]) -> Vec<u8> {
    let frames = frames.iter().flat_map(|&(kind, length)| frame(kind, length));
    std::iter::repeat_n(0, PREFACE_BYTES).chain(frames).collect()
}

/// Reads these bytes in pieces, and allows more heads whenever it stops. Returns where it
/// stopped.
fn stops(bytes: &[u8], cut: usize) -> Vec<usize> {
    let (mut client, mut stops) = (FrameClient::new(), vec![]);
    for part in bytes.chunks(cut) {
        client.send(part);
        while client.frames.has_stopped() {
            stops.push(client.passed);
            client.frames.allow(HEADS_AT_ONCE);
            client.send(&[]);
        }
    }
    assert_eq!(client.bytes, bytes, "nothing is changed");
    assert_eq!(client.passed, bytes.len(), "everything passes");
    stops
}

/// The stops must not depend on how the network cut the bytes, so every cut is tried.
#[track_caller]
fn check(frames: &[(u8, usize)], expect: &[usize]) {
    let bytes = client(frames);
    let expect: Vec<usize> = expect.iter().map(|&n| client(&frames[..n]).len()).collect();
    for cut in 1..=bytes.len() {
        assert_eq!(stops(&bytes, cut), expect, "{frames:?} cut by {cut}");
    }
}

#[test]
fn only_a_few_heads_of_a_burst_pass_at_a_time() {
    check(&[(HEADERS, 7); 4], &[]);
    check(&[(HEADERS, 7); 5], &[4]);
    check(&[(HEADERS, 0); 13], &[4, 8, 12]);
}

#[test]
fn bodies_pass_and_heads_among_them_count() {
    check(&[(DATA, 9); 20], &[]);
    let upload = [(HEADERS, 3), (DATA, 5), (DATA, 0)];
    check(&[upload, upload, upload, upload, upload].concat(), &[12]);
}

#[test]
fn the_rest_of_a_head_passes_with_it() {
    let long = [(HEADERS, 3), (CONTINUATION, 300), (CONTINUATION, 0)];
    check(&[long, long, long, long, long].concat(), &[12]);
}

#[test]
fn requests_and_resets_that_have_arrived_are_counted_wherever_the_bytes_end() {
    let of = |kind, stream, length| {
        let head = Head { kind, flags: END_HEADERS, stream, length };
        [&head.write()[..], &vec![RST_STREAM; length]].concat()
    };
    let mut client = FrameClient::new();
    client.send(&[0; PREFACE_BYTES]);
    client.send(&of(HEADERS, 5, 20));
    // The rest of a body, and then resets of an older stream, of newer ones, and other frames.
    client.send(&of(DATA, 5, 40)[..20]);
    let bytes = [
        vec![RST_STREAM; 29],
        of(RST_STREAM, 5, 4),
        of(HEADERS, 7, 30),
        of(HEADERS, 9, 3),
        of(RST_STREAM, 9, 4),
        of(WINDOW_UPDATE, 0, 4),
        of(RST_STREAM, 7, 4),
    ]
    .concat();
    let seen: Vec<_> =
        (0..=bytes.len()).map(|end| client.frames.look_ahead(&bytes[..end])).collect();
    let mut requests: Vec<usize> = seen.iter().map(|seen| seen.requests).collect();
    let mut abandoned: Vec<usize> = seen.iter().map(|seen| seen.abandoned).collect();
    for counts in [&mut requests, &mut abandoned] {
        assert!(counts.is_sorted(), "{counts:?}");
        counts.dedup();
        assert_eq!(*counts, [0, 1, 2]);
    }
}

#[test]
fn requests_that_are_reset_at_once_do_not_count() {
    check(&[[(HEADERS, 3), (RST_STREAM, 4)]; 30].concat(), &[]);
}

#[test]
fn resets_are_reported_when_h2_has_processed_their_frames() {
    let reset = |stream: u8| [0, 0, 4, RST_STREAM, 0xff, 0x80, 0, 1, stream, 0, 0, 0, 8];
    let bytes = [&[0; PREFACE_BYTES][..], &reset(3), &frame(DATA, 9), &reset(5)].concat();
    for cut in 1..=bytes.len() {
        let mut client = FrameClient::new();
        [0x103, 0x105].into_iter().for_each(|id| client.windows.open(id));
        let mut told = vec![];
        for part in bytes.chunks(cut) {
            client.frames.settle();
            client.send(part);
            told.extend(client.frames.take_resets());
            assert!(told.len() < 2, "the last one is not settled, cut by {cut}");
        }
        client.frames.settle();
        told.extend(client.frames.take_resets());
        // The first bit is reserved.
        let told: Vec<u32> = told.iter().map(|stream: &StreamRef| stream.id).collect();
        assert_eq!(told, [0x103, 0x105], "cut by {cut}");
        assert!(client.frames.take_resets().is_empty());
    }
}

#[test]
fn the_number_of_remembered_settings_is_limited() {
    let mut client = FrameClient::new();
    let sent = self::client(&[(SETTINGS, 4); SETTINGS_AT_ONCE + 1]);
    assert_eq!(sent.len() - client.send(&sent), frame(SETTINGS, 4).len());
    assert!(client.frames.has_stopped());
    client.frames.allow(HEADS_AT_ONCE);
    client.windows.acknowledge();
    assert_eq!(client.send(&[]), frame(SETTINGS, 4).len());
    assert!(!client.frames.has_stopped());
}

#[test]
fn the_number_of_remembered_resets_is_limited_and_unknown_streams_have_none() {
    let reset = |stream: u32| {
        let head = Head { kind: RST_STREAM, flags: 0, stream, length: NUMBER_BYTES };
        [&head.write()[..], &[0; NUMBER_BYTES]].concat()
    };
    let streams = (1..).step_by(2).take(RESETS_AT_ONCE + 1);
    let mut client = FrameClient::new();
    streams.clone().for_each(|stream| client.windows.open(stream));
    let unknown = reset(9_999).repeat(TURN_FRAMES - RESETS_AT_ONCE - 1);
    let resets: Vec<u8> = streams.flat_map(reset).collect();
    let sent = [&[0; PREFACE_BYTES][..], &unknown, &resets].concat();
    assert_eq!(sent.len() - client.send(&sent), reset(1).len());
    assert!(client.frames.has_stopped());
    client.frames.settle();
    client.frames.allow(HEADS_AT_ONCE);
    assert_eq!(client.frames.take_resets().len(), RESETS_AT_ONCE);
    assert_eq!(client.send(&[]), reset(1).len());
    assert!(!client.frames.has_stopped());
}

#[test]
fn a_turn_reads_a_limited_number_of_frames_and_the_next_one_continues() {
    for (kind, length) in [(DATA, 0), (DATA, 9), (6, 8), (RST_STREAM, 4), (WINDOW_UPDATE, 4)] {
        let mut client = FrameClient::new();
        client.send(&[0; PREFACE_BYTES]);
        let before = client.frames.frames_left;
        client.send(&frame(kind, length).repeat(2 * TURN_FRAMES));
        assert_eq!((before, client.frames.frames_left), (TURN_FRAMES, 0));
        assert!(client.frames.has_stopped() && client.frames.is_turn_over());
        client.frames.start_turn(TURN_FRAMES);
        client.frames.allow(HEADS_AT_ONCE);
        client.send(&[]);
        assert_eq!(client.passed, client.bytes.len(), "all of the second half");
    }
}

#[test]
fn removed_frames_leave_no_gap_whatever_the_cuts() {
    let sent = [
        &[0; PREFACE_BYTES][..],
        &frame(HEADERS, 3),
        &update(0, 7).repeat(3),
        &frame(DATA, 20),
        &update(0, 9),
        &frame(SETTINGS, 6),
    ]
    .concat();
    let expect =
        [&[0; PREFACE_BYTES][..], &frame(HEADERS, 3), &frame(DATA, 20), &frame(SETTINGS, 6)];
    for cut in 1..=sent.len() {
        let mut client = FrameClient::new();
        for part in sent.chunks(cut) {
            client.send(part);
        }
        assert_eq!(client.bytes, expect.concat(), "cut by {cut}");
        assert_eq!(client.windows.give_back(), 30);
    }
}

#[test]
fn the_longest_frame_is_followed_to_its_end() {
    for kind in [DATA, SETTINGS] {
        let mut client = FrameClient::new();
        client.send(&[0; PREFACE_BYTES]);
        client.send(&[0xff, 0xff, 0xff, kind, 0, 0, 0, 0, 0]);
        assert_eq!(client.frames.skip, (1 << 24) - 1);
    }
}

/// Returns the bytes that `h2` reads when these arrive.
fn told(client: &mut FrameClient, bytes: &[u8]) -> Vec<u8> {
    let before = client.bytes.len();
    client.send(bytes);
    assert_eq!(client.passed, client.bytes.len(), "it passes");
    client.bytes[before..].to_vec()
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    let head = Head { kind: WINDOW_UPDATE, flags: 0, stream, length: NUMBER_BYTES };
    [&head.write()[..], &increment.to_be_bytes()].concat()
}

#[test]
fn h2_sees_only_the_grants_that_are_meant_for_it() {
    let mut client = FrameClient::new();
    client.send(&[0; PREFACE_BYTES]);
    client.send(&frame(HEADERS, 3));
    client.windows.note_head_sent(1);
    assert_eq!(told(&mut client, &update(0, 1_000)), [], "it goes to the pool");
    assert_eq!(client.windows.claim(1, 300), SendPath::Direct(300));
    assert_eq!(told(&mut client, &update(1, 200)), [], "it pays the debt");
    assert_eq!(told(&mut client, &update(1, 200)), update(1, 100), "the rest");
    assert_eq!(told(&mut client, &update(3, 200)), update(3, 200), "of a stream that it knows");
    for odd in [update(0, 0), update(1, 0), frame(WINDOW_UPDATE, 3)] {
        assert_eq!(told(&mut client, &odd), odd, "of which it makes an error");
    }
}

#[test]
fn frames_within_a_header_block_pass_unchanged() {
    let mut client = FrameClient::new();
    client.send(&[0; PREFACE_BYTES]);
    let head = Head { kind: HEADERS, flags: 0, stream: 1, length: 0 };
    let sent = [&head.write()[..], &update(0, 1_000)].concat();
    assert_eq!(client.send(&sent), sent.len());
    assert!(!client.frames.is_between_frames());
    assert_eq!(client.windows.give_back(), 0);
}

#[test]
fn the_last_initial_window_of_the_settings_counts() {
    let setting = |name: u8, value: u32| [&[0, name][..], &value.to_be_bytes()].concat();
    assert_eq!(initial_window(&mut []), None);
    let mut some = [setting(4, 1), setting(3, 2), setting(4, 3), setting(1, 4)].concat();
    assert_eq!(initial_window(&mut some), Some(&mut [0, 0, 0, 3]));
}
