//! The program and a server with a network between them that cuts, stalls, and passes on single
//! bytes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use volga::{
    App,
    http::sse::{Hub, Message, Resume, Sse},
    sse,
};

use crate::{
    faulty_network::{self, Line},
    program::Program,
};

/// More than one connection passes on, however large its frames.
const MESSAGES: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_printed_once_and_in_order() {
    // On HTTP/2 a client gets a frame when all of it is there, and what is held is sent in large
    // ones.
    check(&["--http2"], 18_000).await;
    check(&[], 4_000).await;
}

/// The first connection is cut after this number of bytes, and each one later than the one before.
async fn check(args: &[&str], cut_after: u64) {
    let hub = Hub::new();
    let texts: Vec<String> = (0..MESSAGES).map(|number| format!("{number:->100}")).collect();
    hub.publish_many("news", texts.iter().map(|text| Message::new().data(text))).expect("room");

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let server = listener.local_addr().expect("a bound socket");
    let mut app = App::new().without_greeter();
    app.map_get("/events", move |Resume(last): Resume| {
        let news = hub.subscribe("news").resume(last).history(MESSAGES).open()?;
        sse!(Sse::new(news).retry(Duration::from_millis(1)))
    });
    let serving = tokio::spawn(app.run_with_listener(listener));
    let connections = Arc::new(AtomicU64::new(0));
    let opened = Arc::clone(&connections);
    let network = faulty_network::start(server, move || {
        let number = opened.fetch_add(1, Ordering::Relaxed);
        // It waits longer after each cut, so there are a few of them and not many.
        let cut_after = cut_after * (number + 1) + number;
        let piece = if number.is_multiple_of(3) { 1 } else { 1_000 };
        Line { cut_after, piece, stall_after: cut_after / 2 }
    })
    .await;

    let (max, url) = (MESSAGES.to_string(), format!("http://{network}/events"));
    let program = Program::start(&[args, &["--max", &max, &url]].concat());
    let ended = tokio::task::spawn_blocking(|| program.end()).await.expect("it ends");
    serving.abort();
    assert_eq!(ended.code, Some(0), "{args:?}: {}", ended.remarks);
    assert_eq!(ended.lines.len(), MESSAGES, "{args:?}");
    assert!(connections.load(Ordering::Relaxed) > 1, "{args:?}: nothing was cut");
    for (line, text) in ended.lines.iter().zip(&texts) {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(event["data"], **text, "{args:?}");
    }
}
