//! Old messages are dropped, even if all readers of the hub are WebSockets.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};
use volga_sse::Message;
use volga_sse::hub::{DEFAULT_MAX_AGE, Hub, Policy, SubscriptionEnd};
use volga_ws::{WebSocket, WebSocketSettings, forward};

use crate::support::{Client, PING, PONG, TEXT, start, whole};

/// Responds to pings until this time. A client that `chats` gets no pings.
async fn read_until(client: &mut Client, end: Instant, chats: bool) {
    let pause = Duration::from_secs(if chats { 10 } else { 3600 });
    while Instant::now() < end {
        match timeout_at(end.min(Instant::now() + pause), client.frame()).await {
            Ok((PING, _)) => client.send(&whole(PONG, b"")).await,
            Ok((TEXT, _)) => {}
            Ok(other) => panic!("{other:?}"),
            Err(_) if chats => client.send(&whole(TEXT, b"x")).await,
            Err(_) => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_old_goes_by_time_if_all_readers_are_websockets() {
    for is_split in [false, true] {
        for chats in [false, true] {
            let hub = Hub::new();
            let quiet = hub.subscribe("quiet").open().unwrap();
            let mut client =
                start(WebSocketSettings::new(), 64 * 1024, async move |socket: WebSocket| {
                    let (mut sink, mut stream) = socket.split();
                    let mut quiet = quiet;
                    if is_split {
                        tokio::spawn(async move { forward(&mut sink, &mut quiet).await });
                        while stream.next().await.is_some() {}
                    } else {
                        forward(&mut sink, &mut quiet).await;
                    }
                });
            // Nobody polls this reader any more. It says when the hub drops the message that it has
            // not read, and asking it drops nothing.
            let mut witness = hub.subscribe("burst").policy(Policy::close()).open().unwrap();
            while witness.next().now_or_never().is_some() {}
            hub.publish("burst", Message::new().data("x")).unwrap();
            let begin = Instant::now();
            read_until(&mut client, begin + DEFAULT_MAX_AGE - Duration::from_secs(1), chats).await;
            assert_eq!(witness.end(), None, "{is_split} {chats}");
            // A log is looked at a quarter of the age later at the latest.
            let late = DEFAULT_MAX_AGE + DEFAULT_MAX_AGE / 4 + Duration::from_secs(120);
            read_until(&mut client, begin + late, chats).await;
            assert_eq!(witness.end(), Some(SubscriptionEnd::TooSlow), "{is_split} {chats}");
        }
    }
}
