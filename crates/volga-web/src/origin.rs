//! `OriginPattern`: an origin, or all subdomains of one (pure).

/// An origin as a browser sends it, or all subdomains of a host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum OriginPattern {
    /// This origin.
    Exact(String),
    /// `https://*.example.com`: every host that ends with `.example.com`. Not the host itself.
    Subdomains {
        /// `https://`
        scheme: String,
        /// `.example.com`, with the port if it is not the default.
        suffix: String,
    },
}

impl OriginPattern {
    /// Parses an origin as it is written in a program.
    ///
    /// # Errors
    ///
    /// Returns why no browser sends such an origin, as the rest of a sentence that begins with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        match text {
            "*" => return Err("is not an origin; call `any_origin` to allow all origins"),
            "null" => {
                return Err(
                    "is the origin of every sandboxed page, so it does not tell who asks; \
                            remove it",
                );
            }
            _ => {}
        }
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err("has no scheme; write it as `https://example.com`");
        };
        let is_scheme_byte =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
        if !scheme.starts_with(|c: char| c.is_ascii_lowercase())
            || !scheme.bytes().all(is_scheme_byte)
        {
            return Err("has a scheme that no browser sends; write it in lower case");
        }
        if authority.ends_with('/') && !authority[..authority.len() - 1].contains('/') {
            return Err("ends with `/`, which no origin does; remove the slash");
        }
        if authority.contains(['/', '?', '#']) {
            return Err("has more than a scheme, a host and a port; an origin has no path");
        }
        if authority.contains('@') {
            return Err("has a user name, which no origin has");
        }
        let (is_wildcard, host) = match authority.strip_prefix("*.") {
            Some(host) => (true, host),
            None => (false, authority),
        };
        if host.contains('*') {
            return Err("has a `*` in a place where it stands for nothing; write \
                        `https://*.example.com` for all subdomains");
        }
        check_host(scheme, host)?;
        Ok(match is_wildcard {
            true => Self::Subdomains { scheme: format!("{scheme}://"), suffix: format!(".{host}") },
            false => Self::Exact(text.to_owned()),
        })
    }

    /// Whether the origin of a request is the one that is meant.
    pub(crate) fn matches(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Subdomains { scheme, suffix } => origin
                .strip_prefix(&**scheme)
                .and_then(|rest| rest.strip_suffix(&**suffix))
                .is_some_and(|labels| {
                    // A browser sends only hosts. This keeps out everything else.
                    let is_host_byte = |byte: u8| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._".contains(&byte)
                    };
                    !labels.is_empty() && labels.bytes().all(is_host_byte)
                }),
        }
    }
}

fn check_host(scheme: &str, host: &str) -> Result<(), &'static str> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => (name, Some(port)),
        _ => (host, None),
    };
    if name.is_empty() {
        return Err("has no host");
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("has capitals in its host; browsers send it in lower case");
    }
    if !name.is_ascii() {
        return Err("has a host beyond ASCII; write it as browsers send it, with `xn--`");
    }
    let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._[]:".contains(&byte);
    if !name.bytes().all(is_host_byte) || (name.contains(':') && !name.starts_with('[')) {
        return Err("has a character that no host has");
    }
    let Some(port) = port else { return Ok(()) };
    match (scheme, port.parse::<u16>()) {
        ("https" | "wss", Ok(443)) | ("http" | "ws", Ok(80)) => {
            Err("has the default port of its scheme, which browsers leave out; remove it")
        }
        (_, Ok(number)) if number.to_string() == port => Ok(()),
        _ => Err("has a port that is not a number from 0 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matches: &[&str], others: &[&str]) {
        let pattern = OriginPattern::parse(pattern).expect("a valid origin");
        matches.iter().for_each(|it| assert!(pattern.matches(it), "{pattern:?} {it}"));
        others.iter().for_each(|it| assert!(!pattern.matches(it), "{pattern:?} {it}"));
    }

    #[test]
    fn an_origin_matches_itself_and_a_wildcard_all_subdomains() {
        check(
            "https://a.example",
            &["https://a.example"],
            &[
                "http://a.example",
                "https://a.example:8443",
                "https://b.a.example",
                "https://a.example.evil",
                "null",
                "",
            ],
        );
        check("http://localhost:5173", &["http://localhost:5173"], &["http://localhost"]);
        check("http://[::1]:8080", &["http://[::1]:8080"], &["http://[::1]"]);
        check("capacitor://localhost", &["capacitor://localhost"], &["http://localhost"]);
        check(
            "https://*.b.example",
            &["https://a.b.example", "https://x.a.b.example", "https://a-1.b.example"],
            &[
                "https://b.example",
                "https://.b.example",
                "https://evilb.example",
                "http://a.b.example",
                "https://a.b.example:8443",
                "https://a.b.example.evil",
                "https://evil.test/.b.example",
                "https://evil.test?.b.example",
                "https://evil.test:80.b.example",
                "https://u@a.b.example",
            ],
        );
        check("https://*.b.example:8443", &["https://a.b.example:8443"], &["https://a.b.example"]);
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_its_reason() {
        for (text, reason) in [
            ("*", "any_origin"),
            ("null", "sandboxed"),
            ("a.example", "no scheme"),
            ("", "no scheme"),
            ("HTTPS://a.example", "lower case"),
            ("://a.example", "scheme"),
            ("https://a.example/", "remove the slash"),
            ("https://a.example/app", "no path"),
            ("https://a.example/app/", "no path"),
            ("https://a.example?x", "no path"),
            ("https://u@a.example", "user name"),
            ("https://A.example", "capitals"),
            ("https://ä.example", "xn--"),
            ("https://a b.example", "character"),
            ("https://::1", "character"),
            ("https://", "no host"),
            ("https://:443", "no host"),
            ("https://a.example:443", "default port"),
            ("http://a.example:80", "default port"),
            ("https://a.example:99999", "port"),
            ("https://a.example:0443", "port"),
            ("https://a.example:", "port"),
            ("https://*", "stands for nothing"),
            ("https://*a.example", "stands for nothing"),
            ("https://a.*.example", "stands for nothing"),
            ("https://*.*.example", "stands for nothing"),
        ] {
            let found = OriginPattern::parse(text).expect_err(text);
            assert!(found.contains(reason), "{text}: {found}");
        }
    }
}
