//! How each kind of reader begins: as a new client, with and without the first ID, and as a client
//! whose ID the hub does not know. Both see the same, in each kind of hub.

use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use http_body::Body;
use proptest::{collection::vec, prelude::*, sample::select};
use volga_sse::{
    Heartbeat, Position, Sse,
    hub::{Hub, HubBuilder, KeyChange, Policy, Subscribe, Subscription},
};

use super::hub_nodes::support::{Node, at, node_of};
use super::hub_support::text;

const TOPICS: [&str; 5] = ["a", "b.1", "b.2", "k.1", "k.2"];
/// Names and patterns, and the topics that they match.
const FILTERS: [(&[&str], &[&str]); 9] = [
    (&["a"], &["a"]),
    (&["a", "b.1"], &["a", "b.1"]),
    (&["b.*"], &["b.1", "b.2"]),
    (&[">"], &TOPICS),
    (&["k.1"], &["k.1"]),
    (&["k.1", "k.2"], &["k.1", "k.2"]),
    (&["k.*"], &["k.1", "k.2"]),
    (&["a", "k.*"], &["a", "k.1", "k.2"]),
    (&["*.1", "new"], &["b.1", "k.1"]),
];

/// A hub in the memory of one process, or one that nodes share.
enum TestHub {
    Local(Hub),
    Shared(Box<Node>),
}

impl TestHub {
    fn new(is_shared: bool) -> Self {
        let builder =
            || -> HubBuilder { Hub::builder().max_messages(3).keyed("k.*", 9).expect("a pattern") };
        match is_shared {
            false => Self::Local(builder().build()),
            true => {
                let node = node_of(builder(), 0);
                node.script.0.lock().expect("no panic").tail = Some(at(0));
                Self::Shared(Box::new(node))
            }
        }
    }

    fn hub(&self) -> &Hub {
        match self {
            Self::Local(hub) => hub,
            Self::Shared(node) => &node.hub,
        }
    }

    fn publish(&mut self, topic: &str, change: KeyChange<'_>) {
        let number = self.hub().position().number() + 1;
        let data = || text(number.to_string());
        match self {
            Self::Shared(node) => {
                node.put_in(at(number), topic, change);
                node.script.0.lock().expect("no panic").tail = Some(at(number));
            }
            Self::Local(hub) => {
                _ = match change {
                    KeyChange::Set(key) => hub.publish_keyed(topic, key, data()),
                    KeyChange::Remove(key) => hub.remove_key(topic, key, data()),
                    _ => hub.publish(topic, data()),
                }
                .expect("published");
            }
        }
    }
}

/// An event as a client gets it.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Received {
    name: String,
    data: String,
    id: Option<String>,
}

/// Reads what is ready, as deliveries or as the bytes of a response.
enum Client {
    Program(Subscription),
    Page(std::pin::Pin<Box<volga_sse::SseBody<Subscription>>>),
}

impl Client {
    fn open(subscribe: Subscribe<'_>, is_page: bool) -> Self {
        let subscription = subscribe.open().expect("open");
        if !is_page {
            return Self::Program(subscription);
        }
        let sse = Sse::new(subscription).without_retry().heartbeat(Heartbeat::off());
        Self::Page(Box::pin(sse.into_response().into_body()))
    }

    /// The events that are ready, and whether the stream has ended. An ID alone is an event without
    /// a name.
    fn read(&mut self) -> (Vec<Received>, bool) {
        let mut bytes = Vec::new();
        let has_ended = loop {
            match self {
                Self::Program(subscription) => match subscription.next().now_or_never() {
                    None => break false,
                    Some(None) => break true,
                    Some(Some(delivery)) => {
                        bytes.extend_from_slice(delivery.encode().expect("valid").as_bytes());
                    }
                },
                Self::Page(body) => {
                    let mut cx = Context::from_waker(Waker::noop());
                    match body.as_mut().poll_frame(&mut cx) {
                        Poll::Pending => break false,
                        Poll::Ready(None) => break true,
                        Poll::Ready(Some(frame)) => {
                            bytes.extend(frame.expect("no error").into_data().expect("data"));
                        }
                    }
                }
            }
        };
        let text = String::from_utf8(bytes).expect("UTF-8");
        let events = text.split_terminator("\n\n").map(|event| {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
            let data = field("data: ");
            let name = if data.is_some() { field("event: ").unwrap_or("message") } else { "" };
            Received {
                name: name.to_owned(),
                data: data.unwrap_or_default().to_owned(),
                id: field("id: ").map(str::to_owned),
            }
        });
        (events.filter(|event| event.id.is_some() || !event.name.is_empty()).collect(), has_ended)
    }
}

