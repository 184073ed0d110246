//! Tests against the oracle, `serde_json`: the same bytes, or the same error.

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{Value, value::RawValue};

use super::{output::Output, value::write_value};

#[track_caller]
fn check<T: Serialize + ?Sized>(value: &T) {
    let mut out = Output::new(b"before".to_vec());
    match (write_value(&mut out, value), serde_json::to_string(value)) {
        (Ok(()), Ok(expect)) => {
            assert_eq!(String::from_utf8(out.bytes).unwrap(), format!("before{expect}"));
            assert!(out.has_raw_text || !expect.contains(['\r', '\n']), "{expect}");
        }
        (Err(error), Err(expect)) => assert_eq!(error.to_string(), expect.to_string()),
        (ours, theirs) => panic!("{ours:?}, where serde_json has {theirs:?}"),
    }
}

#[derive(Serialize)]
struct Unit;

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
struct Meters(f32);

#[derive(Serialize)]
struct Pair(i8, char);

#[derive(Serialize)]
enum Shape {
    Dot,
    Circle(Meters),
    Box(u8, u16),
    None(),
    Named {
        wide: u32,
        tall: Option<u64>,
    },
    Nothing {},
    #[serde(rename = "a \"corner\"\n")]
    Corner,
    #[serde(rename = "\\")]
    Slash(i32),
}

#[derive(Serialize)]
struct Drawing<'a> {
    a: &'a str,
    name: &'a str,
    shapes: Vec<Shape>,
    #[serde(rename = "to \"escape\"")]
    escape: (),
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<Unit>,
    pairs: (Pair, [bool; 2]),
    empty: (Unit, Empty, [u8; 0], &'a [Empty]),
}

impl<'a> Drawing<'a> {
    fn named(name: &'a str) -> Self {
        let shapes = vec![
            Shape::Dot,
            Shape::Circle(Meters(0.1)),
            Shape::Box(255, 65_535),
            Shape::None(),
            Shape::Named { wide: u32::MAX, tall: None },
            Shape::Named { wide: 0, tall: Some(u64::MAX) },
            Shape::Nothing {},
            Shape::Corner,
            Shape::Slash(i32::MIN),
        ];
        let (a, pairs) = ("a", (Pair(-128, '\n'), [true, false]));
        Self { a, name, shapes, escape: (), absent: None, pairs, empty: (Unit, Empty {}, [], &[]) }
    }
}

#[derive(Serialize)]
struct Flat<'a> {
    first: i16,
    #[serde(flatten)]
    rest: &'a BTreeMap<u8, Empty>,
    #[serde(flatten)]
    drawing: Drawing<'a>,
}

#[test]
fn values_of_every_kind_are_as_serde_json_writes_them() {
    check(&Drawing::named("plain"));
    check(&Flat {
        first: 1,
        rest: &BTreeMap::from([(7, Empty {})]),
        drawing: Drawing::named("\u{1f30b}\u{7f}"),
    });
    check(&[Some(f64::NAN), Some(f64::MIN_POSITIVE), Some(1e300), Some(1.0), None]);
    check(&(i64::MIN, i128::MIN, u128::MAX, 'é', "\u{2028}", format_args!("{}\"", 1)));
    check(serde_json::from_str::<&RawValue>("[1, 2]").unwrap());
}

#[test]
fn a_text_is_as_serde_json_writes_it_whatever_stands_where() {
    for len in 0..40 {
        check(&"x".repeat(len));
        for at in 0..len {
            for special in
                ['"', '\\', '\0', '\n', '\r', '\u{1f}', ' ', '!', '#', '[', ']', '\u{7f}', 'é']
            {
                let text = format!("{}{special}{}", "x".repeat(at), "x".repeat(len - at - 1));
                check(&text);
            }
        }
    }
}

#[test]
fn a_key_may_be_all_that_serde_json_takes_for_one() {
    check(&BTreeMap::<u8, u8>::new());
    check(&BTreeMap::from([("plain", 1), ("a\nb", 2)]));
    check(&BTreeMap::from([(-1, BTreeMap::from([(true, 'a')])), (2, BTreeMap::new())]));
    check(&BTreeMap::from([('"', Some(()))]));
    #[derive(Eq, Ord, PartialEq, PartialOrd, Serialize)]
    enum Key {
        Name,
        Other(u8),
    }
    check(&BTreeMap::from([(Key::Name, 1)]));
    check(&BTreeMap::from([(Key::Name, 1), (Key::Other(1), 1)]));
    check(&HashMap::from([(vec![1], 2)]));
    check(&HashMap::from([(Some(1), 2)]));
}

#[test]
fn an_error_is_the_one_of_serde_json_or_of_the_value() {
    struct Fails;

    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(S::Error::custom("no"))
        }
    }

    check(&Fails);
    check(&[("a", Some(Fails))]);
    check(&BTreeMap::from([("a", Fails)]));
}

#[test]
fn bytes_are_what_serde_json_makes_of_them() {
    struct Bytes(&'static [u8]);

    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self.0)
        }
    }

    check(&[Bytes(b""), Bytes(b"\n\xff")]);
}

#[test]
fn text_that_was_laid_out_before_is_told_of_wherever_it_stands() {
    let raw = RawValue::from_string("{\n\"a\":\r\n1}".to_owned()).unwrap();
    check(&raw);
    check(&BTreeMap::from([("a", [Some((1, &raw))])]));
    let mut out = Output::new(Vec::new());
    write_value(&mut out, &Drawing::named("a\nb")).unwrap();
    assert!(!out.has_raw_text);
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_value_is_as_serde_json_writes_it(value in values()) {
        check(&value);
    }
}
