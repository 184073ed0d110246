//! `NonEmptyFields<T>`: a query or a form whose empty fields count as absent.

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use serde::de::{Deserialize, Deserializer, Visitor};

/// The name by which the deserializer of queries and forms knows [`NonEmptyFields`].
pub(in crate::extract) const NON_EMPTY_FIELDS: &str = "$volga::NonEmptyFields";

/// A query or a form in which a field with an empty text counts as absent:
/// `Form<NonEmptyFields<T>>`, `Query<NonEmptyFields<T>>`. It dereferences to `T`.
///
/// A browser sends every text field of a form, also those that the user has left empty. With this
/// type, such a field of the type `Option<u32>` is `None`, and one of the type `String` is missing.
///
/// ```
/// use serde::Deserialize;
/// use volga_core::{HandlerEndpoint, NonEmptyFields, Query, Router};
///
/// #[derive(Deserialize)]
/// struct Search { text: Option<String>, page: Option<u32> }
///
/// let mut router = Router::new();
/// // /search?text=tea&page=
/// let handler = |Query(search): Query<NonEmptyFields<Search>>| format!("{:?}", search.page);
/// router.map(http::Method::GET, "/search", HandlerEndpoint::new(handler));
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct NonEmptyFields<T>(pub T);

impl<T> NonEmptyFields<T> {
    /// Returns the value itself.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for NonEmptyFields<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for NonEmptyFields<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for NonEmptyFields<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Inner<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Inner<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the fields of a query or a form")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, fields: D) -> Result<T, D::Error> {
                T::deserialize(fields)
            }
        }

        deserializer.deserialize_newtype_struct(NON_EMPTY_FIELDS, Inner(PhantomData)).map(Self)
    }
}
