//! Messages between the hubs of several nodes: `Hub::send_close_identity`.

use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use volga_sse::{
    Sse,
    hub::{
        Append, Hub, Incoming, KeyChange, MAX_SHARED_IDENTITY, PublishError, Receipt, RelayState,
        SendError, SubscriptionEnd,
    },
};

use super::support::{EPOCH, Node, Script, at, builder, node, ready};

/// The message that a hub appends to close an identity.
fn close_of(identity: &str) -> Append {
    let other = node(0);
    other.script.0.lock().expect("no panic").answers = vec![Ok(Receipt::new(at(1), 2))];
    let sent = other.hub.send_close_identity(identity).now_or_never();
    sent.expect("an answer").expect("sent");
    other.script.0.lock().expect("no panic").appended.pop().expect("appended")
}

fn incoming(append: &Append, number: u64, time: Option<SystemTime>) -> Incoming<'_> {
    Incoming {
        position: at(number),
        after: None,
        at: time,
        topic: append.topic().as_bytes(),
        key: append.key(),
        payload: append.payload(),
    }
}

fn message(number: u64, payload: &[u8]) -> Incoming<'_> {
    let (position, key) = (at(number), KeyChange::None);
    Incoming { position, after: None, at: None, topic: b"t.a", key, payload }
}

#[test]
fn an_identity_is_closed_on_every_node_in_the_order_of_the_log() {
    let close = close_of("anna");
    for topics in ["t.a", "t.*"] {
        let mut node = node(0);
        let open = |identity: &'static str| {
            node.hub.subscribe(topics).resume(at(0)).identity(identity).open().unwrap()
        };
        let (mut anna, mut ben) = (open("anna"), open("ben"));
        let payload = super::support::payload("x");
        node.feed.take([message(1, &payload)]);
        assert_eq!((ready(&mut anna), ready(&mut ben)), (vec![(1, 1)], vec![(1, 1)]));
        // The close comes first, but it waits for the message before it.
        node.feed.take([incoming(&close, 3, None)]);
        assert_eq!(anna.end(), None);
        node.feed.take([message(4, &payload), message(2, &payload)]);
        assert_eq!(ready(&mut anna), [], "nothing that was sent later");
        assert_eq!(anna.end(), Some(SubscriptionEnd::IdentityClosed));
        assert_eq!(ready(&mut ben), [(2, 2), (4, 4)], "no gap");
        assert_eq!((ben.end(), node.hub.stats().unheld), (None, 0));
        // A subscription that begins later stays.
        let later = node.hub.subscribe(topics).identity("anna").open().unwrap();
        node.feed.take([incoming(&close, 3, None)]);
        assert_eq!(later.end(), None);
    }
}

#[test]
fn this_node_closes_at_once_whatever_the_engine_says() {
    let broken = || SendError::NotSent(volga_sse::hub::RelayError::new("no engine"));
    let node = node(0);
    let tab = node.hub.subscribe("t.a").identity("anna").open().unwrap();
    node.script.0.lock().unwrap().answers = vec![Err(broken())];
    let sent = node.hub.send_close_identity("anna").now_or_never().unwrap();
    assert!(matches!(sent, Err(SendError::NotSent(_))), "{sent:?}");
    assert_eq!(tab.end(), Some(SubscriptionEnd::IdentityClosed));

    let long = "x".repeat(MAX_SHARED_IDENTITY + 1);
    let tab = node.hub.subscribe("t.a").identity(&*long).open().unwrap();
    let sent = node.hub.send_close_identity(&long).now_or_never().unwrap();
    let Err(SendError::Refused(PublishError::IdentityTooLong { max })) = sent else {
        panic!("{sent:?}");
    };
    assert_eq!(max, MAX_SHARED_IDENTITY);
    assert_eq!(tab.end(), Some(SubscriptionEnd::IdentityClosed));

    let hub = Hub::new();
    let tab = hub.subscribe("t.a").identity("anna").open().unwrap();
    let receipt = hub.send_close_identity("anna").now_or_never().unwrap().unwrap();
    assert_eq!((receipt.position, receipt.machines), (hub.position(), 1));
    assert_eq!(tab.end(), Some(SubscriptionEnd::IdentityClosed));
}

#[test]
fn what_a_node_does_not_understand_is_no_loss_for_anybody() {
    let mut node = node(0);
    let topic = close_of("anna").topic().to_owned();
    let mut all = node.hub.subscribe(">").resume(at(0)).identity("anna").open().unwrap();
    node.take_foreign(1, topic.as_bytes(), b"\x01\x7fnews");
    node.take_foreign(2, topic.as_bytes(), b"\x07");
    node.put(3);
    assert_eq!(ready(&mut all), [(3, 3)]);
    assert_eq!(node.hub.stats().unheld, 2);
}

#[tokio::test]
async fn a_node_that_may_have_missed_a_close_ends_every_identity() {
    let Node { hub, mut feed, .. } = node(0);
    let open = |identity: Option<&'static str>| {
        let subscribe = hub.subscribe("t.a").resume(at(0));
        match identity {
            Some(identity) => subscribe.identity(identity).open().unwrap(),
            None => subscribe.open().unwrap(),
        }
    };
    let (mut anna, body, mut nobody) = (open(Some("anna")), open(Some("ben")), open(None));
    feed.lost(at(7), None);
    feed.take([]);
    assert_eq!(anna.next().await, None);
    assert_eq!(anna.end(), Some(SubscriptionEnd::MissedClose));
    assert_eq!(ready(&mut nobody), [(0, 7)]);
    let body = Sse::new(body).into_response().into_body();
    let sent = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    assert!(sent.starts_with(b"retry: "), "a farewell: {sent:?}");
    // The client returns with its ID, and is told of the gap.
    assert_eq!(ready(&mut open(Some("anna"))), [(0, 7)]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_reads_its_history_closes_nobody_who_came_later() {
    let close = close_of("anna");
    let now = SystemTime::now();
    for (seconds, is_closed) in [(-1, false), (1, true)] {
        let (hub, mut feed) = builder().build_shared(Script::default());
        feed.begin(EPOCH, None);
        feed.set_clock(now);
        let tab = hub.subscribe("t.a").identity("anna").open().unwrap();
        tokio::time::advance(Duration::from_secs(10)).await;
        let second = Duration::from_secs(1);
        let time = if seconds < 0 { now - second } else { now + second };
        feed.take([incoming(&close, 1, Some(time))]);
        feed.set_state(RelayState::Live);
        assert_eq!(tab.end().is_some(), is_closed);
    }
}
