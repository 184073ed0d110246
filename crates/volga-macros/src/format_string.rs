//! The syntax of format strings, as in [`std::fmt`] (pure).

use std::iter::Peekable;
use std::str::Chars;

/// A part of a format string.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Piece {
    /// Text, in which `{{` and `}}` stand for braces.
    Text(String),
    /// A place for a value.
    Placeholder(Placeholder),
}

/// A place for a value.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Placeholder {
    /// The value to write.
    pub(crate) value: Arg,
    /// What follows the colon, cut where it refers to an argument: `>width$.2` is `>`, the
    /// argument `width`, and `.2`.
    pub(crate) spec: Vec<SpecPart>,
}

/// A part of the specification of a placeholder.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum SpecPart {
    Text(String),
    /// The width or the precision is the value of this argument.
    Count(Arg),
}

/// An argument.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Arg {
    Position(usize),
    Name(String),
}

/// What the compiler knows as a type of formatting.
const TYPES: [&str; 12] = ["", "?", "x?", "X?", "x", "X", "o", "b", "e", "E", "p", "#?"];

/// Parses a format string.
///
/// # Errors
///
/// Returns a message for the developer.
pub(crate) fn parse(text: &str) -> Result<Vec<Piece>, String> {
    let (mut pieces, mut written, mut next) = (Vec::new(), String::new(), 0);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '{' | '}' if chars.next_if_eq(&char).is_some() => written.extend([char, char]),
            '}' => return Err(hint("`}` without a `{`")),
            '{' => {
                let mut inside = String::new();
                loop {
                    match chars.next() {
                        Some('}') => break,
                        Some('{') | None => return Err(hint("`{` without its `}`")),
                        Some(char) => inside.push(char),
                    }
                }
                if !written.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut written)));
                }
                pieces.push(Piece::Placeholder(placeholder(&inside, &mut next)?));
            }
            char => written.push(char),
        }
    }
    if !written.is_empty() {
        pieces.push(Piece::Text(written));
    }
    Ok(pieces)
}

fn hint(fault: &str) -> String {
    format!("{fault}: in a format string, write a brace as `{{{{` or `}}}}`")
}

/// Parses the inside of the braces. `next` is the position of the next argument without a name.
fn placeholder(inside: &str, next: &mut usize) -> Result<Placeholder, String> {
    let (value, spec) = inside.split_once(':').unwrap_or((inside, ""));
    let spec = parse_spec(spec.trim_end(), next)
        .ok_or_else(|| hint(&format!("`{{{inside}}}` is not a place for a value")))?;
    let value = match value.trim() {
        "" => Arg::Position(take(next)),
        text => arg(text).ok_or_else(|| hint(&format!("`{{{inside}}}` has no name")))?,
    };
    Ok(Placeholder { value, spec })
}

fn take(next: &mut usize) -> usize {
    *next += 1;
    *next - 1
}

fn arg(text: &str) -> Option<Arg> {
    if let Ok(position) = text.parse() {
        return Some(Arg::Position(position));
    }
    let mut chars = text.chars();
    let is_start = |char: char| char.is_alphabetic() || char == '_';
    let is_name = chars.next().is_some_and(is_start)
        && chars.all(|char| char.is_alphanumeric() || char == '_');
    is_name.then(|| Arg::Name(text.to_owned()))
}

fn parse_spec(spec: &str, next: &mut usize) -> Option<Vec<SpecPart>> {
    let (mut parts, mut text) = (Vec::new(), String::new());
    let mut chars = spec.chars().peekable();
    // A fill of any character, if an alignment follows it.
    if spec.chars().nth(1).is_some_and(|char| "<^>".contains(char)) {
        text.extend(chars.next());
    }
    text.extend(chars.next_if(|char| "<^>".contains(*char)));
    text.extend(chars.next_if(|char| "+-".contains(*char)));
    text.extend(chars.next_if_eq(&'#'));
    // `0$` is a width, and `0` alone fills with zeros.
    let mut ahead = chars.clone();
    if ahead.next() == Some('0') && ahead.next() != Some('$') {
        text.extend(chars.next());
    }
    count(&mut chars, &mut text, &mut parts);
    if chars.peek() == Some(&'.') {
        text.extend(chars.next());
        if chars.next_if_eq(&'*').is_some() {
            parts.push(SpecPart::Text(std::mem::take(&mut text)));
            parts.push(SpecPart::Count(Arg::Position(take(next))));
        } else {
            count(&mut chars, &mut text, &mut parts);
        }
    }
    let kind: String = chars.collect();
    if !TYPES.contains(&&*kind) {
        return None;
    }
    text.push_str(&kind);
    if !text.is_empty() {
        parts.push(SpecPart::Text(text));
    }
    Some(parts)
}

