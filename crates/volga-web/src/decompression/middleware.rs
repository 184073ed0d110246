//! `Decompression`: the settings, and the middleware that decompresses request bodies.

use std::sync::Arc;

use http::{StatusCode, header};
use volga_core::{
    BoxFuture, Description, Endpoint, Error, HttpBody, HttpContext, HttpResponse, Middleware, Next,
    RequestParts, WrapMiddleware,
};

use crate::decompression::body::DecompressedBody;
use crate::decompression::chain::{Chain, DEFAULT_MAX_DECOMPRESSION_RATIO, Limits};
use crate::decompression::codings::codings_of;

/// Middleware of an app, a group or a route that decompresses request bodies.
///
/// A body may have the codings `zstd`, `br`, `gzip` and `deflate`, and up to
/// [`MAX_CONTENT_CODINGS`](crate::MAX_CONTENT_CODINGS) of them, one applied after the other. The
/// body is decompressed while the handler reads it. Everything that reads a body gets the plain
/// bytes, and `Content-Encoding` and `Content-Length` are removed from the request.
///
/// | Status | When |
/// |---|---|
/// | 400 | the body is malformed, its end is missing, or bytes come after its end |
/// | 413 | the plain bytes exceed the limit of the body, or the ratio |
/// | 415 | a coding is unknown, or there are too many; `Accept-Encoding` has the known ones |
///
/// The limit of the body applies to the bytes as they are sent, and again to the plain bytes.
///
/// While it runs, a decoder needs up to 16 MiB for `br`, 8 MiB for `zstd` and 50 KiB for the
/// others, as the client has compressed the body.
///
/// ```
/// use volga_core::{HandlerEndpoint, HttpBody, Router, ScopeId, SettingsLevel, Text};
/// use volga_web::Decompression;
///
/// let mut router = Router::new();
/// router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), Decompression::new());
/// router.map(http::Method::POST, "/", HandlerEndpoint::new(async |Text(text): Text| text));
/// ```
#[derive(Clone, Debug)]
pub struct Decompression {
    max_ratio: u32,
}

impl Decompression {
    /// Creates the middleware with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self { max_ratio: DEFAULT_MAX_DECOMPRESSION_RATIO }
    }

    /// Sets how many times larger a body may become, instead of
    /// [`DEFAULT_MAX_DECOMPRESSION_RATIO`]. The ratio does not count for the first
    /// [`DECOMPRESSION_RATIO_SLACK`](crate::DECOMPRESSION_RATIO_SLACK) bytes.
    #[must_use]
    pub fn max_ratio(mut self, ratio: u32) -> Self {
        self.max_ratio = ratio;
        self
    }
}

impl Default for Decompression {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Decompression {
    fn describe(&self, description: &mut Description) {
        description
            .optional(|optional| {
                optional.reads_header(header::CONTENT_ENCODING);
            })
            .responds(StatusCode::BAD_REQUEST, &[])
            .responds(StatusCode::PAYLOAD_TOO_LARGE, &[])
            .responds(StatusCode::UNSUPPORTED_MEDIA_TYPE, &[]);
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        let ratio = self.max_ratio;
        let decompress = move |ctx: HttpContext, next: Next| async move {
            let ctx = decompressed(ctx, ratio)?;
            Ok::<_, Error>(next.run(ctx).await)
        };
        let decompressing = WrapMiddleware::new(decompress).wrap(Arc::clone(&inner));
        Arc::new(DecompressionEndpoint { inner, decompressing })
    }
}

struct DecompressionEndpoint {
    inner: Arc<dyn Endpoint>,
    decompressing: Arc<dyn Endpoint>,
}

impl Endpoint for DecompressionEndpoint {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        match parts.headers.contains_key(header::CONTENT_ENCODING) {
            true => self.decompressing.call(parts, body),
            false => self.inner.call(parts, body),
        }
    }

    fn catches_panics(&self) -> bool {
        self.inner.catches_panics()
    }
}

fn decompressed(mut ctx: HttpContext, ratio: u32) -> Result<HttpContext, Error> {
    let codings = codings_of(&ctx.headers)?;
    ctx.headers.remove(header::CONTENT_ENCODING);
    if codings.is_empty() {
        return Ok(ctx);
    }
    ctx.headers.remove(header::CONTENT_LENGTH);
    let limits = Limits { plain: ctx.body_limit().bytes(), ratio };
    let chain = Chain::new(&codings, limits).map_err(Error::server_error)?;
    let body = std::mem::take(ctx.body_mut());
    *ctx.body_mut() = HttpBody::new(DecompressedBody::new(body, chain));
    Ok(ctx)
}
