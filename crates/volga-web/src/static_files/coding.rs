//! `Coding`: the content codings of precompressed files, and those that a client accepts (pure).

use http::HeaderMap;

use crate::accept_encoding::AcceptEncoding;

/// A content coding of which a compressed file may lie beside the plain one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
}

impl Coding {
    /// All codings. If a client likes two equally, the earlier one is sent.
    const ALL: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    /// The value of `Content-Encoding`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
        }
    }

    /// What follows the whole name of the plain file.
    pub(crate) const fn extension(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
        }
    }

    /// The codings that a client accepts and likes as much as the plain file, the best one first.
    pub(crate) fn accepted(headers: &HeaderMap) -> Vec<Self> {
        AcceptEncoding::parse(headers).sort(&Self::ALL, Self::name)
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;

    #[test]
    fn the_client_decides_and_then_the_order_of_the_server() {
        use Coding::{Brotli, Gzip, Zstd};
        for (accept, expect) in [
            ("gzip, deflate, br, zstd", &[Brotli, Zstd, Gzip][..]),
            ("gzip;q=1, br;q=0.5, zstd;q=0.7", &[Gzip, Zstd, Brotli]),
            ("GZIP", &[Gzip]),
            ("x-gzip", &[Gzip]),
            ("br;q=0, *", &[Zstd, Gzip]),
            ("br ; q = 0.000, gzip", &[Gzip]),
            ("*;q=0", &[]),
            ("gzip;q=0.5, identity", &[]),
            ("gzip;q=0.5, identity;q=0.5", &[Gzip]),
            ("br;q=2, zstd;q=x, gzip;q=-1", &[]),
            ("identity;q=0, br", &[Brotli]),
            ("", &[]),
            ("brotli, gzipped", &[]),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
            assert_eq!(Coding::accepted(&headers), expect, "{accept}");
        }
        assert_eq!(Coding::accepted(&HeaderMap::new()), []);
    }
}
