//! JSON data is written as `serde_json` writes it, or fails with the same error.

#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use volga_sse::{EncodeError, Message};

/// A value as serde's data model has it, without the name of the variant.
#[derive(Arbitrary, Debug, Serialize)]
#[serde(untagged)]
enum Value<'a> {
    Unit,
    Bool(bool),
    I8(i8),
    I64(i64),
    U64(u64),
    I128(i128),
    U128(u128),
    F32(f32),
    F64(f64),
    Char(char),
    Text(&'a str),
    Option(Option<Box<Value<'a>>>),
    Bytes(Bytes<'a>),
    Raw(Raw<'a>),
    List(Vec<Value<'a>>),
    Tuple(Box<(Value<'a>, Value<'a>)>),
    Map(Entries<'a>),
    Struct(Struct<'a>),
    Variant(Variant<'a>),
}

/// The variants of an enum.
#[derive(Arbitrary, Debug, Serialize)]
enum Variant<'a> {
    Unit,
    #[serde(rename = "a \"name\"\n")]
    Escaped,
    Newtype(Box<Value<'a>>),
    Tuple(u8, Box<Value<'a>>),
    EmptyTuple(),
    Struct {
        first: &'a str,
        second: Box<Value<'a>>,
    },
    EmptyStruct {},
}

#[derive(Arbitrary, Debug, Serialize)]
struct Struct<'a> {
    a: &'a str,
    #[serde(rename = "\\")]
    escaped: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    longer_name: Option<Box<Value<'a>>>,
}

/// A key of a map. `serde_json` refuses some of them.
#[derive(Arbitrary, Debug, Serialize)]
#[serde(untagged)]
enum Key<'a> {
    Text(&'a str),
    I32(i32),
    Bool(bool),
    Char(char),
    F64(f64),
    Variant(Variant<'a>),
    List(Vec<u8>),
}

#[derive(Arbitrary, Debug)]
struct Entries<'a>(Vec<(Key<'a>, Value<'a>)>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

#[derive(Arbitrary, Debug)]
struct Bytes<'a>(&'a [u8]);

impl Serialize for Bytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}

/// JSON that the application laid out itself, which may have line breaks.
#[derive(Arbitrary, Debug)]
struct Raw<'a>(&'a str);

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match serde_json::from_str::<&RawValue>(self.0) {
            Ok(raw) => raw.serialize(serializer),
            Err(_) => serializer.serialize_none(),
        }
    }
}

fuzz_target!(|value: Value<'_>| {
    let expect = serde_json::to_string(&value);
    for start in [Message::new(), Message::new().event("e").id("1"), Message::new().data("old\n")] {
        let found = start.clone().json(&value).encode();
        match (found, &expect) {
            (Ok(found), Ok(json)) => {
                let expect = start.data(json).encode().expect("data is never refused");
                assert_eq!(found, expect);
            }
            (Err(EncodeError::Json(found)), Err(expect)) => {
                assert_eq!(found.to_string(), expect.to_string());
            }
            (found, expect) => panic!("{found:?}, where serde_json has {expect:?}"),
        }
    }
});
