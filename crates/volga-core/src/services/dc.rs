//! `Dc<T>`: a service, shared.

use std::{fmt, ops::Deref, sync::Arc};

use crate::extract::FromRequestParts;
use crate::extract::optional::MayBeAbsent;
use crate::handler::description::Description;
use crate::request::parts::RequestParts;
use crate::response::error::Error;

/// A service: a value that was registered under its type, or under a trait. Dereferences to it;
/// clones share it.
///
/// As an argument of a handler it is made as its registration says (see
/// [`ServicesBuilder`](crate::ServicesBuilder)). What is not registered is told at start-up.
/// `Option<Dc<T>>` is `None` for it instead.
///
/// ```
/// use volga_core::Dc;
///
/// struct Greeting(String);
///
/// async fn greet(greeting: Dc<Greeting>, name: String) -> String {
///     format!("{} {name}!", greeting.0)
/// }
/// # let mut router = volga_core::Router::new();
/// # router.map(http::Method::GET, "/{name}", volga_core::HandlerEndpoint::new(greet));
/// ```
///
/// A test that calls a handler itself makes one with `Dc::from(Arc::new(value))`.
pub struct Dc<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Dc<T> {
    /// The service as what it is inside.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
    }
}

impl<T: ?Sized + Send + Sync + 'static> FromRequestParts for Dc<T> {
    fn describe(description: &mut Description) {
        description.uses_service::<T>();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        parts.context().resolve().await
    }
}

/// Absent when nothing is registered as it.
impl<T: ?Sized + Send + Sync + 'static> MayBeAbsent for Dc<T> {
    fn is_absent(parts: &RequestParts) -> bool {
        !parts.context().services().is_some_and(|services| services.has::<T>())
    }
}

impl<T: ?Sized> From<Arc<T>> for Dc<T> {
    fn from(service: Arc<T>) -> Self {
        Self(service)
    }
}

impl<T: ?Sized> Clone for Dc<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Dc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Dc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for Dc<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
