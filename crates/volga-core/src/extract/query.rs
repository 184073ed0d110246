//! `Query<T>`: the query of the URI as one value.

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
};

use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, Visitor, value::SeqDeserializer},
};

use crate::extract::fields::{FieldError, FieldErrorKind, Fields, Value, Values};
use http::StatusCode;

use crate::extract::FromRequestParts;
use crate::extract::error::ExtractError;
use crate::extract::optional::OptionalArg;
use crate::handler::description::Description;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// The query of the URI, read into a struct or a map by name.
///
/// A name that occurs several times fills a `Vec`. For a name that may be missing, use an `Option`
/// or `#[serde(default)]`. Unknown names are ignored. A plus is a space.
/// `Query<Vec<(String, String)>>` takes all fields in order.
///
/// The status is 400 if a field is missing or cannot be parsed. The message has the name of the
/// field and the index of the value, such as `tag[1]`. `Option<Query<T>>` is `None` if the URI has
/// no query. It dereferences to `T`.
///
/// ```
/// use serde::Deserialize;
/// use volga_core::{HandlerEndpoint, Query, Router};
///
/// #[derive(Deserialize)]
/// struct Search {
///     text: String,
///     page: Option<u32>,
///     #[serde(default)]
///     tag: Vec<String>,
/// }
///
/// let mut router = Router::new();
/// // /search?text=tea+pot&tag=new&tag=sale
/// router.map(http::Method::GET, "/search", HandlerEndpoint::new(|search: Query<Search>| {
///     format!("{}, page {}, {} tags", search.text, search.page.unwrap_or(1), search.tag.len())
/// }));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Query<T>(pub T);

impl<T> Query<T> {
    /// Returns the value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: DeserializeOwned> FromRequestParts for Query<T> {
    fn describe(description: &mut Description) {
        description.reads_query().responds(StatusCode::BAD_REQUEST, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let pairs = QueryDeserializer(parts.uri.query().unwrap_or_default());
        let value = T::deserialize(pairs).map_err(|FieldError { at, kind }| match kind {
            FieldErrorKind::Missing => ExtractError::MissingQueryField { field: at },
            FieldErrorKind::Malformed(reason) if at.is_empty() => ExtractError::Query { reason },
            FieldErrorKind::Malformed(reason) => ExtractError::QueryField { at, reason },
        })?;
        Ok(Self(value))
    }
}

/// Absent if the URI has no query, or an empty one.
impl<T> OptionalArg for Query<T> {
    fn is_absent(parts: &RequestParts) -> bool {
        parts.uri.query().is_none_or(str::is_empty)
    }
}

impl<T> Deref for Query<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Query<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// The text of a query, as a deserializer.
struct QueryDeserializer<'a>(&'a str);

impl<'a> QueryDeserializer<'a> {
    /// Returns each name once, in the order of the first occurrences, with all its values.
    fn fields(&self) -> Vec<(Cow<'a, str>, Values<'a>)> {
        let mut fields: Vec<(Cow<'a, str>, Values<'a>)> = Vec::new();
        // The client chooses the number of names, so a linear search could be made slow on purpose.
        let mut index = std::collections::HashMap::new();
        for (name, text) in form_urlencoded::parse(self.0.as_bytes()) {
            match index.get(&name) {
                None => {
                    index.insert(name.clone(), fields.len());
                    fields.push((name, Values::One(text)));
                }
                Some(at) => {
                    let values: &mut Values<'a> = &mut fields[*at].1;
                    match values {
                        Values::Many(texts) => texts.push(text),
                        Values::One(first) => {
                            *values = Values::Many(vec![std::mem::take(first), text]);
                        }
                    }
                }
            }
        }
        fields
    }
}

impl<'a> Deserializer<'a> for QueryDeserializer<'a> {
    type Error = FieldError;

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_map(Fields::new(self.fields()))
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let pairs = form_urlencoded::parse(self.0.as_bytes());
        let pair = |(name, text)| Value(Values::Many(vec![name, text]));
        visitor.visit_seq(SeqDeserializer::new(pairs.map(pair)))
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, FieldError> {
        Err(FieldError::custom("a query can be read into a struct, a map or a list of pairs"))
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    fn read<T: DeserializeOwned>(query: &str) -> Result<T, String> {
        T::deserialize(QueryDeserializer(query)).map_err(|error| format!("{}: {error}", error.at))
    }

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Search {
        text: String,
        page: Option<u32>,
        #[serde(default)]
        tag: Vec<u8>,
    }

    #[test]
    fn names_fill_fields_and_repeated_ones_a_list() {
        assert_eq!(
            read("tag=1&text=tea+%C3%A9&other=x&tag=2"),
            Ok(Search { text: "tea é".to_owned(), page: None, tag: vec![1, 2] })
        );
        assert_eq!(
            read("text=&page=3&tag=1"),
            Ok(Search { text: String::new(), page: Some(3), tag: vec![1] })
        );
        let list = BTreeMap::from([("a".to_owned(), vec!["1".to_owned(), "2".to_owned()])]);
        assert_eq!(read("a=1&a=2"), Ok(list));
        let pairs = [("b", "1"), ("a", "2"), ("b", "3")];
        let pairs = pairs.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
        assert_eq!(read("b=1&a=2&b=3"), Ok(pairs));
        assert_eq!(read("1=a"), Ok(HashMap::from([(1_u8, 'a')])));
    }

    #[test]
    fn errors_name_the_field_and_say_whether_it_is_missing() {
        let fails = |query| read::<Search>(query).unwrap_err();
        assert_eq!(fails("page=1"), "text: missing");
        assert_eq!(fails("text=x&page=one"), "page: invalid digit found in string");
        assert_eq!(fails("text=x&page="), "page: cannot parse integer from empty string");
        assert_eq!(fails("text=x&tag=1&tag=x"), "tag[1]: invalid digit found in string");
        assert_eq!(fails("text=x&text=y"), "text: given 2 times, but it takes one value");
        assert!(read::<u8>("a=1").is_err());
    }

    proptest! {
        #[test]
        fn an_encoded_query_is_read_back(pairs in prop::collection::vec((".{0,4}", ".{0,8}"), 0..8)) {
            let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&pairs).finish();
            let mut lists: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for (name, text) in &pairs {
                lists.entry(name.clone()).or_default().push(text.clone());
            }
            prop_assert_eq!(read(&query), Ok(lists));
            prop_assert_eq!(read(&query), Ok(pairs));
        }

        #[test]
        fn no_query_panics(query in "[a-c=&%+0-9\\[\\]é]{0,32}") {
            let _ = read::<Search>(&query);
            let _ = read::<HashMap<String, u8>>(&query);
        }
    }
}
