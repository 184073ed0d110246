//! Time and memory that grow with the bytes, not with their square. The tests measure no time: a
//! quadratic algorithm takes minutes at these sizes.

use volga_sse::{DEFAULT_MAX_LINE, DecodeError, Decoder};

const LONG: usize = 10_000_000;

#[track_caller]
fn check(wire: &str, piece: usize, expect_events: usize, expect_bytes: usize) {
    let mut decoder = Decoder::new();
    let (mut events, mut bytes) = (0, 0);
    for mut chunk in wire.as_bytes().chunks(piece) {
        while let Some(event) = decoder.next(&mut chunk).expect("within limits") {
            events += 1;
            bytes += event.data().len();
        }
    }
    assert_eq!((events, bytes), (expect_events, expect_bytes));
}

#[test]
fn a_line_of_ten_megabytes_in_small_pieces() {
    check(&format!("data: {}\n\n", "x".repeat(LONG)), 16, 1, LONG);
}

#[test]
fn a_million_lines_of_one_event_in_small_pieces() {
    let lines = LONG / 10;
    check(&format!("{}\n", "data: abc\n".repeat(lines)), 16, 1, 4 * lines - 1);
    check(&format!("{}\n", "data: abc\n".repeat(lines)), LONG, 1, 4 * lines - 1);
}

#[test]
fn a_million_events_in_one_chunk() {
    check(&"data: abc\n\n".repeat(LONG / 10), 2 * LONG, LONG / 10, 3 * LONG / 10);
}

#[test]
fn ten_megabytes_of_invalid_bytes() {
    let mut decoder = Decoder::new();
    let wire = [b"data: ", &*vec![0xff; LONG], b"\n\n"].concat();
    let events: Vec<_> =
        wire.chunks(16).flat_map(|chunk| decoder.feed(chunk).expect("within limits")).collect();
    assert_eq!(events[0].data().len(), 3 * LONG);
}

#[test]
fn a_line_without_an_end_meets_the_default_limit() {
    let mut decoder = Decoder::new();
    let chunk = [b':'; 64 * 1024];
    let fed = (0..).take_while(|_| decoder.feed(&chunk).is_ok()).count();
    assert_eq!(fed, DEFAULT_MAX_LINE / chunk.len());
    assert_eq!(decoder.feed(b"\n"), Err(DecodeError::LineTooLong { max: DEFAULT_MAX_LINE }));
}
