//! `SignedCookies`: cookies that the client can read and cannot change.

use cookie::Cookie;
use volga_core::{Dc, Description, Error, FromRequestParts, RequestParts};

use crate::cookies::argument::Cookies;
use crate::cookies::checked::valid_value;
use crate::cookies::error::CookieError;
use crate::cookies::keys::CookieKeys;

/// Cookies that the client can read and cannot change, as an argument. [`CookieKeys`] must be a
/// service of the app.
///
/// The signature covers the name and the value, so the value of one cookie is not valid as another.
/// It does not cover the time: a client may keep a cookie for longer than its `Max-Age`, and send
/// an old one again. Put the time into the value where that matters.
///
/// A cookie that is not valid is absent, and is [counted](CookieKeys::invalid_count). With the
/// feature `tracing` it is also logged, at the level `debug`.
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
pub struct SignedCookies {
    cookies: Cookies,
    keys: Dc<CookieKeys>,
}

impl SignedCookies {
    /// The value of a cookie, if it is valid.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        let decode = |value: &str| self.keys.verify(name, value);
        valid_value(&self.cookies, &self.keys, "signed", name, decode)
    }

    /// Adds a cookie to the response, with a signature before its value. The signature has 44
    /// bytes.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Cookies::add`].
    pub fn add(&self, cookie: impl Into<Cookie<'static>>) -> Result<(), CookieError> {
        let mut cookie = cookie.into();
        let signed = self.keys.sign(cookie.name(), cookie.value());
        cookie.set_value(signed);
        self.cookies.add(cookie)
    }

    /// Lets the client remove a cookie, as [`Cookies::remove`] does.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Cookies::add`].
    pub fn remove(&self, cookie: impl Into<Cookie<'static>>) -> Result<(), CookieError> {
        self.cookies.remove(cookie)
    }

    /// All cookies, as they are without signed ones.
    #[must_use]
    pub fn plain(&self) -> &Cookies {
        &self.cookies
    }
}

impl FromRequestParts for SignedCookies {
    fn describe(description: &mut Description) {
        Cookies::describe(description);
        description.uses_service::<CookieKeys>();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        let cookies = Cookies::from_request_parts(parts).await?;
        let keys = Dc::from_request_parts(parts).await?;
        Ok(Self { cookies, keys })
    }
}