/// Takes a width or a precision: a number, or an argument with a `$` after it.
fn count(chars: &mut Peekable<Chars<'_>>, text: &mut String, parts: &mut Vec<SpecPart>) {
    let mut ahead = chars.clone();
    let mut word = String::new();
    while let Some(char) = ahead.next_if(|char| char.is_alphanumeric() || *char == '_') {
        word.push(char);
    }
    if ahead.next() == Some('$')
        && let Some(arg) = arg(&word)
    {
        *chars = ahead;
        parts.push(SpecPart::Text(std::mem::take(text)));
        parts.push(SpecPart::Count(arg));
        return;
    }
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        text.push(digit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Arg {
        Arg::Name(name.to_owned())
    }

    #[track_caller]
    fn check(text: &str, expect: &[(Arg, &str, &[Arg])]) {
        let pieces = parse(text).expect("a format string");
        let found: Vec<_> = pieces
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Text(_) => None,
                Piece::Placeholder(Placeholder { value, spec }) => {
                    let (mut text, mut counts) = (String::new(), Vec::new());
                    for part in spec {
                        match part {
                            SpecPart::Text(part) => text.push_str(&part),
                            SpecPart::Count(arg) => {
                                text.push('$');
                                counts.push(arg);
                            }
                        }
                    }
                    Some((value, text, counts))
                }
            })
            .collect();
        let expect = expect.iter();
        let expect: Vec<_> = expect
            .map(|(arg, spec, counts)| (arg.clone(), (*spec).to_owned(), counts.to_vec()))
            .collect();
        assert_eq!(found, expect, "{text}");
    }

    #[test]
    fn placeholders_have_values_specifications_and_counts() {
        use Arg::Position as P;
        check("", &[]);
        check("text {{and}} more", &[]);
        check("{}{}{0}{}", &[(P(0), "", &[]), (P(1), "", &[]), (P(0), "", &[]), (P(2), "", &[])]);
        check("<p>{name}</p>{_a1}", &[(name("name"), "", &[]), (name("_a1"), "", &[])]);
        check("{{{a}}}", &[(name("a"), "", &[])]);
        check(
            "{a:?} {a:#?} {a:#x}",
            &[(name("a"), "?", &[]), (name("a"), "#?", &[]), (name("a"), "#x", &[])],
        );
        check("{:>8.3}", &[(P(0), ">8.3", &[])]);
        check("{:*^+#010.2e}", &[(P(0), "*^+#010.2e", &[])]);
        check("{:1$}{:0$}", &[(P(0), "$", &[P(1)]), (P(1), "$", &[P(0)])]);
        check("{x:width$.2}", &[(name("x"), "$.2", &[name("width")])]);
        check("{x:0>w$.p$}", &[(name("x"), "0>$.$", &[name("w"), name("p")])]);
        check("{:.*} {}", &[(P(1), ".$", &[P(0)]), (P(2), "", &[])]);
        check("{ä:é<3}", &[(name("ä"), "é<3", &[])]);
    }

    #[test]
    fn braces_that_are_no_placeholders_are_explained() {
        for text in [
            "{",
            "}",
            "a } b",
            "{a",
            "{a{b}",
            "{a b}",
            "{color:red}",
            "p{color:red}",
            "{1a}",
            "{ margin: 0 }",
            "{a.b}",
            "{a:>>>}",
        ] {
            let fault = parse(text).expect_err(text);
            assert!(fault.contains("write a brace as `{{` or `}}`"), "{text}: {fault}");
        }
    }
}
