//! Writes a value as the text of a form (pure).

use std::fmt::{self, Display};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::ser::{self, Serialize, Serializer};

use crate::extract::fields::parts::{self, MAX_BRACKETS};

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

/// Writes a struct, a map or a list of pairs as a form, so that the reader takes it. `None` and an
/// empty list are left out.
///
/// A list becomes a name that is repeated. If one of its items has parts, all items have numbers:
/// `pay[0]=Cash&pay[1][Card]=7`. Structs and maps within the form become names with brackets.
///
/// # Errors
///
/// Returns an error for what would not be read back as it was: a list item or an enum variant that
/// has no text, a name with brackets within another name, and too many levels of names.
pub(in crate::extract) fn write(value: &impl Serialize) -> Result<String, FormTextError> {
    let mut fields = Vec::new();
    value.serialize(Writer { out: &mut fields, place: Place::Whole })?;
    let mut text = String::new();
    for field in &fields {
        if parts::brackets(&field.name) > MAX_BRACKETS {
            let reason = format!("`{}` has more than {MAX_BRACKETS} levels of names", field.name);
            return Err(FormTextError(reason));
        }
        field.write(&mut text);
    }
    Ok(text)
}

/// A field of the form.
#[derive(Debug)]
struct Field {
    name: String,
    text: String,
    /// Whether it is an item of a list that is not complete. Its name ends in the item's number.
    is_item: bool,
}

impl Field {
    fn write(&self, out: &mut String) {
        if !out.is_empty() {
            out.push('&');
        }
        for (part, end) in [(&*self.name, "="), (&*self.text, "")] {
            for piece in utf8_percent_encode(part, ENCODED) {
                out.push_str(&piece.replace(' ', "+"));
            }
            out.push_str(end);
        }
    }
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
    out: &'o mut Vec<Field>,
    place: Place,
}

impl<'o> Writer<'o> {
    fn text(self, text: &str) -> Result<(), FormTextError> {
        let (name, is_item) = match self.place {
            Place::Name(name) => (name, false),
            Place::Item(name, index) => (format!("{name}[{index}]"), true),
            Place::Whole | Place::Pair => {
                let reason = "a form is a struct, a map or a list of pairs";
                return Err(FormTextError(reason.to_owned()));
            }
        };
        self.out.push(Field { name, text: text.to_owned(), is_item });
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
        let start = self.out.len();
        Ok(Parts { out: self.out, prefix, name: None, start, variant: None })
    }

    fn items(self) -> Result<Items<'o>, FormTextError> {
        let list = match &self.place {
            Place::Whole => ListPlace::Pairs,
            Place::Pair => ListPlace::Pair(None),
            _ => ListPlace::Name(self.prefix()?.unwrap_or_default()),
        };
        let start = self.out.len();
        Ok(Items { out: self.out, list, count: 0, start, variant: None })
    }

    /// The place of the value of an enum variant.
    fn variant(self, variant: &str) -> Result<Self, FormTextError> {
        let name = part(self.prefix()?.as_deref(), variant)?;
        Ok(Self { out: self.out, place: Place::Name(name) })
    }
}

/// The name of a part: `city` or `address[city]`.
fn part(prefix: Option<&str>, name: &str) -> Result<String, FormTextError> {
    match prefix {
        None => Ok(name.to_owned()),
        Some(prefix) if name.is_empty() || name.contains(['[', ']']) => Err(FormTextError(
            format!("the name `{name}` within `{prefix}` is empty or has a bracket"),
        )),
        Some(prefix) => Ok(format!("{prefix}[{name}]")),
    }
}

/// Checks that a variant has written a field since `start`. Its name would be lost otherwise.
fn check_variant(variant: Option<&str>, start: usize, out: &[Field]) -> Result<(), FormTextError> {
    match variant {
        Some(variant) if out.len() == start => {
            Err(FormTextError(format!("the variant `{variant}` has no text, so it would be lost")))
        }
        _ => Ok(()),
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
        let start = self.out.len();
        value.serialize(Writer { out: &mut *self.out, place: self.place }.variant(variant)?)?;
        check_variant(Some(variant), start, self.out)
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
        Ok(Items { variant: Some(variant), ..self.variant(variant)?.items()? })
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
        Ok(Parts { variant: Some(variant), ..self.variant(variant)?.parts()? })
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<(), FormTextError> {
        self.display(value)
    }
}

/// The fields of a struct or a map.
struct Parts<'o> {
    out: &'o mut Vec<Field>,
    prefix: Option<String>,
    /// The key of a map, whose value follows.
    name: Option<String>,
    /// How many fields the form had before.
    start: usize,
    variant: Option<&'static str>,
}

impl Parts<'_> {
    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), FormTextError> {
        let place = Place::Name(part(self.prefix.as_deref(), name)?);
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
                check_variant(self.variant, self.start, self.out)
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
    out: &'o mut Vec<Field>,
    list: ListPlace,
    count: usize,
    /// How many fields the form had before.
    start: usize,
    variant: Option<&'static str>,
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
        let before = self.out.len();
        value.serialize(Writer { out: self.out, place })?;
        if let ListPlace::Name(name) = &self.list
            && self.out.len() == before
        {
            let index = self.count;
            let reason = format!("the item {index} of `{name}` has no text, so it would be lost");
            return Err(FormTextError(reason));
        }
        self.count += 1;
        Ok(())
    }

    fn finish(self) -> Result<(), FormTextError> {
        if matches!(self.list, ListPlace::Pair(_)) && self.count != 2 {
            return Err(FormTextError("a pair has a name and one value".to_owned()));
        }
        check_variant(self.variant, self.start, self.out)?;
        if let ListPlace::Name(name) = &self.list {
            let fields = self.out.get_mut(self.start..).unwrap_or_default();
            let is_plain = fields.iter().all(|field| field.is_item);
            for field in fields {
                if is_plain {
                    field.name.clone_from(name);
                }
                field.is_item = false;
            }
        }
        Ok(())
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
                self.finish()
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
