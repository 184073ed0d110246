//! Writes a value as the text of a form (pure).

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::ser::{self, Serialize, Serializer};

/// All characters that are percent-encoded, and the space, which becomes a plus: the
/// `application/x-www-form-urlencoded` percent-encode set of the URL standard.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

/// A value that a form cannot hold.
#[derive(Debug, thiserror::Error)]
#[error("the value cannot be written as a form: {0}")]
pub(crate) struct FormTextError(String);

impl ser::Error for FormTextError {
    fn custom<T: Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// Writes a struct, a map or a list of pairs as a form. A list becomes a name that is repeated, and
/// structs and maps within it become names with brackets, as the reader takes them. `None` is left
/// out.
pub(in crate::extract) fn write(value: &impl Serialize) -> Result<String, FormTextError> {
    let mut out = String::new();
    value.serialize(Writer { out: &mut out, place: Place::Whole })?;
    Ok(out)
}

/// Where a value is in the form.
#[derive(Clone, Debug)]
enum Place {
    /// The form itself.
    Whole,
    /// An item of a form that is a list of pairs.
    Pair,
    /// The value of a name.
    Name(String),
    /// An item of the list of a name.
    Item(String, usize),
}

struct Writer<'o> {
    out: &'o mut String,
    place: Place,
}

impl<'o> Writer<'o> {
    fn text(self, text: &str) -> Result<(), FormTextError> {
        let (Place::Name(name) | Place::Item(name, _)) = &self.place else {
            return Err(FormTextError("a form is a struct, a map or a list of pairs".to_owned()));
        };
        if !self.out.is_empty() {
            self.out.push('&');
        }
        for (part, end) in [(&**name, "="), (text, "")] {
            for piece in utf8_percent_encode(part, ENCODED) {
                self.out.push_str(&piece.replace(' ', "+"));
            }
            self.out.push_str(end);
        }
        Ok(())
    }

    fn display(self, value: impl Display) -> Result<(), FormTextError> {
        self.text(&value.to_string())
    }

    /// The name under which the parts of this value are written. `None` for the form itself.
    fn prefix(&self) -> Result<Option<String>, FormTextError> {
        match &self.place {
            Place::Whole => Ok(None),
            Place::Pair => Err(FormTextError("an item of a form is a pair".to_owned())),
            Place::Name(name) => Ok(Some(name.clone())),
            Place::Item(name, index) => Ok(Some(format!("{name}[{index}]"))),
        }
    }

    fn parts(self) -> Result<Parts<'o>, FormTextError> {
        let prefix = self.prefix()?;
        Ok(Parts { out: self.out, prefix, name: None })
    }

    fn items(self) -> Result<Items<'o>, FormTextError> {
        let list = match &self.place {
            Place::Whole => ListPlace::Pairs,
            Place::Pair => ListPlace::Pair(None),
            _ => ListPlace::Name(self.prefix()?.unwrap_or_default()),
        };
        Ok(Items { out: self.out, list, count: 0 })
    }

    /// The place of the value of an enum variant.
    fn variant(self, variant: &str) -> Result<Self, FormTextError> {
        let name = part(self.prefix()?.as_deref(), variant);
        Ok(Self { out: self.out, place: Place::Name(name) })
    }
}

/// The name of a part: `city` or `address[city]`.
fn part(prefix: Option<&str>, name: &str) -> String {
    match prefix {
        None => name.to_owned(),
        Some(prefix) => format!("{prefix}[{name}]"),
    }
}

/// The text of the key of a map.
fn key_text(key: &(impl Serialize + ?Sized)) -> Result<String, FormTextError> {
    match serde_json::to_value(key) {
        Ok(serde_json::Value::String(text)) => Ok(text),
        Ok(value @ (serde_json::Value::Number(_) | serde_json::Value::Bool(_))) => {
            Ok(value.to_string())
        }
        _ => Err(FormTextError("a name is a text, a number or a boolean".to_owned())),
    }
}

macro_rules! displayed {
    ($($serialize:ident: $type:ty;)*) => { $(
        fn $serialize(self, value: $type) -> Result<(), FormTextError> {
            self.display(value)
        }
    )* };
}

