//! `RateLimit`: the settings, and the middleware that limits the rate of requests.

use std::{
    fmt,
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use http::{HeaderName, HeaderValue, StatusCode};
use volga_core::{
    Description, Endpoint, Error, HttpContext, Middleware, Next, RequestParts, WrapMiddleware,
};

use crate::rate_limit::fields;
use crate::rate_limit::quota::{Decision, Quota};
use crate::rate_limit::store::Store;

/// The number of keys that a limit remembers, by default.
pub const DEFAULT_MAX_RATE_LIMIT_KEYS: usize = 65_536;
/// The number of bits of an IPv6 address that are the network of one client, by default.
pub const DEFAULT_IPV6_PREFIX: u8 = 64;

/// The name of a limit that has no other.
const DEFAULT_NAME: &str = "default";

/// Middleware of an app, a group or a route that limits the rate of requests for each key, such as
/// an address or a user.
///
/// A request beyond the quota gets a problem with status 429 and `Retry-After`. Every response has
/// the fields `RateLimit` and `RateLimit-Policy`, as the [draft of the IETF] says: the quota, how
/// much of it is left, and the seconds until it is whole again. With several limits around a route,
/// each adds its own member, so give them [names](Self::with_name).
///
/// For an event stream the limit counts the request that opens it, and not the events.
///
/// Clones share one limit. The states are in the memory of this process.
///
/// ```
/// use volga_core::{HandlerEndpoint, HttpBody, RequestParts, Router, ScopeId, SettingsLevel};
/// use volga_web::{Quota, RateLimit};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// #[derive(Clone)]
/// struct UserId(u64); // outer middleware puts it into the extensions
///
/// let user = |parts: &RequestParts| Some(parts.extensions.get::<UserId>()?.0);
/// let mut router = Router::new();
/// let limit = RateLimit::by(Quota::per_minute(100), user);
/// router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), limit);
/// router.map(http::Method::GET, "/", HandlerEndpoint::new(|| "tea"));
///
/// let service = router.into_service().unwrap();
/// let mut request = http::Request::get("/").body(HttpBody::empty()).unwrap();
/// request.extensions_mut().insert(UserId(7));
/// let response = service.respond(request).await;
/// assert_eq!(response.headers()["ratelimit-policy"], "\"default\";q=100;w=60");
/// assert_eq!(response.headers()["ratelimit"], "\"default\";r=99;t=1");
/// # }
/// ```
///
/// # Memory
///
/// A limit remembers [`DEFAULT_MAX_RATE_LIMIT_KEYS`] keys, at about 80 bytes each whatever the
/// length of a key. Keys with a whole quota are forgotten. If there are still too many, the key
/// that has sent nothing for the longest time is forgotten, which gives it a whole quota. So a
/// flood of keys never locks anyone out.
///
/// [draft of the IETF]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
#[derive(Clone)]
pub struct RateLimit {
    quota: Quota,
    name: Arc<str>,
    policy: HeaderValue,
    key: Key,
    ipv6_prefix: u8,
    store: Arc<Store>,
}

/// Decides about a request by its key. `None` if it has no key.
type DecideByKey = dyn Fn(&Store, Quota, &RequestParts) -> Option<Decision> + Send + Sync;
type AddressOf = dyn Fn(&RequestParts) -> Option<IpAddr> + Send + Sync;

#[derive(Clone)]
enum Key {
    Address(Arc<AddressOf>),
    Other(Arc<DecideByKey>),
}

impl RateLimit {
    /// Limits the requests by a key that a function returns, such as a user or a tenant. If it
    /// returns `None`, the request is not limited.
    pub fn by<K: Hash>(
        quota: Quota,
        key: impl Fn(&RequestParts) -> Option<K> + Send + Sync + 'static,
    ) -> Self {
        Self::new(
            quota,
            Key::Other(Arc::new(move |store, quota, parts| {
                key(parts).map(|key| store.decide(quota, &key))
            })),
        )
    }

    /// Limits the requests by an address that a function returns. In an app this is
    /// `volga::http::client_ip`. For an IPv6 address the [network](Self::with_ipv6_prefix) counts,
    /// because one client may have all addresses of a network. If the function returns `None`, the
    /// request is not limited.
    pub fn by_address(
        quota: Quota,
        address: impl Fn(&RequestParts) -> Option<IpAddr> + Send + Sync + 'static,
    ) -> Self {
        Self::new(quota, Key::Address(Arc::new(address)))
    }

    /// Limits the requests by the value of a header, such as an API key. All requests without the
    /// header have one key together.
    ///
    /// A client can send any value. So use this only for a header that outer middleware or a proxy
    /// has checked. Otherwise a client gets a new quota with each new value.
    pub fn by_header(quota: Quota, name: HeaderName) -> Self {
        Self::by(quota, move |parts| Some(parts.headers.get(&name).cloned()))
    }

    /// Limits all requests together.
    #[must_use]
    pub fn in_all(quota: Quota) -> Self {
        Self::by(quota, |_| Some(()))
    }

    fn new(quota: Quota, key: Key) -> Self {
        Self {
            quota,
            name: DEFAULT_NAME.into(),
            policy: fields::policy(DEFAULT_NAME, quota),
            key,
            ipv6_prefix: DEFAULT_IPV6_PREFIX,
            store: Arc::new(Store::new(DEFAULT_MAX_RATE_LIMIT_KEYS)),
        }
    }

    /// Sets the name in the fields and the problem, instead of `default`. Write visible ASCII;
    /// other characters are left out of the fields.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = name.into();
        self.policy = fields::policy(name, self.quota);
        self
    }

    /// Sets how many keys are remembered, instead of [`DEFAULT_MAX_RATE_LIMIT_KEYS`]. The limit
    /// starts anew, and no longer shares with the value that it was cloned from.
    #[must_use]
    pub fn with_max_keys(mut self, keys: usize) -> Self {
        self.store = Arc::new(Store::new(keys));
        self
    }

    /// Sets how many bits of an IPv6 address are the network of one client, instead of
    /// [`DEFAULT_IPV6_PREFIX`]. Some providers give each customer 56 or 48 bits.
    #[must_use]
    pub fn with_ipv6_prefix(mut self, bits: u8) -> Self {
        self.ipv6_prefix = bits.min(128);
        self
    }

    /// The number of keys that are remembered now.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.store.len()
    }

    /// The number of requests that were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.store.refused()
    }

    fn decide(&self, parts: &RequestParts) -> Option<Decision> {
        match &self.key {
            Key::Address(address) => {
                let network = network(address(parts)?, self.ipv6_prefix);
                Some(self.store.decide(self.quota, &network))
            }
            Key::Other(decide) => decide(&self.store, self.quota, parts),
        }
    }
}

