//! A serde deserializer for named texts, for path arguments, queries and forms (pure).

pub(in crate::extract) mod conversions;
pub(crate) mod file_number;
pub(crate) mod form_fields;
pub(crate) mod non_empty;
pub(in crate::extract) mod pairs;
pub(in crate::extract) mod parts;
#[cfg(test)]
mod parts_tests;

use std::{borrow::Cow, fmt, str::FromStr};

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
    value::{BytesDeserializer, CowStrDeserializer, MapAccessDeserializer},
};

use crate::extract::fields::conversions::Conversion;
use crate::extract::fields::file_number::FileNumber;

/// The text or texts of one name.
#[derive(Clone, Debug)]
pub(super) enum Values<'a> {
    One(Cow<'a, str>),
    Many(Vec<Cow<'a, str>>),
    /// The parts of a name, such as `city` for `address[city]`.
    Parts(Vec<(Cow<'a, str>, Self)>),
    /// Names that contradict each other, and why. It is an error only if the type has the name.
    Refused(String),
}

impl Default for Values<'_> {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Values<'_> {
    /// Adds further texts.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused(reason), _) | (_, Self::Refused(reason)) => Self::Refused(reason),
            (first, second) => {
                let mut texts = first.into_texts();
                texts.append(&mut second.into_texts());
                Self::Many(texts)
            }
        }
    }
}

impl<'a> Values<'a> {
    fn into_texts(self) -> Vec<Cow<'a, str>> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
            Self::Parts(_) | Self::Refused(_) => Vec::new(),
        }
    }

    /// The items of a list with their indexes. `Err` says why the values are no list.
    fn into_items(self) -> Result<Vec<(usize, Self)>, String> {
        let fields = match self {
            Self::Parts(fields) => fields,
            Self::Refused(reason) => return Err(reason),
            texts => {
                return Ok(texts.into_texts().into_iter().map(Self::One).enumerate().collect());
            }
        };
        let number = |(name, values): (Cow<'a, str>, Self)| match name.parse() {
            Ok(number) => Ok((number, values)),
            Err(_) => Err(format!("it has the part `[{name}]`, but it takes a list")),
        };
        let mut items = fields.into_iter().map(number).collect::<Result<Vec<_>, _>>()?;
        items.sort_by_key(|(number, _)| *number);
        Ok(items)
    }

    /// Whether these are parts whose names are all numbers.
    fn is_list(&self) -> bool {
        !conversions::are_numbers_names()
            && matches!(self, Self::Parts(fields) if fields.iter().all(|(name, _)| name.parse::<usize>().is_ok()))
    }
}

/// Returns the same text, borrowed.
pub(super) fn borrow(text: &str) -> Cow<'_, str> {
    Cow::Borrowed(text)
}

/// An error, and the name of the field.
#[derive(Debug)]
pub(super) struct FieldError {
    /// The name of the field. Empty for an error in the whole value.
    pub(super) at: String,
    /// The address of the text that did not fit, if it is known.
    pub(super) text: Option<usize>,
    pub(super) kind: FieldErrorKind,
}

#[derive(Debug)]
pub(super) enum FieldErrorKind {
    Missing,
    Malformed(String),
    /// There are fewer values than the type has.
    Length(String),
    /// The type does not fit the route, whatever the request is.
    Shape(String),
}

impl FieldError {
    /// Adds the name of the field in which the error was found.
    pub(super) fn within(mut self, name: &str) -> Self {
        self.at.insert_str(0, name);
        self
    }

    pub(super) fn shape(reason: String) -> Self {
        Self { at: String::new(), text: None, kind: FieldErrorKind::Shape(reason) }
    }

    /// Adds the name of the field, if it is not known yet, by the text that did not fit.
    pub(super) fn named<'a>(
        mut self,
        mut fields: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        if let Some(text) = self.text
            && self.at.is_empty()
            && let Some((name, _)) = fields.find(|(_, other)| other.as_ptr().addr() == text)
        {
            name.clone_into(&mut self.at);
        }
        self
    }
}

impl de::Error for FieldError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        let kind = FieldErrorKind::Malformed(message.to_string());
        Self { at: String::new(), text: None, kind }
    }

    fn missing_field(field: &'static str) -> Self {
        Self { at: field.to_owned(), text: None, kind: FieldErrorKind::Missing }
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let text = conversions::misfit(&unexpected, expected);
        let message = format_args!("invalid type: {unexpected}, expected {expected}");
        Self { text, ..Self::custom(message) }
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        let text = conversions::converted_text(&unexpected);
        Self {
            text,
            ..Self::custom(format_args!("invalid value: {unexpected}, expected {expected}"))
        }
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let message = format!("invalid length {length}, expected {expected}");
        Self { at: String::new(), text: None, kind: FieldErrorKind::Length(message) }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FieldErrorKind::Missing => f.write_str("missing"),
            FieldErrorKind::Malformed(reason)
            | FieldErrorKind::Length(reason)
            | FieldErrorKind::Shape(reason) => f.write_str(reason),
        }
    }
}

