//! `AuthError`: the client is not who it has to be.

use std::borrow::Cow;
use std::error::Error as StdError;

use http::{HeaderValue, header};
use volga_core::{Description, Error, HttpResult, IntoResponse};

use crate::auth::challenge::Challenge;

/// Refuses a request whose credentials are missing, wrong or not sufficient: status 401, or 403,
/// with one `WWW-Authenticate` for each [`Challenge`].
///
/// A handler, a filter and an extractor of your own return it, and `?` turns it into an
/// [`Error`]. The client sees the message, so do not say in it what was wrong with a password.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, Router};
/// use volga_web::{AuthError, Bearer, constant_time_eq};
///
/// async fn report(bearer: Bearer) -> Result<&'static str, Error> {
///     if !constant_time_eq(bearer.token(), "s3cret") {
///         Err(AuthError::invalid_token("the token is unknown"))?;
///     }
///     Ok("the report")
/// }
///
/// let mut router = Router::new();
/// router.map(http::Method::GET, "/report", HandlerEndpoint::new(report));
/// ```
#[derive(Clone, Debug)]
#[must_use = "the client learns of an error that is returned"]
pub struct AuthError {
    challenges: Vec<Challenge>,
    message: Cow<'static, str>,
}

impl AuthError {
    /// Asks for credentials.
    pub fn new(challenge: Challenge) -> Self {
        Self { challenges: vec![challenge], message: "the request has no valid credentials".into() }
    }

    /// Asks for a name and a password.
    pub fn basic() -> Self {
        Self::new(Challenge::basic())
    }

    /// Asks for a bearer token. Use [`invalid_token`](Self::invalid_token) if the client has sent
    /// one.
    pub fn bearer() -> Self {
        Self::new(Challenge::bearer())
    }

    /// Refuses a bearer token that is expired, revoked, malformed or unknown (RFC 6750, section
    /// 3.1). The client gets the reason. The characters of it that a challenge must not have are
    /// left out of the challenge.
    pub fn invalid_token(reason: impl Into<Cow<'static, str>>) -> Self {
        let message = reason.into();
        Self { challenges: vec![Challenge::bearer().with_invalid_token(&message)], message }
    }

    /// Refuses a bearer token that is valid, but does not permit this request: status 403. `scope`
    /// names what a token needs, such as `orders:write`.
    pub fn insufficient_scope(scope: impl Into<Cow<'static, str>>) -> Self {
        let scope = scope.into();
        let message = format!("the token needs the scope `{scope}`").into();
        Self { challenges: vec![Challenge::bearer().with_insufficient_scope(scope)], message }
    }

    /// Adds another kind of credentials, for clients that have those.
    pub fn or(mut self, challenge: Challenge) -> Self {
        self.challenges.push(challenge);
        self
    }

    /// Sets the message, which the client sees.
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    pub(crate) fn missing(challenge: Challenge, send: &str) -> Self {
        Self::new(challenge)
            .with_message(format!("credentials are missing: send `Authorization: {send}`"))
    }
}

impl From<AuthError> for Error {
    fn from(error: AuthError) -> Self {
        let AuthError { challenges, message } = error;
        let status = challenges.iter().map(Challenge::status).max().unwrap_or_default();
        let fields: Vec<_> =
            challenges.iter().map(|one| (header::WWW_AUTHENTICATE, field(one))).collect();
        let error = Self::new(status, Refusal { challenges, message });
        fields.into_iter().fold(error, Self::with_header)
    }
}

/// The text of the field. One that HTTP does not allow makes the error a server error that says so.
fn field(challenge: &Challenge) -> String {
    match HeaderValue::try_from(challenge) {
        Ok(_) => challenge.to_string(),
        Err(_) => "\0".to_owned(),
    }
}

impl IntoResponse for AuthError {
    fn describe(description: &mut Description) {
        description.responds(http::StatusCode::UNAUTHORIZED, &[]);
    }

    fn into_response(self) -> HttpResult {
        Err(self.into())
    }

    fn into_error_result(self) -> HttpResult {
        Err(self.into())
    }
}

/// The cause of the error, by which [`Realm`](crate::Realm) finds the challenges.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Refusal {
    challenges: Vec<Challenge>,
    message: Cow<'static, str>,
}

/// The challenges that an error was created from.
pub(super) fn challenges_of(error: &Error) -> &[Challenge] {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error.cause());
    while let Some(error) = cause {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return &refusal.challenges;
        }
        cause = error.source();
    }
    &[]
}
