//! What a request carries besides its head: the services of its app, its scope and its token; and
//! how long they live.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use crate::handler::BoxFuture;
use crate::request::body::{BoxError, HttpBody};
use crate::request::body_budget::{Collected, CollectedShare, DEFAULT_MAX_COLLECTED_BYTES};
use crate::request::cancel::{CancelGuard, CancellationToken};
use crate::request::parts::RequestParts;
use crate::response::error::{Error, StatusRule};
use crate::response::error_report::{ErrorHook, ErrorReport};
use crate::response::into_response::HttpResponse;
use crate::services::dc::Dc;
use crate::services::error::ServiceError;
use crate::services::needs::Needs;
use crate::services::registry::{Scope, Services};

/// What the requests of an app share: its services, and what runs [`detached`](crate::detached)
/// handlers.
#[derive(Clone)]
pub struct AppContext {
    services: Services,
    root: Scope,
    spawner: Option<Spawner>,
    error_hook: Option<ErrorHook>,
    /// The last is asked first.
    status_rules: Vec<StatusRule>,
    collected: Arc<Collected>,
}

impl AppContext {
    /// The context of an app with these services. Without a [`Spawner`], detached handlers are
    /// errors.
    #[must_use]
    pub fn new(services: Services) -> Self {
        let collected = Collected::new(DEFAULT_MAX_COLLECTED_BYTES);
        Self {
            root: services.root(),
            services,
            spawner: None,
            error_hook: None,
            status_rules: Vec::new(),
            collected,
        }
    }

    /// Sets what runs detached handlers.
    #[must_use]
    pub fn with_spawner(mut self, spawner: Spawner) -> Self {
        self.spawner = Some(spawner);
        self
    }

    /// Sets how many bytes of request bodies are collected in memory at a time,
    /// [`DEFAULT_MAX_COLLECTED_BYTES`] by default.
    #[must_use]
    pub fn with_max_collected_bytes(mut self, bytes: usize) -> Self {
        self.collected = Collected::new(bytes);
        self
    }

    /// Sets who is told of errors that are the server's. Nobody is without it.
    #[must_use]
    pub fn with_error_hook(
        mut self,
        hook: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.error_hook = Some(ErrorHook::new(hook));
        self
    }

    /// Adds a rule for the status of errors that became an [`Error`] by `?`. It gives `None` for
    /// the errors that it does not know; the rule that was added last is asked first.
    ///
    /// It is asked where an error becomes a response of this app. An error whose status was set, by
    /// [`Error::new`] or [`Error::with_status`], keeps it.
    ///
    /// ```
    /// use std::{error::Error as StdError, num::ParseIntError};
    /// use http::StatusCode;
    /// use volga_core::{AppContext, Error, HandlerEndpoint, HttpBody, Router};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// fn not_a_number(error: &(dyn StdError + 'static)) -> Option<StatusCode> {
    ///     error.is::<ParseIntError>().then_some(StatusCode::UNPROCESSABLE_ENTITY)
    /// }
    ///
    /// let mut router = Router::new();
    /// router.set_context(AppContext::default().with_status_rule(not_a_number));
    /// router.map(http::Method::GET, "/{n}", HandlerEndpoint::new(|text: String| {
    ///     Ok::<_, Error>(text.parse::<u8>()?)
    /// }));
    /// let request = http::Request::get("/x").body(HttpBody::empty()).unwrap();
    /// let response = router.into_service().unwrap().respond(request).await;
    /// assert_eq!(response.status(), 422);
    /// # }
    /// ```
    #[must_use]
    pub fn with_status_rule(
        mut self,
        rule: impl Fn(&(dyn std::error::Error + 'static)) -> Option<StatusCode> + Send + Sync + 'static,
    ) -> Self {
        self.status_rules.push(Arc::new(rule));
        self
    }

    pub(crate) fn error_hook(&self) -> Option<&ErrorHook> {
        self.error_hook.as_ref()
    }

    pub(crate) fn status_rules(&self) -> &[StatusRule] {
        &self.status_rules
    }
}

impl fmt::Debug for AppContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppContext").field("services", &self.services).finish_non_exhaustive()
    }
}

