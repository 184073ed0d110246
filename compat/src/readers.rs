//! Clients that read the corpus. Crates run in this process, and the others are programs that
//! request the streams from the server.

use std::{convert::Infallible, error::Error};

use bytes::Bytes;
use eventsource_stream::Eventsource;
use futures_util::{StreamExt, stream};
use sse_stream::SseByteStream;
use volga_sse::Decoder;

use crate::{
    corpus::{Case, Corpus, END, Event},
    outcome::{CaseResult, Kind, Outcome, difference},
    page::locked_version,
    program::{Programs, Received, Runtime},
    server::Server,
};

pub(crate) struct Reader {
    pub(crate) name: &'static str,
    kind: ReaderKind,
}

enum ReaderKind {
    Ours,
    Crate(CrateName),
    Program(Runtime, &'static str),
}

#[derive(Clone, Copy)]
enum CrateName {
    EventsourceStream,
    SseStream,
}

pub(crate) const ALL: &[Reader] = &[
    Reader { name: "volga-sse", kind: ReaderKind::Ours },
    Reader {
        name: "Chromium, EventSource",
        kind: ReaderKind::Program(Runtime::Chromium, "chromium.mjs"),
    },
    Reader {
        name: "eventsource (npm)",
        kind: ReaderKind::Program(Runtime::Node, "eventsource.mjs"),
    },
    Reader {
        name: "eventsource-parser (npm)",
        kind: ReaderKind::Program(Runtime::Node, "eventsource-parser.mjs"),
    },
    Reader {
        name: "launchdarkly-eventsource (npm)",
        kind: ReaderKind::Program(Runtime::Node, "launchdarkly-eventsource.mjs"),
    },
    Reader {
        name: "@microsoft/fetch-event-source (npm)",
        kind: ReaderKind::Program(Runtime::Chromium, "fetch-event-source.mjs"),
    },
    Reader {
        name: "httpx-sse (PyPI)",
        kind: ReaderKind::Program(Runtime::Python, "httpx_sse_reader.py"),
    },
    Reader {
        name: "sseclient-py (PyPI)",
        kind: ReaderKind::Program(Runtime::Python, "sseclient_py_reader.py"),
    },
    Reader {
        name: "sseclient (PyPI)",
        kind: ReaderKind::Program(Runtime::Python, "sseclient_reader.py"),
    },
    Reader {
        name: "aiohttp-sse-client (PyPI)",
        kind: ReaderKind::Program(Runtime::Python, "aiohttp_sse_client_reader.py"),
    },
    Reader {
        name: "launchdarkly-eventsource (PyPI)",
        kind: ReaderKind::Program(Runtime::Python, "launchdarkly_eventsource_reader.py"),
    },
    Reader {
        name: "eventsource-stream (cargo)",
        kind: ReaderKind::Crate(CrateName::EventsourceStream),
    },
    Reader { name: "sse-stream (cargo)", kind: ReaderKind::Crate(CrateName::SseStream) },
];

impl Reader {
    /// Lets the client read every case. Returns `None` if a program is missing.
    pub(crate) async fn run(
        &self,
        corpus: &Corpus,
        server: &Server,
        programs: &Programs,
    ) -> Result<Option<Outcome>, Box<dyn Error>> {
        let (version, results) = match self.kind {
            ReaderKind::Ours => (String::new(), in_process(corpus, ours).await?),
            ReaderKind::Crate(name @ CrateName::EventsourceStream) => {
                (name.version(), in_process(corpus, eventsource_stream).await?)
            }
            ReaderKind::Crate(name @ CrateName::SseStream) => {
                (name.version(), in_process(corpus, sse_stream).await?)
            }
            ReaderKind::Program(runtime, script) => {
                let Some(mut output) =
                    programs.run::<Vec<Event>>(runtime, script, &[&server.url]).await?
                else {
                    return Ok(None);
                };
                let results = corpus.cases.iter().map(|case| {
                    let ways = [case.name.clone(), cut_name(&case.name)];
                    let received = ways.iter().filter_map(|way| output.cases.remove(way)).collect();
                    result(case, received)
                });
                (output.version, results.collect())
            }
        };
        Ok(Some(Outcome { kind: Kind::Reader, name: self.name, version, results }))
    }
}

impl CrateName {
    fn version(self) -> String {
        locked_version(match self {
            Self::EventsourceStream => "eventsource-stream",
            Self::SseStream => "sse-stream",
        })
    }
}

/// The name of a case that is sent byte by byte.
pub(crate) fn cut_name(name: &str) -> String {
    format!("{name}, byte by byte")
}

/// Joins the results of the ways in which the case was sent.
fn result(case: &Case, received: Vec<Received<Vec<Event>>>) -> CaseResult {
    let ways = if case.is_cut() { 2 } else { 1 };
    let expected = case.expected();
    let mut departure = None;
    if received.len() != ways {
        departure = Some(format!("read {} of {ways} streams", received.len()));
    }
    for (received, way) in received.into_iter().zip(["", " (sent byte by byte)"]) {
        let difference = match received {
            Received::Failed { error } => Some(error),
            Received::Read(events) => difference(&expected, &events),
        };
        departure = departure.or_else(|| difference.map(|text| format!("{text}{way}")));
    }
    CaseResult { case: case.name.clone(), departure }
}

/// Lets a function read each case in chunks.
async fn in_process<Read>(corpus: &Corpus, read: Read) -> Result<Vec<CaseResult>, Box<dyn Error>>
where
    Read: AsyncFn(Vec<Bytes>) -> Result<Vec<Event>, String>,
{
    let mut results = Vec::new();
    for case in corpus.cases.iter() {
        let bytes = case.bytes().await.map_err(|error| error.to_string())?;
        let mut ways = vec![vec![bytes.clone()]];
        if case.is_cut() {
            ways.push((0..bytes.len()).map(|at| bytes.slice(at..=at)).collect());
        }
        let mut received = Vec::new();
        for chunks in ways {
            received.push(match read(chunks).await {
                Ok(mut events) => {
                    // The last event is not part of the case.
                    let end = events.pop();
                    match end.filter(|end| end.event == END) {
                        Some(_) => Received::Read(events),
                        None => Received::Failed { error: "it lost the last event".to_owned() },
                    }
                }
                Err(error) => Received::Failed { error },
            });
        }
        results.push(result(case, received));
    }
    Ok(results)
}

async fn ours(chunks: Vec<Bytes>) -> Result<Vec<Event>, String> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for chunk in chunks {
        events.extend(decoder.feed(&chunk).map_err(|error| error.to_string())?);
    }
    Ok(events.into_iter().map(from_ours).collect())
}

/// Converts an event of our decoder.
pub(crate) fn from_ours(event: volga_sse::Event) -> Event {
    Event { event: event.event().into(), data: event.data().into(), id: event.id().into() }
}

async fn eventsource_stream(chunks: Vec<Bytes>) -> Result<Vec<Event>, String> {
    let mut stream = stream::iter(chunks.into_iter().map(Ok::<_, std::io::Error>)).eventsource();
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        let event = event.map_err(|error| error.to_string())?;
        events.push(Event { event: event.event, data: event.data, id: event.id });
    }
    Ok(events)
}

async fn sse_stream(chunks: Vec<Bytes>) -> Result<Vec<Event>, String> {
    let mut stream = SseByteStream::new(stream::iter(chunks.into_iter().map(Ok::<_, Infallible>)));
    let mut events = Vec::new();
    while let Some(block) = stream.next().await {
        let block = block.map_err(|error| error.to_string())?;
        // The crate returns blocks, as its documentation says. A block without data is not an
        // event, and the caller has to check that.
        let Some(data) = block.data else { continue };
        events.push(Event {
            event: block.event.unwrap_or_else(|| "message".to_owned()),
            data,
            id: block.id.unwrap_or_default(),
        });
    }
    Ok(events)
}
