//! `CrossSiteProtection`: refuses requests that the page of another site has made.

use std::sync::Arc;

use http::header::{HOST, ORIGIN};
use http::{HeaderName, Method, StatusCode};
use volga_core::{
    Description, Endpoint, Error, HttpContext, Middleware, Next, RequestParts, WrapMiddleware,
};

use crate::origin::OriginPattern;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Middleware that refuses requests which the page of another site has made in the name of your
/// user (CSRF), with status 403. No token and no cookie is needed: browsers say by `Sec-Fetch-Site`
/// and `Origin` who asks.
///
/// In the crate `volga`, `refuse_cross_site` of an app, a group or a route adds it.
///
/// ```
/// use volga_core::{Router, ScopeId, SettingsLevel};
/// use volga_web::CrossSiteProtection;
///
/// let protection = CrossSiteProtection::new()
///     .trusted_origins(["https://login.example"])
///     .exempt(["/webhooks/*"]);
/// let mut router = Router::new();
/// router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), protection);
/// ```
///
/// # Which requests pass
///
/// The first of these that applies decides:
///
/// 1. A request with GET, HEAD, OPTIONS or QUERY passes. So do not let these change anything.
/// 2. A request for an [exempt](Self::exempt) path passes, and one from a [trusted
///    origin](Self::trusted_origins).
/// 3. With `Sec-Fetch-Site`, which every browser since 2023 sends over HTTPS and to `localhost`,
///    `same-origin` and `none` pass, and everything else is refused.
/// 4. Without `Origin` the request passes: it does not come from the page of a browser.
/// 5. With `Origin` it passes if the host of the origin is the host of the request.
///
/// Another subdomain is another origin: name it as trusted.
#[derive(Clone, Debug, Default)]
#[must_use = "middleware does nothing until it is added to an app, a group or a route"]
pub struct CrossSiteProtection(Arc<Rules>);

#[derive(Clone, Debug, Default)]
struct Rules {
    trusted: Vec<OriginPattern>,
    exempt: Vec<ExemptPath>,
    faults: Vec<String>,
}

/// A path, or everything below one.
#[derive(Clone, Debug)]
enum ExemptPath {
    Exact(String),
    /// With a slash at its end.
    Below(String),
}

impl CrossSiteProtection {
    /// Creates a protection without exceptions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the pages of these origins make requests. They are written as those of
    /// [`Cors::origins`](crate::Cors::origins).
    pub fn trusted_origins<T: AsRef<str>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        let rules = Arc::make_mut(&mut self.0);
        for origin in origins {
            let origin = origin.as_ref();
            match OriginPattern::parse(origin) {
                Ok(pattern) => rules.trusted.push(pattern),
                Err(reason) => rules.faults.push(format!("the origin {origin:?} {reason}")),
            }
        }
        self
    }

    /// Lets requests for these paths pass, whoever makes them: a path such as `/webhook`, or
    /// `/webhooks/*` for everything below it. It is compared with the [decoded
    /// path](RequestParts::decoded_path), with all prefixes of groups.
    ///
    /// Exempt only what does not trust cookies, such as a webhook that checks a signature.
    pub fn exempt<T: AsRef<str>>(mut self, paths: impl IntoIterator<Item = T>) -> Self {
        let rules = Arc::make_mut(&mut self.0);
        for path in paths {
            let path = path.as_ref();
            let (kind, rest): (fn(String) -> ExemptPath, _) = match path.strip_suffix('*') {
                Some(rest) => (ExemptPath::Below, rest),
                None => (ExemptPath::Exact, path.strip_suffix('/').unwrap_or(path)),
            };
            let reason = if !path.starts_with('/') {
                "does not start with `/`"
            } else if path.starts_with("/*") {
                "exempts everything; remove the protection instead"
            } else if path.ends_with('*') && !rest.ends_with('/') {
                "ends with a `*` that is not a segment; write `/webhooks/*`"
            } else if rest.contains(['*', '{', '}', '?', '#', '%']) {
                "has a character that does not stand for itself; write the decoded path, and `/*` \
                 at its end for everything below it"
            } else {
                rules.exempt.push(kind(rest.to_owned()));
                continue;
            };
            rules.faults.push(format!("the exempt path {path:?} {reason}"));
        }
        self
    }

    /// Checks the origins and the paths.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with them. Until it is corrected, such an origin is not trusted, and
    /// such a path is not exempt.
    pub fn check(&self) -> Result<(), String> {
        if self.0.faults.is_empty() { Ok(()) } else { Err(self.0.faults.join("; ")) }
    }
}

impl Rules {
    /// # Errors
    ///
    /// Returns why the request is refused.
    fn check(&self, parts: &RequestParts) -> Result<(), &'static str> {
        let is_safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&parts.method)
            || parts.method.as_str() == "QUERY";
        if is_safe || self.is_exempt(&parts.decoded_path()) || self.is_trusted(parts) {
            return Ok(());
        }
        if let Some(site) = parts.headers.get(SEC_FETCH_SITE) {
            return match site.as_bytes() {
                b"same-origin" | b"none" => Ok(()),
                b"same-site" => Err("the page of another origin of this site has made the \
                                     request; the server does not trust that origin"),
                _ => Err("the page of another site has made the request; the server does not \
                          trust its origin"),
            };
        }
        let Some(origin) = parts.headers.get(ORIGIN) else { return Ok(()) };
        match origin.to_str().ok().and_then(|origin| origin.split_once("://")) {
            Some((scheme, host)) if is_host_of(parts, scheme, host) => Ok(()),
            _ => Err("the origin of the page that has made the request is not the host of the \
                      request; the server does not trust that origin"),
        }
    }

    fn is_exempt(&self, path: &str) -> bool {
        self.exempt.iter().any(|exempt| match exempt {
            ExemptPath::Exact(exact) => exact == path || (exact.is_empty() && path == "/"),
            ExemptPath::Below(prefix) => path.len() > prefix.len() && path.starts_with(&**prefix),
        })
    }

    fn is_trusted(&self, parts: &RequestParts) -> bool {
        let mut origins = parts.headers.get_all(ORIGIN).iter();
        match (origins.next().and_then(|value| value.to_str().ok()), origins.next()) {
            (Some(origin), None) => self.trusted.iter().any(|pattern| pattern.matches(origin)),
            _ => false,
        }
    }
}

/// Whether the request was sent to this host, which the scheme gives a default port.
fn is_host_of(parts: &RequestParts, scheme: &str, host: &str) -> bool {
    let default_port = if scheme == "https" { ":443" } else { ":80" };
    let without_port =
        |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    let of_field = || parts.headers.get(HOST).and_then(|value| value.to_str().ok());
    let sent_to = parts.uri.authority().map(|authority| authority.as_str()).or_else(of_field);
    sent_to.is_some_and(|sent_to| without_port(sent_to) == without_port(host))
}

impl Middleware for CrossSiteProtection {
    fn describe(&self, description: &mut Description) {
        description.reads_path().reads_headers().responds(StatusCode::FORBIDDEN, &[]);
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let rules = Arc::clone(&self.0);
        let check = move |ctx: HttpContext, next: Next| {
            let verdict = rules.check(&ctx);
            async move {
                match verdict {
                    Ok(()) => Ok(next.run(ctx).await),
                    Err(reason) => Err(Error::new(StatusCode::FORBIDDEN, reason)),
                }
            }
        };
        WrapMiddleware::new(check).wrap(inner)
    }
}
