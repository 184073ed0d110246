//! `Hsts`: the header that keeps browsers on HTTPS (RFC 6797).

use std::{net::IpAddr, time::Duration};

use http::{
    HeaderValue,
    header::{HOST, STRICT_TRANSPORT_SECURITY},
};
use volga_core::{HttpContext, Middleware, Next, WrapMiddleware};

use crate::https::client_scheme::ClientScheme;

/// For how long a browser remembers that a host has HTTPS, by default: 30 days.
pub const DEFAULT_HSTS_MAX_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// What [`App::with_hsts`](crate::App::with_hsts) tells browsers: to use HTTPS only, for a time.
///
/// The defaults do no harm that you cannot undo: they last for 30 days, and apply to the host that
/// was asked and to no other. Make the time longer when you are sure that the host keeps HTTPS.
///
/// ```
/// use std::time::Duration;
/// use volga::{App, tls::Hsts};
///
/// let year = Duration::from_secs(365 * 24 * 60 * 60);
/// let app = App::new().with_hsts(Hsts::new().max_age(year).include_subdomains());
/// # let _ = app;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hsts {
    max_age: Duration,
    has_subdomains: bool,
    is_preload: bool,
}

impl Hsts {
    /// HTTPS only, for [`DEFAULT_HSTS_MAX_AGE`](crate::limits::DEFAULT_HSTS_MAX_AGE), for the host
    /// that was asked.
    #[must_use]
    pub fn new() -> Self {
        Self { max_age: DEFAULT_HSTS_MAX_AGE, has_subdomains: false, is_preload: false }
    }

    /// Sets for how long. Fractions of a second do not count. Zero tells browsers to forget it.
    #[must_use]
    pub fn max_age(mut self, time: Duration) -> Self {
        self.max_age = time;
        self
    }

    /// Applies to all subdomains of the host as well. A subdomain without HTTPS then cannot be
    /// reached any more.
    #[must_use]
    pub fn include_subdomains(mut self) -> Self {
        self.has_subdomains = true;
        self
    }

    /// Allows browsers to build the host into their list of hosts with HTTPS. Their makers require
    /// the [subdomains](Self::include_subdomains) and a year at least, so this sets both. It takes
    /// months to leave the list.
    ///
    /// ```
    /// use volga::{App, tls::Hsts};
    ///
    /// let app = App::new().with_hsts(Hsts::new().preload());
    /// # drop(app);
    /// ```
    #[must_use]
    pub fn preload(mut self) -> Self {
        const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.max_age = self.max_age.max(YEAR);
        self.is_preload = true;
        self.include_subdomains()
    }

    fn value(self) -> HeaderValue {
        let subdomains = if self.has_subdomains { "; includeSubDomains" } else { "" };
        let preload = if self.is_preload { "; preload" } else { "" };
        let text = format!("max-age={}{subdomains}{preload}", self.max_age.as_secs());
        HeaderValue::from_maybe_shared(text).unwrap_or(HeaderValue::from_static("max-age=0"))
    }
}

impl Default for Hsts {
    fn default() -> Self {
        Self::new()
    }
}

/// The middleware that adds the header to responses over HTTPS. Over plain HTTP a browser ignores
/// it (RFC 6797, section 8.1).
pub(crate) fn middleware(hsts: Hsts) -> impl Middleware {
    let value = hsts.value();
    WrapMiddleware::new(move |ctx: HttpContext, next: Next| {
        let value = value.clone();
        async move {
            let applies = ClientScheme::of(&ctx.extensions).is_https() && is_public(&ctx);
            let mut response = next.run(ctx).await;
            if applies {
                response.headers_mut().entry(STRICT_TRANSPORT_SECURITY).or_insert(value);
            }
            response
        }
    })
}

/// Whether the request is for a host that all programs on this machine do not share. An entry for
/// `localhost` would apply to every other project of a developer. An IP address cannot have one.
fn is_public(ctx: &HttpContext) -> bool {
    let of_uri = ctx.uri.host();
    let of_header = || {
        let value = ctx.headers.get(HOST)?.to_str().ok()?;
        let has_port = value.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
        Some(has_port.map_or(value, |(host, _)| host))
    };
    let Some(host) = of_uri.or_else(of_header) else { return false };
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let is_local = host == "localhost" || host.ends_with(".localhost");
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    !host.is_empty() && !is_local && bare.parse::<IpAddr>().is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_has_what_was_set() {
        let year = 365 * 24 * 60 * 60;
        for (hsts, expect) in [
            (Hsts::new(), "max-age=2592000".to_owned()),
            (Hsts::new().max_age(Duration::ZERO), "max-age=0".to_owned()),
            (Hsts::new().include_subdomains(), "max-age=2592000; includeSubDomains".to_owned()),
            (Hsts::new().preload(), format!("max-age={year}; includeSubDomains; preload")),
            (Hsts::new().max_age(Duration::MAX), format!("max-age={}", u64::MAX)),
        ] {
            assert_eq!(hsts.value(), expect, "{hsts:?}");
        }
    }
}
