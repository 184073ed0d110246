//! The notifications of a user: sent as JSON, and streamed by session, by token or by ticket.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use volga::{
    App, HttpResult, Json, Query,
    auth::Tickets,
    created,
    di::Dc,
    error::{Error, Problem},
    http::sse::{Hub, Message, PresenceEvent, Resume, Sse},
    ok,
    sessions::Session,
    sse, sse_stream,
};

use crate::accounts::check_name;
use crate::user::{TokenUser, User};

const MAX_TEXT: usize = 500;
/// This many earlier notifications are sent to a page that opens, or that returns to a server that
/// was started anew and does not know its ID.
const HISTORY: usize = 50;
/// A topic that every open page subscribes to, so that its presence says who is online.
const ONLINE: &str = "online";

pub(crate) fn map(app: &mut App) {
    app.map_get("/events", events);
    app.map_post("/notifications", send);
    app.group("/api", |api| {
        api.map_post("/notifications", send_by_token);
        api.map_get("/events", events_by_token);
        api.map_post("/tickets", issue_ticket);
    });
    app.map_get("/ticket-events", events_by_ticket);
}

/// The page's stream. It ends at the sign-out, and returns in time to keep the session alive.
async fn events(session: Session, Resume(last): Resume, hub: Dc<Hub>) -> HttpResult {
    let user = session.user().ok_or(Problem::new(401))?;
    let topics = [topic_of(&user), ONLINE.to_owned()];
    let mut notifications =
        hub.subscribe(topics).resume(last).history(HISTORY).identity(&*user).open()?;
    // The user may have signed out meanwhile, so the session is read again after subscribing.
    let time = session.time_for_stream().await?;
    // Presence is watched after subscribing, so that a user is online for itself at once.
    let mut people = hub.watch_presence(ONLINE)?;
    let end = notifications.watch_end();
    let stream = sse_stream! {
        loop {
            let message = tokio::select! {
                // The notifications first, so that a new page first gets the ID to return with.
                biased;
                delivery = notifications.next() => match delivery {
                    Some(delivery) => delivery.encode()?,
                    None => break,
                },
                Some(change) = people.next() => presence(change).encode()?,
            };
            yield message;
        }
    };
    // At the sign-out, the stream of a page that reads nothing ends as well.
    sse!(Sse::new(stream).max_age(time, Duration::ZERO).end_with(end))
}

/// A change of presence. It has no ID, because each page that returns gets the list again.
fn presence(event: PresenceEvent) -> Message {
    let message = Message::new();
    match event {
        PresenceEvent::Present(people) => {
            message.event("online").json(people.keys().map(|name| &**name).collect::<Vec<_>>())
        }
        PresenceEvent::Joined(name) => message.event("joined").json(&*name),
        PresenceEvent::Left(name) => message.event("left").json(&*name),
        _ => message.comment("another change of presence"),
    }
}

async fn events_by_token(
    TokenUser(user): TokenUser,
    Resume(last): Resume,
    hub: Dc<Hub>,
) -> HttpResult {
    sse!(hub.subscribe(topic_of(&user)).resume(last).history(HISTORY).identity(user).open()?)
}

/// A ticket for an `EventSource` on another site, which can send neither the cookie nor the token.
async fn issue_ticket(TokenUser(user): TokenUser, tickets: Dc<Tickets<String>>) -> HttpResult {
    ok!({ "ticket": tickets.issue(user)? }; [("cache-control", "no-store")])
}

#[derive(Deserialize)]
struct Opened {
    ticket: String,
}

async fn events_by_ticket(
    Query(opened): Query<Opened>,
    Resume(last): Resume,
    tickets: Dc<Tickets<String>>,
    hub: Dc<Hub>,
) -> HttpResult {
    let user = tickets.redeem(&opened.ticket)?;
    sse!(hub.subscribe(topic_of(&user)).resume(last).history(HISTORY).identity(user).open()?)
}

#[derive(Deserialize)]
struct Draft {
    to: String,
    text: String,
}

#[derive(Serialize)]
struct Notification<'a> {
    from: &'a str,
    text: &'a str,
}

async fn send(User(from): User, hub: Dc<Hub>, Json(draft): Json<Draft>) -> HttpResult {
    deliver(&hub, &from, &draft).await
}

async fn send_by_token(
    TokenUser(from): TokenUser,
    hub: Dc<Hub>,
    Json(draft): Json<Draft>,
) -> HttpResult {
    deliver(&hub, &from, &draft).await
}

/// Publishes with `send`, which works for a hub in memory and for one with a log on a disk.
async fn deliver(hub: &Hub, from: &str, draft: &Draft) -> HttpResult {
    check_name(&draft.to)?;
    let text = draft.text.trim();
    if text.is_empty() || text.chars().count() > MAX_TEXT {
        let detail = format!("A text has 1 to {MAX_TEXT} characters.");
        return Err(Error::from(Problem::new(422).with_detail(detail)));
    }
    let message = Message::new().json(Notification { from, text });
    let sent = hub.send(&topic_of(&draft.to), message).await?;
    created!({ "id": sent.position.to_string() })
}

fn topic_of(user: &str) -> String {
    format!("user.{user}")
}
