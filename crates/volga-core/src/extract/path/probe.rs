//! Whether the type of a `Path<T>` fits the arguments of a pattern, for the checks at start-up
//! (pure).
//!
//! The type is deserialized from texts that are made up. What it asks for shows which names and how
//! many values it needs. A text that the type refuses proves nothing: the next made-up text is
//! tried, and in the end the type counts as fitting.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, VariantAccess, Visitor,
};

/// Texts that common types accept.
const TEXTS: [&str; 6] = [
    "1",
    "a",
    "67e55044-10b1-426f-9247-bb680e5fe0c8",
    "127.0.0.1",
    "2026-01-01",
    "2026-01-01T00:00:00Z",
];

/// Returns why a type can never be created from arguments with these names, and what to do.
pub(in crate::extract) fn misfit<T: DeserializeOwned>(names: &[&str]) -> Option<String> {
    // The text that is tried next for each argument.
    let mut texts = vec![0; names.len()];
    loop {
        match T::deserialize(Probe { names, texts: &texts }) {
            Err(ProbeError::Misfit(reason)) => return Some(reason),
            Err(ProbeError::Refused(index)) if texts[index] + 1 < TEXTS.len() => texts[index] += 1,
            _ => return None,
        }
    }
}

#[derive(Debug)]
enum ProbeError {
    /// The type does not fit, whatever the texts are.
    Misfit(String),
    /// The type refuses the text of this argument.
    Refused(usize),
    /// The type refuses the texts together.
    Unknown,
}

impl de::Error for ProbeError {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Unknown
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Misfit(format!(
            "the pattern has no argument `{field}`: add the segment `{{{field}}}`, rename the \
             argument or the field, or give the field a default"
        ))
    }

    fn unknown_field(field: &str, _: &'static [&'static str]) -> Self {
        Self::Misfit(format!(
            "the type has no field `{field}`: add it, or remove `deny_unknown_fields`"
        ))
    }

    fn invalid_length(present: usize, expected: &dyn Expected) -> Self {
        Self::Misfit(format!(
            "the type is {expected}, but the pattern has {present} argument{s}: add a segment such \
             as `{{name}}` for each missing one",
            s = if present == 1 { "" } else { "s" }
        ))
    }
}

impl fmt::Display for ProbeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the made-up texts do not fit")
    }
}

impl std::error::Error for ProbeError {}

/// All arguments, as `Path<T>` reads them.
struct Probe<'p> {
    names: &'p [&'p str],
    texts: &'p [usize],
}

impl<'p> Probe<'p> {
    fn values(&self) -> ProbeValues<'p> {
        ProbeValues { names: self.names, texts: self.texts, index: 0 }
    }

    /// Passes on the only argument.
    fn only<T>(
        &self,
        visit: impl FnOnce(ProbeText) -> Result<T, ProbeError>,
    ) -> Result<T, ProbeError> {
        match *self.texts {
            [text] => visit(ProbeText(text)).map_err(|_| ProbeError::Refused(0)),
            [] => Err(ProbeError::Misfit(
                "the type is one value, but the pattern has no arguments: add a segment such as \
                 `{name}`"
                    .to_owned(),
            )),
            _ => Err(ProbeError::Misfit(format!(
                "the type is one value, but the pattern has {} arguments: use a struct with their \
                 names, or a tuple",
                self.names.len()
            ))),
        }
    }

    /// Checks that a tuple of this length takes all arguments.
    fn check_len(&self, len: usize) -> Result<(), ProbeError> {
        let present = self.names.len();
        if len < present {
            return Err(ProbeError::Misfit(format!(
                "the type takes {len} value{s}, but the pattern has {present} arguments with its \
                 prefixes: take all of them in their order, or use a struct with the names that \
                 you need",
                s = if len == 1 { "" } else { "s" }
            )));
        }
        Ok(())
    }
}

macro_rules! only {
    ($($deserialize:ident)*) => { $(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
            self.only(|value| value.$deserialize(visitor))
        }
    )* };
}

/// Methods that ignore what they are told about the type, and call the visitor in one way.
macro_rules! visit {
    ($visit:expr => $($deserialize:ident($($arg:ty),*))*) => { $(
        fn $deserialize<V: Visitor<'de>>(
            self,
            $(_: $arg,)*
            visitor: V,
        ) -> Result<V::Value, ProbeError> {
            $visit(self, visitor)
        }
    )* };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = ProbeError;

    only! {
        deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
        deserialize_identifier
    }
    visit! { |probe: Self, visitor: V| visitor.visit_map(probe.values()) =>
        deserialize_any()
        deserialize_map()
        deserialize_struct(&'static str, &'static [&'static str])
    }
    visit! { |_, visitor: V| visitor.visit_unit() =>
        deserialize_unit()
        deserialize_unit_struct(&'static str)
        deserialize_ignored_any()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        visitor.visit_seq(self.values())
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        self.check_len(len)?;
        visitor.visit_seq(self.values())
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        len: usize,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        self.deserialize_tuple(len, visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        self.only(|value| value.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        if self.names.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }
}

/// The arguments one by one, as a map or a list.
struct ProbeValues<'p> {
    names: &'p [&'p str],
    texts: &'p [usize],
    index: usize,
}

impl<'de> MapAccess<'de> for ProbeValues<'_> {
    type Error = ProbeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ProbeError> {
        let Some(name) = self.names.get(self.index) else { return Ok(None) };
        let name: StrDeserializer<'_, ProbeError> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ProbeError> {
        SeqAccess::next_element_seed(self, seed)?.ok_or(ProbeError::Unknown)
    }
}

impl<'de> SeqAccess<'de> for ProbeValues<'_> {
    type Error = ProbeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ProbeError> {
        let index = self.index;
        let Some(text) = self.texts.get(index) else { return Ok(None) };
        self.index += 1;
        seed.deserialize(ProbeText(*text)).map(Some).map_err(|_| ProbeError::Refused(index))
    }
}

