//! `ClientScheme`: whether the client asked over HTTPS.

use std::fmt;

use http::{Extensions, uri::Scheme};
use volga_core::{Description, Error, FromRequestParts, RequestParts};
use volga_http::ConnectionInfo;

/// The scheme with which the client asked, as an argument of a handler: `https`, or `http`.
///
/// It is the scheme of the connection. If a [trusted proxy](crate::App::with_trusted_proxies) says
/// by `X-Forwarded-Proto` or `Forwarded` how its client asked, it is that. So a cookie can be
/// `Secure` whenever the client's browser would keep it.
///
/// ```
/// use volga::{App, http::ClientScheme, ok};
///
/// let mut app = App::new();
/// app.map_get("/login", async |scheme: ClientScheme| {
///     let secure = if scheme.is_https() { "; Secure" } else { "" };
///     ok!("welcome"; [("set-cookie", format!("id=7; HttpOnly; SameSite=Lax{secure}"))])
/// });
/// # app.check().unwrap();
/// ```
///
/// If another server calls the app, put the scheme into the extensions of each request, as a
/// `ClientScheme` or by a [`ConnectionInfo`]. Without both it is `http`.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ClientScheme {
    /// The request was not encrypted.
    Http,
    /// The request came over TLS.
    Https,
}

impl ClientScheme {
    /// The scheme of the request with these extensions.
    #[must_use]
    pub fn of(extensions: &Extensions) -> Self {
        let inserted = extensions.get().copied();
        let of_connection = || {
            let info: &ConnectionInfo = extensions.get()?;
            (info.scheme() == &Scheme::HTTPS).then_some(Self::Https)
        };
        inserted.or_else(of_connection).unwrap_or(Self::Http)
    }

    /// Whether it is `https`.
    #[must_use]
    pub fn is_https(self) -> bool {
        self == Self::Https
    }

    /// `http` or `https`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for ClientScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromRequestParts for ClientScheme {
    fn describe(description: &mut Description) {
        description.reads_extensions();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        Ok(Self::of(&parts.extensions))
    }
}
