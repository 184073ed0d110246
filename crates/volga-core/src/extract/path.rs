//! `Path<T>`: all path arguments in one value.

use std::{
    borrow::Cow,
    ops::{Deref, DerefMut},
};

use serde::{
    Deserializer,
    de::{DeserializeOwned, Error as _, SeqAccess, Visitor},
};

use crate::extract::fields::{FieldError, FieldErrorKind, Fields, Value, Values};
use crate::extract::path_probe;
use http::StatusCode;

use crate::extract::FromRequestParts;
use crate::extract::error::ExtractError;
use crate::handler::description::Description;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// All path arguments of the route, percent-decoded, in one value.
///
/// - A struct or a map takes them by name.
/// - A tuple or a list takes them by position, and ignores the rest.
/// - Any other type takes the only argument.
///
/// A handler may have a `Path` and path arguments by position.
///
/// The status is 400 if a text cannot be parsed, and the message names the argument. The status is
/// 500 if the route does not have the arguments that `T` needs. It dereferences to `T`.
///
/// ```
/// use serde::Deserialize;
/// use volga_core::{HandlerEndpoint, Path, Router};
///
/// #[derive(Deserialize)]
/// struct Order { user: String, number: u64 }
///
/// let mut router = Router::new();
/// let pattern = "/users/{user}/orders/{number}";
/// router.map(http::Method::GET, pattern, HandlerEndpoint::new(|Path(order): Path<Order>| {
///     format!("order {} of {}", order.number, order.user)
/// }));
/// router.map(http::Method::DELETE, pattern, HandlerEndpoint::new(|path: Path<(String, u64)>| path.1));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Path<T>(pub T);

impl<T> Path<T> {
    /// Returns the value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T: DeserializeOwned> FromRequestParts for Path<T> {
    fn describe(description: &mut Description) {
        description
            .reads_path()
            .checks_path(path_probe::misfit::<T>)
            .responds(StatusCode::BAD_REQUEST, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let args = parts.path_args().collect::<Result<Vec<_>, _>>()?;
        let value = T::deserialize(PathArgsDeserializer(args)).map_err(
            |FieldError { at, kind }| match kind {
                // These two errors do not depend on the request: the route does not fit the type.
                FieldErrorKind::Missing => ExtractError::PathShape {
                    reason: format!("the pattern has no argument `{at}`"),
                },
                FieldErrorKind::Malformed(reason) if at.is_empty() => {
                    ExtractError::PathShape { reason }
                }
                FieldErrorKind::Malformed(reason) => ExtractError::PathArg { name: at, reason },
            },
        )?;
        Ok(Self(value))
    }
}

impl<T> Deref for Path<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Path<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// The names and texts of all path arguments.
struct PathArgsDeserializer<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> PathArgsDeserializer<'a> {
    fn by_name<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let field = |(name, text)| (Cow::Borrowed(name), Values::One(text));
        visitor.visit_map(Fields::new(self.0.into_iter().map(field)))
    }

    fn by_position<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_seq(Positions(self.0.into_iter()))
    }

    /// Passes on the only argument.
    fn only<T>(
        mut self,
        visit: impl FnOnce(Value<'a>) -> Result<T, FieldError>,
    ) -> Result<T, FieldError> {
        let count = self.0.len();
        match self.0.pop() {
            Some((name, text)) if count == 1 => {
                visit(Value(Values::One(text))).map_err(|error| error.within(name))
            }
            _ => Err(FieldError::custom(format_args!(
                "the handler takes one value, but the route has {count} arguments"
            ))),
        }
    }
}

macro_rules! only {
    ($($deserialize:ident)*) => { $(
        fn $deserialize<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
            self.only(|value| value.$deserialize(visitor))
        }
    )* };
}

impl<'a> Deserializer<'a> for PathArgsDeserializer<'a> {
    type Error = FieldError;

    only! {
        deserialize_bool deserialize_char deserialize_str deserialize_string
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
        deserialize_f32 deserialize_f64 deserialize_bytes deserialize_byte_buf
        deserialize_identifier
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.by_name(visitor)
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.by_name(visitor)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.by_name(visitor)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        self.by_position(visitor)
    }

    fn deserialize_tuple<V: Visitor<'a>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.by_position(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.by_position(visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        self.only(|value| value.deserialize_enum(name, variants, visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        if self.0.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_unit()
    }
}

