//! Headers: read and sent as types, including types of your own.

use std::time::Duration;
use volga::{
    App, Header, headers,
    headers::{CacheControl, ETag, IfNoneMatch, TypedHeader, UserAgent},
    http::{HeaderName, HeaderValue},
    ok, status,
};

headers! {
    (ApiKey, "x-api-key"),
    /// The ID that connects the log lines of several services.
    (CorrelationId, "x-correlation-id"),
}

pub(crate) fn map(app: &mut App) {
    app.map_get("/key", async |key: Header<ApiKey>| ok!("a key of {} bytes", key.len()));

    app.map_get("/agent", async |agent: Option<Header<UserAgent>>| match agent {
        Some(agent) => ok!("you are {agent}"),
        None => ok!("you did not say who you are"),
    });

    app.map_get("/attempt", async |Header(Attempts(number)): Header<Attempts>| {
        ok!("attempt {number}"; [Attempts(number + 1), CorrelationId::from_static("7f")])
    });

    app.map_get("/report", async |known: Option<Header<IfNoneMatch>>| {
        let tag = ETag::strong("v7")?;
        if known.is_some_and(|known| known.as_str() == tag.to_string()) {
            return status!(304; [tag]);
        }
        let cache = CacheControl::new().private().max_age(Duration::from_secs(60));
        ok!("the report"; [tag, cache, ("x-pages", "12")])
    });
}

/// The number of the client's attempts, in a header.
struct Attempts(u32);

impl TypedHeader for Attempts {
    const NAME: HeaderName = HeaderName::from_static("x-attempts");
    type Error = &'static str;

    fn from_value(value: &HeaderValue) -> Result<Self, Self::Error> {
        let number = value.to_str().ok().and_then(|text| text.parse().ok());
        number.map(Attempts).ok_or("it is a number")
    }

    fn to_value(&self) -> HeaderValue {
        self.0.into()
    }
}
