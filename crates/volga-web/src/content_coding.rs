//! `ContentCoding`: the ways to compress a body.

/// A content coding: how a body is compressed. RFC 9110, section 8.4.1.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ContentCoding {
    /// `br`: Brotli (RFC 7932).
    Brotli,
    /// `zstd`: Zstandard (RFC 8878, with windows of at most 8 MiB as RFC 9659 says).
    Zstd,
    /// `gzip` (RFC 1952).
    Gzip,
    /// `deflate`: the zlib format (RFC 1950).
    Deflate,
}

impl ContentCoding {
    /// All codings.
    pub const ALL: [Self; 4] = [Self::Zstd, Self::Brotli, Self::Gzip, Self::Deflate];

    /// The name in `Content-Encoding` and `Accept-Encoding`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    #[cfg(feature = "compression")]
    pub(crate) const fn to_value(self) -> http::HeaderValue {
        http::HeaderValue::from_static(self.name())
    }
}
