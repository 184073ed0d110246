//! `Cors`: the policy of an app, a group or a route.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    ACCEPT, ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS,
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, CACHE_CONTROL, CONTENT_TYPE, ORIGIN,
    RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request};
use volga_core::{CrossOriginPolicy, HttpResponse};

use crate::origin::OriginPattern;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const REQUEST_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName =
    HeaderName::from_static("access-control-allow-private-network");

/// How long a browser may keep the response to a preflight.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// A policy that tells browsers what pages of other origins may do (CORS).
///
/// A new policy allows no origin. [`origins`](Self::origins), [`origins_if`](Self::origins_if) and
/// [`any_origin`](Self::any_origin) allow some. In the crate `volga`, `cors` of an app, a group or
/// a route takes the policy. With `volga-core` alone, pass it to
/// [`set_cross_origin_policy`](volga_core::Router::set_cross_origin_policy).
///
/// ```
/// use volga_core::{Router, ScopeId, SettingsLevel};
/// use volga_web::Cors;
///
/// let policy = Cors::new().origins(["https://app.example", "https://*.b.example"]).credentials();
/// let mut router = Router::new();
/// router.set_cross_origin_policy(SettingsLevel::Scope(ScopeId::ROOT), policy);
/// # router.check().unwrap();
/// ```
///
/// # Preflights
///
/// A preflight is answered for every path that is mapped, whatever its method, before middleware
/// sees it. It has status 204, and allows
///
/// - the methods that the path is mapped for, or those of [`methods`](Self::methods) among them,
/// - the headers `Accept`, `Cache-Control`, `Content-Type` and `Last-Event-ID`, which a client of
///   an event stream sends, and those of [`headers`](Self::headers).
///
/// # Responses
///
/// Every response has the headers: also one that was made from an error or a panic, or by
/// middleware that refused the request. Scripts may read the headers `Retry-After`, `RateLimit`,
/// `RateLimit-Policy` and those of [`expose`](Self::expose). `Vary` names `Origin`, so that no
/// cache gives one origin the response to another. If a handler has set
/// `Access-Control-Allow-Origin` itself, the response stays as it is.
///
/// The policy does not refuse requests: the browser keeps the response from the page. For requests
/// that change something, see [`CrossSiteProtection`](crate::CrossSiteProtection).
#[derive(Clone)]
#[must_use = "a policy does nothing until it is added to an app, a group or a route"]
pub struct Cors {
    origins: Vec<OriginPattern>,
    rules: Vec<OriginRule>,
    allows_any_origin: bool,
    allows_credentials: bool,
    methods: Option<Vec<Method>>,
    headers: Vec<HeaderName>,
    allows_any_header: bool,
    exposed: Vec<HeaderName>,
    max_age: Duration,
    allows_private_network: bool,
    /// The faults of the arguments so far.
    faults: Vec<String>,
}

type OriginRule = Arc<dyn Fn(&str) -> bool + Send + Sync>;

impl Cors {
    /// Creates a policy that allows no origin.
    pub fn new() -> Self {
        Self {
            origins: Vec::new(),
            rules: Vec::new(),
            allows_any_origin: false,
            allows_credentials: false,
            methods: None,
            headers: vec![ACCEPT, CACHE_CONTROL, CONTENT_TYPE, LAST_EVENT_ID],
            allows_any_header: false,
            exposed: vec![
                RETRY_AFTER,
                HeaderName::from_static("ratelimit"),
                HeaderName::from_static("ratelimit-policy"),
            ],
            max_age: MAX_AGE,
            allows_private_network: false,
            faults: Vec::new(),
        }
    }

    /// Creates a policy for development and for public data: any origin and any header, without
    /// credentials.
    pub fn permissive() -> Self {
        Self::new().any_origin().any_header()
    }

    /// Allows these origins, beside those that are allowed already: a scheme, a host and a port if
    /// it is not the default, such as `https://app.example` or `http://localhost:5173`.
    /// `https://*.example.com` stands for all subdomains of a host, and not for the host itself.
    ///
    /// An origin that no browser can send, such as one with a slash at its end, is a fault at
    /// start-up.
    pub fn origins<T: AsRef<str>>(mut self, origins: impl IntoIterator<Item = T>) -> Self {
        for origin in origins {
            let origin = origin.as_ref();
            match OriginPattern::parse(origin) {
                Ok(pattern) => self.origins.push(pattern),
                Err(reason) => self.faults.push(format!("the origin {origin:?} {reason}")),
            }
        }
        self
    }

    /// Allows the origins for which the function returns true. It gets the value of `Origin`, and
    /// is called for each request with that header.
    pub fn origins_if(mut self, rule: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        self.rules.push(Arc::new(rule));
        self
    }

    /// Allows every origin. This cannot be combined with [`credentials`](Self::credentials),
    /// because every site could act in the name of your users.
    pub fn any_origin(mut self) -> Self {
        self.allows_any_origin = true;
        self
    }

    /// Lets pages send cookies, HTTP authentication and client certificates.
    pub fn credentials(mut self) -> Self {
        self.allows_credentials = true;
        self
    }

    /// Allows only these of the methods that a path is mapped for. Without a call, all of them are
    /// allowed. A browser does not ask about GET, HEAD and simple POST requests, so this cannot
    /// forbid them.
    pub fn methods(mut self, methods: impl IntoIterator<Item = Method>) -> Self {
        self.methods.get_or_insert_default().extend(methods);
        self
    }

