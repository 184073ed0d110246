//! Numbers with their nouns, for error texts. Pure.

use std::fmt;

/// A number and its noun: "1 key", "2 keys".
pub(crate) struct Plural(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Plural {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, noun) = self;
        let plural = if *number == 1 { "" } else { "s" };
        write!(f, "{number} {noun}{plural}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let text = [0, 1, 2].map(|number| Plural(number, "key").to_string());
        assert_eq!(text, ["0 keys", "1 key", "2 keys"]);
    }
}
