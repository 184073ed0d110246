//! Clients that wait for their node.

use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Barrier, atomic::Ordering},
    task::{Context, Waker},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::time::advance;
use volga_sse::{
    Position, Sse,
    hub::{Delivery, Hub, RelayState, SubscriptionEnd},
};

use super::support::{EPOCH, HELD, Node, Script, at, builder, node, node_of, ready};
use crate::hub_support::Wakes;

const ROUNDS: usize = 4_096;

#[test]
fn clients_wait_until_a_node_that_starts_has_read_what_the_engine_holds() {
    let script = Script::default();
    let (hub, feed) = builder().build_shared(script.clone());
    let mut node = Node { hub, feed, script };
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _guard = runtime.enter();
    let mut watch = node.hub.watch_relay();
    assert!(!node.hub.is_ready() && watch.state() == RelayState::Starting);
    let mut newcomer = node.hub.subscribe("t.*").open().unwrap();
    let mut back = node.hub.subscribe("t.*").resume(at(1)).open().unwrap();
    for client in [&mut newcomer, &mut back] {
        let poll = pin!(client.next()).poll(&mut Context::from_waker(&waker));
        assert!(poll.is_pending());
    }
    node.feed.begin(EPOCH, None);
    (1..=3).for_each(|number| node.put(number));
    assert_eq!(ready(&mut back), []);
    node.feed.set_state(RelayState::Live);
    assert!(wakes.0.load(Ordering::Relaxed) >= 1);
    assert!(node.hub.is_ready());
    assert_eq!(watch.changed().now_or_never().flatten(), Some(RelayState::Live));
    assert_eq!(ready(&mut back), [(2, 2), (3, 3)]);
    assert_eq!(ready(&mut newcomer), [], "those were there before it came");
    node.put(4);
    assert_eq!(ready(&mut newcomer), [(4, 4)]);
    // A lost engine ends nothing.
    node.feed.set_state(RelayState::Lost);
    assert!(!node.hub.is_ready());
    let mut late = node.hub.subscribe("t.*").resume(at(3)).open().unwrap();
    assert_eq!(ready(&mut late), [(4, 4)]);
    drop(node.feed);
    assert_eq!(node.hub.relay_state(), RelayState::Lost);
    let mut local = Hub::new().watch_relay();
    assert_eq!((local.state(), local.changed().now_or_never()), (RelayState::Live, Some(None)));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_ahead_waits_and_gets_nothing_twice() {
    let mut node = node(0);
    (1..=10).for_each(|number| node.put(number));
    // Further ahead than what the node holds back.
    let last = 11 + 2 * HELD as u64;
    node.script.0.lock().unwrap().tail = Some(at(last + 1));
    node.script.0.lock().unwrap().is_silent = true;
    let subscribe = |id| node.hub.subscribe("t.*").history(9).resume(id).open().unwrap();
    let mut ahead: Vec<_> = (0..3).map(|_| subscribe(at(last))).collect();
    let mut beyond = subscribe(at(last + 2));
    let mut other_epoch = subscribe(Position::new(EPOCH + 1, 4));
    for _ in 0..3 {
        for client in ahead.iter_mut().chain([&mut beyond, &mut other_epoch]) {
            assert_eq!(client.next().now_or_never(), None);
        }
        node.script.0.lock().unwrap().is_silent = false;
    }
    // The first client waited for one answer, and the others together for the next one.
    assert_eq!(node.script.0.lock().unwrap().tail_calls, 2);
    (11..=last + 1).for_each(|number| node.put(number));
    for client in &mut ahead {
        assert_eq!(ready(client), [(last + 1, last + 1)]);
    }
    // No node has sent these.
    for client in [&mut beyond, &mut other_epoch] {
        let Some(Some(Delivery::Gap(gap))) = client.next().now_or_never() else { panic!() };
        assert_eq!(gap.after(), None);
    }
    assert_eq!(node.hub.stats().resumed, 3);
}

#[tokio::test(start_paused = true)]
async fn a_client_does_not_wait_longer_than_the_limit() {
    let limit = Duration::from_secs(3);
    for tail in [None, Some(at(8))] {
        let node = node_of(builder().max_node_wait(limit), 0);
        node.script.0.lock().unwrap().tail = tail;
        let mut client = node.hub.subscribe("t.a").resume(at(7)).open().unwrap();
        assert_eq!(client.next().now_or_never(), None);
        advance(limit - Duration::from_millis(1)).await;
        assert_eq!(client.next().now_or_never(), None);
        advance(Duration::from_millis(2)).await;
        assert_eq!(client.next().now_or_never(), Some(None));
        assert_eq!(client.end(), Some(SubscriptionEnd::NodeBehind));
        // The hub may close meanwhile.
        let mut client = node.hub.subscribe("t.a").resume(at(7)).open().unwrap();
        assert_eq!(client.next().now_or_never(), None);
        node.hub.close();
        assert_eq!(client.next().now_or_never(), Some(None));
    }
    // The client of a stream is told when to return, and keeps its ID.
    let node = node_of(builder().max_node_wait(limit), 0);
    let client = node.hub.subscribe("t.a").resume(at(7)).open().unwrap();
    let body = Sse::new(client).into_response().into_body();
    let sent = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes();
    let sent = String::from_utf8_lossy(&sent);
    assert!(sent.contains("retry: ") && !sent.contains("id: "), "{sent}");
}

/// A node receives the message of a client's ID at any moment of the client's call of `open`.
#[test]
fn a_client_that_comes_together_with_its_message_gets_nothing_twice() {
    for round in 0..ROUNDS {
        let mut node = node(0);
        node.script.0.lock().unwrap().tail = Some(at(1));
        let (hub, together) = (node.hub.clone(), Barrier::new(2));
        let (mut node, mut client) = std::thread::scope(|scope| {
            let together = &together;
            let feed = scope.spawn(move || {
                together.wait();
                (0..round % 512).for_each(|_| std::hint::spin_loop());
                node.put(1);
                node
            });
            together.wait();
            let filters = ["t.*", "u.*", "v.>", "w.*.x"];
            let client = hub.subscribe(filters).resume(at(1)).open().unwrap();
            (feed.join().unwrap(), client)
        });
        node.put(2);
        assert_eq!(ready(&mut client), [(2, 2)], "round {round}");
    }
}
