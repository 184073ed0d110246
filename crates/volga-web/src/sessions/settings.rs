//! `Sessions`: the store and the times of sessions, as a service of the app.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use volga_core::Error;

use crate::sessions::expiry::Expiry;
use crate::sessions::store::{ErasedStore, SessionStore};

/// How long a session lives without a request by default: 12 hours.
pub const DEFAULT_SESSION_IDLE_TIMEOUT: Duration = Duration::from_secs(12 * 60 * 60);

/// How long a session lives at most by default: 7 days.
pub const DEFAULT_SESSION_MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How many bytes the values of a session may have as JSON: 16 KiB.
pub const MAX_SESSION_BYTES: usize = 16 * 1024;

const DEFAULT_COOKIE: &str = "session";

/// The sessions of an app: their store and their times. Register it as a service, and handlers take
/// a [`Session`](crate::Session).
///
/// ```
/// use std::time::Duration;
/// use volga_core::ServicesBuilder;
/// use volga_web::{MemorySessions, Sessions};
///
/// let mut services = ServicesBuilder::new();
/// let sessions = Sessions::new(MemorySessions::new());
/// services.add_singleton(sessions.with_idle_timeout(Duration::from_secs(30 * 60)));
/// ```
#[derive(Clone)]
pub struct Sessions {
    pub(super) store: Arc<dyn ErasedStore>,
    pub(super) expiry: Expiry,
    cookie: Cow<'static, str>,
}

impl Sessions {
    /// Creates sessions that this store keeps.
    pub fn new(store: impl SessionStore) -> Self {
        let expiry =
            Expiry { idle_timeout: DEFAULT_SESSION_IDLE_TIMEOUT, max_age: DEFAULT_SESSION_MAX_AGE };
        Self { store: Arc::new(store), expiry, cookie: DEFAULT_COOKIE.into() }
    }

    /// Sets how long a session lives without a request, [`DEFAULT_SESSION_IDLE_TIMEOUT`] by
    /// default.
    #[must_use]
    pub fn with_idle_timeout(mut self, time: Duration) -> Self {
        self.expiry.idle_timeout = time;
        self
    }

    /// Sets how long a session lives at most, [`DEFAULT_SESSION_MAX_AGE`] by default. A new ID at
    /// the [sign-in](crate::Session::sign_in) begins a new session.
    #[must_use]
    pub fn with_max_age(mut self, time: Duration) -> Self {
        self.expiry.max_age = time;
        self
    }

    /// Sets the name of the cookie, `session` by default. Over HTTPS, `__Host-` is put before the
    /// name, so that no other host of the domain can set the cookie.
    #[must_use]
    pub fn with_cookie_name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.cookie = name.into();
        self
    }

    /// Ends all sessions of a user, such as after a change of the password. Streams that are open
    /// go on: close them by `close_identity` of your hub, or as you opened them.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn end_all_of(&self, user: &str) -> Result<(), Error> {
        self.store.delete_of_user(user.to_owned()).await
    }

    pub(super) fn cookie_name(&self, is_https: bool) -> String {
        let prefix = if is_https { "__Host-" } else { "" };
        format!("{prefix}{}", self.cookie)
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("idle_timeout", &self.expiry.idle_timeout)
            .field("max_age", &self.expiry.max_age)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}
