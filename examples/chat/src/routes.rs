//! The routes of the chat.

use std::time::Duration;

use serde::Deserialize;
use volga::{
    App, HttpResult, Json, Query, created,
    di::Dc,
    http::sse::{Hub, Message, PresenceEvent, Resume, Sse},
    sse, sse_stream,
};

use crate::{
    HELD,
    chat_message::{self, Draft, Room},
};

pub(crate) fn map(app: &mut App) {
    app.group("/rooms/{room}", |room| {
        room.map_get("/events", events);
        room.map_post("/messages", say);
    });
}

#[derive(Deserialize)]
struct Person {
    name: String,
}

/// Streams the messages of a room and the people in it.
async fn events(
    room: Room,
    person: Query<Person>,
    Resume(last): Resume,
    hub: Dc<Hub>,
) -> HttpResult {
    let (topic, name) = (room.topic(), chat_message::name(&person.name)?);
    let mut messages = hub.subscribe(&topic).resume(last).history(HELD).identity(name).open()?;
    // Presence is watched after subscribing, so that newcomers see themselves at once.
    let mut people = hub.watch_presence(&topic)?;
    let stream = sse_stream! {
        loop {
            let message = tokio::select! {
                // `biased` polls the messages first, so that a new client first gets the ID to
                // return with.
                biased;
                delivery = messages.next() => match delivery {
                    Some(delivery) => delivery.encode()?,
                    None => break,
                },
                // The watch ends with the hub, and so do the messages.
                Some(change) = people.next() => presence(change).encode()?,
            };
            yield message;
        }
    };
    sse!(Sse::new(stream).retry(Duration::from_secs(1)))
}

/// Encodes a change of presence. It has no ID, because each client that returns gets the people in
/// the room again.
fn presence(event: PresenceEvent) -> Message {
    let message = Message::new();
    match event {
        PresenceEvent::Present(people) => {
            message.event("here").json(people.keys().map(|name| &**name).collect::<Vec<_>>())
        }
        PresenceEvent::Joined(name) => message.event("joined").json(&*name),
        PresenceEvent::Left(name) => message.event("left").json(&*name),
        _ => message.comment("another change of presence"),
    }
}

async fn say(room: Room, hub: Dc<Hub>, Json(draft): Json<Draft>) -> HttpResult {
    let message = draft.check()?;
    let receipt = hub.send(&room.topic(), Message::new().json(&message)).await?;
    created!({ "id": receipt.position.to_string() })
}
