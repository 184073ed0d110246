//! `FileRequest`: what a request says about the file that it asks for.

use http::{HeaderMap, HeaderName, Method, header};
use volga_core::{Description, Error, FromRequestParts, RequestParts};

/// What a request says about the file that it asks for: its method, its preconditions and the
/// ranges of bytes that it wants. It is an argument of handlers, and
/// [`FileResponse::respond`](crate::FileResponse::respond) takes it.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, HttpResponse, Router};
/// use volga_web::{FileRequest, FileResponse};
///
/// async fn report(request: FileRequest) -> Result<HttpResponse, Error> {
///     FileResponse::open("report.pdf").await?.respond(&request)
/// }
///
/// let mut router = Router::new();
/// router.map(http::Method::GET, "/report", HandlerEndpoint::new(report));
/// ```
#[derive(Clone, Debug)]
pub struct FileRequest {
    pub(crate) method: Method,
    /// The headers in [`NAMES`], if the request has them.
    pub(crate) headers: HeaderMap,
}

/// The headers that decide which part of a file is sent, if any.
const NAMES: [HeaderName; 6] = [
    header::IF_MATCH,
    header::IF_UNMODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_RANGE,
    header::RANGE,
];

impl FileRequest {
    /// Reads the method and the headers of a request.
    #[must_use]
    pub fn new(method: &Method, headers: &HeaderMap) -> Self {
        let mut own = HeaderMap::new();
        for name in NAMES {
            for value in headers.get_all(&name) {
                own.append(name.clone(), value.clone());
            }
        }
        Self { method: method.clone(), headers: own }
    }
}

impl FromRequestParts for FileRequest {
    fn describe(description: &mut Description) {
        description.optional(|inner| {
            for name in NAMES {
                inner.reads_header(name);
            }
        });
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        Ok(Self::new(&parts.method, &parts.headers))
    }
}
