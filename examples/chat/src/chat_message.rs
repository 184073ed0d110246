//! Checks the names of rooms and people and the texts of messages, once, where they enter the
//! program.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use volga::{
    error::{Error, Problem},
    http::FromPathArg,
};

/// The longest name of a room, in bytes.
const MAX_ROOM: usize = 32;
/// The longest name of a person, in characters.
const MAX_NAME: usize = 40;
/// The longest text, in characters.
const MAX_TEXT: usize = 2_000;

/// The name of a room: small letters, digits and hyphens. So it is one segment of a topic, and a
/// client cannot make a pattern of it with `*`.
pub(crate) struct Room(String);

impl Room {
    pub(crate) fn topic(&self) -> String {
        format!("room.{}", self.0)
    }
}

impl FromPathArg for Room {
    type Error = String;

    fn from_path_arg(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if text.len() <= MAX_ROOM && text.bytes().all(fits) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("a room has 1 to {MAX_ROOM} small letters, digits and hyphens"))
        }
    }
}

/// A message as a client posts it.
#[derive(Deserialize)]
pub(crate) struct Draft {
    author: String,
    text: String,
}

/// A message as everybody in the room gets it.
#[derive(Serialize)]
pub(crate) struct ChatMessage {
    author: String,
    text: String,
    /// The time in milliseconds since 1970, as in JavaScript.
    time: u64,
}

impl Draft {
    /// Checks the message and gives it the current time.
    pub(crate) fn check(self) -> Result<ChatMessage, Error> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Ok(ChatMessage {
            author: name(&self.author)?,
            text: fit("text", &self.text, MAX_TEXT)?,
            time,
        })
    }
}

/// Checks the name of a person, and removes the space around it.
pub(crate) fn name(text: &str) -> Result<String, Error> {
    fit("name", text, MAX_NAME)
}

fn fit(what: &str, text: &str, max: usize) -> Result<String, Error> {
    let text = text.trim();
    match text.chars().count() {
        length if (1..=max).contains(&length) => Ok(text.to_owned()),
        length => Err(Problem::new(422)
            .with_title(format!("unfit {what}"))
            .with_detail(format!("a {what} has 1 to {max} characters, not {length}"))
            .into()),
    }
}
