//! The text is that of `serde_json`, except for values that break the rules of serde.

use std::collections::BTreeMap;

use proptest::{collection::vec, prelude::*};
use serde::ser::{SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant};
use serde::ser::{SerializeTuple, SerializeTupleStruct, SerializeTupleVariant};
use serde_json::Value;

use super::*;

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,3}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

#[derive(Serialize)]
enum Shape {
    Dot,
    Circle(f32),
    Box(u8, Vec<u8>),
    None(),
    Named { wide: Option<()>, keys: BTreeMap<i8, &'static str> },
    Nothing {},
}

proptest! {
    #[test]
    fn the_text_is_that_of_serde_json(value in value()) {
        prop_assert_eq!(to_json(&value).unwrap(), serde_json::to_vec(&value).unwrap());
        let shapes = [
            Shape::Dot,
            Shape::Circle(0.5),
            Shape::Box(1, vec![]),
            Shape::None(),
            Shape::Named { wide: None, keys: [(1, "a"), (2, "b")].into() },
            Shape::Named { wide: Some(()), keys: [].into() },
            Shape::Nothing {},
        ];
        let both = (&value, shapes, "\n", [value.clone()]);
        prop_assert_eq!(to_json(&both).unwrap(), serde_json::to_vec(&both).unwrap());
    }
}

/// A value of each kind that says it has another number of items.
struct Liar<'a> {
    kind: usize,
    claimed: usize,
    items: &'a [Value],
}

const KINDS: usize = 7;
const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Serialize for Liar<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (claimed, named) = (self.claimed, NAMES.iter().copied().zip(self.items));
        macro_rules! write {
            ($writer:expr, |$part:ident, $name:ident, $item:ident| $add:expr) => {{
                let mut $part = $writer?;
                for ($name, $item) in named {
                    let _ = $name;
                    $add?;
                }
                $part.end()
            }};
        }
        match self.kind {
            0 => write!(serializer.serialize_seq(Some(claimed)), |list, name, item| {
                list.serialize_element(item)
            }),
            1 => write!(serializer.serialize_tuple(claimed), |list, name, item| {
                list.serialize_element(item)
            }),
            2 => write!(serializer.serialize_tuple_struct("T", claimed), |list, name, item| {
                list.serialize_field(item)
            }),
            3 => {
                write!(serializer.serialize_tuple_variant("T", 0, "V", claimed), |list, n, item| {
                    list.serialize_field(item)
                })
            }
            4 => write!(serializer.serialize_map(Some(claimed)), |map, name, item| {
                map.serialize_entry(name, item)
            }),
            5 => write!(serializer.serialize_struct("T", claimed), |map, name, item| {
                map.serialize_field(name, item)
            }),
            _ => {
                write!(serializer.serialize_struct_variant("T", 0, "V", claimed), |map, n, item| {
                    map.serialize_field(n, item)
                })
            }
        }
    }
}

proptest! {
    #[test]
    fn a_wrong_length_does_not_matter(
        kind in 0..KINDS, claimed in 0..5_usize, items in vec(value(), 0..4),
    ) {
        let text = |claimed| to_json(&[Liar { kind, claimed, items: &items }]).unwrap();
        let expect = text(items.len());
        prop_assert!(serde_json::from_slice::<IgnoredAny>(&expect).is_ok());
        prop_assert_eq!(text(claimed), expect);
    }
}

/// Why `serde_json` alone is not enough.
#[test]
fn serde_json_alone_writes_text_that_is_not_json() {
    let liar = Liar { kind: 0, claimed: 0, items: &[Value::from(1)] };
    assert_eq!(serde_json::to_string(&liar).unwrap(), "[],1]");
    assert_eq!(to_json(&liar).unwrap(), b"[1]");
}