impl std::error::Error for FieldError {}

/// Names with their texts, as a map or a struct.
pub(super) struct Fields<'a, I> {
    rest: I,
    next: Option<(Cow<'a, str>, Values<'a>)>,
    /// Whether the names are parts of another name, which errors show in brackets.
    are_parts: bool,
}

impl<'a, I: Iterator<Item = (Cow<'a, str>, Values<'a>)>> Fields<'a, I> {
    pub(super) fn new(fields: impl IntoIterator<IntoIter = I>) -> Self {
        Self { rest: fields.into_iter(), next: None, are_parts: false }
    }

    fn of_parts(fields: impl IntoIterator<IntoIter = I>) -> Self {
        Self { are_parts: true, ..Self::new(fields) }
    }

    fn label<'n>(&self, name: &'n str) -> Cow<'n, str> {
        if self.are_parts { Cow::Owned(format!("[{name}]")) } else { Cow::Borrowed(name) }
    }
}

impl<'a, I: Iterator<Item = (Cow<'a, str>, Values<'a>)>> MapAccess<'a> for Fields<'a, I> {
    type Error = FieldError;

    fn next_key_seed<K>(&mut self, seed: K) -> Result<Option<K::Value>, FieldError>
    where
        K: DeserializeSeed<'a>,
    {
        self.next = self.rest.next();
        let Some((name, _)) = &self.next else { return Ok(None) };
        // Keys use the deserializer of values, so that the keys of a map can be numbers, too.
        let key = Value::new(Values::One(name.clone()));
        seed.deserialize(key).map(Some).map_err(|error| error.within(&self.label(name)))
    }

    fn next_value_seed<V>(&mut self, seed: V) -> Result<V::Value, FieldError>
    where
        V: DeserializeSeed<'a>,
    {
        let Some((name, values)) = self.next.take() else {
            return Err(de::Error::custom("a value was asked for before its name"));
        };
        seed.deserialize(Value::new(values)).map_err(|error| error.within(&self.label(&name)))
    }
}

/// The texts of one name as a value. A scalar is parsed from one text, and a list takes all texts.
pub(super) struct Value<'a> {
    values: Values<'a>,
    is_list_item: bool,
}

impl<'a> Value<'a> {
    pub(super) fn new(values: Values<'a>) -> Self {
        Self { values, is_list_item: false }
    }

    /// The only text.
    fn one(self) -> Result<Cow<'a, str>, FieldError> {
        let text = self.one_text_or_file()?;
        match conversions::file(&text) {
            Some(_) => Err(de::Error::custom("text is needed, not a file")),
            None => Ok(text),
        }
    }

    /// The only text, which may stand for a file.
    fn one_text_or_file(self) -> Result<Cow<'a, str>, FieldError> {
        match self.values {
            Values::One(text) => Ok(text),
            Values::Many(texts) => Err(de::Error::custom(format_args!(
                "given {} times, but it takes one value",
                texts.len()
            ))),
            Values::Parts(fields) => {
                let name = fields.first().map_or("", |(name, _)| name);
                Err(parts_refused(format_args!(
                    "it has the part `[{name}]`, but it takes one value"
                )))
            }
            Values::Refused(reason) => Err(parts_refused(reason)),
        }
    }

    /// Reads the parts as a struct or a map.
    fn read_parts<V: Visitor<'a>>(
        fields: Vec<(Cow<'a, str>, Values<'a>)>,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_map(Fields::of_parts(fields)).map_err(|mut error| {
            // A missing field is named by the visitor, without brackets.
            if matches!(error.kind, FieldErrorKind::Missing) && !error.at.starts_with('[') {
                error.at = format!("[{}]", error.at);
            }
            error
        })
    }

    /// Reads all texts as a list. A text that the type does not take is an error, because it would
    /// be lost.
    fn read_list<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let items = self.values.into_items().map_err(parts_refused)?;
        let given = items.len();
        let mut list = List { items: items.into_iter() };
        let value = visitor.visit_seq(&mut list)?;
        if list.items.len() == 0 {
            return Ok(value);
        }
        let taken = given - list.items.len();
        let values = if taken == 1 { "value" } else { "values" };
        Err(de::Error::custom(format_args!("given {given} times, but it takes {taken} {values}")))
    }

    fn parse<T: FromStr<Err: fmt::Display>>(self) -> Result<T, FieldError> {
        let text = self.one()?;
        let text = if conversions::is_lenient() { text.trim() } else { &text };
        text.parse().map_err(de::Error::custom)
    }
}

macro_rules! parsed {
    ($($deserialize:ident $visit:ident;)*) => { $(
        fn $deserialize<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
            visitor.$visit(self.parse()?)
        }
    )* };
}