    /// Allows these headers of requests, beside those that are allowed already.
    pub fn headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// Allows every header of requests, also with credentials.
    pub fn any_header(mut self) -> Self {
        self.allows_any_header = true;
        self
    }

    /// Lets scripts read these headers of responses, beside those that they may read already.
    pub fn expose(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.exposed.extend(headers);
        self
    }

    /// Sets how long a browser may keep the response to a preflight, one hour by default. Chromium
    /// keeps it for two hours at most. With zero it asks before every request.
    pub fn max_age(mut self, time: Duration) -> Self {
        self.max_age = time;
        self
    }

    /// Lets pages of the public internet send requests to this server in a private network, for
    /// browsers that ask for it by `Access-Control-Request-Private-Network`.
    pub fn private_network(mut self) -> Self {
        self.allows_private_network = true;
        self
    }

    /// The value of `Access-Control-Allow-Origin` for the origin of a request.
    fn allowed_origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        if self.allows_any_origin {
            return Some(HeaderValue::from_static("*"));
        }
        let value = request.get(ORIGIN)?;
        let origin = value.to_str().ok()?;
        let is_allowed = self.origins.iter().any(|pattern| pattern.matches(origin))
            || self.rules.iter().any(|rule| rule(origin));
        is_allowed.then(|| value.clone())
    }

    /// Adds the headers that every response to the origin has.
    fn add_origin(&self, headers: &mut HeaderMap, origin: HeaderValue) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.allows_credentials {
            let value = HeaderValue::from_static("true");
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, value);
        }
    }

    fn allowed_methods(&self, mapped: &[Method]) -> Option<HeaderValue> {
        let is_allowed =
            |method: &&Method| self.methods.as_ref().is_none_or(|allowed| allowed.contains(method));
        list(mapped.iter().filter(is_allowed).map(Method::as_str))
    }

    fn allowed_headers(&self, request: &HeaderMap) -> Option<HeaderValue> {
        // A literal `*` does not allow `Authorization`, and nothing with credentials.
        match self.allows_any_header {
            true => request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned(),
            false => list(self.headers.iter().map(HeaderName::as_str)),
        }
    }
}

impl CrossOriginPolicy for Cors {
    fn check(&self) -> Result<(), String> {
        let mut faults = self.faults.clone();
        let has_origins = !self.origins.is_empty() || !self.rules.is_empty();
        if self.allows_any_origin && self.allows_credentials {
            faults.push(
                "`any_origin` and `credentials` together let every site act in the name of your \
                 users; name the origins with `origins`"
                    .to_owned(),
            );
        } else if self.allows_any_origin && has_origins {
            faults.push(
                "`any_origin` makes the other origins useless; remove one of them".to_owned(),
            );
        } else if !self.allows_any_origin && !has_origins && self.faults.is_empty() {
            faults.push("no origin is allowed; name them with `origins`".to_owned());
        }
        for (method, names) in [("headers", &self.headers), ("expose", &self.exposed)] {
            if names.iter().any(|name| name == "*") {
                faults.push(format!(
                    "`*` in `{method}` stands for nothing with credentials; name the headers"
                ));
            }
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }

    fn preflight(&self, request: &request::Parts, methods: &[Method]) -> HttpResponse {
        let mut response = HttpResponse::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(
            VARY,
            HeaderValue::from_static(
                "origin, access-control-request-method, access-control-request-headers, \
                 access-control-request-private-network",
            ),
        );
        let Some(origin) = self.allowed_origin(&request.headers) else { return response };
        self.add_origin(headers, origin);
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, self.allowed_methods(methods)),
            (ACCESS_CONTROL_ALLOW_HEADERS, self.allowed_headers(&request.headers)),
            (ACCESS_CONTROL_MAX_AGE, Some(self.max_age.as_secs().into())),
        ] {
            if let Some(value) = value {
                headers.insert(name, value);
            }
        }
        let is_asked = request.headers.get(REQUEST_PRIVATE_NETWORK).is_some_and(|it| it == "true");
        if self.allows_private_network && is_asked {
            headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
        }
        response
    }

    fn response_headers(&self, request: &request::Parts) -> Box<dyn FnOnce(&mut HeaderMap) + Send> {
        let mut own = HeaderMap::new();
        if let Some(origin) = self.allowed_origin(&request.headers) {
            self.add_origin(&mut own, origin);
            if let Some(exposed) = list(self.exposed.iter().map(HeaderName::as_str)) {
                own.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
            }
        }
        let is_same_for_all = self.allows_any_origin;
        Box::new(move |headers| {
            if headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN) {
                return;
            }
            headers.extend(own);
            if !is_same_for_all && !varies_by_origin(headers) {
                headers.append(VARY, HeaderValue::from_static("origin"));
            }
        })
    }
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(VARY).iter().filter_map(|value| value.to_str().ok());
    fields
        .flat_map(|text| text.split(','))
        .map(str::trim)
        .any(|name| name == "*" || name.eq_ignore_ascii_case("origin"))
}

/// Joins names, each once. `None` if there are none.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> Option<HeaderValue> {
    let mut all: Vec<&str> = Vec::new();
    for name in names {
        if !all.contains(&name) {
            all.push(name);
        }
    }
    HeaderValue::try_from(all.join(", ")).ok().filter(|value| !value.is_empty())
}

impl Default for Cors {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Cors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cors")
            .field("origins", &self.origins)
            .field("rules", &self.rules.len())
            .field("allows_any_origin", &self.allows_any_origin)
            .field("allows_credentials", &self.allows_credentials)
            .finish_non_exhaustive()
    }
}
