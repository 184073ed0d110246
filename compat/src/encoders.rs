//! Streams of other encoders, read by our decoder.

use std::{convert::Infallible, error::Error, panic::AssertUnwindSafe, time::Duration};

use actix_web_lab::sse as actix;
use axum::response::{IntoResponse, sse as axum_sse};
use bytes::Bytes;
use futures_util::{FutureExt, stream};
use http_body_util::BodyExt;
use volga_sse::Decoder;
use warp::Reply;

use crate::{
    corpus::{Beat, Case, Corpus, Fields},
    outcome::{CaseResult, Kind, Outcome, difference},
    page::locked_version,
    readers::from_ours,
};

pub(crate) struct Encoder {
    pub(crate) name: &'static str,
    framework: Framework,
}

#[derive(Clone, Copy)]
enum Framework {
    Axum,
    Actix,
    Warp,
}

pub(crate) const ALL: &[Encoder] = &[
    Encoder { name: "axum", framework: Framework::Axum },
    Encoder { name: "actix-web-lab", framework: Framework::Actix },
    Encoder { name: "warp", framework: Framework::Warp },
];

impl Encoder {
    /// Lets the encoder write each case that it can express, and reads the bytes with our decoder.
    pub(crate) async fn run(&self, corpus: &Corpus) -> Result<Outcome, Box<dyn Error>> {
        // A panic is one of the results, so it must not be printed as well.
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let mut results = Vec::new();
        for case in corpus.cases.iter().filter(|case| self.framework.can_express(case)) {
            let messages: Vec<_> = case.messages().collect();
            let departure =
                match AssertUnwindSafe(self.framework.write(messages)).catch_unwind().await {
                    Ok(Ok(bytes)) => read(case, &bytes),
                    Ok(Err(error)) => Some(format!("refuses: {error}")),
                    Err(_) => Some("panics".to_owned()),
                };
            results.push(CaseResult { case: case.name.clone(), departure });
        }
        std::panic::set_hook(hook);
        let version = locked_version(self.name);
        Ok(Outcome { kind: Kind::Encoder, name: self.name, version, results })
    }
}

fn read(case: &Case, bytes: &[u8]) -> Option<String> {
    match Decoder::new().feed(bytes) {
        Ok(events) => {
            let events: Vec<_> = events.into_iter().map(from_ours).collect();
            difference(&case.expected(), &events)
        }
        Err(error) => Some(error.to_string()),
    }
}

impl Framework {
    fn can_express(self, case: &Case) -> bool {
        // Every framework has its own settings for heartbeats, but these tests are about messages.
        case.heartbeat == Beat::Off
            && case.messages().all(|fields| match self {
                // A message has data with a name and an ID, or only a comment. It cannot have a
                // reconnection time.
                Self::Actix => {
                    fields.retry.is_none() && (fields.data.is_some() != fields.comment.is_some())
                }
                Self::Axum | Self::Warp => true,
            })
    }

    async fn write(self, messages: Vec<Fields>) -> Result<Bytes, Box<dyn Error>> {
        Ok(match self {
            Self::Axum => {
                let events = stream::iter(messages).map_infallible(axum_event);
                let body = axum_sse::Sse::new(events).into_response().into_body();
                body.collect().await?.to_bytes()
            }
            Self::Actix => {
                let events = stream::iter(messages).map_infallible(actix_event);
                actix_web::body::to_bytes(actix::Sse::from_stream(events)).await?
            }
            Self::Warp => {
                let events = stream::iter(messages).map_infallible(warp_event);
                warp::sse::reply(events).into_response().into_body().collect().await?.to_bytes()
            }
        })
    }
}

trait MapInfallible: futures_util::Stream + Sized {
    /// Wraps the items, because all three encoders need streams of `Result`s.
    fn map_infallible<T>(
        self,
        make: fn(Self::Item) -> T,
    ) -> impl futures_util::Stream<Item = Result<T, Infallible>> {
        futures_util::StreamExt::map(self, move |item| Ok(make(item)))
    }
}

impl<S: futures_util::Stream> MapInfallible for S {}

fn axum_event(fields: Fields) -> axum_sse::Event {
    let mut event = axum_sse::Event::default();
    if let Some(text) = fields.comment {
        event = event.comment(text);
    }
    if let Some(name) = fields.event {
        event = event.event(name);
    }
    if let Some(id) = fields.id {
        event = event.id(id);
    }
    if let Some(time) = fields.retry {
        event = event.retry(Duration::from_millis(time));
    }
    if let Some(data) = fields.data {
        event = event.data(data);
    }
    event
}

fn actix_event(fields: Fields) -> actix::Event {
    let Some(text) = fields.data else {
        return actix::Event::Comment(fields.comment.unwrap_or_default().into());
    };
    let mut data = actix::Data::new(text);
    if let Some(name) = fields.event {
        data = data.event(name);
    }
    if let Some(id) = fields.id {
        data = data.id(id);
    }
    data.into()
}

fn warp_event(fields: Fields) -> warp::sse::Event {
    let mut event = warp::sse::Event::default();
    if let Some(text) = fields.comment {
        event = event.comment(text);
    }
    if let Some(name) = fields.event {
        event = event.event(name);
    }
    if let Some(id) = fields.id {
        event = event.id(id);
    }
    if let Some(time) = fields.retry {
        event = event.retry(Duration::from_millis(time));
    }
    if let Some(data) = fields.data {
        event = event.data(data);
    }
    event
}
