//! A serde deserializer for named texts, for path arguments and query fields (pure).

pub(in crate::extract) mod conversions;

use std::{borrow::Cow, fmt, str::FromStr};

use serde::de::{
    self, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor, value::CowStrDeserializer,
};

use crate::extract::fields::conversions::Conversion;

/// The text or texts of one name.
#[derive(Clone, Debug)]
pub(super) enum Values<'a> {
    One(Cow<'a, str>),
    Many(Vec<Cow<'a, str>>),
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
}

impl<'a, I: Iterator<Item = (Cow<'a, str>, Values<'a>)>> Fields<'a, I> {
    pub(super) fn new(fields: impl IntoIterator<IntoIter = I>) -> Self {
        Self { rest: fields.into_iter(), next: None }
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
        seed.deserialize(key).map(Some).map_err(|error| error.within(name))
    }

    fn next_value_seed<V>(&mut self, seed: V) -> Result<V::Value, FieldError>
    where
        V: DeserializeSeed<'a>,
    {
        let Some((name, values)) = self.next.take() else {
            return Err(de::Error::custom("a value was asked for before its name"));
        };
        seed.deserialize(Value::new(values)).map_err(|error| error.within(&name))
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

    fn one(self) -> Result<Cow<'a, str>, FieldError> {
        match self.values {
            Values::One(text) => Ok(text),
            Values::Many(texts) => Err(de::Error::custom(format_args!(
                "given {} times, but it takes one value",
                texts.len()
            ))),
        }
    }

    /// Reads all texts as a list. A text that the type does not take is an error, because it would
    /// be lost.
    fn read_list<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let mut list = self.list();
        let given = list.texts.len();
        let value = visitor.visit_seq(&mut list)?;
        if list.texts.len() == 0 {
            return Ok(value);
        }
        let taken = given - list.texts.len();
        let values = if taken == 1 { "value" } else { "values" };
        Err(de::Error::custom(format_args!("given {given} times, but it takes {taken} {values}")))
    }

    fn parse<T: FromStr<Err: fmt::Display>>(self) -> Result<T, FieldError> {
        self.one()?.parse().map_err(de::Error::custom)
    }

    fn list(self) -> List<'a> {
        let texts = match self.values {
            Values::One(text) => vec![text],
            Values::Many(texts) => texts,
        };
        List { texts: texts.into_iter(), index: 0 }
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
        deserialize_bool visit_bool;
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
        deserialize_char visit_char;
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let Values::One(text) = &self.values else { return self.read_list(visitor) };
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
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
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
        visitor.visit_enum(Variant(self.one()?))
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        byte_buf unit_struct map struct identifier
    }
}

impl<'a> IntoDeserializer<'a, FieldError> for Value<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Several texts, each of which is parsed.
struct List<'a> {
    texts: std::vec::IntoIter<Cow<'a, str>>,
    index: usize,
}

impl<'a> SeqAccess<'a> for List<'a> {
    type Error = FieldError;

    fn next_element_seed<T>(&mut self, seed: T) -> Result<Option<T::Value>, FieldError>
    where
        T: DeserializeSeed<'a>,
    {
        let Some(text) = self.texts.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let value = seed.deserialize(Value { values: Values::One(text), is_list_item: true });
        value.map(Some).map_err(|error| error.within(&format!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.texts.len())
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
