//! Deserializes the fields of a form into a type (pure).

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, Error as _, IntoDeserializer, Visitor,
        value::{Error, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use crate::multipart::temp_file::FILE_TYPE;

/// A field of a form, with all its values.
pub(crate) struct FieldValues {
    pub(crate) name: String,
    /// At least one.
    pub(crate) values: Vec<Value>,
}

/// A value of a field.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    /// The index of a file.
    File(usize),
}

/// Makes a value of fields.
pub(crate) fn from_fields<T: DeserializeOwned>(fields: Vec<FieldValues>) -> Result<T, Error> {
    let pairs = fields.into_iter().map(|field| (field.name.clone(), field));
    // serde's own texts, such as "missing field `age`", name the field, too.
    T::deserialize(MapDeserializer::new(pairs))
}

impl FieldValues {
    fn error(&self, reason: impl std::fmt::Display) -> Error {
        Error::custom(format_args!("field `{}`: {reason}", self.name))
    }

    /// The only value of the field.
    fn one(&self) -> Result<&Value, Error> {
        match &*self.values {
            [value] => Ok(value),
            values => Err(self.error(format_args!("one value is needed, not {}", values.len()))),
        }
    }

    fn text(&self) -> Result<&str, Error> {
        match self.one()? {
            Value::Text(text) => Ok(text),
            Value::File(_) => Err(self.error("text is needed, not a file")),
        }
    }

    /// Parses the text for a visitor.
    fn parse<T: std::str::FromStr<Err: std::fmt::Display>, V>(
        &self,
        visit: impl FnOnce(T) -> Result<V, Error>,
    ) -> Result<V, Error> {
        let value = self.text()?.trim().parse().map_err(|error| self.error(error))?;
        visit(value).map_err(|error| self.error(error))
    }

    /// A value of a list as a field of its own, with its index in the name.
    fn item(name: &str, index: usize, value: Value) -> Self {
        Self { name: format!("{name}[{index}]"), values: vec![value] }
    }
}

impl<'de> IntoDeserializer<'de, Error> for FieldValues {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident;)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.parse(|value| visitor.$visit(value))
        }
    )* };
}

impl<'de> Deserializer<'de> for FieldValues {
    type Error = Error;

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

    forward_to_deserialize_any! {
        char str string identifier unit unit_struct
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.text()?.to_owned();
        visitor.visit_string(text).map_err(|error: Error| self.error(error))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // A check box without a value of its own sends `on`.
        match self.text()? {
            "true" | "on" => visitor.visit_bool(true),
            "false" | "off" => visitor.visit_bool(false),
            other => Err(self.error(format_args!("`{other}` is neither `true` nor `false`"))),
        }
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let bytes = self.text()?.as_bytes().to_vec();
        visitor.visit_byte_buf(bytes).map_err(|error: Error| self.error(error))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &*self.values {
            [Value::Text(text)] if text.is_empty() => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name != FILE_TYPE {
            return visitor.visit_newtype_struct(self);
        }
        match self.one()? {
            Value::File(index) => {
                let index: de::value::UsizeDeserializer<Error> = (*index).into_deserializer();
                visitor.visit_newtype_struct(index)
            }
            Value::Text(_) => Err(self.error("a file is needed, not text")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Self { name, values } = self;
        let item = |(index, value)| Self::item(&name, index, value);
        visitor.visit_seq(SeqDeserializer::new(values.into_iter().enumerate().map(item)))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(self.error("a field of a multipart form has no fields of its own"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text: de::value::StringDeserializer<Error> =
            self.text()?.to_owned().into_deserializer();
        let value = text.deserialize_enum(name, variants, visitor);
        value.map_err(|error| self.error(error))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Form {
        name: String,
        age: Option<u8>,
        height: f32,
        tags: Vec<String>,
        numbers: Vec<i64>,
        news: bool,
        size: Option<Size>,
        id: Id,
        letter: Option<char>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Large,
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Id(u32);

    fn read<T: DeserializeOwned>(pairs: &[(&str, &str)]) -> Result<T, String> {
        let mut fields: Vec<FieldValues> = Vec::new();
        for (name, text) in pairs {
            let value = Value::Text((*text).to_owned());
            match fields.iter_mut().find(|field| field.name == *name) {
                Some(field) => field.values.push(value),
                None => fields.push(FieldValues { name: (*name).to_owned(), values: vec![value] }),
            }
        }
        from_fields(fields).map_err(|error| error.to_string())
    }

    #[test]
    fn text_becomes_the_type_of_the_field() {
        let form: Form = read(&[
            ("name", "Anna"),
            ("age", "30"),
            ("height", "1.7"),
            ("tags", "a"),
            ("numbers", " -1 "),
            ("tags", ""),
            ("news", "on"),
            ("size", "large"),
            ("id", "7"),
            ("letter", "ß"),
            ("unknown", "x"),
            ("unknown", "y"),
        ])
        .unwrap();
        let expect = Form {
            name: "Anna".into(),
            age: Some(30),
            height: 1.7,
            tags: vec!["a".into(), String::new()],
            numbers: vec![-1],
            news: true,
            size: Some(Size::Large),
            id: Id(7),
            letter: Some('ß'),
        };
        assert_eq!(form, expect);
        let empty: Form = read(&[("age", ""), ("size", ""), ("name", "")]).unwrap();
        assert_eq!(empty, Form::default());
        let map: HashMap<String, Vec<u8>> = read(&[("a", "1"), ("b", "2"), ("a", "3")]).unwrap();
        assert_eq!(map["a"], [1, 3]);
    }

    #[test]
    fn an_error_names_the_field() {
        #[derive(Debug, Deserialize)]
        struct Strict {
            #[expect(dead_code, reason = "only errors are tested")]
            age: u8,
        }

        for (pairs, expect) in [
            (&[][..], "missing field `age`"),
            (&[("age", "x")], "field `age`: invalid digit found in string"),
            (&[("age", "300")], "field `age`: number too large to fit in target type"),
            (&[("age", "1"), ("age", "2")], "field `age`: one value is needed, not 2"),
        ] {
            assert_eq!(read::<Strict>(pairs).unwrap_err(), expect);
        }
        for (pair, expect) in [
            (("numbers", "x"), "field `numbers[0]`: invalid digit found in string"),
            (("news", "yes"), "field `news`: `yes` is neither `true` nor `false`"),
            (("size", "huge"), "field `size`: unknown variant `huge`, expected `small` or `large`"),
            (
                ("letter", "ab"),
                "field `letter`: invalid value: string \"ab\", expected a character",
            ),
        ] {
            assert_eq!(read::<Form>(&[pair]).unwrap_err(), expect);
        }
    }
}
