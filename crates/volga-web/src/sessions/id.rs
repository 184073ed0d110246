//! `SessionId`: the name of a session, which only its browser and the store know.

use std::fmt;

use volga_core::Error;

use crate::random_id::{is_random_id, random_id};

/// The ID of a session: 192 random bits, as 32 characters. It is a secret like a password, so it is
/// not part of the `Debug` output.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SessionId(Box<str>);

impl SessionId {
    /// Creates a new ID.
    ///
    /// # Errors
    ///
    /// Returns a server error if the system gives no random numbers.
    pub fn random() -> Result<Self, Error> {
        random_id().map(Self)
    }

    /// Reads an ID. A text of another form is no ID.
    pub(super) fn read(text: &str) -> Option<Self> {
        is_random_id(text).then(|| Self(text.into()))
    }

    /// The ID as a text, for a store.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionId").finish_non_exhaustive()
    }
}
