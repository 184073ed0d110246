//! `Session`: the session of a request, as an argument.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use volga_core::{Dc, Description, Error, FromRequestParts, Problem, RequestParts};

use crate::cookies::argument::Cookies;
use crate::sessions::id::SessionId;
use crate::sessions::record::SessionRecord;
use crate::sessions::settings::{MAX_SESSION_BYTES, Sessions};

/// The session of a browser, as an argument: the user who is signed in, and values of yours. The
/// browser has a cookie with a random ID, and the store of the app's [`Sessions`] has the rest.
///
/// A session begins when something is kept in it. Before that there is no cookie, and the store
/// keeps nothing. Each change is written at once, so it is kept also if the handler fails later.
/// All arguments of one request, and clones, are the same session. If two requests change the
/// values of one session at the same time, the last one wins.
///
/// ```
/// use volga_core::{Error, HandlerEndpoint, Router, ServicesBuilder};
/// use volga_web::{MemorySessions, Session, Sessions};
///
/// async fn visit(session: Session) -> Result<String, Error> {
///     let visits = session.get::<u32>("visits")?.unwrap_or(0) + 1;
///     session.insert("visits", visits).await?;
///     Ok(format!("visit {visits}"))
/// }
///
/// let mut services = ServicesBuilder::new();
/// services.add_singleton(Sessions::new(MemorySessions::new()));
/// let mut router = Router::new();
/// router.map(http::Method::GET, "/", HandlerEndpoint::new(visit));
/// # router.check_services(&services).unwrap();
/// ```
///
/// # Errors
///
/// The functions that write return an error if the store fails, and if the head of the response was
/// sent already, as within an event stream, so that no cookie can be added.
#[derive(Clone)]
pub struct Session(Arc<SessionInner>);

struct SessionInner {
    sessions: Sessions,
    cookies: Cookies,
    cookie_name: String,
    /// The session that the store has.
    kept: Mutex<Option<(SessionId, SessionRecord)>>,
}

/// The values of a session have too many bytes.
#[derive(Debug, thiserror::Error)]
#[error(
    "the values of the session have {size} bytes as JSON, and {MAX_SESSION_BYTES} are allowed; keep them in a table of yours, and their key in the session"
)]
struct TooLarge {
    size: usize,
}

