//! The request, and the part of it that extractors see.

use std::{
    borrow::Cow,
    fmt,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use http::request;
use percent_encoding::percent_decode_str;

use crate::{Error, HttpBody, route::MAX_PATH_ARGS};

/// A request as an application sees it.
pub type HttpRequest = http::Request<HttpBody>;

/// Everything of a request but its body, with what the route found in the path. Dereferences to [`http::request::Parts`].
#[derive(Debug)]
pub struct RequestParts {
    head: request::Parts,
    path_args: PathArgs,
}

impl RequestParts {
    pub(crate) fn new(head: request::Parts, path_args: PathArgs) -> Self {
        Self { head, path_args }
    }

    /// What the route found in the path.
    #[must_use]
    pub fn path_args(&self) -> &PathArgs {
        &self.path_args
    }

    /// The next path argument that no extractor took yet, percent-decoded, with its name.
    pub(crate) fn next_path_arg(&mut self) -> Option<Result<(&str, Cow<'_, str>), Error>> {
        let index = self.path_args.taken;
        self.path_args.taken += 1;
        self.path_args.get(self.head.uri.path(), index)
    }

    /// Lets the next extractor take the first path argument again: every function counts for itself.
    pub(crate) fn rewind_path_args(&mut self) {
        self.path_args.taken = 0;
    }

    pub(crate) fn into_head(self) -> request::Parts {
        self.head
    }
}

impl Deref for RequestParts {
    type Target = request::Parts;

    fn deref(&self) -> &request::Parts {
        &self.head
    }
}

impl DerefMut for RequestParts {
    fn deref_mut(&mut self) -> &mut request::Parts {
        &mut self.head
    }
}

/// Where in a path the arguments of a route stand, and their names. Found without an allocation.
#[derive(Clone, Default)]
pub struct PathArgs {
    names: Option<Arc<[Box<str>]>>,
    // A path is at most 65,534 bytes long; `http` refuses longer ones.
    spans: [(u16, u16); MAX_PATH_ARGS],
    taken: usize,
}

impl PathArgs {
    pub(crate) fn set_span(&mut self, index: usize, start: usize, end: usize) {
        self.spans[index] = (start as u16, end as u16);
    }

    pub(crate) fn set_names(&mut self, names: &Arc<[Box<str>]>) {
        self.names = Some(Arc::clone(names));
    }

    /// How many arguments the route has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.as_ref().map_or(0, |names| names.len())
    }

    /// True for a route without arguments.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The name and the percent-decoded value of an argument.
    fn get<'a>(
        &'a self,
        path: &'a str,
        index: usize,
    ) -> Option<Result<(&'a str, Cow<'a, str>), Error>> {
        let name = &**self.names.as_ref()?.get(index)?;
        let (start, end) = self.spans[index];
        let raw = path.get(usize::from(start)..usize::from(end))?;
        Some(decode(raw).map(|value| (name, value)).ok_or_else(|| {
            Error::client_error(format!("path argument `{name}`: malformed percent-encoding"))
        }))
    }
}

impl fmt::Debug for PathArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names.iter().flat_map(|names| names.iter())).finish()
    }
}

/// Decodes one segment of a path, once; `None` for a `%` without two hexadecimal digits and for what is no UTF-8 then.
fn decode(raw: &str) -> Option<Cow<'_, str>> {
    let well_formed = raw
        .split('%')
        .skip(1)
        .all(|after| after.len() >= 2 && after.as_bytes()[..2].iter().all(u8::is_ascii_hexdigit));
    if well_formed { percent_decode_str(raw).decode_utf8().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded_once_and_plus_is_a_plus() {
        assert_eq!(decode("a%20b+c").as_deref(), Some("a b+c"));
        assert_eq!(decode("%2525").as_deref(), Some("%25"));
        assert_eq!(decode("a%2Fb").as_deref(), Some("a/b"));
        assert_eq!(decode("%C3%A9").as_deref(), Some("é"));
    }

    #[test]
    fn what_cannot_be_decoded_is_refused() {
        for raw in ["%", "a%2", "%zz", "%é", "%ff"] {
            assert_eq!(decode(raw), None, "{raw}");
        }
    }
}
