//! Pairs of names and texts, from a query or a form, as a deserializer (pure).

use std::{borrow::Cow, collections::HashMap};

use percent_encoding::percent_decode_str;
use serde::{
    Deserializer,
    de::{
        DeserializeOwned, Error as _, Visitor,
        value::{MapAccessDeserializer, SeqDeserializer},
    },
};

use crate::extract::fields::conversions::ReadingRules;
use crate::extract::fields::non_empty::NON_EMPTY_FIELDS;
use crate::extract::fields::{FieldError, Fields, Value, Values, borrow, conversions, parts};

/// A field of a query or a form: its name and its text.
pub(in crate::extract) type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The field with this raw name is not UTF-8 after percent-decoding.
#[derive(Debug)]
pub(in crate::extract) struct NotUtf8(pub(in crate::extract) String);

impl NotUtf8 {
    pub(in crate::extract) const REASON: &str = "it is not UTF-8 after percent-decoding";
}

/// Splits and decodes a query or a form. A plus is a space, and a `%` without two hexadecimal
/// digits is a percent sign, as in the URL standard. Bytes that are not UTF-8 are an error, because
/// replacing them would lose what the client has sent.
pub(in crate::extract) fn pairs(text: &str) -> Result<Vec<Pair<'_>>, NotUtf8> {
    raw_pairs(text).map(pair).collect()
}

/// The number of fields in a query or a form.
pub(in crate::extract) fn count(text: &str) -> usize {
    raw_pairs(text).count()
}

fn raw_pairs(text: &str) -> impl Iterator<Item = &str> {
    text.split('&').filter(|field| !field.is_empty())
}

fn pair(field: &str) -> Result<Pair<'_>, NotUtf8> {
    let (name, text) = field.split_once('=').unwrap_or((field, ""));
    match (decoded(name), decoded(text)) {
        (Some(name), Some(text)) => Ok((name, text)),
        _ => Err(NotUtf8(name.to_owned())),
    }
}

/// Decodes a name or a text. Returns `None` if the bytes are not UTF-8.
fn decoded(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains('+') {
        return percent_decode_str(raw).decode_utf8().ok();
    }
    let spaced = raw.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()))
}

/// Reads a value from its fields.
pub(in crate::extract) fn read<T: DeserializeOwned>(pairs: &[Pair<'_>]) -> Result<T, FieldError> {
    read_with(ReadingRules::default(), pairs)
}

/// Reads a value from its fields by these rules.
pub(super) fn read_with<T: DeserializeOwned>(
    rules: ReadingRules,
    pairs: &[Pair<'_>],
) -> Result<T, FieldError> {
    let pass = || T::deserialize(PairsDeserializer { pairs, skips_empty: false });
    let result = conversions::deserialize(rules, pass);
    result.map_err(|error| error.named(pairs.iter().map(|(name, text)| (&**name, &**text))))
}

/// The fields of a query or a form, as a deserializer.
struct PairsDeserializer<'a> {
    pairs: &'a [Pair<'a>],
    /// Whether fields with an empty text count as absent.
    skips_empty: bool,
}

/// The number of names up to which a linear search is used: 8.
const MAX_SEARCHED: usize = 8;

impl<'a> PairsDeserializer<'a> {
    fn present(&self) -> impl Iterator<Item = &'a Pair<'a>> + use<'a> {
        let skips_empty = self.skips_empty;
        self.pairs.iter().filter(move |(_, text)| !skips_empty || !text.is_empty())
    }

    /// Returns each name once, in the order of the first occurrences, with all its values. Names
    /// with brackets are parts of other names, except for those of a struct or an enum.
    fn fields(&self, own_names: Option<&[&str]>) -> Vec<(Cow<'a, str>, Values<'a>)> {
        let mut fields: Vec<(Cow<'a, str>, Values<'a>)> = Vec::with_capacity(self.pairs.len());
        // The client chooses the number of names, so a linear search could be made slow on purpose.
        let mut index: HashMap<Cow<'a, str>, usize> = HashMap::new();
        let mut has_brackets = false;
        for (name, text) in self.present() {
            let (name, text): (&str, _) = (name, borrow(text));
            has_brackets |= name.ends_with(']');
            let known = match fields.len() {
                0..=MAX_SEARCHED => fields.iter().position(|(other, _)| other == name),
                _ => index.get(name).copied(),
            };
            match known {
                None => {
                    fields.push((Cow::Borrowed(name), Values::One(text)));
                    if fields.len() == MAX_SEARCHED + 1 {
                        let names = fields.iter().map(|(name, _)| name.clone());
                        index.extend(names.zip(0..));
                    } else if fields.len() > MAX_SEARCHED {
                        index.insert(Cow::Borrowed(name), fields.len() - 1);
                    }
                }
                Some(at) => {
                    let values: &mut Values<'a> = &mut fields[at].1;
                    *values = std::mem::take(values).and(Values::One(text));
                }
            }
        }
        // A struct ignores names that it does not have, so the part of a field must not become one.
        match own_names {
            Some(names) if has_brackets => parts::group(fields, names),
            None if has_brackets && !conversions::are_names_whole() => parts::group(fields, &[]),
            _ => fields,
        }
    }

    fn visit_fields<V: Visitor<'a>>(
        &self,
        own_names: Option<&[&str]>,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_map(Fields::new(self.fields(own_names)))
    }
}

impl<'a> Deserializer<'a> for PairsDeserializer<'a> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.visit_fields(None, visitor)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.visit_fields(Some(fields), visitor)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let pair = |(name, text): &'a Pair<'a>| {
            Value::new(Values::One(borrow(name)).and(Values::One(borrow(text))))
        };
        visitor.visit_seq(SeqDeserializer::new(self.present().map(pair)))
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        if self.present().next().is_none() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        mut self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.skips_empty |= name == NON_EMPTY_FIELDS;
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    /// The only field is the variant: `?id=7`.
    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        let fields = self.fields(Some(variants));
        if fields.len() != 1 {
            return Err(FieldError::custom("an enum takes one field, the name of the variant"));
        }
        visitor.visit_enum(MapAccessDeserializer::new(Fields::new(fields)))
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit_struct tuple tuple_struct map identifier ignored_any
    }
}
