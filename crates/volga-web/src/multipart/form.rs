//! `MultipartForm<T>`: a form with files as a type of your own.

use std::ops::{Deref, DerefMut};

use http::StatusCode;
use serde::de::DeserializeOwned;
use volga_core::{
    Description, Error, FieldErrors, FieldNames, FromRequest, HttpBody, RequestParts, ValidArg,
    Validate,
};

use crate::multipart::reader::Multipart;

/// A form with files, as a type of your own. It is the last argument of a handler, and dereferences
/// to the value.
///
/// ```
/// use serde::Deserialize;
/// use volga_core::{Error, HandlerEndpoint, Router};
/// use volga_web::{MultipartForm, TempFile};
///
/// #[derive(Deserialize)]
/// struct Profile {
///     name: String,
///     age: Option<u8>,
///     #[serde(default)]
///     tags: Vec<String>,
///     avatar: TempFile,
/// }
///
/// async fn save(MultipartForm(profile): MultipartForm<Profile>) -> Result<String, Error> {
///     profile.avatar.save_as(format!("avatars/{}.png", profile.age.unwrap_or(0))).await?;
///     Ok(profile.name)
/// }
///
/// let mut router = Router::new();
/// router.map(http::Method::POST, "/profile", HandlerEndpoint::new(save));
/// ```
///
/// Each field of the type is the field of the form with its name:
///
/// | Type | Field of the form |
/// |---|---|
/// | `String`, numbers, `bool` (`true`, `on`, `false`, `off`), `char`, an enum without data | text, once |
/// | [`TempFile`](crate::TempFile) | a file, once |
/// | `Option<T>` | as `T`; `None` if it is missing, an empty text, or a file that was not chosen |
/// | `Vec<T>` | as `T`, any number of times; with `#[serde(default)]` also not at all |
/// | a struct, a map | names with brackets: `address[city]`, `items[0][photo]` |
///
/// The fields are read by [`FormFields`](volga_core::FormFields), as those of a
/// [`Form`](volga_core::Form) are. A form that does not fit has status 422, and the message names
/// the field. [`Valid`](volga_core::Valid) checks the value. For other limits than
/// the [defaults](Multipart#limits), take a [`Multipart`] and call
/// [`collect`](Multipart::collect).
#[derive(Clone, Copy, Debug, Default)]
pub struct MultipartForm<T>(pub T);

impl<T: DeserializeOwned> FromRequest for MultipartForm<T> {
    fn describe(description: &mut Description) {
        Multipart::describe(description);
        description.responds(StatusCode::UNPROCESSABLE_ENTITY, &[]);
    }

    async fn from_request(parts: RequestParts, body: HttpBody) -> Result<Self, Error> {
        Multipart::from_request(parts, body).await?.collect().await.map(Self)
    }
}

/// Errors name the fields as the form does: `items[2][price]`.
impl<T: Validate> ValidArg for MultipartForm<T> {
    const NAMES: FieldNames = FieldNames::Brackets;

    fn field_errors(&self) -> FieldErrors {
        self.0.field_errors()
    }
}

impl<T> Deref for MultipartForm<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for MultipartForm<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
