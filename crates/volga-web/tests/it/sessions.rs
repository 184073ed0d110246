//! Sessions of browsers: their cookie, their ID, and their end.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode};
use volga_core::{AppContext, Error, HandlerEndpoint, Router, RouterService, ServicesBuilder};
use volga_web::{
    MAX_SESSION_BYTES, MemorySessions, Session, SessionId, SessionRecord, SessionStore, Sessions,
};

use crate::support::{Received, get};

/// A store in memory that the tests look into.
#[derive(Clone, Default)]
struct Spy {
    inner: MemorySessions,
    ids: Arc<Mutex<Vec<SessionId>>>,
    calls: Arc<Mutex<Vec<&'static str>>>,
    fails: Arc<Mutex<Option<&'static str>>>,
}

impl Spy {
    fn called(&self, name: &'static str) -> Result<(), Error> {
        self.calls.lock().unwrap().push(name);
        match *self.fails.lock().unwrap() {
            Some(fails) if fails == name => Err(Error::new(StatusCode::BAD_GATEWAY, "the store")),
            _ => Ok(()),
        }
    }

    fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    fn last_id(&self) -> SessionId {
        self.ids.lock().unwrap().last().unwrap().clone()
    }
}

impl SessionStore for Spy {
    async fn load(&self, id: &SessionId) -> Result<Option<SessionRecord>, Error> {
        self.called("load")?;
        self.inner.load(id).await
    }

    async fn insert(&self, id: &SessionId, record: SessionRecord) -> Result<(), Error> {
        self.called("insert")?;
        self.ids.lock().unwrap().push(id.clone());
        self.inner.insert(id, record).await
    }

    async fn update(&self, id: &SessionId, record: SessionRecord) -> Result<(), Error> {
        self.called("update")?;
        self.inner.update(id, record).await
    }

    async fn touch(&self, id: &SessionId, expires_at: SystemTime) -> Result<(), Error> {
        self.called("touch")?;
        self.inner.touch(id, expires_at).await
    }

    async fn delete(&self, id: &SessionId) -> Result<(), Error> {
        self.called("delete")?;
        self.inner.delete(id).await
    }

    async fn delete_of_user(&self, user: &str) -> Result<(), Error> {
        self.called("delete_of_user")?;
        self.inner.delete_of_user(user).await
    }
}

fn service(sessions: Sessions) -> RouterService {
    service_over(sessions, |_| false)
}

/// A service whose clients asked over HTTPS, if the function says so.
fn service_over(sessions: Sessions, is_https: fn(&http::Extensions) -> bool) -> RouterService {
    let mut router = Router::new();
    let mut services = ServicesBuilder::new();
    services.add_singleton(sessions);
    let who = async |session: Session| session.user().unwrap_or_else(|| "nobody".to_owned());
    router.map(Method::GET, "/who", HandlerEndpoint::new(who));
    let count = async |session: Session| -> Result<String, Error> {
        let count = session.get::<u32>("count")?.unwrap_or(0) + 1;
        session.insert("count", count).await?;
        Ok(count.to_string())
    };
    router.map(Method::GET, "/count", HandlerEndpoint::new(count));
    let sign_in = async |name: String, session: Session| -> Result<String, Error> {
        session.sign_in(name).await?;
        Ok(format!("{:?}", session.time_left() > Duration::from_secs(60)))
    };
    router.map(Method::GET, "/in/{name}", HandlerEndpoint::new(sign_in));
    let sign_out = async |session: Session| -> Result<String, Error> {
        session.sign_out().await?;
        Ok(format!("{:?} {:?}", session.user(), session.time_left()))
    };
    router.map(Method::GET, "/out", HandlerEndpoint::new(sign_out));
    let renew = async |session: Session| session.renew_id().await;
    router.map(Method::GET, "/renew", HandlerEndpoint::new(renew));
    let fill = async |size: usize, session: Session| session.insert("text", "x".repeat(size)).await;
    router.map(Method::GET, "/fill/{size}", HandlerEndpoint::new(fill));
    let clear = async |session: Session| session.remove("count").await;
    router.map(Method::GET, "/clear", HandlerEndpoint::new(clear));
    let stream = async |session: Session| -> Result<String, Error> {
        Ok(session.time_for_stream().await?.as_secs().to_string())
    };
    router.map(Method::GET, "/stream", HandlerEndpoint::new(stream));
    let debug = async |session: Session| format!("{session:?}");
    router.map(Method::GET, "/debug", HandlerEndpoint::new(debug));
    let context = AppContext::new(services.build().unwrap()).with_https_check(is_https);
    router.set_context(context);
    router.into_service().unwrap()
}

