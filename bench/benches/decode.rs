//! Measures how much it costs to turn the bytes of a stream into events: the CPU time of one pass,
//! and the throughput.
//!
//! The stream comes in pieces of 16 KiB, as a network gives them, which are made before the clock
//! starts. `borrowed` reads through `Decoder::next`. `owned` reads through `EventStream`, which
//! makes events that own their data, as its peers do.

use std::{convert::Infallible, hint, pin::pin};

use bytes::Bytes;
use divan::{Bencher, black_box, counter::BytesCount};
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http_body_util::StreamBody;
use volga_sse::{Decoder, EventStream};

fn main() {
    divan::main();
}

const PIECE: usize = 16 * 1024;

#[divan::bench(args = Wire::ALL)]
fn borrowed(bencher: Bencher, wire: Wire) {
    bencher.counter(wire.bytes()).with_inputs(|| wire.pieces()).bench_values(|pieces| {
        let mut decoder = Decoder::new();
        let mut count = 0;
        for piece in &pieces {
            let mut chunk = &piece[..];
            while let Some(event) = decoder.next(&mut chunk).expect("within limits") {
                black_box(event.data());
                count += 1;
            }
        }
        wire.check(count)
    });
}

#[divan::bench(args = Wire::ALL)]
fn owned(bencher: Bencher, wire: Wire) {
    bencher.counter(wire.bytes()).with_inputs(|| wire.pieces()).bench_values(|pieces| {
        let frames =
            stream::iter(pieces).map(|piece| Ok::<_, Infallible>(http_body::Frame::data(piece)));
        wire.check(count(
            EventStream::new(StreamBody::new(frames)).map(|event| event.expect("an event")),
        ))
    });
}

#[divan::bench(args = Wire::ALL)]
fn eventsource_stream(bencher: Bencher, wire: Wire) {
    bencher.counter(wire.bytes()).with_inputs(|| wire.pieces()).bench_values(|pieces| {
        let pieces = stream::iter(pieces).map(Ok::<_, Infallible>);
        let events = eventsource_stream::EventStream::new(pieces);
        wire.check(count(events.map(|event| event.expect("an event"))))
    });
}

#[divan::bench(args = Wire::ALL)]
fn sseer(bencher: Bencher, wire: Wire) {
    bencher.counter(wire.bytes()).with_inputs(|| wire.pieces()).bench_values(|pieces| {
        let pieces = stream::iter(pieces).map(Ok::<_, Infallible>);
        let events = sseer::EventStream::new(pieces);
        wire.check(count(events.map(|event| event.expect("an event"))))
    });
}

/// Counts the events. All of them are ready, so one poll reads the whole stream.
fn count<T>(events: impl Stream<Item = T>) -> usize {
    let count = pin!(events.fold(0, async |count, event| {
        hint::black_box(event);
        count + 1
    }));
    count.now_or_never().expect("a stream that is ready")
}

/// The bytes of a stream.
#[derive(Clone, Copy, Debug)]
enum Wire {
    /// 2,000 events of about 80 bytes with a name and an ID.
    Small,
    /// 2,000 events with tokens of a language model: data of a few bytes and nothing else.
    Tokens,
    /// 64 events with one line of 64 KiB each.
    Long,
}

impl Wire {
    const ALL: [Self; 3] = [Self::Small, Self::Tokens, Self::Long];

    fn events(self) -> usize {
        match self {
            Self::Small | Self::Tokens => 2_000,
            Self::Long => 64,
        }
    }

    fn text(self) -> String {
        let event = |n: usize| match self {
            Self::Small => {
                format!(
                    "event: price\nid: {n}\ndata: {{\"symbol\":\"VLG\",\"price\":{n}.25,\"volume\":100}}\n\n"
                )
            }
            Self::Tokens => format!("data:  tok{n}\n\n"),
            Self::Long => format!("data: {}\n\n", "x".repeat(64 * 1024)),
        };
        (0..self.events()).map(event).collect()
    }

    fn pieces(self) -> Vec<Bytes> {
        self.text().as_bytes().chunks(PIECE).map(Bytes::copy_from_slice).collect()
    }

    fn bytes(self) -> BytesCount {
        BytesCount::new(self.text().len())
    }

    /// Checks the number of events, because a peer that drops events would look fast.
    fn check(self, count: usize) {
        assert_eq!(count, self.events());
    }
}