impl Session {
    /// The user who is signed in.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        self.kept().as_ref().and_then(|(_, record)| record.user.clone())
    }

    /// How long the session lives if no further request comes. It is zero without a session. An
    /// event stream takes [`time_for_stream`](Self::time_for_stream) instead.
    #[must_use]
    pub fn time_left(&self) -> Duration {
        let kept = self.kept();
        let end = kept.as_ref().map(|(_, record)| record.expires_at);
        end.and_then(|end| end.duration_since(SystemTime::now()).ok()).unwrap_or_default()
    }

    /// Reads the session from the store once more, and returns how long an event stream of it may
    /// stay open. Call it after you have subscribed, and pass the result to `max_age` of the
    /// stream.
    ///
    /// The user may sign out while the request is being handled. If the sign-out deletes the
    /// session first and then closes the subscriptions of the user, no stream survives it: either
    /// this function finds no session, or the subscription was there to be closed.
    ///
    /// The time is at most half of the idle timeout. The client then returns, and its request keeps
    /// the session alive. So a page that is open stays signed in until the maximum age of the
    /// session.
    ///
    /// # Errors
    ///
    /// Returns status 401 if the session has ended, and an error if the store fails.
    pub async fn time_for_stream(&self) -> Result<Duration, Error> {
        let known = self.kept().clone();
        let ended = || Error::from(Problem::of(StatusCode::UNAUTHORIZED));
        let (id, known) = known.ok_or_else(ended)?;
        let record = self.0.sessions.store.load(id).await?.ok_or_else(ended)?;
        if record.user != known.user {
            return Err(ended());
        }
        let (expiry, now) = (self.0.sessions.expiry, SystemTime::now());
        expiry.time_for_stream(record.created_at, record.expires_at, now).ok_or_else(ended)
    }

    /// Returns a value.
    ///
    /// # Errors
    ///
    /// Returns a server error if the value has another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let mut data = match &*self.kept() {
            Some((_, record)) => read(&record.data)?,
            None => return Ok(None),
        };
        data.remove(key).map(serde_json::from_value).transpose().map_err(Error::server_error)
    }

    /// Keeps a value. [`MAX_SESSION_BYTES`] limits the values of a session together.
    ///
    /// # Errors
    ///
    /// Returns a server error, and changes nothing, if the values would have too many bytes, or the
    /// value cannot be JSON. [`Session`] has the other errors.
    pub async fn insert(&self, key: &str, value: impl Serialize + Send) -> Result<(), Error> {
        let value = serde_json::to_value(value).map_err(Error::server_error)?;
        let kept = self.kept().clone();
        let mut data = match &kept {
            Some((_, record)) => read(&record.data)?,
            None => Map::new(),
        };
        data.insert(key.to_owned(), value);
        self.write(kept, data).await
    }

    /// Removes a value.
    ///
    /// # Errors
    ///
    /// See [`Session`].
    pub async fn remove(&self, key: &str) -> Result<(), Error> {
        let Some((id, record)) = self.kept().clone() else { return Ok(()) };
        let mut data = read(&record.data)?;
        if data.remove(key).is_none() {
            return Ok(());
        }
        self.write(Some((id, record)), data).await
    }

    /// Signs a user in, after you have checked the password or whatever proves it. The session gets
    /// a new ID, so an ID that somebody has planted in the browser is worth nothing (session
    /// fixation). The values stay.
    ///
    /// # Errors
    ///
    /// See [`Session`].
    pub async fn sign_in(&self, user: impl Into<String>) -> Result<(), Error> {
        let now = SystemTime::now();
        let data = match &*self.kept() {
            Some((_, record)) => record.data.clone(),
            None => EMPTY.to_owned(),
        };
        let expires_at = self.0.sessions.expiry.expires_at(now, now);
        let user = Some(user.into());
        self.begin(SessionRecord { user, data, created_at: now, expires_at }).await
    }

    /// Ends the session: the store deletes it, and the browser removes its cookie. Close what is
    /// open in its name, too, such as by `Hub::close_identity`.
    ///
    /// # Errors
    ///
    /// Returns an error if the store fails.
    pub async fn sign_out(&self) -> Result<(), Error> {
        let Some((id, _)) = self.kept().clone() else { return Ok(()) };
        self.0.sessions.store.delete(id).await?;
        *self.kept() = None;
        // A cookie that stays, because the head was sent, names a session that is gone.
        let _ = self.0.cookies.remove(self.0.cookie_name.clone());
        Ok(())
    }

    /// Gives the session a new ID. Call it when the rights of the user change.
    ///
    /// # Errors
    ///
    /// See [`Session`].
    pub async fn renew_id(&self) -> Result<(), Error> {
        let Some((_, record)) = self.kept().clone() else { return Ok(()) };
        self.begin(record).await
    }

    /// Writes the values to the session, or to a new one.
    async fn write(
        &self,
        kept: Option<(SessionId, SessionRecord)>,
        data: Map<String, Value>,
    ) -> Result<(), Error> {
        let data = serde_json::to_string(&data).map_err(Error::server_error)?;
        if data.len() > MAX_SESSION_BYTES {
            return Err(Error::server_error(TooLarge { size: data.len() }));
        }
        let (expiry, now) = (self.0.sessions.expiry, SystemTime::now());
        match kept {
            Some((id, record)) => {
                let expires_at = expiry.expires_at(record.created_at, now);
                let record = SessionRecord { data, expires_at, ..record };
                self.0.sessions.store.update(id.clone(), record.clone()).await?;
                *self.kept() = Some((id, record));
                Ok(())
            }
            None => {
                let expires_at = expiry.expires_at(now, now);
                self.begin(SessionRecord { user: None, data, created_at: now, expires_at }).await
            }
        }
    }

    /// Keeps the record under a new ID, and deletes the one before.
    async fn begin(&self, record: SessionRecord) -> Result<(), Error> {
        let SessionInner { sessions, cookies, cookie_name, .. } = &*self.0;
        let id = SessionId::random()?;
        sessions.store.insert(id.clone(), record.clone()).await?;
        if let Err(error) = cookies.add((cookie_name.clone(), id.as_str().to_owned())) {
            sessions.store.delete(id).await?;
            return Err(Error::server_error(error));
        }
        let before = self.kept().replace((id, record));
        match before {
            Some((id, _)) => sessions.store.delete(id).await,
            None => Ok(()),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Option<(SessionId, SessionRecord)>> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The values of a session without any.
const EMPTY: &str = "{}";

fn read(data: &str) -> Result<Map<String, Value>, Error> {
    serde_json::from_str(data).map_err(Error::server_error)
}

impl FromRequestParts for Session {
    fn describe(description: &mut Description) {
        Cookies::describe(description);
        description.uses_service::<Sessions>();
    }

    async fn from_request_parts(parts: &mut RequestParts) -> Result<Self, Error> {
        if let Some(session) = parts.extensions.get::<Self>() {
            return Ok(session.clone());
        }
        let cookies = Cookies::from_request_parts(parts).await?;
        let sessions = Dc::<Sessions>::from_request_parts(parts).await?;
        let cookie_name = sessions.cookie_name(parts.is_https());
        let id = cookies.get(&cookie_name).and_then(|text| SessionId::read(&text));
        let kept = match id {
            Some(id) => load(&sessions, id).await?,
            None => None,
        };
        let sessions = Sessions::clone(&sessions);
        let kept = Mutex::new(kept);
        let session = Self(Arc::new(SessionInner { sessions, cookies, cookie_name, kept }));
        parts.extensions.insert(session.clone());
        Ok(session)
    }
}

/// Returns a session that has not ended, and moves its end.
async fn load(
    sessions: &Sessions,
    id: SessionId,
) -> Result<Option<(SessionId, SessionRecord)>, Error> {
    let Some(mut record) = sessions.store.load(id.clone()).await? else { return Ok(None) };
    let (expiry, now) = (sessions.expiry, SystemTime::now());
    // The maximum age may be shorter now than when the session was used the last time.
    if record.expires_at <= now || expiry.expires_at(record.created_at, now) <= now {
        sessions.store.delete(id).await?;
        return Ok(None);
    }
    if let Some(end) = expiry.touch(record.created_at, record.expires_at, now) {
        sessions.store.touch(id.clone(), end).await?;
        record.expires_at = end;
    }
    Ok(Some((id, record)))
}

/// Shows no ID and no values, because they are secrets.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_kept", &self.kept().is_some()).finish_non_exhaustive()
    }
}