/// Texts that are not an ID of the hub.
fn unknown_ids(hub: &Hub) -> Vec<String> {
    let (epoch, last) = (hub.position().epoch(), hub.position().number());
    let other = Hub::new();
    let foreign = other.publish("a", text("x")).expect("published");
    let mut ids = vec![
        foreign.to_string(),
        format!("{epoch:x}-{:x}", last + 1),
        format!("{epoch:x}-{:x}", u64::MAX),
        format!("{epoch:x}-0{last:x}"),
        format!("{epoch:X}-{last:x}:"),
        format!(" {epoch:x}-{last:x}"),
        format!("{epoch:x}-+{last:x}"),
        format!("{epoch:x}-{last:x}-{last:x}"),
        format!("{epoch:x}"),
        format!("{:x}-0", u64::MAX),
        format!("{last}"),
    ];
    ids.extend(["nonsense", "-", "0-1", "null", "\0", "é", "*", "\u{1f600}"].map(str::to_owned));
    ids.push("a".repeat(5_000));
    ids
}

/// A kind of reader.
#[derive(Clone, Debug)]
struct Reader {
    filters: &'static [&'static str],
    topics: &'static [&'static str],
    policy: Policy,
    history: usize,
    oldest: Option<u64>,
    is_page: bool,
}

impl Reader {
    fn subscribe<'a>(&self, hub: &'a Hub) -> Subscribe<'a> {
        let subscribe = hub.subscribe(self.filters).policy(self.policy).history(self.history);
        match self.oldest {
            Some(number) => subscribe.oldest(Position::new(hub.position().epoch(), number)),
            None => subscribe,
        }
    }

    fn has_keyed(&self) -> bool {
        // Each filter that may match a keyed topic matches one of these topics.
        self.topics.iter().any(|topic| topic.starts_with("k."))
    }
}

fn reader() -> impl Strategy<Value = Reader> {
    let policies = vec![Policy::Gap, Policy::close(), Policy::Latest];
    let oldest = proptest::option::of(0..26_u64);
    let history = select(vec![0, 1, 4, 100]);
    (select(FILTERS.to_vec()), select(policies), history, oldest, any::<bool>()).prop_map(
        |((filters, topics), policy, history, oldest, is_page)| {
            let is_plain = |name: &&str| !name.starts_with("k.") && !name.contains(['*', '>']);
            let fits = policy != Policy::Latest || !filters.iter().any(is_plain);
            let policy = if fits { policy } else { Policy::Gap };
            Reader { filters, topics, policy, history, oldest, is_page }
        },
    )
}

