//! `AppContext`: the context that all requests of an app share.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use http::{Extensions, StatusCode};

use crate::handler::box_future::BoxFuture;
use crate::request::body_budget::{BodyBudget, DEFAULT_MAX_COLLECTED_BYTES};
use crate::response::causes;
use crate::response::error::{Error, StatusRule};
use crate::response::error_report::{ErrorHook, ErrorReport};
use crate::response::response_check::IsUpgrade;
use crate::response::response_watch::ResponseWatch;
use crate::routing::tree::RouteInfo;
use crate::services::error::ServiceError;
use crate::services::registry::{Scope, Services};

/// The context that all requests of an app share: its services, its rules for errors, its memory
/// for request bodies, and the [`Spawner`] of [`detached`](crate::detached) handlers.
#[derive(Clone)]
pub struct AppContext {
    pub(crate) services: Services,
    /// A scope that can create every service except scoped ones.
    pub(crate) root: Scope,
    pub(crate) spawner: Option<Spawner>,
    error_hook: Option<ErrorHook>,
    response_watch: Option<Arc<dyn ResponseWatch>>,
    /// The last rule is asked first.
    status_rules: Vec<StatusRule>,
    is_upgrade: Option<IsUpgrade>,
    is_https: Option<fn(&Extensions) -> bool>,
    pub(crate) body_budget: Arc<BodyBudget>,
}

impl AppContext {
    /// Creates the context of an app with these services. Without a [`Spawner`], a request to a
    /// detached handler is a server error.
    #[must_use]
    pub fn new(services: Services) -> Self {
        let body_budget = BodyBudget::new(DEFAULT_MAX_COLLECTED_BYTES);
        Self {
            root: services.root(),
            services,
            spawner: None,
            error_hook: None,
            response_watch: None,
            status_rules: Vec::new(),
            is_upgrade: None,
            is_https: None,
            body_budget,
        }
    }

    /// Sets the spawner, which runs detached handlers.
    #[must_use]
    pub fn with_spawner(mut self, spawner: Spawner) -> Self {
        self.spawner = Some(spawner);
        self
    }

    /// Sets how many bytes of memory all requests together use for collected request bodies,
    /// [`DEFAULT_MAX_COLLECTED_BYTES`] by default.
    #[must_use]
    pub fn with_max_collected_bytes(mut self, bytes: usize) -> Self {
        self.body_budget = BodyBudget::new(bytes);
        self
    }

    /// Sets a function that is called with a report of each server error. By default server errors
    /// are not reported.
    #[must_use]
    pub fn with_error_hook(
        mut self,
        hook: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.error_hook = Some(ErrorHook::new(hook));
        self
    }

    /// Sets the code that changes and checks the responses of the app.
    #[must_use]
    pub fn with_response_watch(mut self, watch: Arc<dyn ResponseWatch>) -> Self {
        self.response_watch = Some(watch);
        self
    }

    /// Adds a rule for the status of errors that became an [`Error`](crate::Error) by `?`. The rule
    /// returns `None` for errors that it does not know. The rule that was added last is asked
    /// first.
    ///
    /// Rules are asked when an error becomes a response of this app. An error whose status was set
    /// by [`Error::new`](crate::Error::new) or [`Error::with_status`](crate::Error::with_status)
    /// keeps that status.
    ///
    /// ```
    /// use std::{error::Error as StdError, num::ParseIntError};
    /// use http::{Extensions, StatusCode};
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

