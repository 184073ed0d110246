//! `Realm` as middleware: it names the realm of challenges that have none.

use std::sync::Arc;

use http::HeaderValue;
use http::header::{Entry, WWW_AUTHENTICATE};
use volga_core::{
    BoxFuture, Description, Endpoint, Error, HttpBody, HttpResponse, Middleware, RequestParts,
};

use crate::auth::error::challenges_of;
use crate::auth::realm::Realm;

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
