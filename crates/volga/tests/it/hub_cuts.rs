//! A hub's subscriber over connections that are cut at random bytes, stall, and come byte by byte:
//! it receives what was published, once and in order, or a gap covers the hole.

use std::{net::SocketAddr, num::NonZeroU32};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::Request;
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use volga::{
    App,
    http::sse::{
        Decoder, Delivery, Event, EventStream, GAP_EVENT, Hub, Message, Policy, Position, Resume,
        reconnect::{AttemptEnd, NextStep, ReconnectPolicy, Rejection},
    },
    sse,
};

use super::{
    cutting_proxy::{self, Line},
    support::{run, soon},
};

const TOPICS: [&str; 3] = ["cut.a", "cut.b", "cut.c"];
const MESSAGES: usize = 400;
const SEEDS: u64 = 6;
/// Cuts fall into the preface, the head, an ID or a payload; each round has a few dozen.
const SOON_CUT: u64 = 3_000;
/// A client of HTTP/2 is given a frame when it is whole, so only one that lives longer than a frame
/// gets on.
const LATE_CUT: u64 = 60_000;
/// How much is passed on at a time, down to single bytes.
const PIECES: [usize; 3] = [1, 100, 16_384];
/// Far more than any round needs.
const MAX_CONNECTIONS: usize = 2_000;
/// The event that opens each stream, so that a client has an ID before the first message comes.
const OPENING: &str = "opening";

#[derive(Clone, Copy, Debug)]
enum Protocol {
    Http1,
    Http2,
}

#[tokio::test]
async fn with_a_log_that_is_long_enough_every_message_comes_once_and_in_order() {
    for policy in [Policy::Gap, Policy::Close { max_lag: NonZeroU32::new(10) }] {
        for (seed, protocol) in rounds() {
            let hub = Hub::builder().policy(policy).build();
            let gaps = Round::new(hub, seed, protocol).run().await;
            assert_eq!(gaps, 0, "VOLGA_SEED={seed}, {protocol:?}, {policy:?}");
        }
    }
}

#[tokio::test]
async fn with_a_short_log_a_gap_covers_what_is_missing() {
    let mut gaps = 0;
    for (seed, protocol) in rounds() {
        let hub = Hub::builder().max_messages(4).build();
        gaps += Round::new(hub, seed, protocol).run().await;
    }
    // A single round may be lucky.
    assert!(gaps > 0 || given_seed().is_some(), "no round outran the log: this tests nothing");
}

/// The seed of the environment, which a failure names, or one after another.
fn rounds() -> impl Iterator<Item = (u64, Protocol)> {
    let seeds = given_seed().map_or(0..SEEDS, |seed| seed..seed + 1);
    seeds.flat_map(|seed| [Protocol::Http1, Protocol::Http2].map(|protocol| (seed, protocol)))
}

fn given_seed() -> Option<u64> {
    std::env::var("VOLGA_SEED").ok().map(|seed| seed.parse().expect("a number"))
}

/// A publisher and a client who returns until it has everything. They are one task, so a seed gives
/// the same messages again.
struct Round {
    hub: Hub,
    protocol: Protocol,
    random: Random,
    round: String,
    published: Vec<(Position, String)>,
    /// Where the client said that it is when it came, if it did.
    returned_with: Option<Position>,
    /// How many of the published messages it has passed: `None` until it has an ID to return with.
    passed: Option<usize>,
    /// What the client was told is missing: after the first number, up to and with the second.
    gaps: Vec<(u64, u64)>,
}

impl Round {
    fn new(hub: Hub, seed: u64, protocol: Protocol) -> Self {
        let round = format!("VOLGA_SEED={seed}, {protocol:?}");
        let random = Random(seed);
        let (published, gaps) = (vec![], vec![]);
        Self { hub, protocol, random, round, published, returned_with: None, passed: None, gaps }
    }

    /// The number of gaps that the client was told of.
    async fn run(mut self) -> usize {
        let server = run(|app| map(app, self.hub.clone())).await;
        let mut cuts = Random(self.random.next());
        let lines = move || {
            let end = if cuts.below(3) == 0 { LATE_CUT } else { SOON_CUT };
            let cut_after = 1 + cuts.below(end);
            let piece = PIECES[cuts.below(PIECES.len() as u64) as usize];
            Line { cut_after, piece, stall_after: cuts.below(end) }
        };
        let proxy = cutting_proxy::start(server.address, lines).await;
        let mut reconnect = ReconnectPolicy::new();
        let mut decoder = Decoder::new();
        for _ in 0..MAX_CONNECTIONS {
            self.returned_with = decoder.last_event_id().parse().ok();
            let opened = open(proxy, self.protocol, decoder.last_event_id()).await;
            let ended = match opened {
                Ok(body) => {
                    let mut events = EventStream::with_decoder(body, decoder);
                    // The last read fails where the cut is.
                    while let Some(Ok(event)) = soon(&self.round, events.next()).await {
                        self.take(&event);
                        if self.is_done() {
                            return self.gaps.len();
                        }
                    }
                    decoder = events.into_decoder();
                    AttemptEnd::Finished
                }
                Err(ended) => ended,
            };
            // How long it would wait is not the point; that it would return is.
            let next = reconnect.next_step(ended, self.random.next());
            assert!(matches!(next, NextStep::Return(_)), "{}: {next:?}", self.round);
            let count = self.random.below(40);
            self.publish(count);
        }
        panic!("{}: no end, {:?} of {} passed", self.round, self.passed, self.published.len());
    }

