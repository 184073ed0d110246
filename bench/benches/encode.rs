//! Measures how much it costs to turn a message into its bytes on the wire: the CPU time of one
//! message, including allocations.
//!
//! The peer of the JSON cases is `serde_json::to_writer` into a fresh buffer, which any server must
//! pay.

use std::mem::take;

use divan::{Bencher, black_box, counter::BytesCount};
use serde::Serialize;
use volga_sse::Message;

fn main() {
    divan::main();
}

#[divan::bench]
fn short_text(bencher: Bencher) {
    bencher.bench(|| Message::new().data(black_box("Hello, world!")).encode());
}

#[divan::bench]
fn short_text_added_to_a_buffer(bencher: Bencher) {
    let mut out = Vec::with_capacity(64);
    bencher.bench_local(|| {
        out.clear();
        Message::new().data(black_box("Hello, world!")).encode_into(black_box(&mut out))
    });
}

#[divan::bench]
fn short_text_in_a_reused_buffer(bencher: Bencher) {
    let mut buffer = Vec::new();
    bencher.bench_local(|| {
        let message = Message::reusing(take(&mut buffer)).data(black_box("Hello, world!"));
        buffer = message.into_buffer().expect("a text is valid data");
    });
}

#[divan::bench]
fn short_text_sse_stream(bencher: Bencher) {
    bencher.bench(|| sse_stream::Sse::default().data(black_box("Hello, world!")).encode());
}

/// axum builds the final bytes of its `Event`, but only a body can take them out.
#[divan::bench]
fn short_text_axum_event_made_not_sent(bencher: Bencher) {
    bencher.bench(|| axum::response::sse::Event::default().data(black_box("Hello, world!")));
}

#[divan::bench]
fn text_with_event_and_id(bencher: Bencher) {
    bencher.bench(|| {
        Message::new()
            .event(black_box("greeting"))
            .id(black_box("1848"))
            .data(black_box("Hello, world!"))
            .encode()
    });
}

#[divan::bench]
fn text_with_event_and_id_sse_stream(bencher: Bencher) {
    bencher.bench(|| {
        sse_stream::Sse::default()
            .event(black_box("greeting"))
            .id(black_box("1848"))
            .data(black_box("Hello, world!"))
            .encode()
    });
}

#[divan::bench]
fn text_with_event_and_id_axum_event_made_not_sent(bencher: Bencher) {
    bencher.bench(|| {
        axum::response::sse::Event::default()
            .event(black_box("greeting"))
            .id(black_box("1848"))
            .data(black_box("Hello, world!"))
    });
}

#[divan::bench(args = Size::ALL)]
fn json(bencher: Bencher, size: Size) {
    let value = Order::of(size);
    bencher
        .counter(BytesCount::new(value.len()))
        .bench(|| Message::new().json(black_box(&value)).encode());
}

#[divan::bench(args = Size::ALL)]
fn json_serde_alone(bencher: Bencher, size: Size) {
    let value = Order::of(size);
    bencher.counter(BytesCount::new(value.len())).bench(|| {
        let mut out = Vec::new();
        serde_json::to_writer(&mut out, black_box(&value)).map(|()| out)
    });
}

/// The amount of JSON that a value makes.
#[derive(Clone, Copy, Debug)]
enum Size {
    Bytes100,
    KiB2,
}

impl Size {
    const ALL: [Self; 2] = [Self::Bytes100, Self::KiB2];
}

/// An order, as a shop's page might show it.
#[derive(Serialize)]
struct Order {
    number: u64,
    customer: String,
    paid: bool,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    article: String,
    count: u32,
    price: f64,
}

impl Order {
    fn of(size: Size) -> Self {
        let (lines, bytes) = match size {
            Size::Bytes100 => (1, 100),
            Size::KiB2 => (40, 2_048),
        };
        let line =
            |index: u32| Line { article: format!("tea {index:02}"), count: index, price: 3.75 };
        let lines = (0..lines).map(line).collect();
        let mut order = Self { number: 2_048, customer: String::new(), paid: true, lines };
        // The customer's name fills the order up to the size that is measured.
        order.customer = "x".repeat(bytes - order.len());
        assert_eq!(order.len(), bytes, "the JSON has the size that its bench names");
        order
    }

    /// The length of its JSON in bytes.
    fn len(&self) -> usize {
        serde_json::to_vec(self).expect("an order is plain data").len()
    }
}