impl<'a> Deserializer<'a> for Value<'a> {
    type Error = FieldError;

    parsed! {
        deserialize_i8 visit_i8;
        deserialize_i16 visit_i16;
        deserialize_i32 visit_i32;
        deserialize_i64 visit_i64;
        deserialize_i128 visit_i128;
        deserialize_u8 visit_u8;
        deserialize_u16 visit_u16;
        deserialize_u32 visit_u32;
        deserialize_u64 visit_u64;
        deserialize_u128 visit_u128;
        deserialize_f32 visit_f32;
        deserialize_f64 visit_f64;
    }

    fn deserialize_bool<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        if !conversions::is_lenient() {
            return visitor.visit_bool(self.parse()?);
        }
        let text = self.one()?;
        let value = conversions::boolean(&text, true).ok_or_else(|| {
            de::Error::custom(format_args!("`{text}` is neither `true` nor `false`"))
        });
        visitor.visit_bool(value?)
    }

    fn deserialize_char<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        // A blank is a character, too.
        visitor.visit_char(self.one()?.parse().map_err(de::Error::custom)?)
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let text = match &self.values {
            Values::One(text) => text,
            Values::Parts(_) if !self.values.is_list() => return self.deserialize_map(visitor),
            _ => return self.read_list(visitor),
        };
        if let Some(file) = conversions::file(text) {
            return match conversions::is_list(text) && !self.is_list_item {
                true => self.read_list(visitor),
                false => visitor.visit_byte_buf(file.to_bytes()),
            };
        }
        match conversions::of(text, self.is_list_item) {
            None => self.deserialize_str(visitor),
            Some(Conversion::Bool(value)) => visitor.visit_bool(value),
            Some(Conversion::Unsigned(value)) => visitor.visit_u64(value),
            Some(Conversion::Signed(value)) => visitor.visit_i64(value),
            Some(Conversion::Float(value)) => visitor.visit_f64(value),
            Some(Conversion::List) => self.read_list(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.one()? {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_string<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_byte_buf(self.one()?.into_owned().into_bytes())
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match &self.values {
            Values::One(text) if text.is_empty() && conversions::is_lenient() => {
                visitor.visit_none()
            }
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        if !conversions::is_file_type(name) {
            return visitor.visit_newtype_struct(self);
        }
        let file = conversions::file(&self.one_text_or_file()?);
        match file.map(FileNumber::to_bytes) {
            Some(bytes) => visitor.visit_newtype_struct(BytesDeserializer::new(&bytes)),
            None => Err(de::Error::custom("a file is needed, not text")),
        }
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.read_list(visitor)
    }

    fn deserialize_tuple<V: Visitor<'a>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.read_list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.read_list(visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        match self.values {
            Values::Parts(fields) if fields.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(Fields::of_parts(fields)))
            }
            _ => visitor.visit_enum(Variant(self.one()?)),
        }
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        match self.values {
            Values::Parts(fields) => Self::read_parts(fields, visitor),
            Values::Refused(reason) => Err(parts_refused(reason)),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        byte_buf unit_struct identifier
    }
}

impl<'a> IntoDeserializer<'a, FieldError> for Value<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// An error because of parts of a name. The value is read again, without splitting names.
fn parts_refused(reason: impl fmt::Display) -> FieldError {
    conversions::refuse_parts();
    de::Error::custom(reason)
}

/// Several values with their indexes, each of which is parsed.
struct List<'a> {
    items: std::vec::IntoIter<(usize, Values<'a>)>,
}

impl<'a> SeqAccess<'a> for List<'a> {
    type Error = FieldError;

    fn next_element_seed<T>(&mut self, seed: T) -> Result<Option<T::Value>, FieldError>
    where
        T: DeserializeSeed<'a>,
    {
        let Some((index, values)) = self.items.next() else { return Ok(None) };
        let value = seed.deserialize(Value { values, is_list_item: true });
        value.map(Some).map_err(|error| error.within(&format!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

/// A text as the name of an enum variant without fields.
struct Variant<'a>(Cow<'a, str>);

impl<'a> EnumAccess<'a> for Variant<'a> {
    type Error = FieldError;
    type Variant = UnitOnly;

    fn variant_seed<V>(self, seed: V) -> Result<(V::Value, UnitOnly), FieldError>
    where
        V: DeserializeSeed<'a>,
    {
        let name: CowStrDeserializer<'a, FieldError> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, UnitOnly))
    }
}

struct UnitOnly;

impl<'a> VariantAccess<'a> for UnitOnly {
    type Error = FieldError;

    fn unit_variant(self) -> Result<(), FieldError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'a>>(self, _: T) -> Result<T::Value, FieldError> {
        Err(fields_refused())
    }

    fn tuple_variant<V: Visitor<'a>>(self, _: usize, _: V) -> Result<V::Value, FieldError> {
        Err(fields_refused())
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, FieldError> {
        Err(fields_refused())
    }
}

fn fields_refused() -> FieldError {
    de::Error::custom("a text can only be a variant without fields")
}
