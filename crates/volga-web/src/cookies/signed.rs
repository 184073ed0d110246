//! `SignedCookies`: cookies that the client can read and cannot change.

use cookie::Cookie;
use volga_core::{Description, Error, FromRequestParts, RequestParts};

use crate::cookies::argument::Cookies;
use crate::cookies::checked::CheckedCookies;
use crate::cookies::error::CookieError;

/// Cookies that the client can read and cannot change, as an argument.
/// [`CookieKeys`](crate::CookieKeys) must be a service of the app.
///
/// The signature covers the name and the value, so the value of one cookie is not valid as another.
/// It does not cover the time: a client may keep a cookie for longer than its `Max-Age`, and send
/// an old one again. Put the time into the value where that matters.
///
/// A cookie that is not valid is absent, and is [counted](crate::CookieKeys::invalid_count). With
/// the feature `tracing` it is also logged, at the level `debug`.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, Router};
/// use volga_web::SignedCookies;
///
/// async fn login(cookies: SignedCookies, name: String) -> Result<String, Error> {
///     cookies.add(("user", name))?;
///     Ok("welcome".to_owned())
/// }
///
/// async fn page(cookies: SignedCookies) -> String {
///     match cookies.get("user") {
///         Some(user) => format!("Hello, {user}!"),
///         None => "Who are you?".to_owned(),
///     }
/// }
///
/// let mut router = Router::new();
/// router.map(http::Method::POST, "/login/{name}", HandlerEndpoint::new(login));
/// router.map(http::Method::GET, "/", HandlerEndpoint::new(page));
/// ```
#[derive(Clone, Debug)]
pub struct SignedCookies(CheckedCookies);

impl SignedCookies {
    /// The value of a cookie, if it is valid.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.value("signed", name, |keys, value| keys.verify(name, value))
    }

    /// Adds a cookie to the response, with a signature before its value. The signature has 44
    /// bytes.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Cookies::add`].
    pub fn add(&self, cookie: impl Into<Cookie<'static>>) -> Result<(), CookieError> {
        let mut cookie = cookie.into();
        let signed = self.0.keys.sign(cookie.name(), cookie.value());
        cookie.set_value(signed);
        self.0.cookies.add(cookie)
    }

    /// Lets the client remove a cookie, as [`Cookies::remove`] does.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Cookies::add`].
    pub fn remove(&self, cookie: impl Into<Cookie<'static>>) -> Result<(), CookieError> {
        self.0.cookies.remove(cookie)
    }

    /// All cookies, as they are without signed ones.
    #[must_use]
    pub fn plain(&self) -> &Cookies {
        &self.0.cookies
    }
}

impl FromRequestParts for SignedCookies {
    fn describe(description: &mut Description) {
        CheckedCookies::describe(description);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        CheckedCookies::from_request_parts(parts).await.map(Self)
    }
}
