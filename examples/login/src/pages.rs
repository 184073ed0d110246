//! The pages and their forms: sign in, create an account, sign out.

use serde::Deserialize;
use volga::{
    App, Form, HttpResult, detached,
    di::Dc,
    error::Error,
    html,
    http::{HttpResponse, IntoResponse, sse::Hub},
    ok, redirect,
    sessions::Session,
};

use crate::accounts::Accounts;
use crate::user::User;

const HOME: &str = include_str!("../page/home.html");
const LOGIN: &str = include_str!("../page/login.html");
/// Where the page of the form says why it was refused.
const PROBLEM: &str = "<!-- problem -->";
/// Where the page has the name of the user.
const NAME: &str = "<!-- name -->";

/// The content security policy: the pages load nothing from other origins and run no script but
/// their own file.
const POLICY: (&str, &str) = (
    "content-security-policy",
    "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'",
);
/// A page of a user must not be shown from a cache after the sign-out.
const NO_STORE: (&str, &str) = ("cache-control", "no-store");

pub(crate) fn map(app: &mut App) {
    app.map_get("/", home).map_get("/login", login);
    app.map_post("/login", sign_in).map_post("/accounts", create);
    // Otherwise a client that leaves could stop the sign-out between its two steps.
    app.map_post("/logout", detached(sign_out));
    app.map_get("/login.css", || asset("text/css", include_str!("../page/login.css")));
    app.map_get("/home.js", || asset("text/javascript", include_str!("../page/home.js")));
    app.map_post("/tokens", create_token);
}

fn asset(kind: &'static str, text: &'static str) -> HttpResult {
    ([("content-type", kind)], text).into_response()
}

fn page(text: String) -> HttpResult {
    ([POLICY, NO_STORE], html!(text)?).into_response()
}

async fn home(session: Session) -> HttpResult {
    match session.user() {
        // A name has no character that means something in HTML.
        Some(name) => page(HOME.replace(NAME, &name)),
        None => redirect!("/login"),
    }
}

async fn login(session: Session) -> HttpResult {
    match session.user() {
        Some(_) => redirect!("/"),
        None => page(LOGIN.to_owned()),
    }
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

async fn sign_in(
    session: Session,
    accounts: Dc<Accounts>,
    Form(given): Form<Credentials>,
) -> HttpResult {
    if !accounts.is_right(given.name.clone(), given.password).await? {
        return refuse(401, "The name or the password is wrong.");
    }
    session.sign_in(given.name).await?;
    redirect!("/")
}

async fn create(
    session: Session,
    accounts: Dc<Accounts>,
    Form(given): Form<Credentials>,
) -> HttpResult {
    match accounts.create(given.name.clone(), given.password).await {
        Ok(()) => {}
        Err(error) if error.status().is_client_error() => {
            return refuse(error.status().as_u16(), &error.public_message());
        }
        Err(error) => return Err(error),
    }
    session.sign_in(given.name).await?;
    redirect!("/")
}

/// Ends the session, and the streams of the user in every tab.
async fn sign_out(session: Session, hub: Dc<Hub>) -> HttpResult {
    let user = session.user();
    // First the session: a stream that returns must find none.
    session.sign_out().await?;
    if let Some(user) = user {
        hub.close_identity(&user);
    }
    redirect!("/login")
}

async fn create_token(User(user): User, accounts: Dc<Accounts>) -> HttpResult {
    ok!({ "token": accounts.create_token(user).await? }; [NO_STORE])
}

/// The form once more, with the reason.
fn refuse(status: u16, reason: &str) -> Result<HttpResponse, Error> {
    let mut response = page(LOGIN.replace(PROBLEM, reason))?;
    *response.status_mut() = status.try_into()?;
    Ok(response)
}
