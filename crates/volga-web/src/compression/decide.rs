//! Which responses are compressed, and how their headers change (pure).

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use http_body::Body;
use volga_core::HttpResponse;
use volga_core::headers::{ETag, TypedHeader};

use crate::accept_encoding::AcceptEncoding;
use crate::compression::encoder::Workload;
use crate::content_coding::ContentCoding;

/// The size in bytes from which a response is compressed. A smaller response fits into one packet
/// either way.
pub const DEFAULT_MIN_COMPRESSED_SIZE: u64 = 1024;

/// The orders of the server, which decide between codings that the client likes equally. Every
/// client that was tested reads events in gzip when they arrive. Some libraries hold back events in
/// zstd.
const DOCUMENT_ORDER: [ContentCoding; 4] = ContentCoding::ALL;
const EVENT_ORDER: [ContentCoding; 4] =
    [ContentCoding::Gzip, ContentCoding::Zstd, ContentCoding::Brotli, ContentCoding::Deflate];

/// Fields with hashes of the body as it is sent. They would be wrong after compression.
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Media types whose content is compressed already. A name that ends with a slash is a prefix.
const COMPRESSED_TYPES: [&str; 26] = [
    "audio/",
    "image/",
    "video/",
    "font/woff",
    "font/woff2",
    "application/font-woff",
    "application/font-woff2",
    "application/epub+zip",
    "application/gzip",
    "application/java-archive",
    "application/ogg",
    "application/pdf",
    "application/x-7z-compressed",
    "application/x-brotli",
    "application/x-bzip",
    "application/x-bzip2",
    "application/x-compress",
    "application/x-gzip",
    "application/x-rar-compressed",
    "application/vnd.rar",
    "application/x-xz",
    "application/zip",
    "application/x-zip-compressed",
    "application/zstd",
    // Its messages have a compression of their own.
    "application/grpc",
    "application/grpc-web",
];

/// Pictures that are text or bitmaps.
const PLAIN_PICTURES: [&str; 4] =
    ["image/svg+xml", "image/bmp", "image/x-icon", "image/vnd.microsoft.icon"];

/// The codings that are chosen for a request: one for documents, one for event streams.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chosen {
    document: Option<ContentCoding>,
    events: Option<ContentCoding>,
}

impl Chosen {
    /// Chooses codings for a request. `order` replaces the orders of the server.
    pub(crate) fn new(headers: &HeaderMap, order: Option<&[ContentCoding]>) -> Self {
        let accepted = AcceptEncoding::parse(headers);
        let best = |own: &[ContentCoding]| {
            let sorted = accepted.sort(order.unwrap_or(own), ContentCoding::name);
            sorted.first().copied()
        };
        Self { document: best(&DOCUMENT_ORDER), events: best(&EVENT_ORDER) }
    }

    pub(crate) fn get(self, workload: Workload) -> Option<ContentCoding> {
        match workload {
            Workload::Document => self.document,
            Workload::EventStream => self.events,
        }
    }
}

/// The kind of a response, by its content type.
pub(crate) fn workload(headers: &HeaderMap) -> Workload {
    match media_type(headers).as_deref() {
        Some("text/event-stream") => Workload::EventStream,
        _ => Workload::Document,
    }
}

/// Whether HTTP allows to compress this response at all.
pub(crate) fn is_allowed(method: &Method, response: &HttpResponse, workload: Workload) -> bool {
    let (status, headers) = (response.status(), response.headers());
    let has_whole_content = !status.is_informational()
        && ![
            StatusCode::NO_CONTENT,
            StatusCode::RESET_CONTENT,
            StatusCode::PARTIAL_CONTENT,
            StatusCode::NOT_MODIFIED,
        ]
        .contains(&status)
        && method != Method::CONNECT
        && !headers.contains_key(header::CONTENT_RANGE);
    has_whole_content
        && !headers.contains_key(header::CONTENT_ENCODING)
        && !DIGESTS.iter().any(|digest| headers.contains_key(digest))
        // Volga's event streams forbid proxies to transform them. The server itself may.
        && (workload == Workload::EventStream || !is_transform_forbidden(headers))
}

/// Whether the body is known to be smaller than a size. A response to `HEAD` may say the length
/// that another response would have.
pub(crate) fn is_smaller(method: &Method, response: &HttpResponse, size: u64) -> bool {
    let declared = response.headers().get(header::CONTENT_LENGTH);
    let declared: Option<u64> = declared.and_then(|value| value.to_str().ok()?.parse().ok());
    let length = match response.body().is_end_stream() {
        true if method == Method::HEAD => Some(declared.unwrap_or(0)),
        true => Some(0),
        false => response.body().size_hint().exact().or(declared),
    };
    length.is_some_and(|length| length < size)
}

/// Whether the content type of a response says that its content can become smaller.
pub(crate) fn is_compressible_type(headers: &HeaderMap) -> bool {
    let Some(media_type) = media_type(headers) else { return true };
    if PLAIN_PICTURES.contains(&&*media_type) {
        return true;
    }
    !COMPRESSED_TYPES.iter().any(|known| match known.ends_with('/') {
        true => media_type.starts_with(known),
        // `application/grpc+proto` is gRPC, too.
        false => media_type.split('+').next() == Some(known) || media_type == *known,
    })
}

/// The media type without parameters, in lower case.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

fn is_transform_forbidden(headers: &HeaderMap) -> bool {
    has_member(headers, &header::CACHE_CONTROL, |member| {
        member.eq_ignore_ascii_case("no-transform")
    })
}

fn has_member(headers: &HeaderMap, name: &HeaderName, is_it: impl Fn(&str) -> bool) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|member| is_it(member.trim()))
}

/// Says that the response depends on the request's `Accept-Encoding`.
pub(crate) fn add_vary(headers: &mut HeaderMap) {
    let is_there = has_member(headers, &header::VARY, |member| {
        member == "*" || member.eq_ignore_ascii_case("accept-encoding")
    });
    if !is_there {
        headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
    }
}

/// Changes the headers of a response that is compressed.
pub(crate) fn change_headers(headers: &mut HeaderMap, coding: ContentCoding) {
    headers.insert(header::CONTENT_ENCODING, coding.to_value());
    headers.remove(header::CONTENT_LENGTH);
    // Ranges would be those of the plain bytes.
    headers.remove(header::ACCEPT_RANGES);
    // The tag names the plain bytes, so another tag is needed for these. A weak tag says that both
    // mean the same.
    let tag = headers.get(header::ETAG).and_then(|value| ETag::from_value(value).ok());
    if let Some(tag) = tag.filter(|tag| !tag.is_weak())
        && let Ok(weak) = ETag::weak(tag.text())
    {
        headers.insert(header::ETAG, weak.to_value());
    }
}
