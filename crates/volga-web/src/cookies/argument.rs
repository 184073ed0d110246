//! `Cookies`: the cookies of a request and its response, as an argument.

use std::fmt;
use std::sync::Arc;

use cookie::Cookie;
use http::{StatusCode, header};
use volga_core::{Description, Error, FromRequestParts, RequestParts};

use crate::cookies::error::CookieError;
use crate::cookies::jar::CookieJar;
use crate::cookies::limits::MAX_REQUEST_COOKIES;

/// The cookies of a request and its response, as an argument of a handler or middleware.
///
/// Cookies that you [add](Self::add) or [remove](Self::remove) are sent with the response, whatever
/// it is: a value of any type, an error, a panic, an event stream. Nothing has to be returned, and
/// no middleware is needed. All arguments of one request, and clones, are the same cookies.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, HttpBody, Router};
/// use volga_web::Cookies;
///
/// async fn visit(cookies: Cookies) -> Result<String, Error> {
///     let visits = cookies.get("visits").and_then(|text| text.parse().ok()).unwrap_or(0_u32) + 1;
///     cookies.add(("visits", visits.to_string()))?;
///     Ok(format!("visit {visits}"))
/// }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut router = Router::new();
/// router.map(http::Method::GET, "/", HandlerEndpoint::new(visit));
/// # let service = router.into_service().unwrap();
/// # let request = http::Request::get("/").header("cookie", "visits=6");
/// # let response = service.respond(request.body(HttpBody::empty()).unwrap()).await;
/// # assert_eq!(response.headers()["set-cookie"], "visits=7; HttpOnly; SameSite=Lax; Path=/");
/// # }
/// ```
///
/// # Defaults
///
/// A cookie is `HttpOnly`, `SameSite=Lax` and has the path `/`, unless you say otherwise with a
/// [`CookieBuilder`](cookie::CookieBuilder). It is `Secure` if the client asked over HTTPS, and if
/// browsers ignore it otherwise: with `SameSite=None`, as a partitioned cookie, or with a name that
/// begins with `__Host-`, `__Secure-`, `__Http-` or `__Host-Http-`.
///
/// # Refused requests
///
/// A request with more than [`MAX_REQUEST_COOKIES`] cookies has status 431. Pairs that are not
/// cookies are ignored, because every server of a domain can set cookies for the whole domain.
#[derive(Clone)]
pub struct Cookies(pub(super) Arc<CookieJar>);

impl Cookies {
    /// The value of a cookie. If the client sent several cookies with this name, it is the first
    /// one, which has the longest path. A cookie that was added or removed before counts at once.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        self.0.values(name).into_iter().next()
    }

    /// The names and values of all cookies that the client sent, in their order.
    #[must_use]
    pub fn received(&self) -> Vec<(String, String)> {
        let pair = |cookie: Cookie<'_>| (cookie.name().to_owned(), cookie.value().to_owned());
        self.0.received().map(pair).collect()
    }

    /// Adds a cookie to the response: a pair of name and value, or a [`Cookie`] with attributes. It
    /// takes the place of a cookie with the same name, path and domain that was added before.
    ///
    /// # Errors
    ///
    /// Returns an error, and adds nothing, if a browser would ignore the cookie or read another
    /// one, at a limit, and if the head of the response was sent already.
    pub fn add(&self, cookie: impl Into<Cookie<'static>>) -> Result<(), CookieError> {
        self.0.write(cookie.into())
    }

    /// Lets the client remove a cookie: a name, or a [`Cookie`] with the path and the domain with
    /// which it was added. A browser removes only the cookie with exactly these. Without them, they
    /// are those of a cookie with this name that was added to this response, or else the defaults
    /// of [`add`](Self::add).
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`add`](Self::add).
    pub fn remove(&self, cookie: impl Into<Cookie<'static>>) -> Result<(), CookieError> {
        self.0.remove(cookie.into())
    }
}

impl FromRequestParts for Cookies {
    fn describe(description: &mut Description) {
        description
            .optional(|inner| {
                inner.reads_header(header::COOKIE);
            })
            // The extensions hold the jar, and tell whether the client asked over HTTPS.
            .reads_extensions()
            .responds(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &[]);
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        if let Some(cookies) = parts.extensions.get::<Self>() {
            return Ok(cookies.clone());
        }
        let jar = Arc::new(CookieJar::new(&parts.headers, parts.is_https()));
        let count = jar.received_count();
        if count > MAX_REQUEST_COOKIES {
            return Err(Error::new(
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                format!("the request has {count} cookies, and {MAX_REQUEST_COOKIES} are allowed"),
            ));
        }
        let of_response = Arc::clone(&jar);
        parts.on_response_head(move |headers| of_response.send(headers))?;
        let cookies = Self(jar);
        parts.extensions.insert(cookies.clone());
        Ok(cookies)
    }
}

/// Shows the names only, because values are secrets.
impl fmt::Debug for Cookies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.received().map(|cookie| cookie.name().to_owned());
        f.debug_tuple("Cookies").field(&names.collect::<Vec<_>>()).finish()
    }
}
