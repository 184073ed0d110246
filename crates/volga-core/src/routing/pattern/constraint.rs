//! Constraints of path arguments, such as `{id:int}` (pure).

/// A rule that a segment must satisfy to match an argument.
///
/// The order of the variants is the order in which several constraints are tried for one segment:
/// the narrower one comes first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Constraint {
    Uuid,
    Bool,
    Uint,
    Int,
    Hex,
    Alpha,
}

/// All names, for error messages.
pub(crate) const KNOWN: &str = "`uuid`, `bool`, `uint`, `int`, `hex`, `alpha`";

impl Constraint {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "uuid" => Self::Uuid,
            "bool" => Self::Bool,
            "uint" => Self::Uint,
            "int" => Self::Int,
            "hex" => Self::Hex,
            "alpha" => Self::Alpha,
            _ => return None,
        })
    }

    /// Whether a decoded segment satisfies the rule. No rule accepts an empty segment.
    pub(crate) fn accepts(self, segment: &[u8]) -> bool {
        let all = |is: fn(&u8) -> bool| !segment.is_empty() && segment.iter().all(is);
        // A segment that a rule accepts must parse as the type of the handler's argument, so
        // numbers must also fit the type.
        let text = || std::str::from_utf8(segment).unwrap_or_default();
        match self {
            Self::Uuid => is_uuid(segment),
            Self::Bool => matches!(segment, b"true" | b"false"),
            Self::Uint => all(u8::is_ascii_digit) && text().parse::<u64>().is_ok(),
            Self::Int => !segment.starts_with(b"+") && text().parse::<i64>().is_ok(),
            Self::Hex => all(u8::is_ascii_hexdigit),
            Self::Alpha => all(u8::is_ascii_alphabetic),
        }
    }
}

/// `67e55044-10b1-426f-9247-bb680e5fe0c8`, in letters of either case.
fn is_uuid(segment: &[u8]) -> bool {
    segment.len() == 36
        && segment.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, accepted: &[&str], refused: &[&str]) {
        let constraint = Constraint::from_name(name).unwrap();
        assert!(KNOWN.contains(&format!("`{name}`")));
        for text in accepted {
            assert!(constraint.accepts(text.as_bytes()), "{name}: {text}");
        }
        for text in refused.iter().chain(&["", " ", "é"]) {
            assert!(!constraint.accepts(text.as_bytes()), "{name}: {text}");
        }
    }

    #[test]
    fn each_rule_accepts_its_own_kind_only() {
        check(
            "int",
            &["0", "-7", "9223372036854775807"],
            &["x", "1.5", "+1", "9223372036854775808"],
        );
        check("uint", &["0", "007", "18446744073709551615"], &["-1", "+1", "18446744073709551616"]);
        check("bool", &["true", "false"], &["True", "1", "yes"]);
        check("alpha", &["a", "Zz"], &["a1", "a-b"]);
        check("hex", &["0", "dead", "BEEF"], &["0x1", "g"]);
        check(
            "uuid",
            &["67e55044-10b1-426f-9247-bb680e5fe0c8", "67E55044-10B1-426F-9247-BB680E5FE0C8"],
            &["67e5504410b1426f9247bb680e5fe0c8", "67e55044-10b1-426f-9247-bb680e5fe0cx"],
        );
    }

    #[test]
    fn an_unknown_name_is_none() {
        assert_eq!(Constraint::from_name("integer"), None);
    }
}
