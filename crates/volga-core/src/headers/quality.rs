//! The quality values of `Accept`, `Accept-Encoding` and the like (pure).

/// Reads a member of a list, such as `br;q=0.5`: its name in lower case, and its quality in
/// thousandths. A member without a quality has 1000, and one with a malformed quality has 0, so it
/// is not accepted. Other parameters are ignored. Returns `None` if the name is empty.
///
/// ```
/// use volga_core::quality_member;
///
/// assert_eq!(quality_member("BR ; q=0.5"), Some(("br".to_owned(), 500)));
/// assert_eq!(quality_member("gzip"), Some(("gzip".to_owned(), 1000)));
/// assert_eq!(quality_member("gzip;q=inf"), Some(("gzip".to_owned(), 0)));
/// ```
#[must_use]
pub fn quality_member(text: &str) -> Option<(String, u16)> {
    let mut parameters = text.split(';').map(str::trim);
    let name = parameters.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let quality = parameters.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("q").then(|| thousandths(value.trim()))
    });
    Some((name, quality.unwrap_or(1000)))
}

/// A quality in thousandths: `0` or `1` with at most three decimals (RFC 9110, section 12.4.2).
fn thousandths(text: &str) -> u16 {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let is_number = decimals.len() <= 3 && decimals.bytes().all(|byte| byte.is_ascii_digit());
    let decimals = format!("{decimals:0<3}").parse().unwrap_or_default();
    match whole {
        "0" if is_number => decimals,
        "1" if is_number && decimals == 0 => 1000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quality_is_between_0_and_1_with_three_decimals() {
        for (text, expect) in [
            ("0", 0),
            ("0.", 0),
            ("0.5", 500),
            ("0.05", 50),
            ("0.001", 1),
            ("1", 1000),
            ("1.000", 1000),
            ("1.001", 0),
            ("0.0001", 0),
            ("2", 0),
            ("-1", 0),
            ("", 0),
            (".5", 0),
            ("1e-1", 0),
            ("0.+5", 0),
            ("inf", 0),
        ] {
            assert_eq!(thousandths(text), expect, "{text}");
        }
    }
}
