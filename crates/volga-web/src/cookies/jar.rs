//! `CookieJar`: the cookies of one request.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cookie::Cookie;
use cookie::time::{Duration, OffsetDateTime};
use http::{HeaderMap, HeaderValue, header};

use crate::cookies::error::CookieError;
use crate::cookies::limits::{MAX_RESPONSE_COOKIE_BYTES, MAX_RESPONSE_COOKIES};
use crate::cookies::rules::complete;

/// The cookies of one request: those that it has, and those that its response sets.
pub(crate) struct CookieJar {
    /// The `Cookie` fields. HTTP/2 splits the cookies into several fields.
    received: Vec<HeaderValue>,
    is_https: bool,
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    cookies: Vec<WrittenCookie>,
    /// Whether the head of the response was sent.
    is_sent: bool,
    /// The cookies that were counted as changed, so that each is counted once.
    #[cfg(feature = "signed-cookies")]
    counted: Vec<(&'static str, String)>,
}

struct WrittenCookie {
    cookie: Cookie<'static>,
    value: HeaderValue,
    is_removal: bool,
}

impl CookieJar {
    pub(super) fn new(headers: &HeaderMap, is_https: bool) -> Self {
        let received = headers.get_all(header::COOKIE).iter().cloned().collect();
        Self { received, is_https, written: Mutex::default() }
    }

    /// The number of cookies in the request, with those that are malformed.
    pub(super) fn received_count(&self) -> usize {
        self.received.iter().flat_map(|field| field.as_bytes().split(|&byte| byte == b';')).count()
    }

    /// The cookies of the request, in their order. A pair without a name is left out, and so is one
    /// that is not UTF-8.
    pub(super) fn received(&self) -> impl Iterator<Item = Cookie<'_>> {
        let pairs =
            self.received.iter().flat_map(|field| field.as_bytes().split(|&byte| byte == b';'));
        pairs.filter_map(|pair| Cookie::parse(std::str::from_utf8(pair).ok()?).ok())
    }

    /// The values of a cookie: the one that was written, or all that were received.
    pub(super) fn values(&self, name: &str) -> Vec<String> {
        let written = self.written();
        if let Some(last) = written.cookies.iter().rev().find(|it| it.cookie.name() == name) {
            return (!last.is_removal)
                .then(|| last.cookie.value().to_owned())
                .into_iter()
                .collect();
        }
        drop(written);
        let received = self.received().filter(|cookie| cookie.name() == name);
        received.map(|cookie| cookie.value().to_owned()).collect()
    }

    /// Adds a cookie to the response, instead of one with the same name, path and domain.
    pub(super) fn write(&self, mut cookie: Cookie<'static>) -> Result<(), CookieError> {
        let value = complete(&mut cookie, self.is_https)?;
        self.add(WrittenCookie { cookie, value, is_removal: false })
    }

    /// Lets the response remove a cookie.
    pub(super) fn remove(&self, mut cookie: Cookie<'static>) -> Result<(), CookieError> {
        if cookie.path().is_none() && cookie.domain().is_none() {
            self.copy_place(&mut cookie);
        }
        cookie.set_value("");
        cookie.set_max_age(Duration::ZERO);
        cookie.set_expires(OffsetDateTime::UNIX_EPOCH);
        let value = complete(&mut cookie, self.is_https)?;
        self.add(WrittenCookie { cookie, value, is_removal: true })
    }

    /// Gives a cookie the path and the domain of the cookie with this name that the response sets.
    fn copy_place(&self, cookie: &mut Cookie<'static>) {
        let written = self.written();
        let name = cookie.name();
        if let Some(last) = written.cookies.iter().rev().find(|it| it.cookie.name() == name) {
            let (path, domain) = (last.cookie.path(), last.cookie.domain());
            let (path, domain) = (path.map(str::to_owned), domain.map(str::to_owned));
            path.into_iter().for_each(|path| cookie.set_path(path));
            domain.into_iter().for_each(|domain| cookie.set_domain(domain));
        }
    }

    fn add(&self, new: WrittenCookie) -> Result<(), CookieError> {
        let mut written = self.written();
        let name = || new.cookie.name().to_owned();
        if written.is_sent {
            return Err(CookieError::HeadSent { name: name() });
        }
        let place = |it: &WrittenCookie| {
            let cookie = &it.cookie;
            let domain = cookie.domain().map(str::to_ascii_lowercase);
            (cookie.name().to_owned(), cookie.path().map(str::to_owned), domain)
        };
        let of_new = place(&new);
        let others = || written.cookies.iter().filter(|it| place(it) != of_new);
        if others().count() >= MAX_RESPONSE_COOKIES {
            return Err(CookieError::TooMany { name: name() });
        }
        let size = others().map(|it| it.value.len()).sum::<usize>() + new.value.len();
        if size > MAX_RESPONSE_COOKIE_BYTES {
            return Err(CookieError::TotalSize { name: name(), size });
        }
        written.cookies.retain(|it| place(it) != of_new);
        written.cookies.push(new);
        Ok(())
    }

    /// Writes the cookies to the head of the response. No cookie can be added afterwards.
    pub(super) fn send(&self, headers: &mut HeaderMap) {
        let mut written = self.written();
        written.is_sent = true;
        for WrittenCookie { value, .. } in &written.cookies {
            headers.append(header::SET_COOKIE, value.clone());
        }
    }

    /// Whether this is the first time that a cookie is counted as changed.
    #[cfg(feature = "signed-cookies")]
    pub(super) fn is_first_count(&self, kind: &'static str, name: &str) -> bool {
        let mut written = self.written();
        if written.counted.iter().any(|(of, counted)| *of == kind && counted == name) {
            return false;
        }
        written.counted.push((kind, name.to_owned()));
        true
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
