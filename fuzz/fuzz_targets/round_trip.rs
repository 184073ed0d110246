//! A message that is encoded is decoded without a change, or its encoding fails.

#![no_main]

use std::time::Duration;

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use volga_sse::{Decoder, MAX_EVENT_ID, Message};

#[derive(Arbitrary, Debug)]
struct Fields<'a> {
    comment: Option<&'a str>,
    event: Option<&'a str>,
    id: Option<&'a str>,
    milliseconds: Option<u64>,
    data: Option<&'a str>,
    more: Option<&'a str>,
    piece: u8,
}

fuzz_target!(|fields: Fields<'_>| {
    let mut message = Message::new();
    if let Some(text) = fields.comment {
        message = message.comment(text);
    }
    if let Some(name) = fields.event {
        message = message.event(name);
    }
    if let Some(id) = fields.id {
        message = message.id(id);
    }
    if let Some(time) = fields.milliseconds {
        message = message.retry(Duration::from_millis(time));
    }
    if let Some(text) = fields.data {
        message = message.data(text);
    }
    if let Some(text) = fields.more {
        message = message.append(text);
    }

    let valid = fields.event.is_none_or(|name| !name.is_empty() && !name.contains(['\n', '\r']))
        && fields.id.is_none_or(|id| {
            let has_blank_end = id.starts_with(' ') || id.ends_with(' ');
            !id.contains(char::is_control) && !has_blank_end && id.len() <= MAX_EVENT_ID
        });
    let wire = message.encode();
    assert_eq!(wire.is_ok(), valid, "{wire:?}");
    let Ok(wire) = wire else {
        return;
    };

    let mut decoder = Decoder::new().with_max_id(usize::MAX);
    let mut events = Vec::new();
    for chunk in wire.as_bytes().chunks(usize::from(fields.piece) + 1) {
        events.extend(decoder.feed(chunk).expect("within limits"));
    }
    assert_eq!(decoder.last_event_id(), fields.id.unwrap_or_default());
    assert_eq!(decoder.retry(), fields.milliseconds.map(Duration::from_millis));

    let lines = [fields.data, fields.more].into_iter().flatten();
    let lines: Vec<_> = lines.map(|text| text.replace("\r\n", "\n").replace('\r', "\n")).collect();
    if lines.is_empty() {
        assert_eq!(events, []);
    } else {
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].event(), fields.event.unwrap_or("message"));
        assert_eq!(events[0].data(), lines.join("\n"));
        assert_eq!(events[0].id(), fields.id.unwrap_or_default());
    }
});
