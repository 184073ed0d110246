//! How many bytes a request body may have.

use crate::request::body::HttpBody;

/// How many bytes a request body may have where nothing else was set: 5 MiB.
pub const DEFAULT_MAX_BODY: usize = 5 * 1024 * 1024;

/// How many bytes a request body may have: [`DEFAULT_MAX_BODY`] by default, a number, or [`UNLIMITED`](Self::UNLIMITED).
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
    /// As many as the client sends. Only what reads a body piece by piece should do without a limit.
    pub const UNLIMITED: Self = Self(None);

    /// The number of bytes; `None` without a limit.
    #[must_use]
    pub const fn bytes(self) -> Option<usize> {
        self.0
    }

    /// Binds a body to the limit. One that cannot be longer stays as it is.
    pub(crate) fn bind(self, body: HttpBody) -> HttpBody {
        match self.0 {
            Some(limit) => body.limited(limit),
            None => body,
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
