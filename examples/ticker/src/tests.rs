//! Tests the service in process, through the test client, with a feed that publishes when the test
//! tells it to.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::{Value, json};
use volga::{HttpBody, http::sse::EventStream, test::TestClient};

use crate::{
    feed::{DEFAULT_RATE, Feed, MAX_RATE},
    walk::SYMBOLS,
};

fn service() -> (TestClient, Arc<Feed>) {
    let hub = crate::hub().unwrap();
    let feed = Feed::new(hub.clone(), 1).unwrap();
    (TestClient::new(crate::app(hub, feed.clone())), feed)
}

async fn next(events: &mut EventStream<HttpBody>) -> (String, u64) {
    let event = events.next().await.expect("the stream goes on").expect("a whole event");
    let data: Value = serde_json::from_str(event.data()).unwrap();
    (data["symbol"].as_str().unwrap().to_owned(), data["number"].as_u64().unwrap())
}

/// The newest number of each symbol, once these numbers account for all published updates.
async fn newest(events: &mut EventStream<HttpBody>, published: u64) -> BTreeMap<String, u64> {
    let mut newest = BTreeMap::new();
    while newest.values().sum::<u64>() < published {
        let (symbol, number) = next(events).await;
        let before = newest.insert(symbol, number);
        assert!(before.is_none_or(|before| before < number), "{before:?}, then {number}");
    }
    newest
}

#[tokio::test]
async fn a_newcomer_gets_the_newest_price_of_each_symbol_and_then_all_updates() {
    let (client, feed) = service();
    feed.publish_due(Duration::from_secs(1)).unwrap();
    let published = feed.rate().published;
    assert_eq!(published, u64::from(DEFAULT_RATE) + 8);

    let mut events = client.get("/events").send().await.events();
    let mut snapshot = BTreeMap::new();
    for _ in SYMBOLS {
        snapshot.extend([next(&mut events).await]);
    }
    assert_eq!(snapshot.len(), SYMBOLS.len(), "each symbol once");
    assert_eq!(snapshot.values().sum::<u64>(), published);

    feed.publish_due(Duration::from_micros(500)).unwrap();
    let (symbol, number) = next(&mut events).await;
    assert_eq!(number, snapshot[&symbol] + 1);
}

#[tokio::test]
async fn a_slow_reader_gets_the_newest_prices_and_no_backlog() {
    let (client, feed) = service();
    let mut events = client.get("/events").send().await.events();
    newest(&mut events, 8).await;
    for _ in 0..5 {
        feed.publish_due(Duration::from_secs(1)).unwrap();
    }
    for _ in SYMBOLS {
        next(&mut events).await;
    }
    feed.publish_due(Duration::from_micros(500)).unwrap();
    let mut again = client.get("/events").send().await.events();
    let (_, last) = next(&mut events).await;
    let newest = newest(&mut again, feed.rate().published).await;
    assert!(
        newest.values().any(|number| *number == last),
        "the ninth event is the newest there is"
    );
}

#[tokio::test]
async fn the_rate_can_be_set_up_to_its_limit() {
    let (client, feed) = service();
    let put = |rate: u32| client.put("/rate").json(&json!({ "per_second": rate })).send();
    put(MAX_RATE + 1).await.assert_status(422);
    assert_eq!(client.get("/rate").send().await.json::<Value>().await["per_second"], DEFAULT_RATE);

    let answer: Value = put(0).await.json().await;
    assert_eq!(answer, json!({ "per_second": 0, "published": 8 }));
    feed.publish_due(Duration::from_secs(1)).unwrap();
    assert_eq!(feed.rate().published, 8, "at zero there is nothing more");

    put(100).await.assert_status(200);
    for _ in 0..4 {
        feed.publish_due(Duration::from_millis(5)).unwrap();
    }
    assert_eq!(feed.rate().published, 10, "halves add up");
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let (client, _) = service();
    let page = client.get("/").send().await.text().await;
    let files = page.split(['"']).filter(|part| part.ends_with(".js") || part.ends_with(".css"));
    let mut count = 0;
    for file in files {
        client.get(file).send().await.assert_status(200);
        count += 1;
    }
    assert_eq!(count, 4);
    assert!(!page.contains("://"), "no other origin");
}
