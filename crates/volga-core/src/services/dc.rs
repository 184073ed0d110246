//! `Dc<T>`: a shared service.

use std::{fmt, ops::Deref, sync::Arc};

/// A service: a value that was registered under its type or under a trait. It dereferences to the
/// value. Clones share the value.
///
/// As an argument of a handler, the service is created as its registration says (see
/// [`ServicesBuilder`](crate::ServicesBuilder)). A service that is not registered is an error at
/// start-up. `Option<Dc<T>>` is `None` in that case instead.
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
/// A test that calls a handler directly creates the argument with `Dc::from(Arc::new(value))`.
pub struct Dc<T: ?Sized>(Arc<T>);

impl<T: ?Sized> Dc<T> {
    /// Returns the `Arc` of the service.
    #[must_use]
    pub fn into_inner(self) -> Arc<T> {
        self.0
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