/// One of the made-up texts, or what else the type of the argument asks for.
struct ProbeText(usize);

macro_rules! values {
    ($($deserialize:ident $visit:ident($($value:expr)?);)*) => { $(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
            visitor.$visit($($value)?)
        }
    )* };
}

impl<'de> Deserializer<'de> for ProbeText {
    type Error = ProbeError;

    values! {
        deserialize_bool visit_bool(true);
        deserialize_char visit_char('a');
        deserialize_i8 visit_i8(1);
        deserialize_i16 visit_i16(1);
        deserialize_i32 visit_i32(1);
        deserialize_i64 visit_i64(1);
        deserialize_i128 visit_i128(1);
        deserialize_u8 visit_u8(1);
        deserialize_u16 visit_u16(1);
        deserialize_u32 visit_u32(1);
        deserialize_u64 visit_u64(1);
        deserialize_u128 visit_u128(1);
        deserialize_f32 visit_f32(1.0);
        deserialize_f64 visit_f64(1.0);
        deserialize_unit visit_unit();
        deserialize_ignored_any visit_unit();
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        visitor.visit_borrowed_str(TEXTS[self.0])
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ProbeError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ProbeError> {
        visitor.visit_enum(ProbeVariant(variants.first().copied().unwrap_or_default()))
    }

    serde::forward_to_deserialize_any! {
        str string bytes byte_buf identifier seq map unit_struct tuple tuple_struct struct
    }
}

/// A variant without fields.
struct ProbeVariant(&'static str);

impl<'de> EnumAccess<'de> for ProbeVariant {
    type Error = ProbeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), ProbeError> {
        let name: StrDeserializer<'_, ProbeError> = self.0.into_deserializer();
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for ProbeVariant {
    type Error = ProbeError;

    fn unit_variant(self) -> Result<(), ProbeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, ProbeError> {
        Err(ProbeError::Unknown)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, ProbeError> {
        Err(ProbeError::Unknown)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, ProbeError> {
        Err(ProbeError::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::net::IpAddr;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Order {
        year: u16,
        colour: Option<Colour>,
        host: IpAddr,
        even: Even,
        last: Box<str>,
        #[serde(default)]
        page: u32,
    }

    #[derive(Deserialize)]
    enum Colour {
        Red,
    }

    /// A type that refuses all made-up texts.
    #[derive(Deserialize)]
    #[serde(try_from = "String")]
    struct Even;

    impl TryFrom<String> for Even {
        type Error = &'static str;

        fn try_from(text: String) -> Result<Self, Self::Error> {
            if text == "even" { Ok(Self) } else { Err("odd") }
        }
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Strict {
        id: u8,
    }

    #[derive(Deserialize)]
    #[serde(try_from = "(u8, u8)")]
    struct Range;

    impl TryFrom<(u8, u8)> for Range {
        type Error = &'static str;

        fn try_from((from, to): (u8, u8)) -> Result<Self, Self::Error> {
            if from < to { Ok(Self) } else { Err("empty") }
        }
    }

    #[track_caller]
    fn check<T: DeserializeOwned>(names: &[&str], expect: &str) {
        let reason = misfit::<T>(names).unwrap_or_default();
        assert!(reason.starts_with(expect) && reason.is_empty() == expect.is_empty(), "{reason}");
    }

    #[test]
    fn a_struct_needs_an_argument_for_each_field_without_a_default() {
        check::<Order>(&["year", "host", "last"], "the pattern has no argument `even`");
        check::<Order>(&["host", "last", "even"], "");
        check::<Order>(&["host", "last"], "the pattern has no argument `year`");
        check::<Order>(&[], "the pattern has no argument `year`");
        check::<Option<Strict>>(&["name"], "the type has no field `name`");
        check::<Strict>(&["id"], "");
        check::<HashMap<String, u8>>(&["a", "b"], "");
        check::<HashMap<u8, u8>>(&["a", "b"], "");
    }

    #[test]
    fn a_tuple_takes_all_arguments_and_one_value_the_only_one() {
        check::<(u8, Colour)>(&["a", "b"], "");
        check::<(u8, Even)>(&["a", "b"], "");
        check::<(u8, u8)>(&["a"], "the type is a tuple of size 2, but the pattern has 1 argument:");
        check::<(u8, u8)>(&["a", "b", "c"], "the type takes 2 values, but the pattern has 3");
        check::<Range>(&["a", "b"], "");
        check::<Range>(&["a"], "the type is a tuple of size 2");
        check::<Vec<u8>>(&["a", "b", "c"], "");
        check::<u8>(&["a", "b"], "the type is one value, but the pattern has 2 arguments:");
        check::<Colour>(&[], "the type is one value, but the pattern has no arguments:");
        check::<Option<Even>>(&["a"], "");
        check::<()>(&["a"], "");
    }
}