    fn publish(&mut self, count: u64) {
        for _ in 0..count.min((MESSAGES - self.published.len()) as u64) {
            let topic = TOPICS[self.random.below(TOPICS.len() as u64) as usize];
            let filler = "x".repeat(self.random.below(200) as usize);
            let text = format!("{} {filler}\n\nid: forged", self.published.len());
            let position = self.hub.publish(topic, Message::new().data(&text)).unwrap();
            self.published.push((position, text));
        }
    }

    fn take(&mut self, event: &Event) {
        let round = self.round.clone();
        match event.event() {
            OPENING => {
                let at = position(event.id());
                match self.returned_with {
                    Some(last) => assert_eq!(at, last, "{round}"),
                    // What was published before is not for a newcomer.
                    None => {
                        let before = self.published.iter().take_while(|(other, _)| *other <= at);
                        self.passed = Some(before.count());
                    }
                }
            }
            GAP_EVENT => {
                let data: Value = serde_json::from_str(event.data()).unwrap();
                let [after, through] = ["after", "through"]
                    .map(|end| position(data[end].as_str().expect("both ends are known")).number());
                assert!(after < through, "{round}: {event:?}");
                self.gaps.push((after, through));
            }
            _ => {
                let passed = self.passed.expect("the opening comes first");
                let at = position(event.id());
                let index = self.published.iter().position(|(other, _)| *other == at);
                let index = index.unwrap_or_else(|| panic!("{round}: unknown {event:?}"));
                assert!(index >= passed, "{round}: message {index} again, or too late");
                assert_eq!(event.data(), self.published[index].1, "{round}");
                for missing in passed..index {
                    assert!(self.is_told(missing), "{round}: nobody tells of {missing}");
                }
                self.passed = Some(index + 1);
            }
        }
        let is_ahead = self.passed == Some(self.published.len());
        // Whoever has everything waits for more; who is behind gets more behind.
        let count = if is_ahead { 1 + self.random.below(3) } else { self.random.below(3) };
        self.publish(count);
    }

    fn is_told(&self, index: usize) -> bool {
        let number = self.published[index].0.number();
        self.gaps.iter().any(|(after, through)| (after + 1..=*through).contains(&number))
    }

    fn is_done(&self) -> bool {
        self.published.len() == MESSAGES && self.passed == Some(MESSAGES)
    }
}

fn map(app: &mut App, hub: Hub) {
    app.map_get("/events", move |Resume(last): Resume| {
        let subscription = hub.subscribe("cut.*").resume(last).open()?;
        let position = subscription.position().to_string();
        let opening = Message::new().event(OPENING).id(position).data("").encode();
        sse!(stream::iter([opening]).chain(subscription.deliveries().map(Delivery::encode)))
    });
}

fn position(text: &str) -> Position {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is no position"))
}

/// Asks for the stream; where the connection ends before the response, there is none.
async fn open(proxy: SocketAddr, protocol: Protocol, last: &str) -> Result<Incoming, AttemptEnd> {
    // The same host as the URL's: a request whose two differ is malformed.
    let mut request =
        Request::get(format!("http://{proxy}/events")).header("host", proxy.to_string());
    if !last.is_empty() {
        request = request.header("last-event-id", last);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let socket = TokioIo::new(TcpStream::connect(proxy).await.unwrap());
    let asking = async {
        match protocol {
            Protocol::Http1 => {
                let (mut client, connection) = http1::handshake(socket).await?;
                tokio::spawn(connection);
                client.send_request(request).await
            }
            Protocol::Http2 => {
                let (mut client, connection) =
                    http2::handshake(TokioExecutor::new(), socket).await?;
                tokio::spawn(connection);
                client.send_request(request).await
            }
        }
    };
    let response = soon("the response", asking).await.map_err(|_| AttemptEnd::NoResponse)?;
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    match Rejection::of(response.status().as_u16(), kind) {
        Some(refusal) => Err(refusal.into()),
        None => Ok(response.into_body()),
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}
