//! What becomes of the clients of a hub that closes, as an `EventSource` and as other programs see
//! it.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::FutureExt;
use http::StatusCode;
use http_body_util::BodyExt;
use volga_sse::{
    Decoder, Message, RefusalResponse, Sse,
    hub::{Delivery, Hub, HubBuilder, Policy, PublishError, SubscribeError, SubscriptionEnd},
    reconnect::{AttemptEnd, NextStep, ReconnectPolicy, Rejection},
};

fn text(text: &str) -> Message {
    Message::new().data(text)
}

/// The names and patterns of a client, the topic of the messages, and the policy.
type Kind = (&'static [&'static str], &'static str, Policy);

const KINDS: [Kind; 9] = [
    (&["news"], "news", Policy::Gap),
    (&["news"], "news", Policy::close()),
    (&["news", "more"], "news", Policy::Gap),
    (&["*"], "news", Policy::Gap),
    (&["more", ">"], "news", Policy::close()),
    (&["k.news"], "k.news", Policy::Gap),
    (&["k.news"], "k.news", Policy::Latest),
    (&["k.*"], "k.news", Policy::Latest),
    (&["news", ">"], "k.news", Policy::Gap),
];

fn builder() -> HubBuilder {
    Hub::builder().keyed("k.*", 9).expect("a pattern")
}

fn publish(hub: &Hub, topic: &str, data: &str) {
    let result = match topic.starts_with("k.") {
        true => hub.publish_keyed(topic, "key", text(data)),
        false => hub.publish(topic, text(data)),
    };
    result.expect("published");
}

#[tokio::test]
async fn a_closed_hub_still_signs_an_identity_out() {
    let hub = Hub::new();
    let open = || hub.subscribe("news").identity("anna").open().expect("open");
    let mut anna = open();
    for _ in 0..2 {
        publish_if_open(&hub);
        hub.close();
        let receipt = hub.send_close_identity("anna").await.expect("signed out");
        assert_eq!((receipt.machines, receipt.position), (1, hub.position()));
        assert_eq!(anna.end(), Some(SubscriptionEnd::IdentityClosed));
        assert_eq!(anna.next().await, None, "nothing is delivered any more");
        anna = open();
    }
}

fn publish_if_open(hub: &Hub) {
    let _ = hub.publish("news", text("x"));
}

/// What a handler responds to a client with this last event ID: the status, the content type, and
/// the body as far as it is ready.
fn respond(
    hub: &Hub,
    (filters, _, policy): Kind,
    last_event_id: &str,
) -> (u16, Option<&'static str>, Vec<u8>, bool) {
    let subscription = match hub.subscribe(filters).policy(policy).resume(last_event_id).open() {
        Ok(subscription) => subscription,
        Err(error) => return (error.status().as_u16(), None, Vec::new(), true),
    };
    let mut body = std::pin::pin!(Sse::new(subscription).into_response().into_body());
    let mut bytes = Vec::new();
    let has_ended = loop {
        match body.frame().now_or_never() {
            None => break false,
            Some(None) => break true,
            Some(Some(frame)) => bytes.extend(frame.expect("no error").into_data().expect("data")),
        }
    };
    (200, Some("text/event-stream"), bytes, has_ended)
}

/// An `EventSource` as the HTML standard has it.
struct EventSource {
    kind: Kind,
    policy: ReconnectPolicy,
    last_event_id: String,
    received: Vec<String>,
    is_open: bool,
    times: Vec<Duration>,
}

