//! Cancellation: what happens when a client leaves, and a handler that finishes all the same.

use std::time::Duration;
use tokio::time::sleep;
use volga::{App, CancellationToken, detached, http::sse::Message, ok, sse_stream};

pub(crate) fn map(app: &mut App) {
    // The block is dropped where it stands; the token tells everyone else.
    app.map_get("/ticks", async |token: CancellationToken| {
        token.on_cancel(|| println!("the reader of /ticks is gone"));
        sse_stream! {
            for n in 1.. {
                yield Message::new().json(n);
                sleep(Duration::from_secs(1)).await;
            }
        }
    });

    // Work on another thread: it looks at the token now and then.
    app.map_get("/primes/{below}", async |below: u32, token: CancellationToken| {
        let count = tokio::task::spawn_blocking(move || {
            (2..below).take_while(|_| !token.is_cancelled()).filter(|n| is_prime(*n)).count()
        });
        ok!("{} primes", count.await?)
    });

    // Charge, then book: never one without the other.
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
