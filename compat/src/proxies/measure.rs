//! Measures how a proxy passes an event stream on, with our own server and client around it.

use std::{fmt, time::Duration};

use tokio::time::{Instant, sleep};
use volga::http::sse::Message;

use super::{
    client::{ClientStream, Protocol, Seen, shown},
    origin::{FAREWELL, OpenStream, Origin},
};
use crate::{
    corpus::{Corpus, END, Event},
    outcome::difference,
};

/// How many events the latency is measured with.
const EVENTS: usize = 8;
/// After so many events that were late, the rest would only take time.
const LATE_EVENTS: usize = 3;
/// How long an event may take before the next one is sent.
const EVENT_WAIT: Duration = Duration::from_millis(700);
/// A median of less than this is "at once". It is far more than a proxy takes on a busy machine,
/// and less than what the settings cost that the guide warns of.
const AT_ONCE: Duration = Duration::from_millis(100);
/// The time between an event's arrival and the next event.
const PACE: Duration = Duration::from_millis(20);
/// How long the server may take to notice that a client has left.
const LEAVE_WAIT: Duration = Duration::from_millis(1_500);
/// With how many events the server tries to notice that a client has left.
const LEAVE_EVENTS: usize = 4;
/// How long anything may take that has to come.
const PATIENCE: Duration = Duration::from_secs(10);
/// IDs as a browser sends them: the last one is UTF-8, and not ASCII.
const IDS: [&str; 3] = ["7", "a:b c", "é🦀"];

/// How events arrive.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Arrival {
    AtOnce,
    /// Each event arrives by itself, but late.
    Late,
    /// Each event arrives together with the next one.
    OneLate,
    /// The events arrive when the stream ends.
    HeldBack,
    /// Events are missing at the end.
    Missing,
    /// A second client gets the stream of the first one.
    Shared,
}

/// When the server notices that a client has left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Leaving {
    AtOnce,
    /// After so many events, which the client did not take.
    AfterEvents(usize),
    NotNoticed,
}

/// How a stream that failed in the app ends at the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    Reported,
    LooksComplete,
    NeverEnds,
}

/// Everything that is measured of one proxy.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub(crate) arrival: Arrival,
    /// The median latency of the events that arrived by themselves. It differs from run to run, so
    /// no table has it.
    pub(crate) median: Option<Duration>,
    /// How many of the corpus' streams arrived as they were sent.
    pub(crate) unaltered: usize,
    pub(crate) leaving: Leaving,
    pub(crate) failure: Failure,
    /// How many of the IDs of returning clients arrived as they were sent.
    pub(crate) ids: usize,
    /// Whether the farewell and the end of a stream pass.
    pub(crate) farewell: bool,
}

/// Measures everything. The app has shut down afterwards.
pub(crate) async fn all(
    origin: &mut Origin,
    port: u16,
    protocol: Protocol,
    corpus: &Corpus,
) -> Result<Measured, String> {
    let mut test = Test { origin, port, protocol, path: "/events" };
    let (arrival, median) = test.arrival().await?;
    Ok(Measured {
        arrival,
        median,
        unaltered: test.unaltered(corpus).await?,
        leaving: test.leaving().await?,
        failure: test.failure().await?,
        ids: test.ids().await?,
        farewell: test.farewell().await?,
    })
}

/// Measures only how events arrive, with our headers or without them.
pub(crate) async fn arrival(
    origin: &mut Origin,
    port: u16,
    protocol: Protocol,
    path: &'static str,
) -> Result<(Arrival, Option<Duration>), String> {
    Test { origin, port, protocol, path }.arrival().await
}

struct Test<'a> {
    origin: &'a mut Origin,
    port: u16,
    protocol: Protocol,
    path: &'static str,
}

