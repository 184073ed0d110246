//! What is at which path.

use std::time::Duration;

use serde::Deserialize;
use volga::{
    App, HttpResult, Json, Query, created,
    di::Dc,
    http::sse::{Delivery, Hub, LastEventId, Message, PresenceEvent, Resume, Sse},
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
    let mut said =
        hub.subscribe(&topic).resume(last.clone()).history(HELD).identity(name).open()?;
    // From after the subscription, so that who comes sees themselves at once.
    let mut people = hub.watch_presence(&topic)?;
    // An ID for those who have read nothing yet: without one they would return as newcomers, and what they missed would be no gap.
    let is_new = last.as_ref().is_none_or(LastEventId::is_empty);
    let opening = Message::new().id(said.position().to_string());
    let stream = sse_stream! {
        if is_new {
            yield opening.encode()?;
        }
        loop {
            let message = tokio::select! {
                delivery = said.next() => match delivery {
                    Some(Delivery::Message(message)) => message,
                    Some(Delivery::Gap(gap)) => gap.to_message().encode()?,
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
