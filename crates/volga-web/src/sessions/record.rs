//! `SessionRecord`: what a store keeps of a session.

use std::fmt;
use std::time::SystemTime;

/// A session as a [store](crate::SessionStore) keeps it, without its ID.
#[derive(Clone, Eq, PartialEq)]
pub struct SessionRecord {
    /// The user who is signed in.
    pub user: Option<String>,
    /// The values of the session, as a JSON object.
    pub data: String,
    /// When the session began.
    pub created_at: SystemTime,
    /// When the session ends, unless a request moves this time. A store may delete a session that
    /// has ended.
    pub expires_at: SystemTime,
}

/// Shows the times only, because the values may be secrets.
impl fmt::Debug for SessionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionRecord")
            .field("created_at", &self.created_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
