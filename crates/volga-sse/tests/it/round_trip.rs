//! A message is decoded as it was encoded, or it was refused with an error that names the field.

use std::time::Duration;

use proptest::{collection::vec, prelude::*};
use volga_sse::{DecodeError, Decoder, EncodeError, Event, Field, MAX_EVENT_ID, Message};

/// A field of a message.
#[derive(Clone, Debug)]
enum Set {
    Data(String),
    Append(String),
    Event(String),
    Id(String),
    Retry(Duration),
    Comment(String),
}

/// Texts with all characters that have a meaning in some encoding or for some client.
fn text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        4 => prop::sample::select(vec![
            "\n", "\r", "\r\n", "\0", "\u{feff}", "\u{2028}", "\u{2029}", "\u{85}", "\u{0b}", " ", ":", "data: x", "id: 1",
        ])
        .prop_map(str::to_owned),
        4 => "[a-z]{0,5}",
        1 => any::<String>(),
        // More bytes than a message holds without a heap block.
        1 => "[a-z]{100,130}",
    ];
    vec(token, 0..6).prop_map(|tokens| tokens.concat())
}

/// A text that is more often valid as a name or an ID.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[ -~é\u{feff}\u{2028}]{0,6}", 1 => text()]
}

fn set() -> impl Strategy<Value = Set> {
    prop_oneof![
        text().prop_map(Set::Data),
        text().prop_map(Set::Append),
        name().prop_map(Set::Event),
        name().prop_map(Set::Id),
        any::<u64>().prop_map(|nanos| Set::Retry(Duration::from_nanos(nanos))),
        text().prop_map(Set::Comment),
    ]
}

/// What a client that follows the standard receives for the message, written from the documentation
/// of `Message` and not from its code.
#[derive(Debug, Default, Eq, PartialEq)]
struct Expect {
    data: Option<String>,
    event: Option<String>,
    id: Option<String>,
    retry: Option<Duration>,
}

fn build(sets: &[Set]) -> (Message, Result<Expect, Field>) {
    let lines = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    let mut message = Message::new();
    let mut expect = Expect::default();
    let mut refused = None;
    for set in sets {
        message = match set {
            Set::Data(text) => {
                expect.data = Some(lines(text));
                message.data(text)
            }
            Set::Append(text) => {
                let before = expect.data.map_or(String::new(), |data| data + "\n");
                expect.data = Some(before + &lines(text));
                message.append(text)
            }
            Set::Event(name) => {
                if name.is_empty() || name.contains(['\n', '\r']) {
                    refused.get_or_insert(Field::Event);
                }
                expect.event = Some(name.clone());
                message.event(name)
            }
            Set::Id(id) => {
                let has_blank_end = id.starts_with(' ') || id.ends_with(' ');
                if id.contains(char::is_control) || has_blank_end || id.len() > MAX_EVENT_ID {
                    refused.get_or_insert(Field::Id);
                }
                expect.id = Some(id.clone());
                message.id(id)
            }
            Set::Retry(time) => {
                expect.retry = Some(Duration::from_millis(
                    u64::try_from(time.as_nanos().div_ceil(1_000_000)).expect("64 bits"),
                ));
                message.retry(*time)
            }
            Set::Comment(text) => message.comment(text),
        };
    }
    (message, refused.map_or(Ok(expect), Err))
}

fn field_of(error: &EncodeError) -> Option<Field> {
    match error {
        EncodeError::LineBreak { field, .. } => Some(*field),
        EncodeError::Nul { .. }
        | EncodeError::Control { .. }
        | EncodeError::Blank { .. }
        | EncodeError::IdTooLong { .. } => Some(Field::Id),
        EncodeError::EmptyEventName => Some(Field::Event),
        _ => None,
    }
}

#[track_caller]
fn check(sets: &[Set]) {
    let (message, expect) = build(sets);
    let (wire, expect) = match (message.encode(), expect) {
        (Err(error), Err(field)) => return assert_eq!(field_of(&error), Some(field), "{error}"),
        (wire, expect) => (wire.expect("valid"), expect.expect("refused")),
    };
    let mut decoder = Decoder::new().with_max_id(usize::MAX);
    let mut events = decoder.feed(wire.as_bytes()).expect("within limits");
    assert_eq!(decoder.retry(), expect.retry);
    let id = expect.id.unwrap_or_default();
    assert_eq!(decoder.last_event_id(), id);
    if let Some(data) = expect.data {
        let event = events.pop().expect("an event");
        assert_eq!(event.event(), expect.event.as_deref().unwrap_or("message"));
        assert_eq!((event.data(), event.id()), (&*data, &*id));
    }
    assert_eq!(events, [], "nothing beside it");

    // It leaves nothing behind that would become a part of the next message.
    let next = Message::new().data("next").encode().expect("valid");
    let next: Vec<_> = decoder.feed(next.as_bytes()).expect("within limits");
    let fields = |event: &Event| (event.event().to_owned(), event.data().to_owned());
    assert_eq!(next.iter().map(fields).collect::<Vec<_>>(), [("message".into(), "next".into())]);
}

proptest! {
    #[test]
    fn a_message_arrives_as_it_was_or_names_the_field(sets in vec(set(), 0..8)) {
        check(&sets);
    }
}

#[test]
fn a_megabyte_in_every_field_arrives() {
    let long = "é \u{2028}x".repeat(150_000);
    check(&[
        Set::Event(long.clone()),
        Set::Id("é".repeat(MAX_EVENT_ID / 2)),
        Set::Comment(long.replace('x', "\n")),
        Set::Data(long.replace('x', "\r")),
        Set::Append(long),
    ]);
}

#[test]
fn an_id_that_no_request_could_carry_is_an_error_by_default() {
    check(&[Set::Id("x".repeat(MAX_EVENT_ID + 1))]);
    // Other servers may send longer ones.
    let wire = format!("id: {}\n\n", "x".repeat(volga_sse::DEFAULT_MAX_ID + 1));
    let error = Decoder::new().feed(wire.as_bytes()).expect_err("too long");
    assert!(matches!(error, DecodeError::IdTooLong { .. }), "{error}");
}