impl Test<'_> {
    async fn client(&self, path: &str, id: Option<&str>) -> Result<ClientStream, String> {
        ClientStream::open(self.port, path, self.protocol, id)
            .await
            .map_err(|error| format!("no connection to the proxy: {error}"))
    }

    async fn open(&mut self, id: Option<&str>) -> Result<(ClientStream, OpenStream), String> {
        // A proxy may have repeated a request.
        while self.origin.opened(Duration::ZERO).await.is_some() {}
        let client = self.client(self.path, id).await?;
        let stream = self.origin.opened(PATIENCE).await.ok_or("no request reached the app")?;
        Ok((client, stream))
    }

    /// Sends each event once the one before has arrived, or has not arrived for a while.
    async fn arrival(&mut self) -> Result<(Arrival, Option<Duration>), String> {
        let (mut client, stream) = self.open(None).await?;
        if self.is_shared(&stream).await? {
            return Ok((Arrival::Shared, None));
        }
        let (mut latencies, mut late) = (Vec::new(), 0);
        // The first event was sent to find out whether the stream is shared.
        let (mut arrived, mut sent) = (0, 1);
        while sent < EVENTS && late < LATE_EVENTS {
            sleep(PACE).await;
            let start = Instant::now();
            stream.send(event(sent));
            sent += 1;
            while arrived < sent {
                match client.next(EVENT_WAIT.saturating_sub(start.elapsed())).await {
                    Some(Seen::Event(event)) if event.data == data(arrived) => arrived += 1,
                    None => break,
                    other => return Err(unexpected(&other, arrived)),
                }
            }
            if arrived == sent {
                latencies.push(start.elapsed());
            } else {
                late += 1;
            }
        }
        drop(stream);
        let (rest, end) = client.rest(PATIENCE).await;
        if !matches!(end, Some(Seen::End)) {
            return Err(format!("a stream that ended as it should ends with {}", shown(&end)));
        }
        latencies.sort();
        let median = latencies.get(latencies.len() / 2).copied();
        let arrival = if arrived + rest.len() < sent {
            Arrival::Missing
        } else if late < LATE_EVENTS {
            // One or two of them may be the fault of a busy machine.
            if median.is_some_and(|median| median < AT_ONCE) {
                Arrival::AtOnce
            } else {
                Arrival::Late
            }
        } else if arrived == sent - 1 {
            Arrival::OneLate
        } else {
            Arrival::HeldBack
        };
        Ok((arrival, median))
    }

    /// Sends the first event, and looks whether a second client gets it.
    async fn is_shared(&mut self, first: &OpenStream) -> Result<bool, String> {
        let mut second = self.client(self.path, None).await?;
        let other = self.origin.opened(EVENT_WAIT).await;
        first.send(event(0));
        Ok(other.is_none() && matches!(second.next(EVENT_WAIT).await, Some(Seen::Event(_))))
    }

    /// Reads each stream of the corpus.
    async fn unaltered(&mut self, corpus: &Corpus) -> Result<usize, String> {
        let mut good = 0;
        for (number, case) in corpus.cases.iter().enumerate() {
            let mut client = self.client(&format!("/case/{number}"), None).await?;
            let (mut events, end) = client.rest(PATIENCE).await;
            let is_whole = events.pop().is_some_and(|last| last.event == END);
            let fault = match end {
                Some(Seen::End) if is_whole => difference(&case.expected(), &events),
                end => Some(format!("{} events, then {}", events.len(), shown(&end))),
            };
            match fault {
                None => good += 1,
                Some(fault) => println!("    {}: {fault}", case.name),
            }
        }
        Ok(good)
    }

    async fn leaving(&mut self) -> Result<Leaving, String> {
        let (mut client, mut stream) = self.open(None).await?;
        stream.send(event(0));
        expect_event(&mut client, 0).await?;
        client.leave();
        if stream.is_gone(LEAVE_WAIT).await {
            return Ok(Leaving::AtOnce);
        }
        for number in 1..=LEAVE_EVENTS {
            stream.send(event(number));
            if stream.is_gone(LEAVE_WAIT).await {
                return Ok(Leaving::AfterEvents(number));
            }
        }
        Ok(Leaving::NotNoticed)
    }

    async fn failure(&mut self) -> Result<Failure, String> {
        let (mut client, stream) = self.open(None).await?;
        stream.send(event(0));
        expect_event(&mut client, 0).await?;
        stream.fail();
        match client.rest(PATIENCE).await.1 {
            Some(Seen::Failed(_)) => Ok(Failure::Reported),
            Some(_) => Ok(Failure::LooksComplete),
            None => Ok(Failure::NeverEnds),
        }
    }

    async fn ids(&mut self) -> Result<usize, String> {
        let mut good = 0;
        for id in IDS {
            let (_client, stream) = self.open(Some(id)).await?;
            if stream.last_event_id.as_deref() == Some(id) {
                good += 1;
            } else {
                println!("    Last-Event-ID {id:?} arrives as {:?}", stream.last_event_id);
            }
        }
        Ok(good)
    }

    async fn farewell(&mut self) -> Result<bool, String> {
        let (mut client, stream) = self.open(None).await?;
        stream.send(event(0));
        expect_event(&mut client, 0).await?;
        self.origin.shutdown();
        let (events, end) = client.rest(PATIENCE).await;
        let is_farewell = |event: &Event| event.event == FAREWELL;
        Ok(events.last().is_some_and(is_farewell) && matches!(end, Some(Seen::End)))
    }
}

fn data(number: usize) -> String {
    format!("event {number}")
}

fn event(number: usize) -> Message {
    Message::new().id(number.to_string()).data(data(number))
}

async fn expect_event(client: &mut ClientStream, number: usize) -> Result<(), String> {
    match client.next(PATIENCE).await {
        Some(Seen::Event(event)) if event.data == data(number) => Ok(()),
        other => Err(unexpected(&other, number)),
    }
}

fn unexpected(seen: &Option<Seen>, number: usize) -> String {
    format!("the client sees {} instead of event {number}", shown(seen))
}

/// How many IDs of returning clients are tried.
pub(crate) fn id_count() -> usize {
    IDS.len()
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { arrival, median, unaltered, leaving, failure, ids, farewell } = self;
        write!(
            f,
            "events arrive {arrival}, median {median:.1?}; {unaltered} streams as sent; a client's \
             leaving is noticed {leaving} ({leaving:?}); a failed stream ends {failure}; {ids} IDs as sent; \
             farewell: {farewell}"
        )
    }
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtOnce => "at once",
            Self::Late => "**late**",
            Self::OneLate => "**with the next one**",
            Self::HeldBack => "**at the end**",
            Self::Missing => "**not all**",
            Self::Shared => "**from another client's stream**",
        })
    }
}

impl fmt::Display for Leaving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtOnce => f.write_str("at once"),
            // How many it takes differs from run to run: it depends on when the proxy's kernel
            // learns from the client's that nobody takes the bytes.
            Self::AfterEvents(_) => f.write_str("with a later event"),
            Self::NotNoticed => write!(f, "**not within {LEAVE_EVENTS} events**"),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reported => "as failed",
            Self::LooksComplete => "**as complete**",
            Self::NeverEnds => "**not at all**",
        })
    }
}
