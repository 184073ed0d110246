//! `Realm`: the name of what the credentials protect.

use std::borrow::Cow;
use std::fmt;

/// The name of what the credentials protect, such as `orders`. It is the `realm` of challenges
/// (RFC 9110, section 11.5). A browser uses one password for all pages of a realm.
///
/// As middleware of an app, a group or a route it names the realm of all challenges there that have
/// none, those of [`Basic`](crate::Basic) and [`Bearer`](crate::Bearer) among them. The innermost
/// realm applies.
///
/// ```
/// use volga_core::{HandlerEndpoint, Router, ScopeId, SettingsLevel};
/// use volga_web::{Bearer, Realm};
///
/// let mut router = Router::new();
/// router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), Realm::from_static("orders"));
/// router.map(http::Method::GET, "/", HandlerEndpoint::new(async |_: Bearer| "hello"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Realm(Cow<'static, str>);

/// A realm is a text of visible ASCII characters and spaces, and not empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a realm is visible ASCII characters and spaces, and not empty")]
pub struct RealmError;

impl Realm {
    /// Creates a realm from a constant text.
    ///
    /// # Panics
    ///
    /// Panics if the text is empty, or has a character that is neither visible ASCII nor a space.
    /// In a constant it does not compile then.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        assert!(is_valid(text.as_bytes()), "a realm is visible ASCII characters and spaces");
        Self(Cow::Borrowed(text))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_valid(text: &[u8]) -> bool {
    let mut at = 0;
    while at < text.len() {
        if !matches!(text[at], b' '..=b'~') {
            return false;
        }
        at += 1;
    }
    !text.is_empty()
}

impl TryFrom<String> for Realm {
    type Error = RealmError;

    fn try_from(text: String) -> Result<Self, RealmError> {
        if is_valid(text.as_bytes()) { Ok(Self(Cow::Owned(text))) } else { Err(RealmError) }
    }
}

impl fmt::Display for Realm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