impl<'o> Serializer for Writer<'o> {
    type Ok = ();
    type Error = FormTextError;
    type SerializeSeq = Items<'o>;
    type SerializeTuple = Items<'o>;
    type SerializeTupleStruct = Items<'o>;
    type SerializeTupleVariant = Items<'o>;
    type SerializeMap = Parts<'o>;
    type SerializeStruct = Parts<'o>;
    type SerializeStructVariant = Parts<'o>;

    displayed! {
        serialize_bool: bool;
        serialize_i8: i8;
        serialize_i16: i16;
        serialize_i32: i32;
        serialize_i64: i64;
        serialize_i128: i128;
        serialize_u8: u8;
        serialize_u16: u16;
        serialize_u32: u32;
        serialize_u64: u64;
        serialize_u128: u128;
        serialize_f32: f32;
        serialize_f64: f64;
        serialize_char: char;
    }

    fn serialize_str(self, text: &str) -> Result<(), FormTextError> {
        self.text(text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<(), FormTextError> {
        let text = std::str::from_utf8(bytes);
        self.text(text.map_err(|_| FormTextError("bytes are not UTF-8".to_owned()))?)
    }

    fn serialize_none(self) -> Result<(), FormTextError> {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), FormTextError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), FormTextError> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), FormTextError> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<(), FormTextError> {
        match self.place {
            // A form that is the name of a variant: `all=`.
            Place::Whole => self.variant(variant)?.text(""),
            _ => self.text(variant),
        }
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), FormTextError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), FormTextError> {
        value.serialize(self.variant(variant)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items<'o>, FormTextError> {
        self.items()
    }

    fn serialize_tuple(self, _: usize) -> Result<Items<'o>, FormTextError> {
        self.items()
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items<'o>, FormTextError> {
        self.items()
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Items<'o>, FormTextError> {
        self.variant(variant)?.items()
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Parts<'o>, FormTextError> {
        self.parts()
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Parts<'o>, FormTextError> {
        self.parts()
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Parts<'o>, FormTextError> {
        self.variant(variant)?.parts()
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), FormTextError> {
        self.display(value)
    }
}

/// The fields of a struct or a map.
struct Parts<'o> {
    out: &'o mut String,
    prefix: Option<String>,
    /// The key of a map, whose value follows.
    name: Option<String>,
}

impl Parts<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), FormTextError> {
        let place = Place::Name(part(self.prefix.as_deref(), name));
        value.serialize(Writer { out: self.out, place })
    }
}

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = FormTextError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), FormTextError> {
        self.name = Some(key_text(key)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), FormTextError> {
        let name = self.name.take().unwrap_or_default();
        self.field(&name, value)
    }

    fn end(self) -> Result<(), FormTextError> {
        Ok(())
    }
}

macro_rules! fields {
    ($($trait:ident)*) => { $(
        impl ser::$trait for Parts<'_> {
            type Ok = ();
            type Error = FormTextError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), FormTextError> {
                self.field(name, value)
            }

            fn end(self) -> Result<(), FormTextError> {
                Ok(())
            }
        }
    )* };
}

fields! { SerializeStruct SerializeStructVariant }

/// The place of a list in the form.
#[derive(Clone, Debug)]
enum ListPlace {
    /// The form itself, as a list of pairs.
    Pairs,
    /// One of these pairs. It has its name once the first item is written.
    Pair(Option<String>),
    /// The values of a name.
    Name(String),
}

/// The items of a list.
struct Items<'o> {
    out: &'o mut String,
    list: ListPlace,
    count: usize,
}

impl Items<'_> {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), FormTextError> {
        let place = match &mut self.list {
            ListPlace::Pairs => Place::Pair,
            ListPlace::Pair(name) => match name.take() {
                Some(name) if self.count == 1 => Place::Name(name),
                _ if self.count == 0 => {
                    *name = Some(key_text(value)?);
                    self.count += 1;
                    return Ok(());
                }
                _ => return Err(FormTextError("a pair has a name and one value".to_owned())),
            },
            ListPlace::Name(name) => Place::Item(name.clone(), self.count),
        };
        self.count += 1;
        value.serialize(Writer { out: self.out, place })
    }
}