/// The network of a client. An IPv4 address is a network of its own.
fn network(address: IpAddr, ipv6_prefix: u8) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - ipv6_prefix)).unwrap_or(0);
            Ipv6Addr::from(u128::from(ip) & mask).into()
        }
        ip @ IpAddr::V4(_) => ip,
    }
}

impl Middleware for RateLimit {
    fn describe(&self, description: &mut Description) {
        description.reads_head().responds(StatusCode::TOO_MANY_REQUESTS, &[]);
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let limit = self.clone();
        let respond = move |ctx: HttpContext, next: Next| {
            let decision = limit.decide(&ctx);
            let (name, policy) = (Arc::clone(&limit.name), limit.policy.clone());
            async move {
                let Some(decision) = decision else { return Ok(next.run(ctx).await) };
                if let Some(retry_after) = decision.retry_after {
                    return Err(fields::refusal(&name, &policy, &decision, retry_after));
                }
                let mut response = next.run(ctx).await;
                fields::write(response.headers_mut(), &name, &policy, &decision);
                Ok::<_, Error>(response)
            }
        };
        WrapMiddleware::new(respond).wrap(inner)
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("quota", &self.quota)
            .field("name", &self.name)
            .field("keys", &self.keys())
            .field("refused", &self.refused())
            .finish_non_exhaustive()
    }
}
