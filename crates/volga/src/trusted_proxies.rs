//! What an app believes of the proxies in front of it.

use std::{fmt, sync::Arc};

use http::{Extensions, HeaderMap, HeaderName, Uri, uri::PathAndQuery};
use volga_core::{
    Description, Error, FromRequestParts, HttpContext, HttpResponse, Middleware, Next, OriginalUri,
    RequestParts, WrapMiddleware, prefix_location,
};
use volga_http::ConnectionInfo;

use crate::client_addr;
use crate::client_ip;
use crate::https::forwarded_scheme::{self, X_FORWARDED_PROTO};
use crate::trusted_proxy::{BelievedProxies, TrustedProxy};

/// The maximum length of an `X-Forwarded-Prefix` in bytes.
pub const MAX_FORWARDED_PREFIX: usize = 1024;

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Whether a request comes from one of these proxies.
fn is_trusted(proxies: &[TrustedProxy], extensions: &Extensions) -> bool {
    let client = client_addr::address(extensions).map(|address| address.ip());
    // A request that another server passed on without an address may come from anybody.
    let is_known = client.is_some() || extensions.get::<ConnectionInfo>().is_some();
    is_known && proxies.iter().any(|proxy| proxy.has(client))
}

/// The prefix that a [trusted proxy](crate::App::with_trusted_proxies) has removed from the path,
/// without a slash at its end, such as `/shop`. It is empty if no prefix was removed, so
/// `format!("{prefix}/tea")` is right either way.
///
/// ```
/// use volga::{App, http::ForwardedPrefix, ok};
///
/// let mut app = App::new().with_trusted_proxies(["10.0.0.0/8"]);
/// app.map_get("/", async |prefix: ForwardedPrefix| ok!("the tea is at {prefix}/tea"));
/// # app.check().unwrap();
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ForwardedPrefix(Arc<str>);

impl ForwardedPrefix {
    /// The prefix. It is empty, or begins with a slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromRequestParts for ForwardedPrefix {
    fn describe(description: &mut Description) {
        description.reads_extensions();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        Ok(parts.extensions.get().cloned().unwrap_or_default())
    }
}

impl fmt::Display for ForwardedPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The middleware that believes these proxies and no others.
pub(crate) fn middleware(proxies: Vec<TrustedProxy>) -> impl Middleware {
    let proxies: Arc<[TrustedProxy]> = proxies.into();
    WrapMiddleware::new(move |ctx: HttpContext, next: Next| {
        let proxies = Arc::clone(&proxies);
        async move { respond(&proxies, ctx, next).await }
    })
}

async fn respond(
    proxies: &Arc<[TrustedProxy]>,
    mut ctx: HttpContext,
    next: Next,
) -> Result<HttpResponse, Error> {
    if forwarded_scheme::is_present(&ctx.headers) {
        insert_scheme(proxies, &mut ctx)?;
    }
    if client_ip::is_present(&ctx.headers) && is_trusted(proxies, &ctx.extensions) {
        // The headers are read when somebody asks for the address, which few requests do.
        ctx.extensions.insert(BelievedProxies::new(Arc::clone(proxies)));
    }
    if !ctx.headers.contains_key(X_FORWARDED_PREFIX) {
        return Ok(next.run(ctx).await);
    }
    if !is_trusted(proxies, &ctx.extensions) {
        ctx.headers.remove(X_FORWARDED_PREFIX);
        return Ok(next.run(ctx).await);
    }
    let prefix = prefix_of(&ctx.headers).map_err(|reason| {
        Error::client_error(format!("header `{X_FORWARDED_PREFIX}`: {reason}"))
    })?;
    if prefix.is_empty() {
        return Ok(next.run(ctx).await);
    }
    let original = ctx.extensions.get().map_or(&ctx.uri, |OriginalUri(uri)| uri);
    let original = with_prefix(&prefix, original).ok_or_else(|| {
        Error::client_error(format!("header `{X_FORWARDED_PREFIX}`: the path becomes too long"))
    })?;
    ctx.extensions.insert(OriginalUri(original));
    ctx.extensions.insert(ForwardedPrefix(prefix.as_str().into()));
    let uri = ctx.uri.clone();
    let mut response = next.run(ctx).await;
    prefix_location(&mut response, &prefix, &uri);
    Ok(response)
}

/// Lets the request have the scheme that a trusted proxy says.
fn insert_scheme(proxies: &[TrustedProxy], ctx: &mut HttpContext) -> Result<(), Error> {
    if !is_trusted(proxies, &ctx.extensions) {
        ctx.headers.remove(X_FORWARDED_PROTO);
        return Ok(());
    }
    let is_proxy = |ip| proxies.iter().any(|proxy| proxy.has(Some(ip)));
    let scheme = forwarded_scheme::scheme_of(&ctx.headers, is_proxy)
        .map_err(|reason| Error::client_error(format!("the header {reason}")))?;
    if let Some(scheme) = scheme {
        ctx.extensions.insert(scheme);
    }
    Ok(())
}

/// The prefix in the headers, without a slash at its end.
fn prefix_of(headers: &HeaderMap) -> Result<String, &'static str> {
    let mut values = headers.get_all(X_FORWARDED_PREFIX).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Err("it comes more than once; let the proxy set it, and not add to it");
    };
    if value.len() > MAX_FORWARDED_PREFIX {
        return Err("it is longer than 1,024 bytes");
    }
    let text = value.to_str().map_err(|_| "it is not text")?;
    let prefix = text.strip_suffix('/').unwrap_or(text);
    if text.is_empty() || prefix.is_empty() {
        return Ok(String::new());
    }
    let Some(segments) = prefix.strip_prefix('/') else {
        return Err("it does not begin with a slash");
    };
    if segments.split('/').all(is_segment) {
        Ok(prefix.to_owned())
    } else {
        Err("it is not the path of one prefix, such as `/shop`")
    }
}

/// Whether a text is a segment of a path that every client understands in the same way. `//host`
/// would be another server, and `..` another path.
fn is_segment(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=:@%".contains(&byte);
    let dots = segment.to_ascii_lowercase().replace("%2e", ".");
    let mut encoded = segment.split('%').skip(1);
    !segment.is_empty()
        && segment.bytes().all(is_plain)
        && encoded.all(|after| {
            after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit)
        })
        && dots != "."
        && dots != ".."
}

/// Adds a prefix to the path of a URI. `None` if the path is too long then.
fn with_prefix(prefix: &str, uri: &Uri) -> Option<Uri> {
    if uri.path() == "*" {
        return Some(uri.clone());
    }
    let mut parts = uri.clone().into_parts();
    let rest = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{prefix}{rest}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests;
