//! `Compression`: the settings, and the middleware that compresses responses.

use std::{fmt, sync::Arc};

use http::{Method, header};
use volga_core::{
    BoxFuture, Description, Endpoint, HttpBody, HttpResponse, Middleware, RequestParts,
};

use crate::compression::body::CompressedBody;
use crate::compression::decide::{self, Chosen, DEFAULT_MIN_COMPRESSED_SIZE};
use crate::content_coding::ContentCoding;

/// Middleware of an app, a group or a route that compresses responses.
///
/// The client's `Accept-Encoding` decides between `zstd`, `br`, `gzip` and `deflate`. A client that
/// accepts none of them gets the response as it is, never the status 406. Every response has `Vary:
/// accept-encoding`, so caches keep the variants apart.
///
/// These responses are not compressed:
///
/// - smaller ones than [`DEFAULT_MIN_COMPRESSED_SIZE`], if the length is known,
/// - those whose content type is [compressed already](Self::is_compressible), such as pictures,
/// - those that have a `Content-Encoding`, a digest of the body or `Cache-Control: no-transform`,
/// - parts (206 and `Content-Range`), and responses without content, such as 304.
///
/// A strong `ETag` becomes weak, and `Content-Length` and `Accept-Ranges` are removed.
///
/// # Event streams
///
/// An event stream is compressed like any other response, although its `Cache-Control` has
/// `no-transform`, which is meant for proxies. Each event leaves at once, so it arrives when it
/// would without compression. Each stream has an encoder of its own, with a small window.
///
/// ```
/// use volga_core::{HandlerEndpoint, HttpBody, Router, ScopeId, SettingsLevel};
/// use volga_web::Compression;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut router = Router::new();
/// router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), Compression::new());
/// router.map(http::Method::GET, "/", HandlerEndpoint::new(|| "tea ".repeat(1000)));
///
/// let service = router.into_service().unwrap();
/// let request = http::Request::get("/").header("accept-encoding", "gzip");
/// let response = service.respond(request.body(HttpBody::empty()).unwrap()).await;
/// assert_eq!(response.headers()["content-encoding"], "gzip");
/// assert_eq!(response.headers()["vary"], "accept-encoding");
/// # }
/// ```
///
/// # Security
///
/// The length of a compressed response tells something about its content. Do not compress a
/// response that has a secret and also text that an attacker chooses (the attack is named BREACH).
/// Leave such routes out with [`predicate`](Self::predicate).
#[derive(Clone)]
pub struct Compression {
    settings: Arc<Settings>,
}

#[derive(Clone)]
struct Settings {
    min_size: u64,
    /// `None` for the default orders.
    codings: Option<Arc<[ContentCoding]>>,
    predicate: Arc<dyn Fn(&HttpResponse) -> bool + Send + Sync>,
}

impl Compression {
    /// Creates the middleware with the default settings.
    #[must_use]
    pub fn new() -> Self {
        let settings = Settings {
            min_size: DEFAULT_MIN_COMPRESSED_SIZE,
            codings: None,
            predicate: Arc::new(Self::is_compressible),
        };
        Self { settings: Arc::new(settings) }
    }

    /// Sets the size in bytes from which a response is compressed, instead of
    /// [`DEFAULT_MIN_COMPRESSED_SIZE`]. A response whose length is not known, such as an event
    /// stream, is compressed in any case.
    #[must_use]
    pub fn min_size(mut self, bytes: u64) -> Self {
        Arc::make_mut(&mut self.settings).min_size = bytes;
        self
    }

    /// Sets the codings. If the client likes several of them equally, the first one is used.
    ///
    /// By default the order is `zstd`, `br`, `gzip`, `deflate`, and for event streams `gzip`,
    /// `zstd`, `br`, `deflate`.
    #[must_use]
    pub fn codings(mut self, codings: impl Into<Vec<ContentCoding>>) -> Self {
        Arc::make_mut(&mut self.settings).codings = Some(codings.into().into());
        self
    }

    /// Sets which responses are compressed, instead of [`is_compressible`](Self::is_compressible).
    ///
    /// ```
    /// use volga_web::Compression;
    ///
    /// let compression = Compression::new().predicate(|response| {
    ///     Compression::is_compressible(response) && !response.headers().contains_key("x-secret")
    /// });
    /// ```
    #[must_use]
    pub fn predicate(
        mut self,
        predicate: impl Fn(&HttpResponse) -> bool + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.settings).predicate = Arc::new(predicate);
        self
    }

    /// Whether the content type of a response says that its content can become smaller. This is
    /// false for pictures, sound, videos, fonts and archives that are compressed already, and for
    /// gRPC, which has a compression of its own.
    #[must_use]
    pub fn is_compressible(response: &HttpResponse) -> bool {
        decide::is_compressible_type(response.headers())
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::new()
    }
}

impl Middleware for Compression {
    fn describe(&self, description: &mut Description) {
        description.optional(|optional| {
            optional.reads_header(header::ACCEPT_ENCODING);
        });
    }

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        Arc::new(CompressionEndpoint { settings: Arc::clone(&self.settings), inner })
    }
}

struct CompressionEndpoint {
    settings: Arc<Settings>,
    inner: Arc<dyn Endpoint>,
}

impl Endpoint for CompressionEndpoint {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let settings = Arc::clone(&self.settings);
        let chosen = Chosen::new(&parts.headers, settings.codings.as_deref());
        let method = parts.method.clone();
        let response = self.inner.call(parts, body);
        Box::pin(async move { settings.compress(&method, chosen, response.await) })
    }
}

impl Settings {
    fn compress(
        &self,
        method: &Method,
        chosen: Chosen,
        mut response: HttpResponse,
    ) -> HttpResponse {
        if response.status().is_informational() || method == Method::CONNECT {
            // It opens a tunnel.
            return response;
        }
        decide::add_vary(response.headers_mut());
        let workload = decide::workload(response.headers());
        let Some(coding) = chosen.get(workload) else { return response };
        if !decide::is_allowed(method, &response, workload)
            || decide::is_smaller(method, &response, self.min_size)
            || !(self.predicate)(&response)
        {
            return response;
        }
        decide::change_headers(response.headers_mut(), coding);
        response.map(|body| HttpBody::new(CompressedBody::new(body, coding, workload)))
    }
}

impl fmt::Debug for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compression")
            .field("min_size", &self.settings.min_size)
            .field("codings", &self.settings.codings)
            .finish_non_exhaustive()
    }
}
