//! The text of a string literal (pure).

/// Returns the text of the literal, or `None` if it is not a string.
pub(crate) fn text_of(literal: &str) -> Option<String> {
    if let Some(raw) = literal.strip_prefix('r') {
        let inside = raw.trim_start_matches('#');
        let hashes = raw.len() - inside.len();
        let end = inside.len().checked_sub(hashes)?;
        let quoted = inside.get(..end)?;
        return Some(quoted.strip_prefix('"')?.strip_suffix('"')?.replace("\r\n", "\n"));
    }
    let inside = literal.strip_prefix('"')?.strip_suffix('"')?.replace("\r\n", "\n");
    let mut text = String::new();
    let mut chars = inside.chars();
    while let Some(char) = chars.next() {
        if char != '\\' {
            text.push(char);
            continue;
        }
        match chars.next()? {
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            '0' => text.push('\0'),
            'x' => {
                let digits: String = chars.by_ref().take(2).collect();
                text.push(u8::from_str_radix(&digits, 16).ok()?.into());
            }
            'u' => {
                let digits: String = chars.by_ref().take_while(|char| *char != '}').collect();
                let digits = digits.trim_start_matches('{').replace('_', "");
                text.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
            }
            // The line continues after the blanks of the next one.
            '\n' => {
                let rest = chars.as_str().trim_start_matches([' ', '\n', '\r', '\t']);
                chars = rest.chars();
            }
            other => text.push(other),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_string_is_read() {
        for (literal, text) in [
            (r#""""#, ""),
            (r#""a \"b\" \\ \' \n\r\t\0""#, "a \"b\" \\ ' \n\r\t\0"),
            (r#""\x41\u{42}\u{1F_600}""#, "AB\u{1F600}"),
            ("\"one \\\n     two\"", "one two"),
            (r#"r"a\n{b}""#, r"a\n{b}"),
            (r###"r#"a "b" c"#"###, r#"a "b" c"#),
            ("r##\"a\"#b\"##", "a\"#b"),
        ] {
            assert_eq!(text_of(literal).as_deref(), Some(text), "{literal}");
        }
        for literal in ["1", "b\"a\"", "'a'", "br\"a\"", "c\"a\"", "1.5", "\"a\"suffix"] {
            assert_eq!(text_of(literal), None, "{literal}");
        }
    }
}
