//! Many streams on one connection.

use std::sync::{Arc, Mutex};

use volga_http::DrainOutcome;
use volga_http::limits::MAX_STREAMS;

use super::support::{KINDS, ask, connect_with, data, read, say, scripted, start};
use crate::support::within;

#[tokio::test]
async fn the_maximum_of_streams_gets_every_message_and_ends_in_a_drain() {
    for kind in KINDS {
        let scripts = Arc::new(Mutex::new(Vec::new()));
        let made = Arc::clone(&scripts);
        let server = start(move |_| {
            let (script, body, _) = scripted();
            made.lock().expect("no panic").push(script);
            async move { kind.response(body) }
        })
        .await;
        let mut builder = h2::client::Builder::new();
        builder.initial_max_send_streams(MAX_STREAMS as usize);
        // Otherwise this client treats a hundred small frames that it has not read yet as an
        // attack.
        builder.data_frame_budget(usize::MAX);
        let (mut client, driver) = connect_with(&server, &builder).await;
        let mut bodies = Vec::new();
        for _ in 0..MAX_STREAMS {
            bodies.push(ask(&mut client, "/").await.into_body());
        }
        for message in ["first", "a second that is longer", "third"] {
            for script in scripts.lock().expect("no panic").iter() {
                say(script, data(message));
            }
            for body in &mut bodies {
                read(body, message.as_bytes()).await;
            }
        }
        server.drain.start();
        for script in scripts.lock().expect("no panic").drain(..) {
            say(&script, data("farewell"));
        }
        for body in &mut bodies {
            read(body, b"farewell").await;
            assert!(within(body.data()).await.is_none(), "a proper end");
        }
        within(driver).await.expect("no panic").expect("a proper close");
        assert_eq!(server.drained().await, DrainOutcome::Complete);
    }
}
