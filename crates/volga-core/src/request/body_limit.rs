//! `BodyLimit`: the maximum size of a request body.

use crate::request::body::HttpBody;

/// The default limit of a request body: 5 MiB.
pub const DEFAULT_MAX_BODY: usize = 5 * 1024 * 1024;

/// The maximum size of a request body in bytes: [`DEFAULT_MAX_BODY`] by default, another number, or
/// [`UNLIMITED`](Self::UNLIMITED).
///
/// ```
/// use volga_core::BodyLimit;
///
/// assert_eq!(BodyLimit::from(1024).bytes(), Some(1024));
/// assert_eq!(BodyLimit::UNLIMITED.bytes(), None);
/// assert_eq!(BodyLimit::default().bytes(), Some(5_242_880));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BodyLimit(Option<usize>);

impl BodyLimit {
    /// No limit. Use it only for handlers that read the body piece by piece, because anything else
    /// holds the whole body in memory.
    pub const UNLIMITED: Self = Self(None);

    /// The limit in bytes, or `None` for no limit.
    #[must_use]
    pub const fn bytes(self) -> Option<usize> {
        self.0
    }

    /// Limits the body of a request. Returns a body that cannot exceed the limit unchanged.
    pub(crate) fn apply(self, body: HttpBody) -> HttpBody {
        match self.0 {
            // Most requests have no body.
            Some(limit) if !body.is_empty() => body.into_request_body().limited(limit),
            Some(_) | None => body,
        }
    }
}

impl Default for BodyLimit {
    fn default() -> Self {
        Self(Some(DEFAULT_MAX_BODY))
    }
}

impl From<usize> for BodyLimit {
    fn from(bytes: usize) -> Self {
        Self(Some(bytes))
    }
}
