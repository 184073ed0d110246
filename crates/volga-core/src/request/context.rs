//! The context of a request: the context of its app, its scope and its token; and the guard that
//! ends the scope and the token.

use std::{
    fmt,
    mem::take,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::request::app_context::{AppHandle, Spawner};
use crate::request::body::HttpBody;
use crate::request::body_budget::CollectedBytes;
use crate::request::cancel::{CancelGuard, CancellationToken};
use crate::response::box_error::BoxError;
use crate::response::error::Error;
use crate::response::into_response::HttpResponse;
use crate::response::reporter::Reporter;
use crate::response::responder::Responder;
use crate::services::dc::Dc;
use crate::services::error::ServiceError;
use crate::services::needs::Needs;
use crate::services::registry::{Scope, Services};

/// The context of a request. Unless the request needs a scope or a token, it costs one reference
/// count of the request's own responder.
///
/// It gets the context of the app from the responder. Each reference to what all requests share
/// would make the threads of a runtime wait for each other.
#[derive(Clone, Default)]
pub(crate) struct RequestContext {
    /// Turns errors into responses, at every stage. `None` if the state of the request was lost.
    responder: Option<Arc<Responder>>,
    scope: Option<Scope>,
    token: Option<CancellationToken>,
}

impl RequestContext {
    /// Sets the responder of a request, and the scope and the token of an outer router, if there is
    /// one.
    #[inline]
    pub(crate) fn begin(&mut self, responder: Arc<Responder>, outer: Option<&Self>) {
        self.responder = Some(responder);
        if let Some(outer) = outer {
            self.scope = outer.scope.clone();
            self.token = outer.token.clone();
        }
    }

    pub(crate) fn responder(&self) -> Option<&Arc<Responder>> {
        self.responder.as_ref()
    }

    pub(crate) fn set_responder(&mut self, responder: Arc<Responder>) {
        self.responder = Some(responder);
    }

    pub(crate) fn token(&self) -> Option<&CancellationToken> {
        self.token.as_ref()
    }

    pub(crate) fn services(&self) -> Option<&Services> {
        self.app().map(|app| &app.services)
    }

    pub(crate) fn app(&self) -> Option<&AppHandle> {
        self.responder.as_ref()?.reporter().map(Reporter::app)
    }

    /// Returns an empty share of the memory for collected request bodies.
    pub(crate) fn collected_bytes(&self) -> CollectedBytes {
        self.app().map(|app| CollectedBytes::new(&app.body_budget)).unwrap_or_default()
    }

    pub(crate) fn spawner(&self) -> Option<&Spawner> {
        self.app()?.spawner.as_ref()
    }

    /// Returns a service. It is created in the scope of the request, if the request has one.
    pub(crate) async fn resolve<T>(&self) -> Result<Dc<T>, Error>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        let root = self.app().map(|app| &app.root);
        match self.scope.as_ref().or(root) {
            Some(scope) => scope.resolve().await,
            None => Err(ServiceError::missing::<T>().into()),
        }
    }
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext").finish_non_exhaustive()
    }
}

/// Holds the scope and the token of a request, from before the first argument is extracted until
/// the body of the response is dropped.
///
/// It is kept beside the future that responds to the request. When the client leaves, both are
/// dropped, and the token fires.
#[derive(Debug)]
#[must_use = "dropping it ends the request"]
pub(crate) struct RequestGuard {
    guard: Option<CancelGuard>,
    scope: Option<Scope>,
}

impl RequestGuard {
    /// Creates the scope and the token that the request needs, unless an outer router has created
    /// them. A scope or a token that is not needed costs nothing.
    pub(crate) fn begin(needs: &Needs, context: &mut RequestContext) -> Self {
        let mut created = Self { guard: None, scope: None };
        if needs.needs_scope() && context.scope.is_none() {
            created.scope = context.services().filter(|all| all.has_scoped()).map(Services::scope);
        }
        if let Some(scope) = &created.scope {
            context.scope = Some(scope.clone());
        }
        if needs.needs_token() && context.token.is_none() {
            let (token, guard) = CancellationToken::with_guard();
            context.token = Some(token);
            created.guard = Some(guard);
        }
        created
    }

    /// Whether the request has a scope or a token of its own.
    pub(crate) fn is_needed(&self) -> bool {
        self.guard.is_some() || self.scope.is_some()
    }

    /// Moves the guard into the body of the response, if a service or a user of the token is still
    /// left.
    pub(crate) fn attach(self, response: &mut HttpResponse) {
        let guard = self.guard.filter(CancelGuard::is_observed);
        let scope = self.scope.filter(Scope::holds_any);
        if guard.is_none() && scope.is_none() {
            return;
        }
        let body = take(response.body_mut());
        let guarded = GuardedBody { body, _guard: Self { guard, scope } };
        *response.body_mut() = HttpBody::new(guarded);
    }
}

/// A body that holds the guard of its request.
struct GuardedBody {
    // Declared before the guard, so that a stream is dropped before the services that it uses, and
    // before the token fires.
    body: HttpBody,
    _guard: RequestGuard,
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