fn message() -> impl Strategy<Value = (&'static str, KeyChange<'static>)> {
    let changes =
        [KeyChange::None, KeyChange::Set("p"), KeyChange::Set("q"), KeyChange::Remove("p")];
    (select(TOPICS.to_vec()), select(changes.to_vec())).prop_map(|(topic, change)| {
        (topic, if topic.starts_with("k.") { change } else { KeyChange::None })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn an_unknown_id_gives_each_kind_of_reader_a_gap_and_then_what_a_new_client_gets(
        is_shared in any::<bool>(),
        earlier in vec(message(), 0..24),
        later in vec(message(), 0..12),
        reader in reader(),
        id in any::<prop::sample::Index>(),
        is_closed in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let _guard = runtime.enter();
        let mut test = TestHub::new(is_shared);
        earlier.iter().for_each(|(topic, change)| test.publish(topic, *change));
        let hub = test.hub().clone();
        let last = hub.position();
        let ids = unknown_ids(&hub);
        let id = id.get(&ids).as_str();
        if is_closed {
            hub.close();
        }
        let open = |subscribe| Client::open(subscribe, reader.is_page);
        let mut clients = [
            open(reader.subscribe(&hub).without_first_id()),
            open(reader.subscribe(&hub)),
            open(reader.subscribe(&hub).resume(id)),
            open(reader.subscribe(&hub).resume(id).without_first_id()),
        ];
        let [without_id, new, unknown, unknown_too] = clients.each_mut().map(Client::read);
        prop_assert!([&without_id, &new, &unknown, &unknown_too].iter().all(|read| read.1 == is_closed));
        let [without_id, new, unknown, unknown_too] =
            [without_id, new, unknown, unknown_too].map(|(events, _)| events);

        // A new client for which nothing is there gets an ID alone, unless it does not want one. If
        // it resumes from there, it misses nothing.
        if without_id.is_empty() && !is_closed {
            let [first] = &new[..] else { panic!("{new:?}") };
            let id: Position = first.id.as_deref().expect("an ID").parse().expect("a position");
            prop_assert!(first.name.is_empty() && first.data.is_empty() && id <= last);
            let after = earlier.iter().skip(id.number() as usize);
            prop_assert!(after.clone().all(|(topic, _)| !reader.topics.contains(topic)), "{}", id);
        } else {
            prop_assert_eq!(&new, &without_id);
        }

        // A client with an unknown ID gets a gap before it, and never an ID alone.
        prop_assert_eq!(&unknown, &unknown_too);
        if is_shared && is_closed && unknown.is_empty() {
            // It had to wait for its node. It returns with its ID, and gets the gap then.
            return Ok(());
        }
        let gap = &unknown[0];
        // The history of a new client may have a hole. The gap then covers the hole as well.
        let (holes, events): (Vec<_>, Vec<_>) =
            without_id.iter().partition(|event| event.name == "gap");
        prop_assert!(holes.is_empty() || holes.len() == 1 && reader.topics.len() > 1);
        prop_assert!(unknown[1..].iter().eq(events.iter().copied()), "{} {:?}", id, unknown);
        prop_assert_eq!(&gap.name, "gap");
        let ends: serde_json::Value = serde_json::from_str(&gap.data).expect("JSON");
        prop_assert_eq!(&ends["after"], &serde_json::Value::Null);
        prop_assert_eq!(ends["snapshot"] == true, reader.has_keyed());
        let through: Position = ends["through"].as_str().expect("text").parse().expect("a position");
        let numbers: Vec<u64> = events.iter().map(|event| event.data.parse().unwrap()).collect();
        if let Some(id) = &gap.id {
            prop_assert_eq!(id, &through.to_string());
            prop_assert!(numbers.iter().all(|number| *number > through.number()));
        }
        if let Some(hole) = holes.first() {
            let hole: serde_json::Value = serde_json::from_str(&hole.data).expect("JSON");
            let hole: Position = hole["through"].as_str().expect("text").parse().expect("an ID");
            prop_assert!(hole <= through);
        }
        for (number, (topic, _)) in (1..).zip(&earlier) {
            let is_there = numbers.contains(&number) || number <= through.number();
            prop_assert!(is_there || !reader.topics.contains(topic), "{} is missing", number);
        }

        // Nobody sees what is older than it may be.
        if let Some(oldest) = reader.oldest {
            let oldest = oldest.min(last.number() + 1);
            prop_assert!(numbers.iter().all(|number| *number >= oldest), "{:?}", numbers);
        }

        // From now on, all of them get the same.
        if !is_closed {
            later.iter().for_each(|(topic, change)| test.publish(topic, *change));
            let [first, rest @ ..] = clients.each_mut().map(Client::read);
            prop_assert!(rest.iter().all(|read| *read == first), "{:?} {:?}", first, rest);
        }
    }
}
