//! A `Serialize` that breaks the rules never makes text that is not JSON.

use proptest::{collection::vec, option, prelude::*};
use serde::{
    Serialize, Serializer,
    de::IgnoredAny,
    ser::{Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeTuple},
};

use crate::codec::message::Message;

/// A value that lies about its length, leaves parts out, or ignores that one has failed.
#[derive(Clone, Debug)]
enum Liar {
    Text(String),
    Number(f64),
    Failure,
    List { claimed: Option<usize>, items: Vec<Liar> },
    Tuple { claimed: usize, items: Vec<Liar> },
    Map { claimed: Option<usize>, steps: Vec<MapStep> },
    Struct { name: &'static str, claimed: usize, fields: Vec<(&'static str, Liar)> },
}

#[derive(Clone, Debug)]
enum MapStep {
    Key(Liar),
    Value(Liar),
    Entry(Liar, Liar),
}

const NAMES: [&str; 5] = [
    "Plain",
    "$serde_json::private::RawValue",
    "$serde_json::private::Number",
    "$serde_json::private::Other",
    "$other",
];

impl Serialize for Liar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Errors of parts are ignored on purpose.
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::Failure => Err(S::Error::custom("on purpose")),
            Self::List { claimed, items } => {
                let mut list = serializer.serialize_seq(*claimed)?;
                items.iter().for_each(|item| _ = list.serialize_element(item));
                list.end()
            }
            Self::Tuple { claimed, items } => {
                let mut tuple = serializer.serialize_tuple(*claimed)?;
                items.iter().for_each(|item| _ = tuple.serialize_element(item));
                tuple.end()
            }
            Self::Map { claimed, steps } => {
                let mut map = serializer.serialize_map(*claimed)?;
                for step in steps {
                    let _ = match step {
                        MapStep::Key(key) => map.serialize_key(key),
                        MapStep::Value(value) => map.serialize_value(value),
                        MapStep::Entry(key, value) => map.serialize_entry(key, value),
                    };
                }
                map.end()
            }
            Self::Struct { name, claimed, fields } => {
                let mut value = serializer.serialize_struct(name, *claimed)?;
                fields.iter().for_each(|(key, field)| _ = value.serialize_field(key, field));
                value.end()
            }
        }
    }
}

fn liar() -> impl Strategy<Value = Liar> {
    let texts = prop_oneof!["[a-z]{0,3}", Just("1".to_owned()), "[\\[\\]{}\",: 1\n]{0,6}"];
    let leaf = prop_oneof![
        4 => texts.prop_map(Liar::Text),
        1 => any::<f64>().prop_map(Liar::Number),
        1 => Just(Liar::Failure),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let step = prop_oneof![
            inner.clone().prop_map(MapStep::Key),
            inner.clone().prop_map(MapStep::Value),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| MapStep::Entry(key, value)),
        ];
        let key = prop::sample::select(&["a", "b", NAMES[1], NAMES[2], "\"\n"][..]);
        let fields = vec((key, inner.clone()), 0..3);
        prop_oneof![
            (option::of(0..3_usize), vec(inner.clone(), 0..3))
                .prop_map(|(claimed, items)| Liar::List { claimed, items }),
            (0..3_usize, vec(inner, 0..3))
                .prop_map(|(claimed, items)| Liar::Tuple { claimed, items }),
            (option::of(0..3_usize), vec(step, 0..4))
                .prop_map(|(claimed, steps)| Liar::Map { claimed, steps }),
            (prop::sample::select(&NAMES[..]), 0..3_usize, fields)
                .prop_map(|(name, claimed, fields)| Liar::Struct { name, claimed, fields }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]
    #[test]
    fn what_is_sent_is_json_or_nothing(liar in liar()) {
        if let Ok(message) = Message::new().json(&liar).encode() {
            let wire = std::str::from_utf8(message.as_bytes()).expect("UTF-8");
            let lines = wire.lines().filter_map(|line| line.strip_prefix("data: "));
            let data = lines.collect::<Vec<_>>().join("\n");
            prop_assert!(serde_json::from_str::<IgnoredAny>(&data).is_ok(), "{data}");
        }
    }
}

#[test]
fn a_value_that_lies_about_its_length_is_sent_as_it_is() {
    let items = vec![Liar::Text("a".into()), Liar::Text("b".into())];
    for claimed in [None, Some(0), Some(1), Some(9)] {
        let list = Liar::List { claimed, items: items.clone() };
        let message = Message::new().json(list).encode().expect("JSON");
        assert_eq!(message.as_bytes(), b"data: [\"a\",\"b\"]\n\n");
    }
}

#[test]
fn each_broken_rule_is_named() {
    let text = |text: &str| Liar::Text(text.into());
    let map = |steps| Liar::Map { claimed: None, steps };
    let raw = |fields| Liar::Struct { name: NAMES[1], claimed: 1, fields };
    for (liar, expect) in [
        (map(vec![MapStep::Key(text("a"))]), "a key without a value"),
        (map(vec![MapStep::Value(text("a"))]), "a part failed"),
        (raw(vec![]), "one field"),
        (raw(vec![(NAMES[1], text("1")), (NAMES[1], text("2"))]), "a part failed"),
        (raw(vec![(NAMES[1], text("{\"a\":"))]), "a part failed"),
    ] {
        let error = Message::new().json(&liar).encode().expect_err("not JSON");
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        assert!(cause.is_some_and(|cause| cause.contains(expect)), "{liar:?}: {error:?}");
    }
}
