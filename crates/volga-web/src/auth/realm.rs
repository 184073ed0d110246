//! `Realm`: the name of what the credentials protect.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use http::header::{Entry, WWW_AUTHENTICATE};
use volga_core::{
    BoxFuture, Description, Endpoint, Error, HttpBody, HttpResponse, Middleware, RequestParts,
};

use crate::auth::error::challenges_of;

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

impl Middleware for Realm {
    fn describe(&self, _: &mut Description) {}

    fn wrap(&self, inner: Arc<dyn Endpoint>) -> Arc<dyn Endpoint> {
        Arc::new(RealmEndpoint { realm: self.clone(), inner })
    }
}

struct RealmEndpoint {
    realm: Realm,
    inner: Arc<dyn Endpoint>,
}

impl Endpoint for RealmEndpoint {
    fn call(&self, parts: RequestParts, body: HttpBody) -> BoxFuture<HttpResponse> {
        let (realm, response) = (self.realm.clone(), self.inner.call(parts, body));
        Box::pin(async move {
            let mut response = response.await;
            if response.headers().contains_key(WWW_AUTHENTICATE) {
                name_realm(&mut response, &realm);
            }
            response
        })
    }
}

/// Marks a response whose challenges have their realm, for the realms around this one.
#[derive(Clone, Copy)]
struct HasRealm;

/// Replaces our challenges without a realm by the same with this realm. The fields of anybody else
/// stay.
fn name_realm(response: &mut HttpResponse, realm: &Realm) {
    if response.extensions_mut().insert(HasRealm).is_some() {
        return;
    }
    let Some(error) = response.extensions().get::<Error>().cloned() else { return };
    let Entry::Occupied(mut fields) = response.headers_mut().entry(WWW_AUTHENTICATE) else {
        return;
    };
    for challenge in challenges_of(&error).iter().filter(|challenge| !challenge.has_realm()) {
        let named = challenge.clone().with_realm(realm.clone());
        let (Ok(old), Ok(new)) = (HeaderValue::try_from(challenge), HeaderValue::try_from(&named))
        else {
            continue;
        };
        fields.iter_mut().filter(|field| **field == old).for_each(|field| *field = new.clone());
    }
}
