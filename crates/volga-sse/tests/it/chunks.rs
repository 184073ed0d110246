//! Any bytes, cut anywhere, become the events that the standard defines.

use proptest::{collection::vec, prelude::*};
use volga_sse::{DecodeError, Decoder, Event};

use crate::naive::{Parsed, parse};

/// Bytes that look enough like a stream to get far into the parser.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        6 => prop::sample::select(vec!["\n", "\r", "\r\n", "\n\n"]).prop_map(|text| text.as_bytes().to_vec()),
        8 => prop::sample::select(vec![
            "data", "data:", "data: ", "data: x", "event: ", "event:e", "id", "id: 7", "id:\0", "retry:", "retry: 10",
            ":", " ", "0", "99999999999999999999", "\u{feff}", "\0", "\u{2028}", "é", "🦀", "x",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        // The start of a sequence without its end, an end without its start, and a byte that
        // occurs in no sequence.
        2 => prop::sample::select(vec![&b"\xef\xbb"[..], b"\xe2\x82", b"\xf0\x9f\xa6", b"\x80", b"\xff", b"\xed\xa0\x80"])
            .prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..20),
    ];
    vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

/// Feeds the bytes in pieces of these sizes, over and over.
fn decode(
    decoder: &mut Decoder,
    wire: &[u8],
    sizes: &[usize],
) -> (Vec<Event>, Option<DecodeError>) {
    let mut events = Vec::new();
    let mut rest = wire;
    for size in sizes.iter().cycle() {
        let (mut chunk, after) = rest.split_at((*size).min(rest.len()));
        rest = after;
        loop {
            match decoder.next(&mut chunk) {
                Ok(Some(event)) => events.push(event.to_event()),
                Ok(None) => break,
                Err(error) => return (events, Some(error)),
            }
        }
        if rest.is_empty() {
            break;
        }
    }
    (events, None)
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![3 => 1..4_usize, 1 => 0..40_usize], 1..8)
        .prop_filter("to get anywhere", |sizes| sizes.iter().any(|size| *size > 0))
}

proptest! {
    #[test]
    fn any_bytes_in_any_pieces_are_what_the_standard_makes_of_them(wire in wire(), sizes in sizes()) {
        let mut decoder = Decoder::new();
        let (events, error) = decode(&mut decoder, &wire, &sizes);
        prop_assert_eq!(error, None);
        let found = Parsed {
            events: events
                .iter()
                .map(|event| (event.event().to_owned(), event.data().to_owned(), event.id().to_owned()))
                .collect(),
            last_event_id: decoder.last_event_id().to_owned(),
            retry: decoder.retry().map(|time| u64::try_from(time.as_millis()).expect("64 bits")),
        };
        prop_assert_eq!(found, parse(&wire));
    }

    #[test]
    fn a_limit_is_exceeded_by_the_same_byte_for_all_cuts(
        wire in wire(),
        sizes in sizes(),
        line in 0..20_usize,
        event in 0..20_usize,
        id in 0..3_usize,
    ) {
        let limited = || Decoder::new().with_max_line(line).with_max_event(event).with_max_id(id);
        let whole = decode(&mut limited(), &wire, &[wire.len().max(1)]);
        let pieces = decode(&mut limited(), &wire, &sizes);
        prop_assert_eq!(whole, pieces);
    }

    #[test]
    fn a_new_connection_starts_over_after_whatever_came_before(before in wire(), wire in wire()) {
        let mut used = Decoder::new();
        decode(&mut used, &before, &[7]);
        used.restart();
        let id = used.last_event_id().to_owned();
        let (events, _) = decode(&mut used, &wire, &[5]);

        let mut fresh = Decoder::new().with_last_event_id(&id);
        prop_assert_eq!(events, decode(&mut fresh, &wire, &[5]).0);
        prop_assert_eq!(used.last_event_id(), fresh.last_event_id());
    }
}
