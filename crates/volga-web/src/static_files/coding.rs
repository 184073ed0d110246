//! `Coding`: the content codings of precompressed files, and those that a client accepts (pure).

use http::{HeaderMap, header};

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
    /// RFC 9110, section 12.5.3.
    pub(crate) fn accepted(headers: &HeaderMap) -> Vec<Self> {
        let accepted = AcceptedCodings::parse(headers);
        let identity = accepted.quality("identity").unwrap_or_default();
        let quality = |coding: &Self| {
            let alias = if *coding == Self::Gzip { accepted.quality("x-gzip") } else { None };
            let quality = accepted.quality(coding.name()).or(alias).or(accepted.quality("*"));
            quality.unwrap_or_default()
        };
        let mut codings = Self::ALL.to_vec();
        codings.retain(|coding| quality(coding) > 0 && quality(coding) >= identity);
        codings.sort_by_key(|coding| std::cmp::Reverse(quality(coding)));
        codings
    }
}

/// The members of `Accept-Encoding`: names, and qualities in thousandths.
struct AcceptedCodings(Vec<(String, u16)>);

impl AcceptedCodings {
    fn parse(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        let members =
            values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
        Self(members.filter_map(member).collect())
    }

    fn quality(&self, name: &str) -> Option<u16> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, quality)| *quality)
    }
}

/// The name and the quality of a member of a list, such as `br;q=0.5`. A member whose quality is
/// malformed is not accepted.
pub(crate) fn member(text: &str) -> Option<(String, u16)> {
    let mut parameters = text.split(';').map(str::trim);
    let name = parameters.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let quality = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
    });
    Some((name, quality.unwrap_or(1000)))
}

fn thousandths(text: &str) -> u16 {
    match text.parse::<f32>() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the number is between 0 and 1000"
        )]
        Ok(quality) if (0.0..=1.0).contains(&quality) => (quality * 1000.0) as u16,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
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