/// A browser with one cookie.
struct Browser {
    service: RouterService,
    cookie: String,
}

impl Browser {
    fn new(sessions: Sessions) -> Self {
        Self { service: service(sessions), cookie: String::new() }
    }

    async fn ask(&mut self, path: &str) -> Received {
        let received = get(&self.service, path, &[("cookie", &self.cookie)]).await;
        if let Some(value) = received.headers.get("set-cookie") {
            let value = value.to_str().unwrap();
            let pair = value.split(';').next().unwrap();
            self.cookie = if value.contains("Max-Age=0") { String::new() } else { pair.to_owned() };
        }
        received
    }

    async fn text(&mut self, path: &str) -> String {
        let received = self.ask(path).await;
        assert_eq!(received.status, StatusCode::OK, "{path}: {}", received.text());
        received.text().to_owned()
    }
}

fn browser() -> (Browser, Spy) {
    let spy = Spy::default();
    (Browser::new(Sessions::new(spy.clone())), spy)
}

#[tokio::test]
async fn a_session_begins_when_something_is_kept() {
    let (mut browser, spy) = browser();
    for path in ["/who", "/out", "/renew", "/clear"] {
        assert!(!browser.ask(path).await.headers.contains_key("set-cookie"), "{path}");
    }
    assert!(spy.calls().is_empty());
    let received = browser.ask("/count").await;
    let cookie = received.header("set-cookie");
    assert!(cookie.starts_with("session=") && cookie.contains("HttpOnly; SameSite=Lax; Path=/"));
    assert_eq!(
        (browser.text("/count").await, browser.text("/count").await),
        ("2".into(), "3".into())
    );
    assert_eq!(spy.calls(), ["insert", "load", "update", "load", "update"]);
    browser.ask("/clear").await;
    assert_eq!(browser.text("/count").await, "1");
}

#[tokio::test]
async fn an_id_of_the_client_is_never_adopted() {
    let (mut browser, spy) = browser();
    for planted in ["session=x", "session=", "session=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        planted.clone_into(&mut browser.cookie);
        browser.ask("/count").await;
        assert_ne!(browser.cookie, planted);
        assert_eq!(browser.cookie, format!("session={}", spy.last_id().as_str()));
    }
    // A text that is no ID does not reach the store.
    assert_eq!(spy.calls(), ["insert", "insert", "load", "insert"]);
}

#[tokio::test]
async fn each_sign_in_has_a_new_id_and_the_old_one_is_worth_nothing() {
    let (mut browser, spy) = browser();
    browser.ask("/count").await;
    let mut old = vec![browser.cookie.clone()];
    for (path, who) in [("/in/anna", "anna"), ("/renew", "anna"), ("/in/ben", "ben")] {
        browser.ask(path).await;
        assert!(!old.contains(&browser.cookie), "{path}");
        assert_eq!(browser.text("/who").await, who);
        old.push(browser.cookie.clone());
    }
    assert_eq!(browser.text("/count").await, "2", "the values stay");
    assert_eq!(spy.inner.count(), 1);
    let last = old.pop().unwrap();
    for cookie in old {
        browser.cookie = cookie;
        assert_eq!(browser.text("/who").await, "nobody");
    }
    browser.cookie = last.clone();
    assert_eq!(browser.text("/out").await, "None 0ns");
    assert_eq!((&*browser.cookie, spy.inner.count()), ("", 0));
    browser.cookie = last;
    assert_eq!(browser.text("/who").await, "nobody");
}

#[tokio::test]
async fn a_session_ends_without_requests_and_at_its_age() {
    let hour = Duration::from_secs(3600);
    let spy = Spy::default();
    let sessions = Sessions::new(spy.clone()).with_idle_timeout(hour).with_max_age(3 * hour);
    let mut browser = Browser::new(sessions);
    let now = SystemTime::now();
    // How old the session is, and how long it was idle, in hours; and whether it is still there.
    for (age, idle, is_there) in [(0, 0, true), (2, 0, true), (2, 1, false), (3, 0, false)] {
        browser.text("/in/anna").await;
        let id = spy.last_id();
        let record = spy.inner.load(&id).await.unwrap().unwrap();
        let created_at = now - age * hour;
        let expires_at = record.expires_at - idle * hour;
        spy.inner.update(&id, SessionRecord { created_at, expires_at, ..record }).await.unwrap();
        let expect = if is_there { "anna" } else { "nobody" };
        assert_eq!(browser.text("/who").await, expect, "{age} {idle}");
        assert_eq!(spy.inner.load(&id).await.unwrap().is_some(), is_there);
    }
}