impl EventSource {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            policy: ReconnectPolicy::new(),
            last_event_id: String::new(),
            received: Vec::new(),
            is_open: true,
            times: Vec::new(),
        }
    }

    /// Sends one request, and reads what there is. If the stream has not ended, it is cut.
    fn connect(&mut self, hub: &Hub) {
        if !self.is_open {
            return;
        }
        let (status, content_type, body, has_ended) = respond(hub, self.kind, &self.last_event_id);
        let end = match Rejection::of(status, content_type) {
            Some(rejection) => rejection.into(),
            None => {
                let mut decoder = Decoder::new().with_last_event_id(&self.last_event_id);
                for event in decoder.feed(&body).expect("within limits") {
                    self.received.push(format!("{}:{}", event.event(), event.data()));
                }
                decoder.last_event_id().clone_into(&mut self.last_event_id);
                if let Some(time) = decoder.retry() {
                    self.policy.set_time(time);
                }
                match has_ended {
                    true => AttemptEnd::Finished,
                    false => AttemptEnd::Broken { open_for: Duration::from_secs(3_600) },
                }
            }
        };
        match self.policy.next_step(end, 0) {
            NextStep::Return(time) => self.times.push(time),
            NextStep::Stop(_) => self.is_open = false,
        }
    }
}

fn closed_hub(builder: HubBuilder, kind: Kind) -> (Hub, EventSource) {
    let hub = builder.build();
    let mut client = EventSource::new(kind);
    publish(&hub, kind.1, "before");
    client.connect(&hub);
    publish(&hub, kind.1, "missed");
    hub.close();
    (hub, client)
}

#[tokio::test]
async fn a_client_survives_the_close_and_finds_the_next_hub() {
    for kind in KINDS {
        let topic = kind.1;
        let (hub, mut client) = closed_hub(builder(), kind);
        for _ in 0..5 {
            client.connect(&hub);
            assert!(client.is_open);
        }
        // It gets once what it missed, although the hub is closed. A keyed topic began with its
        // value.
        let is_keyed = topic.starts_with("k.");
        let expect = ["message:before", "message:missed"];
        assert_eq!(client.received, expect[usize::from(!is_keyed)..], "{kind:?}");

        let next = builder().build();
        publish(&next, topic, "a value, or not for those who are new");
        client.received.clear();
        client.connect(&next);
        let gap = &client.received[0];
        assert!(gap.starts_with("gap:{\"after\":null"), "{:?}", client.received);
        assert_eq!(client.received.len(), if is_keyed { 2 } else { 1 }, "{kind:?}");
        publish(&next, topic, "after");
        client.received.clear();
        client.connect(&next);
        assert_eq!(client.received, ["message:after"], "{kind:?}");
    }
}

#[tokio::test]
async fn clients_of_a_closed_hub_do_not_return_at_the_same_time() {
    let (hub, _) = closed_hub(builder(), KINDS[0]);
    let times: HashSet<Duration> = (0..100)
        .map(|_| {
            let mut client = EventSource::new(KINDS[0]);
            client.connect(&hub);
            client.times[0]
        })
        .collect();
    assert!(times.len() > 50, "{times:?}");
}

