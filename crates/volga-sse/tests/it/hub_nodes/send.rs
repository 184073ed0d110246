//! `Hub::send`.

use std::{future::IntoFuture, time::Duration};

use tokio::time::advance;
use volga_sse::{
    Message,
    hub::{Hub, Incoming, KeyChange, PublishError, Receipt, RelayError, SendError},
};

use super::support::{at, builder, node_of, ready};

#[tokio::test(start_paused = true)]
async fn a_message_is_sent_once_or_the_error_says_what_is_known() {
    let text = || Message::new().data("x");
    let mut node = node_of(builder().keyed("k", 3).unwrap().max_message_bytes(200), 0);
    let refused = |error: SendError| matches!(error, SendError::Refused(_));
    assert!(refused(node.hub.send("a.*", text()).await.unwrap_err()));
    assert!(refused(node.hub.send("a", text().event("")).await.unwrap_err()));
    assert!(refused(node.hub.send("a", text().event("gap")).await.unwrap_err()));
    assert!(refused(node.hub.send("a", text()).key("p").await.unwrap_err()));
    let long = Message::new().data("x".repeat(200));
    assert!(refused(node.hub.send("a", long).await.unwrap_err()));
    assert!(matches!(node.hub.publish("a", text()), Err(PublishError::Shared)));
    assert!(matches!(node.hub.publish_many("a", [text()]), Err(PublishError::Shared)));
    assert!(node.script.0.lock().unwrap().appended.is_empty());

    let mut reader = node.hub.subscribe("k").open().unwrap();
    assert_eq!(ready(&mut reader), []);
    let broken = || RelayError::new("the connection broke");
    for answer in [
        Ok(Receipt::new(at(1), 2)),
        Err(SendError::NotSent(broken())),
        Err(SendError::Unknown(broken())),
    ] {
        node.script.0.lock().unwrap().answers = vec![answer.clone()];
        let sent = node.hub.send("k", text()).key("p").retry_key("order 7").await;
        assert_eq!(format!("{sent:?}"), format!("{answer:?}"));
        let append = node.script.0.lock().unwrap().appended.pop().unwrap();
        assert_eq!((append.topic(), append.retry_key()), ("k", Some("order 7")));
        assert_eq!(append.key(), KeyChange::Set("p"));
        assert_eq!(ready(&mut reader), [], "it is delivered when it comes back");
    }
    // An adapter without an answer.
    assert!(matches!(node.hub.send("a", text()).await, Err(SendError::Unknown(_))));
    let append = node.script.0.lock().unwrap().appended.pop().unwrap();
    let (topic, key, payload) = (append.topic(), append.key(), append.payload());
    let topic = topic.as_bytes();
    node.feed.take([Incoming { position: at(1), after: None, at: None, topic, key, payload }]);
    assert_eq!(node.hub.topic_stats("a").unwrap().published, 1);
    node.hub.close();
    assert!(refused(node.hub.send("a", text()).await.unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn a_retry_key_makes_a_message_single_without_a_relay() {
    let hub = Hub::builder().keyed("k", 1).unwrap().build();
    let send = |key: &'static str| {
        hub.send("k", Message::new().data(key)).key("p").retry_key(key).into_future()
    };
    let first = send("one").await.unwrap();
    assert_eq!((first.position, first.machines), (hub.position(), 1));
    let other = send("two").await.unwrap();
    assert_eq!(send("one").await.unwrap(), first);
    assert_eq!(hub.position(), other.position);
    advance(volga_sse::hub::RETRY_WINDOW + Duration::from_millis(1)).await;
    assert_ne!(send("one").await.unwrap(), first);
    // Without a key, each call publishes.
    let again = hub.send("k", Message::new()).await.unwrap();
    assert_ne!(again, hub.send("k", Message::new()).remove_key("p").await.unwrap());
    assert_eq!(hub.topic_stats("k").unwrap().keys, 0);
}

#[tokio::test]
async fn each_error_of_a_message_that_is_sent_has_its_status() {
    let node = node_of(builder(), 0);
    let broken = || RelayError::new("the connection broke");
    let text = || Message::new().data("x");
    for (answer, status) in
        [(SendError::NotSent(broken()), 503), (SendError::Unknown(broken()), 504)]
    {
        node.script.0.lock().unwrap().answers = vec![Err(answer)];
        assert_eq!(node.hub.send("a", text()).await.unwrap_err().status(), status);
    }
    assert_eq!(node.hub.send("a.*", text()).await.unwrap_err().status(), 400);
    assert_eq!(node.hub.send("a", text()).key("k").await.unwrap_err().status(), 500);
    // The call is a mistake of the program.
    assert_eq!(node.hub.publish("a", text()).unwrap_err().status(), 500);
    let identity = "i".repeat(volga_sse::hub::MAX_SHARED_IDENTITY + 1);
    assert_eq!(node.hub.send_close_identity(&identity).await.unwrap_err().status(), 400);
    node.hub.close();
    assert_eq!(node.hub.send("a", text()).await.unwrap_err().status(), 503);
}
