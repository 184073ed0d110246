//! `AcceptEncoding`: the content codings that a client accepts, and how much it likes each (pure).

use http::{HeaderMap, header};
use volga_core::quality_member;

/// The members of `Accept-Encoding`: names, and qualities in thousandths. RFC 9110, section 12.5.3.
pub(crate) struct AcceptEncoding(Vec<(String, u16)>);

impl AcceptEncoding {
    pub(crate) fn parse(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT_ENCODING).iter();
        let members =
            values.filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(','));
        Self(members.filter_map(quality_member).collect())
    }

    /// The quality of a member with exactly this name. `*` is such a name.
    pub(crate) fn listed(&self, name: &str) -> Option<u16> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, quality)| *quality)
    }

    /// The quality of a coding. A coding that is not listed has the quality of `*`, or else 0.
    pub(crate) fn quality(&self, name: &str) -> u16 {
        let alias = if name == "gzip" { self.listed("x-gzip") } else { None };
        self.listed(name).or(alias).or_else(|| self.listed("*")).unwrap_or_default()
    }

    /// Keeps the codings that the client accepts and likes at least as much as no coding, and sorts
    /// them: the one that the client likes best comes first. Codings that it likes equally keep
    /// their order.
    pub(crate) fn sort<T: Copy>(&self, codings: &[T], name: impl Fn(T) -> &'static str) -> Vec<T> {
        let identity = self.listed("identity").unwrap_or_default();
        let rated = codings.iter().map(|coding| (self.quality(name(*coding)), *coding));
        let mut rated: Vec<_> =
            rated.filter(|(quality, _)| *quality > 0 && *quality >= identity).collect();
        rated.sort_by_key(|(quality, _)| std::cmp::Reverse(*quality));
        rated.into_iter().map(|(_, coding)| coding).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NAMES: [&str; 4] = ["br", "zstd", "gzip", "deflate"];

    fn sorted(accept: &str) -> Vec<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accept.parse().unwrap());
        AcceptEncoding::parse(&headers).sort(&NAMES, |name| name)
    }

    /// The qualities of a table, in thousandths. `None` means that the name is not listed.
    type Table = [Option<u16>; 6];

    /// The rules of the RFC, applied to one coding at a time.
    fn model(table: &Table) -> Vec<&'static str> {
        let [br, zstd, gzip, deflate, identity, any] = *table;
        let mut codings = Vec::new();
        for (name, listed) in NAMES.into_iter().zip([br, zstd, gzip, deflate]) {
            let quality = listed.or(any).unwrap_or(0);
            if quality > 0 && quality >= identity.unwrap_or(0) {
                codings.push((name, quality));
            }
        }
        let mut sorted = Vec::new();
        while let Some(best) = codings.iter().map(|(_, quality)| *quality).max() {
            let at = codings.iter().position(|(_, quality)| *quality == best).unwrap();
            sorted.push(codings.remove(at).0);
        }
        sorted
    }

    proptest! {
        #[test]
        fn every_table_of_qualities_agrees_with_the_model(
            table in prop::array::uniform6(prop::option::of(0_u16..=1000)),
            is_coarse in any::<bool>(),
            reversed in any::<bool>(),
            upper in any::<bool>(),
        ) {
            // Coarse tables have equal qualities.
            let table = table.map(|quality| match is_coarse {
                true => quality.map(|quality| quality / 400 * 500),
                false => quality,
            });
            let names = ["br", "zstd", "gzip", "deflate", "identity", "*"];
            let mut members: Vec<String> = names.iter().zip(table).filter_map(|(name, quality)| {
                let quality = quality?;
                let name = if upper { name.to_uppercase() } else { (*name).to_owned() };
                Some(match quality {
                    1000 => name,
                    quality => format!("{name} ; Q=0.{quality:03}"),
                })
            }).collect();
            if reversed {
                members.reverse();
            }
            prop_assert_eq!(sorted(&members.join(" ,")), model(&table));
        }

        #[test]
        fn no_text_panics(accept in "[ -~]{0,40}") {
            sorted(&accept);
        }
    }
}
