//! The streams that are sent, and the events that have to arrive.

use std::{error::Error, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use volga_sse::{Heartbeat, Message, Sse};

/// The event that ends each stream. It tells a client that would reconnect that it need not.
pub(crate) const END: &str = "end-of-case";

/// The interval of heartbeats, in streams that have them.
const HEARTBEAT: Duration = Duration::from_millis(20);
/// A silence in which a heartbeat is sent.
const PAUSE: Duration = Duration::from_millis(70);
/// Streams with more data than this are not sent byte by byte.
const MAX_CUT: usize = 4 * 1024;

/// All cases.
#[derive(Clone)]
pub(crate) struct Corpus {
    pub(crate) cases: Arc<[Case]>,
}

/// One stream of the corpus.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// The special feature of the stream, as the guide's table names it.
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) heartbeat: Beat,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Beat {
    #[default]
    Off,
    OneLine,
    TwoLines,
}

/// A message, or a silence before the next one.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum Step {
    Pause(Pause),
    Message(Fields),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Pause {
    Pause,
}

/// The fields of a message as the application gives them.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fields {
    pub(crate) event: Option<String>,
    pub(crate) data: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) retry: Option<u64>,
    pub(crate) comment: Option<String>,
    /// How often `data` is repeated in the data of the message.
    data_times: Option<usize>,
    /// How often the message is sent.
    times: Option<usize>,
}

/// An event as a client receives it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Event {
    pub(crate) event: String,
    pub(crate) data: String,
    pub(crate) id: String,
}

impl Corpus {
    pub(crate) fn read() -> Result<Self, Box<dyn Error>> {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../corpus.json"))?;
        Ok(Self { cases: cases.into() })
    }
}

impl Case {
    /// The events that arrive according to the standard. They are computed from the fields and not
    /// from the bytes.
    pub(crate) fn expected(&self) -> Vec<Event> {
        let mut id = String::new();
        let mut events = Vec::new();
        for fields in self.messages() {
            if let Some(own) = &fields.id {
                id.clone_from(own);
            }
            if let Some(data) = &fields.data {
                events.push(Event {
                    event: fields.event.unwrap_or_else(|| "message".to_owned()),
                    data: data.replace("\r\n", "\n").replace('\r', "\n"),
                    id: id.clone(),
                });
            }
        }
        events
    }

    /// The messages, without the silences between them and without the last event.
    pub(crate) fn messages(&self) -> impl Iterator<Item = Fields> {
        self.steps.iter().filter_map(Step::message).flat_map(Fields::repeated)
    }

    /// The event stream as the server sends it, with heartbeats and its opening.
    pub(crate) fn sse(&self) -> Sse<impl Stream<Item = Message> + Send + 'static> {
        let mut steps: Vec<Option<Message>> = Vec::new();
        for step in &self.steps {
            match step {
                Step::Pause(_) => steps.push(None),
                Step::Message(fields) => {
                    steps.extend(fields.repeated().map(|fields| Some(fields.message())));
                }
            }
        }
        steps.push(Some(Message::new().event(END).data("")));
        let messages = stream::iter(steps).filter_map(async |step| {
            if step.is_none() {
                tokio::time::sleep(PAUSE).await;
            }
            step
        });
        Sse::new(messages).heartbeat(self.heartbeat.setting())
    }

    /// All bytes of the stream.
    pub(crate) async fn bytes(&self) -> Result<Bytes, volga_sse::BoxError> {
        Ok(self.sse().into_response().into_body().collect().await?.to_bytes())
    }

    /// Whether the stream is also sent byte by byte.
    pub(crate) fn is_cut(&self) -> bool {
        self.messages().filter_map(|fields| fields.data).map(|data| data.len()).sum::<usize>()
            < MAX_CUT
    }

    /// The event names of the stream other than `message`.
    pub(crate) fn event_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.messages().filter_map(|fields| fields.event).collect();
        names.sort();
        names.dedup();
        names
    }
}

impl Beat {
    pub(crate) fn setting(self) -> Heartbeat {
        match self {
            Self::Off => Heartbeat::off(),
            Self::OneLine => Heartbeat::every(HEARTBEAT),
            Self::TwoLines => Heartbeat::every(HEARTBEAT).blank_line(),
        }
    }
}

impl Step {
    fn message(&self) -> Option<&Fields> {
        match self {
            Self::Pause(_) => None,
            Self::Message(fields) => Some(fields),
        }
    }
}

impl Fields {
    fn repeated(&self) -> impl Iterator<Item = Self> + use<> {
        let mut fields = self.clone();
        fields.data = fields.data.map(|data| data.repeat(self.data_times.unwrap_or(1)));
        std::iter::repeat_n(fields, self.times.unwrap_or(1))
    }

    fn message(&self) -> Message {
        let mut message = Message::new();
        if let Some(text) = &self.comment {
            message = message.comment(text);
        }
        if let Some(name) = &self.event {
            message = message.event(name);
        }
        if let Some(id) = &self.id {
            message = message.id(id);
        }
        if let Some(time) = self.retry {
            message = message.retry(Duration::from_millis(time));
        }
        if let Some(data) = &self.data {
            message = message.data(data);
        }
        message
    }
}
