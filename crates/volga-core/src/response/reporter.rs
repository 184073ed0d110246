//! `Reporter`: reports the server errors of one request.

use http::uri::PathAndQuery;
use http::{Method, StatusCode};

use crate::request::app_context::AppHandle;
use crate::response::body_error_report::ReportContext;
use crate::response::error::Error;
use crate::response::error_report::{ErrorHook, ErrorReport};
use crate::response::response_check::IsUpgrade;
use crate::response::response_watch::ResponseWatch;

/// Applies the rules of the app to the errors of one request, and reports server errors.
#[derive(Clone)]
pub(crate) struct Reporter {
    app: AppHandle,
    method: Method,
    path: Option<PathAndQuery>,
}

impl Reporter {
    pub(crate) fn new(app: &AppHandle, head: &http::request::Parts) -> Self {
        let path = head.uri.path_and_query().cloned();
        Self { app: app.clone(), method: head.method.clone(), path }
    }

    pub(crate) fn app(&self) -> &AppHandle {
        &self.app
    }

    /// Applies the app's rules for the status.
    pub(crate) fn apply_rules(&self, error: Error) -> Error {
        error.apply_rules(self.app.status_rules())
    }

    /// Reports a server error, once.
    pub(crate) fn report(&self, error: &Error, status: StatusCode) {
        let Some(hook) = self.hook() else { return };
        if !status.is_server_error() || !error.is_first_report() {
            return;
        }
        hook.call(&ErrorReport::new(error, status, &self.method, self.path()));
    }

    pub(crate) fn is_upgrade(&self) -> Option<IsUpgrade> {
        self.app.is_upgrade()
    }

    pub(crate) fn response_watch(&self) -> Option<&dyn ResponseWatch> {
        self.app.response_watch()
    }
}

impl ReportContext for Reporter {
    fn hook(&self) -> Option<&ErrorHook> {
        self.app.error_hook()
    }

    fn method(&self) -> &Method {
        &self.method
    }

    fn path(&self) -> &str {
        self.path.as_ref().map_or("*", PathAndQuery::path)
    }
}