    /// Adds a rule for the status of errors of one type: `with_error_status(ShopError::status)`. It
    /// applies to an error of this type, and to an error that has one as a cause, such as an
    /// `anyhow::Error` with a context. Everything else is as for
    /// [`with_status_rule`](Self::with_status_rule).
    ///
    /// ```
    /// use http::StatusCode;
    /// use volga_core::AppContext;
    ///
    /// #[derive(Debug, thiserror::Error)]
    /// enum ShopError {
    ///     #[error("there is no {0} here")]
    ///     Unknown(String),
    ///     #[error("the database failed")]
    ///     Database(#[source] std::io::Error),
    /// }
    ///
    /// impl ShopError {
    ///     fn status(&self) -> StatusCode {
    ///         match self {
    ///             Self::Unknown(_) => StatusCode::NOT_FOUND,
    ///             Self::Database(_) => StatusCode::SERVICE_UNAVAILABLE,
    ///         }
    ///     }
    /// }
    ///
    /// let context = AppContext::default().with_error_status(ShopError::status);
    /// # let _ = context;
    /// ```
    #[must_use]
    pub fn with_error_status<E: std::error::Error + 'static>(
        self,
        status: impl Fn(&E) -> StatusCode + Send + Sync + 'static,
    ) -> Self {
        self.with_status_rule(move |error| {
            // The factory of a service has failed, which is never the client's fault. The rules are
            // asked about the factory's error itself later.
            if error.is::<ServiceError>() {
                return None;
            }
            causes::causes(error).find_map(|cause| cause.downcast_ref()).map(&status)
        })
    }

    /// Sets a function that says, by the extensions of a response with an informational status
    /// (1xx), whether the response begins an upgrade. By default, 101 begins one. Any other
    /// response with such a status is a mistake of the application: it is replaced with a server
    /// error.
    #[must_use]
    pub fn with_upgrade_check(mut self, is_upgrade: fn(&Extensions) -> bool) -> Self {
        self.is_upgrade = Some(is_upgrade);
        self
    }

    /// Reports an error of work that no request asked for, such as a background task, to the
    /// [error hook](Self::with_error_hook). The name says what has failed: `task cleanup`.
    pub fn report_task_error(&self, name: &str, error: &Error) {
        if let Some(hook) = self.error_hook() {
            hook.call(&ErrorReport::of_task(error, name));
        }
    }

    /// The services of the app.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Sets a function that says, by the extensions of a request, whether the client asked over
    /// HTTPS. [`RequestParts::is_https`](crate::RequestParts::is_https) asks it.
    #[must_use]
    pub fn with_https_check(mut self, is_https: fn(&Extensions) -> bool) -> Self {
        self.is_https = Some(is_https);
        self
    }

    pub(crate) fn https_check(&self) -> Option<fn(&Extensions) -> bool> {
        self.is_https
    }

    pub(crate) fn is_upgrade(&self) -> Option<IsUpgrade> {
        self.is_upgrade
    }

    pub(crate) fn error_hook(&self) -> Option<&ErrorHook> {
        self.error_hook.as_ref()
    }

    pub(crate) fn response_watch(&self) -> Option<&dyn ResponseWatch> {
        self.response_watch.as_deref()
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

/// A reference to the context of an app and to its routes. Each request holds one.
///
/// The handles that are [separate](Self::separate) do not share a reference count. If all requests
/// shared one, the threads of a runtime would wait for each other whenever a request begins or
/// ends.
#[derive(Clone)]
pub(crate) struct AppHandle(Arc<AppAndRoutes>);

#[derive(Clone)]
struct AppAndRoutes {
    app: Arc<AppContext>,
    routes: Arc<[Arc<RouteInfo>]>,
}

impl AppHandle {
    pub(crate) fn new(app: AppContext, routes: Arc<[Arc<RouteInfo>]>) -> Self {
        Self(Arc::new(AppAndRoutes { app: Arc::new(app), routes }))
    }

    /// Creates a handle that shares no reference count with this one and its clones.
    pub(crate) fn separate(&self) -> Self {
        Self(Arc::new(AppAndRoutes::clone(&self.0)))
    }

    /// The route with this number.
    pub(crate) fn route(&self, number: u32) -> Option<&RouteInfo> {
        self.0.routes.get(number as usize).map(|info| &**info)
    }

    /// How many clones there are of this handle, and how many separate handles.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize) {
        (Arc::strong_count(&self.0), Arc::strong_count(&self.0.app))
    }
}

impl Deref for AppHandle {
    type Target = AppContext;

    fn deref(&self) -> &AppContext {
        &self.0.app
    }
}

/// Spawns tasks that run beside the requests: `Spawner::new(|task| { tokio::spawn(task); })`.
#[derive(Clone)]
pub struct Spawner(Arc<dyn Fn(BoxFuture<()>) + Send + Sync>);

impl Spawner {
    /// Creates a spawner from a function that runs a future to its end.
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
