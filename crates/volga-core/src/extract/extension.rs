//! `Extension<T>`: a value that the server or middleware has put into the request.

use std::ops::{Deref, DerefMut};

use crate::extract::FromRequestParts;
use crate::extract::error::ExtractError;
use crate::extract::optional::OptionalArg;
use crate::handler::description::Description;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// A clone of a value from the request's extensions. It dereferences to the value.
///
/// If the value is missing, the status is 500, because the server or middleware should have added
/// it.
///
/// ```
/// use volga_core::{Extension, HandlerEndpoint};
///
/// #[derive(Clone)]
/// struct User(String);
///
/// let endpoint = HandlerEndpoint::new(|Extension(User(name)): Extension<User>| name);
/// # let mut router = volga_core::Router::new();
/// # router.map(http::Method::GET, "/", endpoint);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Extension<T>(pub T);

impl<T: Clone + Send + Sync + 'static> FromRequestParts for Extension<T> {
    fn describe(description: &mut Description) {
        description.reads_extensions();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        match parts.extensions.get::<T>() {
            Some(value) => Ok(Self(value.clone())),
            None => {
                Err(ExtractError::MissingExtension { type_name: std::any::type_name::<T>() }.into())
            }
        }
    }
}

/// Absent if the extensions hold no value of the type.
impl<T: Clone + Send + Sync + 'static> OptionalArg for Extension<T> {
    fn is_absent(parts: &RequestParts) -> bool {
        parts.extensions.get::<T>().is_none()
    }
}

impl<T> Deref for Extension<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Extension<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
