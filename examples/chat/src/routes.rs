//! What is at which path.

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
    said::{self, Draft, Room},
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

/// What is said in a room, and who is there.
async fn events(
    room: Room,
    person: Query<Person>,
    Resume(last): Resume,
    hub: Dc<Hub>,
) -> HttpResult {
    let (topic, name) = (room.topic(), said::name(&person.name)?);
    let mut said = hub.subscribe(&topic).resume(last).history(HELD).identity(name).open()?;
    // From after the subscription, so that who comes sees themselves at once.
    let mut people = hub.watch_presence(&topic)?;
    let stream = sse_stream! {
        loop {
            let message = tokio::select! {
                // In this order, so that what a new client gets first is the ID to return with.
                biased;
                delivery = said.next() => match delivery {
                    Some(delivery) => delivery.encode()?,
                    None => break,
                },
                change = people.next() => presence(change).encode()?,
            };
            yield message;
        }
    };
    sse!(Sse::new(stream).retry(Duration::from_secs(1)))
}

/// Without an ID: who is here is told anew to everybody who returns.
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
    let said = draft.say()?;
    let position = hub.publish(&room.topic(), Message::new().json(&said))?;
    created!({ "id": position.to_string() })
}