#[tokio::test]
async fn a_request_moves_the_end_and_not_each_request_writes_it() {
    let (mut browser, spy) = browser();
    browser.text("/in/anna").await;
    spy.calls();
    for _ in 0..3 {
        browser.text("/who").await;
    }
    assert_eq!(spy.calls(), ["load", "load", "load"]);
    let soon = SystemTime::now() + Duration::from_secs(60);
    spy.inner.touch(&spy.last_id(), soon).await.unwrap();
    browser.text("/who").await;
    assert_eq!(spy.calls(), ["load", "touch"]);
    assert!(spy.inner.load(&spy.last_id()).await.unwrap().unwrap().expires_at > soon);
}

#[tokio::test]
async fn values_beyond_the_limit_are_refused_and_nothing_is_lost() {
    let (mut browser, spy) = browser();
    assert_eq!(browser.text("/count").await, "1");
    let overhead = r#"{"count":1,"text":""}"#.len();
    assert_eq!(browser.ask(&format!("/fill/{}", MAX_SESSION_BYTES - overhead)).await.status, 200);
    let over = browser.ask(&format!("/fill/{}", MAX_SESSION_BYTES - overhead + 1)).await;
    assert_eq!(over.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(browser.text("/count").await, "2");
    assert_eq!(spy.inner.count(), 1);
}

#[tokio::test]
async fn a_failure_of_the_store_is_the_error_of_the_request() {
    for (fails, path) in [
        ("load", "/who"),
        ("update", "/count"),
        ("insert", "/in/ben"),
        ("delete", "/in/ben"),
        ("delete", "/out"),
    ] {
        let (mut browser, spy) = browser();
        browser.text("/in/anna").await;
        *spy.fails.lock().unwrap() = Some(fails);
        let received = browser.ask(path).await;
        assert_eq!(received.status, StatusCode::BAD_GATEWAY, "{fails} {path}");
        assert!(!received.text().contains("the store"));
        *spy.fails.lock().unwrap() = None;
        let who = if (fails, path) == ("delete", "/in/ben") { "ben" } else { "anna" };
        assert_eq!(browser.text("/who").await, who, "{fails} {path}");
    }
}

#[tokio::test]
async fn all_sessions_of_a_user_end_together() {
    let spy = Spy::default();
    let sessions = Sessions::new(spy.clone());
    let mut browsers: Vec<_> = (0..4).map(|_| Browser::new(sessions.clone())).collect();
    for (browser, path) in browsers.iter_mut().zip(["/in/anna", "/in/anna", "/in/ben", "/count"]) {
        browser.text(path).await;
    }
    sessions.end_all_of("anna").await.unwrap();
    for (browser, who) in browsers.iter_mut().zip(["nobody", "nobody", "ben", "nobody"]) {
        assert_eq!(browser.text("/who").await, who);
    }
    assert_eq!(browsers[3].text("/count").await, "2");
}

#[tokio::test]
async fn over_https_no_other_host_can_set_the_cookie() {
    let sessions = Sessions::new(MemorySessions::new()).with_cookie_name("sid");
    let mut browser = Browser { service: service_over(sessions, |_| true), cookie: String::new() };
    let received = browser.ask("/in/anna").await;
    let cookie = received.header("set-cookie");
    assert!(cookie.starts_with("__Host-sid=") && cookie.contains("; Secure"), "{cookie}");
    assert_eq!(browser.text("/who").await, "anna");
    // The same ID under the name that any host of the domain can set.
    browser.cookie = browser.cookie.replace("__Host-", "");
    assert_eq!(browser.text("/who").await, "nobody");
}

/// A cookie cannot be added once the head was sent, so the store must not keep a session that no
/// browser has.
#[tokio::test]
async fn after_the_head_a_session_cannot_begin_and_can_still_end() {
    let spy = Spy::default();
    let (sender, receiver) = std::sync::mpsc::channel();
    let mut router = Router::new();
    let mut services = ServicesBuilder::new();
    services.add_singleton(Sessions::new(spy.clone()));
    let handler = async move |session: Session| sender.send(session).unwrap();
    router.map(Method::GET, "/", HandlerEndpoint::new(handler));
    router.set_context(AppContext::new(services.build().unwrap()));
    let service = router.into_service().unwrap();

    get(&service, "/", &[]).await;
    let late = receiver.recv().unwrap();
    assert_eq!(late.insert("a", 1).await.unwrap_err().status(), 500);
    assert!(late.sign_in("anna").await.is_err());
    assert_eq!((spy.inner.count(), late.user()), (0, None));

    let id = SessionId::random().unwrap();
    let (created_at, hour) = (SystemTime::now(), Duration::from_secs(3600));
    let (data, user) = ("{}".to_owned(), Some("anna".to_owned()));
    let record = SessionRecord { user, data, created_at, expires_at: created_at + hour };
    spy.inner.insert(&id, record).await.unwrap();
    get(&service, "/", &[("cookie", &format!("session={}", id.as_str()))]).await;
    let late = receiver.recv().unwrap();
    late.insert("a", 1).await.unwrap();
    assert!(late.renew_id().await.is_err());
    assert_eq!((spy.inner.count(), late.user().as_deref()), (1, Some("anna")));
    late.sign_out().await.unwrap();
    assert_eq!(spy.inner.count(), 0);
}

#[tokio::test]
async fn debug_output_has_no_secret() {
    let (mut browser, spy) = browser();
    browser.text("/in/anna").await;
    let text = browser.text("/debug").await;
    let id = spy.last_id();
    let record = spy.inner.load(&id).await.unwrap();
    for text in [text, format!("{id:?} {record:?}")] {
        assert!(!text.contains(id.as_str()) && !text.contains("anna"), "{text}");
    }
}

#[tokio::test]
async fn a_stream_may_stay_open_for_half_of_the_idle_timeout() {
    let sessions = Sessions::new(MemorySessions::new());
    let hour = Duration::from_secs(3_600);
    let mut browser = Browser::new(sessions.with_idle_timeout(hour));
    assert_eq!(browser.ask("/stream").await.status, StatusCode::UNAUTHORIZED);
    browser.text("/in/anna").await;
    assert_eq!(browser.text("/stream").await, "1800");
    browser.text("/out").await;
    assert_eq!(browser.ask("/stream").await.status, StatusCode::UNAUTHORIZED);
}

/// A sign-out that runs while the request of a stream is being handled. It deletes the session
/// before one step of the request, and closes the subscriptions before the same or a later step.
struct Race {
    store: Spy,
    delete_at: usize,
    close_at: usize,
    is_subscribed: bool,
}

impl Race {
    async fn before_step(&mut self, step: usize) {
        if step == self.delete_at {
            self.store.delete(&self.store.last_id()).await.unwrap();
        }
        if step == self.close_at {
            self.is_subscribed = false;
        }
    }
}

#[tokio::test]
async fn no_stream_survives_a_sign_out_in_any_order_of_their_steps() {
    for delete_at in 1..=4 {
        for close_at in delete_at..=4 {
            let (mut browser, store) = browser();
            browser.text("/in/anna").await;
            let race = Race { store: store.clone(), delete_at, close_at, is_subscribed: false };
            let race = Arc::new(tokio::sync::Mutex::new(race));
            let of_handler = Arc::clone(&race);
            let stream = move |session: Session| {
                let race = Arc::clone(&of_handler);
                async move {
                    let mut race = race.lock().await;
                    assert_eq!(session.user().as_deref(), Some("anna"));
                    race.before_step(1).await;
                    race.is_subscribed = true;
                    race.before_step(2).await;
                    let time = session.time_for_stream().await;
                    // A refused request drops its subscription.
                    race.is_subscribed &= time.is_ok();
                    race.before_step(3).await;
                    time.map(|time| time.as_secs().to_string())
                }
            };
            let mut router = Router::new();
            let mut services = ServicesBuilder::new();
            services.add_singleton(Sessions::new(store));
            router.map(Method::GET, "/events", HandlerEndpoint::new(stream));
            router.set_context(AppContext::new(services.build().unwrap()));
            let service = router.into_service().unwrap();
            let received = get(&service, "/events", &[("cookie", &browser.cookie)]).await;
            let mut race = race.lock().await;
            race.before_step(4).await;
            assert!(!race.is_subscribed, "deleted at {delete_at}, closed at {close_at}");
            let refused = received.status == StatusCode::UNAUTHORIZED;
            assert_eq!(refused, delete_at <= 2, "deleted at {delete_at}: {}", received.status);
        }
    }
}