/// Path arguments by position. Errors still have the name of the argument.
struct Positions<'a>(std::vec::IntoIter<(&'a str, Cow<'a, str>)>);

impl<'a> SeqAccess<'a> for Positions<'a> {
    type Error = FieldError;

    fn next_element_seed<T>(&mut self, seed: T) -> Result<Option<T::Value>, FieldError>
    where
        T: serde::de::DeserializeSeed<'a>,
    {
        let Some((name, text)) = self.0.next() else { return Ok(None) };
        let value = seed.deserialize(Value(Values::One(text)));
        value.map(Some).map_err(|error| error.within(name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    fn read<T: DeserializeOwned>(args: &[(&str, &str)]) -> Result<T, String> {
        let args = args.iter().map(|(name, text)| (*name, Cow::Borrowed(*text))).collect();
        T::deserialize(PathArgsDeserializer(args)).map_err(|error| format!("{}: {error}", error.at))
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
        Green,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Id(u32);

    #[derive(Debug, Deserialize, PartialEq)]
    struct Both {
        b: Colour,
        a: Id,
    }

    const ARGS: &[(&str, &str)] = &[("a", "7"), ("b", "green")];

    #[test]
    fn structs_and_maps_go_by_name_tuples_and_lists_by_position() {
        assert_eq!(read(ARGS), Ok(Both { a: Id(7), b: Colour::Green }));
        let map =
            [("a", "7"), ("b", "green")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(read(ARGS), Ok(BTreeMap::from(map.clone())));
        assert_eq!(read(ARGS), Ok((7_u8, "green".to_owned())));
        assert_eq!(read(ARGS), Ok((7_u8,)), "what is left over is ignored");
        assert_eq!(read(ARGS), Ok(vec!["7".to_owned(), "green".to_owned()]));
        assert_eq!(read(&[]), Ok(()));
    }

    #[test]
    fn any_other_type_takes_the_only_argument() {
        assert_eq!(read(&ARGS[..1]), Ok(7_i64));
        assert_eq!(read(&ARGS[..1]), Ok(Id(7)));
        assert_eq!(read(&ARGS[..1]), Ok(Some(Id(7))));
        assert_eq!(read(&ARGS[1..]), Ok(Colour::Green));
        assert_eq!(
            read::<u8>(ARGS),
            Err(": the handler takes one value, but the route has 2 arguments".to_owned())
        );
    }

    #[test]
    fn an_error_names_the_argument() {
        let number = |name: &str| Err(format!("{name}: invalid digit found in string"));
        assert_eq!(read::<(u8, u8)>(ARGS), number("b").map(|()| (0, 0)));
        assert_eq!(read::<HashMap<String, u8>>(&ARGS[1..]), number("b").map(|()| HashMap::new()));
        assert_eq!(read::<u8>(&ARGS[1..]), number("b").map(|()| 0));
        let unknown = "b: unknown variant `blue`, expected `red` or `green`".to_owned();
        assert_eq!(read::<Both>(&[("a", "1"), ("b", "blue")]), Err(unknown));
        assert_eq!(read::<Both>(&ARGS[..1]), Err("b: missing".to_owned()));
        assert!(read::<(u8, String, u8)>(ARGS).unwrap_err().starts_with(": invalid length 2"));
    }

    proptest! {
        #[test]
        fn a_number_is_parsed_as_rust_parses_it(text in "[-+0-9a-f.]{1,6}") {
            let args: &[(&str, &str)] = &[("x", &text)];
            prop_assert_eq!(read::<(i16,)>(args).ok().map(|(n,)| n), text.parse().ok());
            prop_assert_eq!(read::<u8>(args).ok(), text.parse().ok());
            prop_assert_eq!(read::<f64>(args).ok(), text.parse().ok());
        }
    }
}