#[tokio::test]
async fn a_client_is_told_to_stop_if_the_application_says_so() {
    for (response, status) in [
        (RefusalResponse::NoContent, StatusCode::NO_CONTENT),
        (RefusalResponse::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
    ] {
        for kind in KINDS {
            let (hub, mut client) = closed_hub(builder().closed_response(response), kind);
            client.connect(&hub);
            assert!(!client.is_open);
            let error = hub.subscribe(kind.0).policy(kind.2).open().expect_err("closed");
            assert_eq!(error, SubscribeError::Closed { refusal: response });
            assert_eq!(error.status(), status);
        }
    }
}

#[tokio::test]
async fn those_who_are_there_get_everything_and_a_farewell_whatever_comes_later() {
    for response in
        [RefusalResponse::RetryLater, RefusalResponse::NoContent, RefusalResponse::Unavailable]
    {
        let hub = Hub::builder().closed_response(response).build();
        let subscription = hub.subscribe("news").open().expect("open");
        let mut program = hub.subscribe("*").open().expect("open");
        hub.publish("news", text("last")).expect("published");
        hub.close();
        assert!(matches!(hub.publish("news", text("late")), Err(PublishError::Closed)));
        let body = Sse::new(subscription).into_response().into_body();
        let wire = body.collect().now_or_never().expect("ready").expect("a proper end");
        let wire = String::from_utf8(wire.to_bytes().to_vec()).expect("text");
        assert_eq!((wire.matches("data: last").count(), wire.matches("retry: ").count()), (1, 2));
        let next = program.next().now_or_never().expect("ready");
        assert!(matches!(next, Some(Delivery::Message(_))));
        assert_eq!(program.next().now_or_never(), Some(None));
        assert_eq!(program.end(), Some(SubscriptionEnd::HubClosed));
    }
}

#[tokio::test]
async fn a_program_that_subscribes_to_a_closed_hub_sees_the_end_at_once() {
    let (hub, _) = closed_hub(builder(), KINDS[0]);
    for topics in ["news", "new", ">"] {
        let mut subscription = hub.subscribe(topics).history(1).open().expect("open");
        if topics != "new" {
            let next = subscription.next().now_or_never().expect("ready");
            assert!(matches!(next, Some(Delivery::Message(_))));
        }
        assert_eq!(subscription.next().now_or_never(), Some(None));
        assert_eq!(subscription.end(), Some(SubscriptionEnd::HubClosed));
    }
    assert_eq!(hub.topics(), ["news".into()]);
}

/// The data of an event stream's messages.
fn data(wire: &[u8]) -> Vec<String> {
    let wire = std::str::from_utf8(wire).expect("UTF-8");
    wire.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_kind_of_reader_gets_everything_that_is_ready_when_the_hub_closes() {
    const TOPICS: [&str; 4] = ["a", "b.1", "b.2", "k"];
    const READERS: [(&[&str], &[&str]); 6] = [
        (&["a"], &["a"]),
        (&["k"], &["k"]),
        (&["a", "b.1"], &["a", "b.1"]),
        (&[">"], &TOPICS),
        (&["k", "b.*"], &["b.1", "b.2", "k"]),
        (&["a", "b.1", "b.2", "k", "c", "d.*"], &TOPICS),
    ];
    for (filters, reads) in READERS {
        for policy in [Policy::Gap, Policy::close(), Policy::Latest] {
            for count in [0, 1, 24, 127, 128, 255, 1_000, 3_000] {
                let hub = Hub::builder().max_messages(3_000).max_bytes(usize::MAX);
                let hub = hub.keyed("k", 3_000).expect("a name").build();
                let open = || hub.subscribe(filters).policy(policy).without_first_id().open();
                let (Ok(mut reader), Ok(of_body)) = (open(), open()) else {
                    assert_eq!(policy, Policy::Latest, "one of the topics has no keys");
                    continue;
                };
                // Both have caught up, and one of them has returned.
                assert!(reader.next().now_or_never().is_none());
                let mut body = std::pin::pin!(Sse::new(of_body).into_response().into_body());
                assert!(body.frame().now_or_never().is_some(), "the opening");
                assert!(body.frame().now_or_never().is_none());
                let start = hub.position();
                let mut expect = Vec::new();
                for number in 0..count {
                    let (topic, number) = (TOPICS[number % 4], number.to_string());
                    match topic {
                        "k" => hub.publish_keyed("k", &number, text(&number)),
                        _ => hub.publish(topic, text(&number)),
                    }
                    .expect("published");
                    if reads.contains(&topic) {
                        expect.push(number);
                    }
                }
                let mut resumed = hub.subscribe(filters).resume(start).open().expect("open");
                hub.close();

                let case = format!("{filters:?}, {policy:?}, {count}");
                for reader in [&mut reader, &mut resumed] {
                    let mut received = Vec::new();
                    while let Some(delivery) = reader.next().now_or_never().expect("no wait") {
                        received.extend(data(delivery.encode().expect("valid").as_bytes()));
                    }
                    assert_eq!(received, expect, "{case}");
                    assert_eq!(reader.end(), Some(SubscriptionEnd::HubClosed), "{case}");
                }
                let mut wire = Vec::new();
                while let Some(frame) = body.frame().now_or_never().expect("no wait") {
                    wire.extend(frame.expect("no error").into_data().expect("data"));
                }
                assert_eq!(data(&wire), expect, "{case}");
                let last = wire.rsplit(|byte| *byte == b'\n').find(|line| !line.is_empty());
                assert!(
                    last.is_some_and(|line| line.starts_with(b"retry: ")),
                    "{case}: a farewell"
                );
            }
        }
    }
}
