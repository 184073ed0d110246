//! Cookies and requests from other origins: Chromium on the pages of two origins, and the cookie
//! jars of Python and curl.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};
use tokio::{net::TcpListener, process::Command, task::AbortHandle};
use volga::{
    App,
    cookies::{Cookie, CookieKeys, SignedCookies, time::Duration},
    error::Error as AppError,
    http::{HeaderMap, StatusCode, sse::Message},
    middleware::{Cors, CrossSiteProtection},
    ok, sse,
};

use super::{Report, program, server::Server};
use crate::program::{Programs, Received, Runtime};

/// An app on an origin of its own.
struct Api {
    url: String,
    task: AbortHandle,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn start(page: &str) -> Result<Api, Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let mut app = App::new().without_greeter().on_error(|_| {});
    app.add_singleton(CookieKeys::random()?);
    app.cors(Cors::new().origins([page]).credentials());
    app.map_post("/login/{name}", async |cookies: SignedCookies, name: String| {
        cookies.add(Cookie::build(("session", name)).max_age(Duration::hours(1)))?;
        ok!("welcome")
    });
    app.map_post("/logout", async |cookies: SignedCookies| {
        cookies.remove("session")?;
        ok!("bye")
    });
    app.map_get("/me", async |cookies: SignedCookies| match cookies.get("session") {
        Some(name) => ok!("{name}"),
        None => Err(AppError::new(StatusCode::UNAUTHORIZED, "who are you?")),
    });
    app.map_put("/item/{id}", async |id: u32| ok!("item {id}"));
    app.map_get("/panic", async || -> String { panic!("on purpose") });
    app.map_get("/busy", async || {
        let error = AppError::new(StatusCode::TOO_MANY_REQUESTS, "slower");
        Err::<(), _>(error.with_header(("retry-after", "5")))
    });
    app.map_get("/events", async |cookies: SignedCookies, headers: HeaderMap| {
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
        let name = cookies.get("session").unwrap_or_else(|| "nobody".to_owned());
        let text = format!("{name} after {}", last.unwrap_or("nothing"));
        cookies.add(("seen", "1"))?;
        let first = stream::iter([Message::new().id("7").data(text)]);
        sse!(first.chain(stream::pending()))
    });
    app.group("/private", |private| {
        private.cors(Cors::new().origins(["https://admin.example"]));
        private.map_get("/", || ok!("private"));
    });
    let orders = Arc::new(AtomicUsize::new(0));
    app.group("/orders", move |group| {
        group.refuse_cross_site(CrossSiteProtection::new());
        let count = Arc::clone(&orders);
        group.map_get("/", move || ok!("{}", count.load(Ordering::Relaxed)));
        group.map_post("/", move || ok!("{}", orders.fetch_add(1, Ordering::Relaxed) + 1));
    });
    let task = tokio::spawn(app.run_with_listener(listener)).abort_handle();
    Ok(Api { url, task })
}

pub(crate) async fn run(programs: &Programs, server: &Server) -> Result<Report, Box<dyn Error>> {
    let mut report = Report::default();
    let api = start(&server.url).await?;
    let cookie_clients = json!([401, "welcome", "anna", "True Path=/ HttpOnly", "bye", 401]);
    chromium(&mut report, programs, server, &api).await?;
    match programs.run::<Value>(Runtime::Python, "cookies.py", &[&api.url]).await? {
        Some(output) => {
            for (name, found) in output.cases {
                report.compare(&name, &read(found)?, &cookie_clients);
            }
        }
        None => report.skipped.push("requests and httpx"),
    }
    curl(&mut report, &api).await?;
    Ok(report)
}

async fn chromium(
    report: &mut Report,
    programs: &Programs,
    server: &Server,
    api: &Api,
) -> Result<(), Box<dyn Error>> {
    // The page of the allowed origin, and the same server under a name that is not allowed.
    let other = server.url.replace("127.0.0.1", "localhost");
    let args = [server.url.as_str(), other.as_str(), api.url.as_str()];
    let output = programs.run::<Value>(Runtime::Chromium, "origins_chromium.mjs", &args).await?;
    let Some(mut output) = output else {
        report.skipped.push("Chromium");
        return Ok(());
    };
    for (name, expect) in [
        ("PUT with a preflight", json!([200, "item 7"])),
        ("404", json!(404)),
        ("405", json!(405)),
        ("400", json!(400)),
        ("a panic", json!(500)),
        ("429 and its Retry-After", json!([429, "5"])),
        ("a method that the path has not", json!("TypeError")),
        ("a header that is not allowed", json!("TypeError")),
        ("before the login", json!(401)),
        ("the login", json!("welcome")),
        ("with credentials", json!("anna")),
        ("without credentials", json!(401)),
        ("what scripts see of the cookies", json!("")),
        ("EventSource with credentials", json!("anna after nothing")),
        ("EventSource without credentials", json!("nobody after nothing")),
        ("fetch of a stream with Last-Event-ID", json!("data: anna after 7")),
        ("a group that allows another origin", json!("TypeError")),
        ("an order of another origin", json!(403)),
        ("another origin reads", json!("TypeError")),
        ("another origin sends a preflight", json!("TypeError")),
        ("another origin opens an EventSource", json!("error")),
        ("another site orders", json!("opaque")),
        ("the orders of other origins", json!("0")),
        ("the origin itself orders", json!("1")),
    ] {
        let found = output.cases.remove(name).ok_or_else(|| format!("no case {name}"))?;
        report.compare(name, &read(found)?, &expect);
    }
    Ok(())
}

fn read(received: Received<Value>) -> Result<Value, String> {
    match received {
        Received::Read(value) => Ok(value),
        Received::Failed { error } => Err(error),
    }
}

/// Logs in, asks and logs out with a cookie jar in a file.
async fn curl(report: &mut Report, api: &Api) -> Result<(), Box<dyn Error>> {
    let Some(path) = program("COMPAT_CURL") else {
        report.skipped.push("curl");
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let jar = folder.path().join("jar");
    for (method, page, expect) in [
        ("GET", "/me", "401"),
        ("POST", "/login/anna", "200"),
        ("GET", "/me", "200"),
        ("POST", "/logout", "200"),
        ("GET", "/me", "401"),
    ] {
        let output = Command::new(&path)
            .args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "-X", method, "-c"])
            .arg(&jar)
            .arg("-b")
            .arg(&jar)
            .arg(format!("{}{page}", api.url))
            .output()
            .await?;
        let status = String::from_utf8_lossy(&output.stdout).into_owned();
        report.compare(&format!("curl: {method} {page}"), &&*status, &expect);
        let text = std::fs::read_to_string(&jar)?;
        let has_cookie = text.contains("#HttpOnly_127.0.0.1\tFALSE\t/\tFALSE\t");
        let is_logged_in = ["/login/anna", "/me"].contains(&page) && expect == "200";
        report.compare(&format!("curl: the jar after {page}"), &has_cookie, &is_logged_in);
    }
    Ok(())
}
