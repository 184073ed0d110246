//! `PrivateCookies`: cookies that the client can neither read nor change.

use cookie::Cookie;
use volga_core::{Description, Error, FromRequestParts, RequestParts};

use crate::cookies::argument::Cookies;
use crate::cookies::checked::CheckedCookies;
use crate::cookies::error::CookieError;

/// Cookies that the client can neither read nor change, as an argument.
/// [`CookieKeys`](crate::CookieKeys) must be a service of the app.
///
/// A value may be any text. It is encrypted with AES-256-GCM, together with the name of the cookie,
/// so the value of one cookie is not valid as another. The client still sees the length of the
/// value, and may keep a cookie and send it again later.
///
/// A cookie that is not valid is absent, and is [counted](crate::CookieKeys::invalid_count). With
/// the feature `tracing` it is also logged, at the level `debug`.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, Router};
/// use volga_web::PrivateCookies;
///
/// async fn login(cookies: PrivateCookies, name: String) -> Result<String, Error> {
///     cookies.add(("user", name))?;
///     Ok("welcome".to_owned())
/// }
///
/// async fn page(cookies: PrivateCookies) -> String {
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
pub struct PrivateCookies(CheckedCookies);

impl PrivateCookies {
    /// The value of a cookie, if it is valid.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.value("private", name, |keys, value| keys.decrypt(name, value))
    }

    /// Adds a cookie to the response, with its value encrypted. The encrypted value has a third
    /// more bytes than the value, and 59 bytes more.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`Cookies::add`], and [`CookieError::Random`].
    pub fn add(&self, cookie: impl Into<Cookie<'static>>) -> Result<(), CookieError> {
        let mut cookie = cookie.into();
        let encrypted = self.0.keys.encrypt(cookie.name(), cookie.value());
        let Some(encrypted) = encrypted else {
            return Err(CookieError::Random { name: cookie.name().to_owned() });
        };
        cookie.set_value(encrypted);
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

    /// All cookies, as they are without private ones.
    #[must_use]
    pub fn plain(&self) -> &Cookies {
        &self.0.cookies
    }
}

impl FromRequestParts for PrivateCookies {
    fn describe(description: &mut Description) {
        CheckedCookies::describe(description);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        CheckedCookies::from_request_parts(parts).await.map(Self)
    }
}
