//! `Path<T>`: all path arguments in one value.

pub(crate) mod arg;
mod probe;

use std::{
    borrow::Cow,
    cell::Cell,
    ops::{Deref, DerefMut},
};

use http::StatusCode;
use serde::{
    Deserializer,
    de::{DeserializeOwned, SeqAccess, Visitor},
};

use crate::extract::FromRequestParts;
use crate::extract::error::ExtractError;
use crate::extract::fields::conversions::{self, ReadingRules};
use crate::extract::fields::{FieldError, FieldErrorKind, Fields, Value, Values, borrow};
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
/// A text is converted to what the type asks for, also in `flatten`, and in tagged and untagged
/// enums. The status is 400 if a text cannot be converted, also by `#[serde(try_from = "…")]`, and
/// the message names the argument. The status is 500 if the route does not have the arguments that
/// `T` needs. It dereferences to `T`.
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
            .checks_path(probe::misfit::<T>)
            .responds(StatusCode::BAD_REQUEST, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let args = parts.path_args().collect::<Result<Vec<_>, _>>()?;
        read(&args).map(Self).map_err(|error| path_error(&args, error).into())
    }
}

/// A path argument: its name and its text.
type Arg<'a> = (&'a str, Cow<'a, str>);

fn read<T: DeserializeOwned>(args: &[Arg<'_>]) -> Result<T, FieldError> {
    let is_any_asked = Cell::new(false);
    let pass = |any| {
        conversions::deserialize(ReadingRules::default(), || {
            T::deserialize(PathArgsDeserializer { args, any, is_any_asked: &is_any_asked })
        })
    };
    // An untagged enum does not say whether it is a struct or a scalar, so both are tried.
    let result = match pass(AnyShape::ByName) {
        Err(by_name) if is_any_asked.get() && !matches!(by_name.kind, FieldErrorKind::Missing) => {
            match pass(AnyShape::ByPosition) {
                Err(_) if args.len() > 1 => Err(by_name),
                result => result,
            }
        }
        result => result,
    };
    result.map_err(|error| error.named(args.iter().map(|(name, text)| (*name, &**text))))
}

fn path_error(args: &[Arg<'_>], FieldError { at, kind, .. }: FieldError) -> ExtractError {
    let reason = match kind {
        FieldErrorKind::Shape(reason) => return ExtractError::PathShape { reason },
        FieldErrorKind::Missing => format!("`{at}` is missing"),
        FieldErrorKind::Malformed(reason) | FieldErrorKind::Length(reason) if at.is_empty() => {
            reason
        }
        FieldErrorKind::Malformed(reason) | FieldErrorKind::Length(reason) => {
            return ExtractError::PathArg { name: at, reason };
        }
    };
    match args {
        [] => ExtractError::PathShape { reason },
        [(name, _)] => ExtractError::PathArg { name: (*name).to_owned(), reason },
        _ => {
            let names = args.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>();
            ExtractError::PathArgs { names: names.join(", "), reason }
        }
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

/// How the arguments are passed to a type that takes anything.
#[derive(Clone, Copy)]
enum AnyShape {
    /// As a map.
    ByName,
    /// A single argument as a scalar, several ones as a list.
    ByPosition,
}

/// The names and texts of all path arguments.
struct PathArgsDeserializer<'a> {
    args: &'a [Arg<'a>],
    any: AnyShape,
    /// Set if the type takes anything.
    is_any_asked: &'a Cell<bool>,
}

impl<'a> PathArgsDeserializer<'a> {
    fn by_name<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        let field = |(name, text): &'a Arg<'a>| (Cow::Borrowed(*name), Values::One(borrow(text)));
        visitor.visit_map(Fields::new(self.args.iter().map(field)))
    }

    fn by_position<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, FieldError> {
        visitor.visit_seq(Positions(self.args.iter())).map_err(|error| match error.kind {
            FieldErrorKind::Length(reason) if error.at.is_empty() => FieldError::shape(reason),
            _ => error,
        })
    }

    /// Passes on the only argument.
    fn only<T>(
        self,
        visit: impl FnOnce(Value<'a>) -> Result<T, FieldError>,
    ) -> Result<T, FieldError> {
        match self.args {
            [(name, text)] => {
                visit(Value::new(Values::One(borrow(text)))).map_err(|error| error.within(name))
            }
            args => Err(FieldError::shape(format!(
                "the handler takes one value, but the route has {} arguments",
                args.len()
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
        self.is_any_asked.set(true);
        match self.any {
            AnyShape::ByName => self.by_name(visitor),
            AnyShape::ByPosition if self.args.len() == 1 => {
                self.only(|value| value.deserialize_any(visitor))
            }
            AnyShape::ByPosition => self.by_position(visitor),
        }
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
        // Which arguments the route has does not depend on the request.
        self.by_name(visitor).map_err(|error| match error.kind {
            FieldErrorKind::Missing => {
                FieldError::shape(format!("the pattern has no argument `{}`", error.at))
            }
            _ => error,
        })
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
        if self.args.is_empty() { visitor.visit_none() } else { visitor.visit_some(self) }
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
struct Positions<'a>(std::slice::Iter<'a, Arg<'a>>);

impl<'a> SeqAccess<'a> for Positions<'a> {
    type Error = FieldError;

    fn next_element_seed<T>(&mut self, seed: T) -> Result<Option<T::Value>, FieldError>
    where
        T: serde::de::DeserializeSeed<'a>,
    {
        let Some((name, text)) = self.0.next() else { return Ok(None) };
        let value = seed.deserialize(Value::new(Values::One(borrow(text))));
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
        let args: Vec<_> = args.iter().map(|(name, text)| (*name, Cow::Borrowed(*text))).collect();
        super::read(&args).map_err(|error| format!("{}: {error}", error.at))
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
        assert_eq!(read::<Both>(&ARGS[..1]), Err(": the pattern has no argument `b`".to_owned()));
        assert!(read::<(u8, String, u8)>(ARGS).unwrap_err().starts_with(": invalid length 2"));
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(try_from = "String")]
    struct Slug(String);

    impl TryFrom<String> for Slug {
        type Error = &'static str;

        fn try_from(text: String) -> Result<Self, Self::Error> {
            if text.contains('!') { Err("a slug has no `!`") } else { Ok(Self(text)) }
        }
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(try_from = "(u8, u8)")]
    struct Ordered(u8, u8);

    impl TryFrom<(u8, u8)> for Ordered {
        type Error = &'static str;

        fn try_from((a, b): (u8, u8)) -> Result<Self, Self::Error> {
            if a <= b { Ok(Self(a, b)) } else { Err("the first is the smaller one") }
        }
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(untagged)]
    enum AnyId {
        Number(u64),
        Flag(bool),
        Slug(Slug),
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(tag = "kind", rename_all = "lowercase")]
    enum Tagged {
        Page { number: u32 },
        Post { slug: Slug },
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Flattened {
        name: String,
        #[serde(flatten)]
        id: IdField,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct IdField {
        id: u32,
    }

    /// The status and the message of the response to this argument.
    #[track_caller]
    fn refused<T: DeserializeOwned + std::fmt::Debug>(args: &[(&str, &str)], expect: &str) {
        let args: Vec<_> = args.iter().map(|(name, text)| (*name, Cow::Borrowed(*text))).collect();
        let error = path_error(&args, super::read::<T>(&args).unwrap_err());
        assert_eq!(error.status(), 400, "{error}");
        let error = error.to_string();
        assert!(error.starts_with(expect), "{error}");
    }

    #[test]
    fn a_text_that_a_type_refuses_is_the_clients_error_and_named() {
        let one = |text: &'static str| [("a", text)];
        let two = |a: &'static str, b: &'static str| [("a", a), ("b", b)];
        refused::<Slug>(&one("!"), "path argument `a`: a slug has no `!`");
        refused::<Option<Slug>>(&one("!"), "path argument `a`: a slug has no `!`");
        refused::<(u8, Slug)>(&two("1", "!"), "path argument `b`: a slug has no `!`");
        refused::<HashMap<String, Slug>>(&two("x", "!"), "path argument `b`: a slug has no `!`");
        refused::<Ordered>(&two("2", "1"), "path arguments `a`, `b`: the first is the smaller one");
        refused::<AnyId>(&one("!"), "path argument `a`: data did not match any variant");
        refused::<(u8, AnyId)>(&two("1", "!"), "path argument `b`: data did not match any variant");
        let kind = |kind, name, text| [("kind", kind), (name, text)];
        refused::<Tagged>(&kind("other", "number", "1"), "path argument");
        refused::<Tagged>(&kind("page", "number", "x"), "path argument `number`: invalid type");
        refused::<Tagged>(&kind("post", "slug", "!"), "path arguments `kind`, `slug`: a slug has");
        refused::<Tagged>(
            &kind("post", "number", "1"),
            "path arguments `kind`, `number`: `slug` is",
        );
        let flattened = [("name", "1"), ("id", "x")];
        refused::<Flattened>(&flattened, "path argument `id`: invalid type");
    }

    #[test]
    fn a_text_becomes_what_the_type_asks_for() {
        let name = || Slug("name".to_owned());
        for (text, id) in
            [("12", AnyId::Number(12)), ("true", AnyId::Flag(true)), ("name", AnyId::Slug(name()))]
        {
            assert_eq!(read(&[("a", text)]).as_ref(), Ok(&id));
            assert_eq!(read(&[("a", text)]).as_ref(), Ok(&Some(id)));
        }
        assert_eq!(read(&[("a", "1"), ("b", "name")]), Ok((1_u8, AnyId::Slug(name()))));
        assert_eq!(read(&[("kind", "page"), ("number", "7")]), Ok(Tagged::Page { number: 7 }));
        assert_eq!(
            read(&[("name", "7"), ("id", "8")]),
            Ok(Flattened { name: "7".to_owned(), id: IdField { id: 8 } })
        );
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