macro_rules! items {
    ($($trait:ident: $serialize:ident;)*) => { $(
        impl ser::$trait for Items<'_> {
            type Ok = ();
            type Error = FormTextError;

            fn $serialize<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), FormTextError> {
                self.item(value)
            }

            fn end(self) -> Result<(), FormTextError> {
                match self.list {
                    ListPlace::Pair(_) if self.count != 2 => {
                        Err(FormTextError("a pair has a name and one value".to_owned()))
                    }
                    _ => Ok(()),
                }
            }
        }
    )* };
}

items! {
    SerializeSeq: serialize_element;
    SerializeTuple: serialize_element;
    SerializeTupleStruct: serialize_field;
    SerializeTupleVariant: serialize_field;
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("place", &self.place).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde::{Deserialize, Serialize, de::DeserializeOwned};

    use super::*;
    use crate::extract::fields::pairs::{pairs, read};

    fn read_back<T: DeserializeOwned>(text: &str) -> T {
        read(&pairs(text).unwrap()).unwrap()
    }

    #[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
    #[serde(default)]
    struct Order {
        name: String,
        ratio: f64,
        flag: bool,
        missing: Option<u8>,
        tags: Vec<String>,
        items: Vec<Item>,
        by: BTreeMap<i8, char>,
        pay: Vec<Pay>,
    }

    #[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
    struct Item {
        size: (u8, i64),
    }

    #[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
    enum Pay {
        Cash,
        Card { number: u64 },
        Voucher(String),
    }

    #[test]
    fn values_are_written_as_the_reader_takes_them() {
        let order = Order {
            name: "tea & pot=é*-._~".to_owned(),
            ratio: 1.5,
            tags: vec!["a".to_owned(), "b c".to_owned()],
            items: vec![Item { size: (1, -2) }],
            by: [(-1, 'x')].into(),
            pay: vec![Pay::Card { number: 7 }, Pay::Voucher("v".to_owned())],
            ..Order::default()
        };
        let text = write(&order).unwrap();
        assert_eq!(
            text,
            "name=tea+%26+pot%3D%C3%A9*-._%7E&ratio=1.5&flag=false&tags=a&tags=b+c\
             &items%5B0%5D%5Bsize%5D=1&items%5B0%5D%5Bsize%5D=-2&by%5B-1%5D=x\
             &pay%5B0%5D%5BCard%5D%5Bnumber%5D=7&pay%5B1%5D%5BVoucher%5D=v"
        );
        assert_eq!(read_back::<Order>(&text), order);
        assert_eq!(write(&[("pay", [Pay::Cash, Pay::Cash])]).unwrap(), "pay=Cash&pay=Cash");
        assert_eq!(write(&[("a", 1), ("b", 2)]).unwrap(), "a=1&b=2");
        assert_eq!(write(&BTreeMap::from([(1, true)])).unwrap(), "1=true");
        assert_eq!(write(&()).unwrap(), "");
        assert_eq!(write(&Pay::Card { number: 7 }).unwrap(), "Card%5Bnumber%5D=7");
    }

    #[test]
    fn what_a_form_cannot_hold_is_an_error() {
        for error in [
            write(&1).unwrap_err(),
            write(&"text").unwrap_err(),
            write(&[1, 2]).unwrap_err(),
            write(&[(1, 2, 3)]).unwrap_err(),
            write(&[("a",)]).unwrap_err(),
            write(&BTreeMap::from([(vec![1], 1)])).unwrap_err(),
        ] {
            assert!(error.to_string().starts_with("the value cannot be written as a form"));
        }
    }

    fn orders() -> impl Strategy<Value = Order> {
        let item = (any::<u8>(), any::<i64>()).prop_map(|size| Item { size });
        let fields = (
            ".{0,6}",
            any::<i32>(),
            any::<bool>(),
            any::<Option<u8>>(),
            prop::collection::vec(".{0,4}", 0..3),
            prop::collection::vec(item, 0..3),
            prop::collection::btree_map(any::<i8>(), any::<char>(), 0..3),
        );
        fields.prop_map(|(name, ratio, flag, missing, tags, items, by)| Order {
            name,
            ratio: f64::from(ratio) / 4.0,
            flag,
            missing,
            tags,
            items,
            by,
            pay: Vec::new(),
        })
    }

    proptest! {
        #[test]
        fn a_written_value_is_read_back(order in orders()) {
            let text = write(&order).unwrap();
            prop_assert_eq!(read_back::<Order>(&text), order);
        }
    }
}
