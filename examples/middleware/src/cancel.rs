//! Cancellation: handlers that stop when the client leaves, and one that finishes even so.

use std::time::Duration;
use tokio::time::sleep;
use volga::{App, CancellationToken, detached, http::sse::Message, ok, sse_stream};

pub(crate) fn map(app: &mut App) {
    // When the client leaves, the block is dropped at its current `await`. The token tells other
    // tasks.
    app.map_get("/ticks", async |token: CancellationToken| {
        token.on_cancel(|| println!("the reader of /ticks is gone"));
        sse_stream! {
            for n in 1.. {
                yield Message::new().json(n);
                sleep(Duration::from_secs(1)).await;
            }
        }
    });

    // Work on another thread, which checks the token repeatedly.
    app.map_get("/primes/{below}", async |below: u32, token: CancellationToken| {
        let count = tokio::task::spawn_blocking(move || {
            (2..below).take_while(|_| !token.is_cancelled()).filter(|n| is_prime(*n)).count()
        });
        ok!("{} primes", count.await?)
    });

    // Charges and then books. It must never do only one of the two.
    app.map_post("/pay/{order}", detached(pay));
}

async fn pay(order: u32, token: CancellationToken) -> String {
    println!("order {order} is charged");
    sleep(Duration::from_secs(2)).await;
    let client = if token.is_cancelled() { "left" } else { "waits" };
    println!("order {order} is booked, the client {client}");
    format!("order {order} is paid")
}

fn is_prime(n: u32) -> bool {
    (2..n).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d))
}
