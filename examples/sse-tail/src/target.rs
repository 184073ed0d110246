//! The address of a stream, and of where a redirect leads (pure).

use http::{Uri, uri::Authority};

/// An `http://` URL.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    authority: Authority,
    /// With its query, and at least `/`.
    path: String,
}

impl Target {
    /// Reads a URL. One without a scheme means `http://`.
    ///
    /// # Errors
    ///
    /// The fault, and the text to write instead.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        // A fragment is the reader's own, and no part of the request.
        let url = url.split_once('#').map_or(url, |(url, _)| url);
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(format!(
                    "{url}: https:// is not spoken yet, only cleartext http://; a local proxy can add TLS"
                ));
            }
            Some((scheme, _)) => return Err(format!("{url}: {scheme}:// is no http://")),
            None => url,
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(format!(
                "{url}: send credentials with -H 'authorization: …', not in the URL"
            ));
        }
        let wrong = || format!("`{url}` is no URL: http://HOST:PORT/PATH");
        let authority: Authority = authority.parse().map_err(|_| wrong())?;
        if authority.host().is_empty() {
            return Err(wrong());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let target = Self { authority, path: format!("{slash}{path}") };
        target.path.parse::<Uri>().map_err(|_| wrong())?;
        Ok(target)
    }

    /// Where a redirect from here leads.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub(crate) fn redirect(&self, location: &str) -> Result<Self, String> {
        if location.contains("://") {
            return Self::parse(location);
        }
        if let Some(rest) = location.strip_prefix("//") {
            return Self::parse(&format!("http://{rest}"));
        }
        let before_query = self.path.split_once('?').map_or(&*self.path, |(path, _)| path);
        let path = match location.as_bytes().first() {
            Some(b'/') => location.to_owned(),
            Some(b'?') => format!("{before_query}{location}"),
            _ => {
                let folder = before_query.rfind('/').map_or("/", |at| &before_query[..=at]);
                format!("{folder}{location}")
            }
        };
        Self::parse(&format!("http://{}{path}", self.authority))
    }

    /// `host:port`, as a header has it.
    pub(crate) fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The host without the brackets of an IPv6 address, and the port.
    pub(crate) fn address(&self) -> (&str, u16) {
        let host = self.authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (host, self.authority.port_u16().unwrap_or(80))
    }

    /// The path and query: what an HTTP/1 request asks for.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The whole URL: what an HTTP/2 request asks for.
    pub(crate) fn url(&self) -> String {
        format!("http://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, address: (&str, u16), path: &str) {
        let target = Target::parse(url).expect("a URL");
        assert_eq!((target.address(), target.path()), (address, path), "{url}");
    }

    #[test]
    fn a_url_has_a_host_a_port_and_a_path() {
        check("http://localhost:7878/events?a=b#c", ("localhost", 7878), "/events?a=b");
        check("localhost:7878", ("localhost", 7878), "/");
        check("HTTP://example.org?x", ("example.org", 80), "/?x");
        check("http://[::1]:81/", ("::1", 81), "/");
    }

    #[test]
    fn what_is_no_cleartext_url_is_refused() {
        for (url, named) in [
            ("https://h/", "not spoken yet"),
            ("ftp://h/", "ftp"),
            ("http://", "is no URL"),
            ("http://a b/", "is no URL"),
            ("http://h/a b", "is no URL"),
            ("http://user:secret@h/", "authorization"),
        ] {
            let error = Target::parse(url).expect_err(url);
            assert!(error.contains(named), "{url}: {error}");
        }
    }

    #[test]
    fn a_redirect_may_be_relative() {
        let from = Target::parse("http://h:81/a/b?q").expect("a URL");
        for (location, expect) in [
            ("http://i/x", "http://i/x"),
            ("//i/x", "http://i/x"),
            ("/x?y", "http://h:81/x?y"),
            ("?y", "http://h:81/a/b?y"),
            ("x", "http://h:81/a/x"),
        ] {
            assert_eq!(from.redirect(location).expect("a URL").url(), expect, "{location}");
        }
        assert!(from.redirect("https://h/").is_err());
    }
}