impl Default for AppContext {
    fn default() -> Self {
        Self::new(Services::default())
    }
}

/// Runs futures beside the requests: `Spawner::new(|task| { tokio::spawn(task); })`.
#[derive(Clone)]
pub struct Spawner(Arc<dyn Fn(BoxFuture<()>) + Send + Sync>);

impl Spawner {
    /// Runs a future to its end by this function.
    pub fn new(spawn: impl Fn(BoxFuture<()>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(spawn))
    }

    pub(crate) fn spawn(&self, task: BoxFuture<()>) {
        (self.0)(task);
    }
}

impl fmt::Debug for Spawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner").finish_non_exhaustive()
    }
}

/// What a request carries besides its head. It costs one reference count until something of it is
/// needed.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestContext {
    app: Option<Arc<AppContext>>,
    scope: Option<Scope>,
    token: Option<CancellationToken>,
}

impl RequestContext {
    pub(crate) fn new(app: &Arc<AppContext>) -> Self {
        Self { app: Some(Arc::clone(app)), scope: None, token: None }
    }

    pub(crate) fn token(&self) -> Option<&CancellationToken> {
        self.token.as_ref()
    }

    pub(crate) fn services(&self) -> Option<&Services> {
        self.app.as_ref().map(|app| &app.services)
    }

    pub(crate) fn app(&self) -> Option<&Arc<AppContext>> {
        self.app.as_ref()
    }

    /// What the request collects of its body, of which there is nothing yet.
    pub(crate) fn collected_share(&self) -> CollectedShare {
        self.app.as_ref().map(|app| CollectedShare::of(&app.collected)).unwrap_or_default()
    }

    pub(crate) fn spawner(&self) -> Option<&Spawner> {
        self.app.as_ref()?.spawner.as_ref()
    }

    /// A service, made in the scope of the request if there is one.
    pub(crate) async fn resolve<T>(&self) -> Result<Dc<T>, Error>
    where
        T: ?Sized + Send + Sync + 'static,
    {
        let root = self.app.as_ref().map(|app| &app.root);
        match self.scope.as_ref().or(root) {
            Some(scope) => scope.resolve().await,
            None => Err(ServiceError::missing::<T>().into()),
        }
    }
}

/// The scope and the token of a request, from before its first argument is made until the body of
/// its response is dropped.
///
/// It is held beside the future that answers the request. If that is dropped, so is this: the token
/// fires.
#[derive(Debug)]
#[must_use = "dropping it ends the request"]
pub(crate) struct RequestLife {
    guard: Option<CancelGuard>,
    scope: Option<Scope>,
}

impl RequestLife {
    /// Makes what is needed and was not made further out. What is not needed costs nothing.
    pub(crate) fn begin(needs: &Needs, parts: &mut RequestParts) -> Self {
        let mut life = Self { guard: None, scope: None };
        let context = parts.context();
        if needs.needs_scope() && context.scope.is_none() {
            life.scope = context.services().filter(|all| all.has_scoped()).map(Services::scope);
        }
        if let Some(scope) = &life.scope {
            parts.context_mut().scope = Some(scope.clone());
        }
        if needs.needs_token() && parts.context().token.is_none() {
            let (token, guard) = CancellationToken::with_guard();
            parts.context_mut().token = Some(token);
            life.guard = Some(guard);
        }
        life
    }

    /// Whether its end concerns anyone.
    pub(crate) fn is_needed(&self) -> bool {
        self.guard.is_some() || self.scope.is_some()
    }

    /// Lets it live as long as the response's body, if there is still anyone whom its end concerns.
    pub(crate) fn attach(self, response: HttpResponse) -> HttpResponse {
        let guard = self.guard.filter(CancelGuard::is_observed);
        let scope = self.scope.filter(Scope::holds_any);
        if guard.is_none() && scope.is_none() {
            return response;
        }
        response.map(|body| HttpBody::new(LivingBody { body, _life: Self { guard, scope } }))
    }
}

/// A body that keeps the life of its request.
struct LivingBody {
    // Before the life, so that a stream is gone before the services that it uses, and before anyone
    // hears that it is.
    body: HttpBody,
    _life: RequestLife,
}

impl Body for LivingBody {
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
