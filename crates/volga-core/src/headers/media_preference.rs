//! `preferred_media_type`: which of several media types a client prefers (pure).

use http::{HeaderMap, HeaderValue, header};

use crate::headers::quality::quality_member;

/// Returns the media type that the client prefers by its `Accept`, or `None` if it accepts none of
/// them. With equal preference, the earlier offer counts.
///
/// A client without a readable `Accept` accepts everything, so it gets the first offer. The most
/// specific range counts for each offer: `text/html` before `text/*` before `*/*`. A range with the
/// quality 0, or with a malformed one, refuses. Parameters other than `q` are ignored. The rules
/// are those of RFC 9110, section 12.5.1.
///
/// Put the type for programs first, because many programs send `*/*` or no `Accept`. Browsers name
/// `text/html`. A response that depends on `Accept` should have `Vary: accept`.
///
/// ```
/// use http::HeaderMap;
/// use volga_core::preferred_media_type;
///
/// const OFFERS: [&str; 2] = ["application/json", "text/html"];
///
/// let mut headers = HeaderMap::new();
/// assert_eq!(preferred_media_type(&headers, &OFFERS), Some("application/json"));
/// headers.insert("accept", "text/html,application/xml;q=0.9,*/*;q=0.8".parse().unwrap());
/// assert_eq!(preferred_media_type(&headers, &OFFERS), Some("text/html"));
/// headers.insert("accept", "image/png".parse().unwrap());
/// assert_eq!(preferred_media_type(&headers, &OFFERS), None);
/// ```
#[must_use]
pub fn preferred_media_type<'a>(headers: &HeaderMap, offers: &[&'a str]) -> Option<&'a str> {
    preferred_of(headers.get_all(header::ACCEPT), offers)
}

/// The same as [`preferred_media_type`], by the values of `Accept`.
pub(crate) fn preferred_of<'a, 'v>(
    accept: impl IntoIterator<Item = &'v HeaderValue>,
    offers: &[&'a str],
) -> Option<&'a str> {
    let fields = accept.into_iter().filter_map(|value| value.to_str().ok());
    let ranges: Vec<(String, u16)> =
        fields.flat_map(|field| field.split(',')).filter_map(range).collect();
    if ranges.is_empty() {
        return offers.first().copied();
    }
    let mut best = None;
    for offer in offers {
        let quality = quality(&ranges, offer);
        if quality > best.map_or(0, |(quality, _)| quality) {
            best = Some((quality, *offer));
        }
    }
    best.map(|(_, offer)| offer)
}

/// The quality of an offer, by the most specific range that matches it.
fn quality(ranges: &[(String, u16)], offer: &str) -> u16 {
    let offer = offer.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = offer.split('/').next().unwrap_or_default();
    let of = |name: &str| {
        let same = ranges.iter().filter(|(range, _)| range == name);
        same.map(|(_, quality)| *quality).max()
    };
    of(&offer).or_else(|| of(&format!("{kind}/*"))).or_else(|| of("*/*")).unwrap_or(0)
}

/// A range such as `text/*;q=0.5`, with its quality in thousandths.
fn range(text: &str) -> Option<(String, u16)> {
    quality_member(text).filter(|(name, _)| name.contains('/'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OFFERS: [&str; 3] = ["application/json", "text/html", "text/plain"];
    /// The ranges of a generated `Accept`. The numbers of the offers that each one matches, and how
    /// specific it is.
    const RANGES: [(&str, &[usize], u8); 7] = [
        ("application/json", &[0], 3),
        ("text/html", &[1], 3),
        ("text/plain", &[2], 3),
        ("application/*", &[0], 2),
        ("text/*", &[1, 2], 2),
        ("*/*", &[0, 1, 2], 1),
        ("image/png", &[], 3),
    ];

    fn preferred(accept: &str) -> Option<&'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        preferred_media_type(&headers, &OFFERS)
    }

    #[test]
    fn a_client_without_a_readable_accept_gets_the_first_offer() {
        assert_eq!(preferred_media_type(&HeaderMap::new(), &OFFERS), Some(OFFERS[0]));
        assert_eq!(preferred_media_type(&HeaderMap::new(), &[]), None);
        for accept in ["", ",", "*", " ; q=1"] {
            assert_eq!(preferred(accept), Some(OFFERS[0]), "{accept}");
        }
    }

    #[test]
    fn a_malformed_quality_refuses_and_other_parameters_are_ignored() {
        for quality in ["", "2", "-1", ".5", "1e-1", "0.+5", "0.0001", "zero"] {
            assert_eq!(preferred(&format!("text/html;q={quality}")), None, "{quality}");
        }
        assert_eq!(preferred("Text/HTML; level=1 ; Q = 0.5, */*;q=0.1"), Some("text/html"));
    }

    /// For each offer the rule with the greatest specificity, and then the best offer.
    fn model(table: &[Option<u16>; 7]) -> Option<&'static str> {
        let mut rated: Vec<(u16, usize)> = Vec::new();
        for offer in 0..OFFERS.len() {
            let rules = RANGES.iter().zip(table).filter_map(|((_, matched, level), quality)| {
                matched.contains(&offer).then_some(())?;
                Some((*level, (*quality)?))
            });
            rated.push((rules.max().map_or(0, |(_, quality)| quality), offer));
        }
        if table.iter().all(Option::is_none) {
            return Some(OFFERS[0]);
        }
        rated.sort_by_key(|(quality, offer)| (std::cmp::Reverse(*quality), *offer));
        rated.first().filter(|(quality, _)| *quality > 0).map(|(_, offer)| OFFERS[*offer])
    }

    proptest! {
        #[test]
        fn every_accept_agrees_with_the_model(
            table in prop::array::uniform7(prop::option::of(0_u16..=1000)),
            is_coarse in any::<bool>(),
            reversed in any::<bool>(),
            in_two_fields in any::<bool>(),
        ) {
            // Coarse tables have equal qualities.
            let table = table.map(|quality| match is_coarse {
                true => quality.map(|quality| quality / 400 * 500),
                false => quality,
            });
            let mut ranges: Vec<String> = RANGES.iter().zip(table).filter_map(|(range, quality)| {
                Some(match quality? {
                    1000 => range.0.to_owned(),
                    quality => format!("{} ; Q=0.{quality:03}", range.0.to_uppercase()),
                })
            }).collect();
            if reversed {
                ranges.reverse();
            }
            let at = if in_two_fields { ranges.len() / 2 } else { 0 };
            let mut headers = HeaderMap::new();
            for field in [&ranges[..at], &ranges[at..]] {
                headers.append(header::ACCEPT, field.join(" ,").parse().unwrap());
            }
            prop_assert_eq!(preferred_media_type(&headers, &OFFERS), model(&table));
        }

        #[test]
        fn no_text_panics(accept in "[ -~]{0,40}") {
            preferred(&accept);
        }
    }
}
