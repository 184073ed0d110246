//! Services and cancellation in an app. Tests in which the client leaves use real sockets.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use volga::{
    App, CancellationToken, HttpBody, detached,
    di::{Dc, Inject},
    error::Error,
    http::sse::Message,
    ok, sse, sse_stream,
};

use super::support::{ask, data2, get2, http2, read_until, run, send, soon};

/// Sends a message when it is dropped.
struct Session(mpsc::UnboundedSender<()>);

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test]
async fn a_scoped_service_lives_as_long_as_its_stream() {
    let (dropped, mut drops) = mpsc::unbounded_channel();
    let server = run(|app| {
        app.add_scoped_factory(move || Ok::<_, Error>(Session(dropped.clone())));
        app.map_get("/events", |_: Dc<Session>| {
            sse!(stream::iter([Message::new().data("first")]).chain(stream::pending()))
        });
        app.map_get("/", |_: Dc<Session>| ok!("done"));
    })
    .await;
    ask(server.address, "GET /").await;
    soon("the drop", drops.recv()).await.unwrap();

    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "first").await;
    assert!(drops.try_recv().is_err(), "the stream runs");
    drop(client);
    soon("the drop", drops.recv()).await.unwrap();
}

#[tokio::test]
async fn services_under_traits_and_from_other_services_are_taken_by_type() {
    trait Greet: Send + Sync {
        fn greet(&self, name: &str) -> String;
    }
    struct Polite(String);
    impl Greet for Polite {
        fn greet(&self, name: &str) -> String {
            format!("{}, {name}", self.0)
        }
    }
    struct Greeter(Dc<dyn Greet>);
    impl Inject for Greeter {
        type Dependencies = Dc<dyn Greet>;
        async fn inject(greet: Dc<dyn Greet>) -> Result<Self, Error> {
            Ok(Self(greet))
        }
    }
    let server = run(|app| {
        app.add_shared::<dyn Greet>(Arc::new(Polite("Good day".to_owned())))
            .add_transient::<Greeter>();
        app.map_get("/{name}", |name: String, greeter: Dc<Greeter>| {
            ok!("{}", greeter.0.greet(&name))
        });
    })
    .await;
    assert!(ask(server.address, "GET /Anna").await.ends_with("Good day, Anna"));
}

#[tokio::test]
async fn a_missing_service_is_reported_with_the_route_and_the_chain() {
    struct Repo;
    struct Store;
    let mut app = App::new().bind("localhost:0");
    app.add_singleton_factory(|_: Dc<Store>| Ok::<_, Error>(Repo));
    app.map_get("/users", |_: Dc<Repo>| "");
    app.map_get("/stores", |_: Dc<Store>| "");
    app.map_get("/faulty/{", || "");
    let text = soon("the error", app.run()).await.unwrap_err().to_string();
    assert!(text.contains("`Store` is needed by GET /users -> Repo: add"), "{text}");
    assert!(text.contains("`Store` is needed by GET /stores: add"), "{text}");
    assert!(
        text.contains("pattern `/faulty/{`"),
        "faults of routes and services come together: {text}"
    );
}

/// Maps a stream without events, and a task that waits until the client leaves.
fn map_watched(app: &mut App) -> mpsc::UnboundedReceiver<()> {
    let (left, leaving) = mpsc::unbounded_channel();
    app.map_get("/events", move |token: CancellationToken| {
        let left = left.clone();
        tokio::spawn(async move {
            token.cancelled().await;
            let _ = left.send(());
        });
        sse_stream! {
            yield Message::new().data("first");
            std::future::pending::<()>().await;
        }
    });
    leaving
}

#[tokio::test]
async fn the_token_fires_when_the_client_leaves_and_for_that_request_only() {
    let mut leaving = None;
    let server = run(|app| leaving = Some(map_watched(app))).await;
    let mut leaving = leaving.unwrap();

    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "first").await;
    drop(client);
    soon("the token", leaving.recv()).await.unwrap();

    let client = http2(server.address).await;
    let mut stays = get2(&client, "/events").await.into_body();
    let mut leaves = get2(&client, "/events").await.into_body();
    data2(&mut stays).await.unwrap().unwrap();
    data2(&mut leaves).await.unwrap().unwrap();
    drop(leaves);
    soon("the token", leaving.recv()).await.unwrap();
    assert!(leaving.try_recv().is_err(), "the other stream runs");
}

#[tokio::test]
async fn a_detached_handler_finishes_although_its_client_left() {
    let (started, mut start) = mpsc::unbounded_channel();
    let (finish, finished) = tokio::sync::watch::channel(false);
    let (done, mut end) = mpsc::unbounded_channel();
    let server = run(|app| {
        app.map_post(
            "/import",
            detached(move |token: CancellationToken, _: HttpBody| {
                let (started, mut finished, done) =
                    (started.clone(), finished.clone(), done.clone());
                async move {
                    started.send(()).unwrap();
                    token.cancelled().await;
                    finished.wait_for(|finished| *finished).await.unwrap();
                    done.send(()).unwrap();
                }
            }),
        );
    })
    .await;
    let client = send(server.address, "POST /import").await;
    soon("the start", start.recv()).await.unwrap();
    drop(client);
    finish.send(true).unwrap();
    soon("the end", end.recv()).await.unwrap();
}
