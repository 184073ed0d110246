//! `WebTransportOffer`: a request that opens a session, and how a service accepts it.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Response, StatusCode, Uri};

use super::close_info::WebTransportCloseInfo;
use super::session::WebTransport;
use super::settings::{OriginRule, WebTransportSettings};

/// The draft whose settings and capsules Chromium and Firefox use.
const DRAFT: (HeaderName, HeaderValue) =
    (HeaderName::from_static("sec-webtransport-http3-draft"), HeaderValue::from_static("draft02"));

/// A client's request for a WebTransport session. Such a request has it as an extension, and the
/// method CONNECT.
///
/// ```
/// use http::{Request, Response};
/// use volga_h3::{WebTransport, WebTransportOffer, WebTransportSettings};
/// use volga_http::RequestBody;
///
/// async fn respond(request: Request<RequestBody>) -> Response<String> {
///     let (head, _body) = request.into_parts();
///     let Some(offer) = head.extensions.get::<WebTransportOffer>() else {
///         let mut response = Response::new("this path opens a WebTransport session".to_owned());
///         *response.status_mut() = http::StatusCode::BAD_REQUEST;
///         return response;
///     };
///     let settings = WebTransportSettings::new();
///     if let Err(refusal) = offer.check(&head, &settings) {
///         let mut response = Response::new(refusal.to_string());
///         *response.status_mut() = refusal.status();
///         return response;
///     }
///     let response = offer.accept(&settings, |session: WebTransport| async move {
///         while let Some(datagram) = session.receive_datagram().await {
///             let _ = session.send_datagram(datagram);
///         }
///     });
///     response.map(|()| String::new())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct WebTransportOffer(());

impl WebTransportOffer {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Checks whether the page may open a session.
    ///
    /// # Errors
    ///
    /// Returns an error with the status to refuse the request with.
    pub fn check(
        &self,
        head: &Parts,
        settings: &WebTransportSettings,
    ) -> Result<(), WebTransportRefusal> {
        let listed: &[String] = match &settings.origins {
            OriginRule::Any => return Ok(()),
            OriginRule::Listed(listed) => listed,
            OriginRule::SameOrigin => &[],
        };
        let mut origins = head.headers.get_all(ORIGIN).iter();
        let Some(origin) = origins.next() else { return Ok(()) };
        // A browser sends one origin. Of several, none can be trusted.
        let is_single = origins.next().is_none();
        let is_allowed = origin.to_str().is_ok_and(|origin| {
            listed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin))
                || is_same_origin(origin, head)
        });
        if is_single && is_allowed {
            return Ok(());
        }
        let origin = String::from_utf8_lossy(origin.as_bytes()).into_owned();
        Err(WebTransportRefusal { origin })
    }

    /// Creates the response that accepts the request. After the response, the server calls `run`
    /// with the session. When its future is ready, the session is closed with its output: `()` for
    /// code 0, or a [`WebTransportCloseInfo`].
    pub fn accept<F, Fut>(&self, settings: &WebTransportSettings, run: F) -> Response<()>
    where
        F: FnOnce(WebTransport) -> Fut + Send + 'static,
        Fut: Future<Output: Into<WebTransportCloseInfo>> + Send + 'static,
    {
        let mut response = Response::new(());
        let (name, value) = DRAFT;
        response.headers_mut().insert(name, value);
        response.extensions_mut().insert(AcceptedSession::new(settings.clone(), run));
        response
    }
}

/// The page that asks for a session comes from elsewhere. The status is 403.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the page's origin `{origin}` may not open this WebTransport session; to allow it, the server lists it in `WebTransportSettings::origins`"
)]
pub struct WebTransportRefusal {
    origin: String,
}

impl WebTransportRefusal {
    /// The status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }

    /// The origin of the page.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }
}

/// Whether the page comes from the host and port of the request. A request over QUIC has TLS, so
/// the page must, too.
fn is_same_origin(origin: &str, head: &Parts) -> bool {
    let Ok(origin) = origin.parse::<Uri>() else { return false };
    let host = || head.headers.get(http::header::HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let target = head.uri.authority().cloned().or_else(host);
    let (Some("https"), Some(origin), Some(target)) =
        (origin.scheme_str(), origin.authority(), target)
    else {
        return false;
    };
    let port = |authority: &Authority| authority.port_u16().unwrap_or(443);
    origin.host().eq_ignore_ascii_case(target.host()) && port(origin) == port(&target)
}

pub(crate) type SessionFuture = Pin<Box<dyn Future<Output = WebTransportCloseInfo> + Send>>;
type SessionFn = Box<dyn FnOnce(WebTransport) -> SessionFuture + Send>;

/// A session that the service has accepted. It is an extension of the response.
#[derive(Clone)]
pub(crate) struct AcceptedSession {
    pub(crate) settings: WebTransportSettings,
    run: Arc<Mutex<Option<SessionFn>>>,
}

impl AcceptedSession {
    fn new<F, Fut>(settings: WebTransportSettings, run: F) -> Self
    where
        F: FnOnce(WebTransport) -> Fut + Send + 'static,
        Fut: Future<Output: Into<WebTransportCloseInfo>> + Send + 'static,
    {
        let run: SessionFn = Box::new(|session| {
            let future = run(session);
            Box::pin(async { future.await.into() })
        });
        Self { settings, run: Arc::new(Mutex::new(Some(run))) }
    }

    /// Takes the function. It can be taken once, however many clones there are.
    pub(crate) fn take(&self) -> Option<SessionFn> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl fmt::Debug for AcceptedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptedSession").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(origins: &[&str], uri: &str, settings: &WebTransportSettings, expect: bool) {
        let mut request = http::Request::connect(uri);
        for &origin in origins {
            request = request.header("origin", origin);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let checked = WebTransportOffer::new().check(&head, settings);
        assert_eq!(checked.is_ok(), expect, "{origins:?} at {uri}: {checked:?}");
    }

    #[test]
    fn a_page_from_elsewhere_is_refused_unless_it_is_listed() {
        let same = WebTransportSettings::new();
        check(&[], "https://a/x", &same, true);
        check(&["https://a"], "https://a/x", &same, true);
        check(&["https://A:443"], "https://a/x", &same, true);
        check(&["https://a:8443"], "https://a:8443/x", &same, true);
        check(&["https://a"], "https://a:8443/x", &same, false);
        check(&["http://a:443"], "https://a/x", &same, false);
        check(&["https://b"], "https://a/x", &same, false);
        check(&["null"], "https://a/x", &same, false);
        check(&["https://a", "https://a"], "https://a/x", &same, false);
        let listed = same.clone().origins(["https://b", "http://localhost:7878/"]);
        check(&["https://b"], "https://a/x", &listed, true);
        check(&["http://localhost:7878"], "https://a/x", &listed, true);
        check(&["https://a"], "https://a/x", &listed, true);
        check(&["https://c"], "https://a/x", &listed, false);
        check(&["https://c"], "https://a/x", &same.any_origin(), true);
    }
}
