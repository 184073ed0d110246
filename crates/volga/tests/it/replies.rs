//! Replies that outlive their connection, over real ones.

use std::sync::Arc;

use futures_util::stream;
use tokio::sync::{mpsc, watch};
use volga::{
    App, HttpResult,
    error::Error,
    http::{
        HttpRequest,
        sse::{
            AbandonPolicy, AttachOutcome, LastEventId, Message, Replies, ReplyError, ReplyToken,
        },
    },
    no_content, sse, status,
    test::TestClient,
};

use super::support::{Running, data2, get2, http2, read_to_end, read_until, run, send, soon};

async fn attach(token: String, replies: &Replies, request: HttpRequest) -> HttpResult {
    let last = LastEventId::from_headers(request.headers()).map_err(Error::client_error)?;
    match replies.claim(&token).resume(last).attach() {
        Ok(AttachOutcome::Open(client)) => sse!(client),
        Ok(AttachOutcome::Ended(Ok(()))) => no_content!(),
        Ok(AttachOutcome::Ended(Err(error))) => status!(410, "{error}"),
        Err(error) => status!(error.status(), "{error}"),
    }
}

fn map(app: &mut App, replies: Replies) {
    app.map_get("/replies/{token}", move |token: String, request: HttpRequest| {
        let replies = replies.clone();
        async move { attach(token, &replies, request).await }
    });
}

/// An app with one reply, whose messages are sent by hand.
async fn serve() -> (Running, Replies, ReplyToken, mpsc::UnboundedSender<Result<Message, Error>>) {
    let replies = Replies::new();
    let (sender, receiver) = mpsc::unbounded_channel();
    let messages = stream::unfold(receiver, async |mut receiver: mpsc::UnboundedReceiver<_>| {
        receiver.recv().await.map(|item| (item, receiver))
    });
    let token = replies.start(Box::pin(messages)).unwrap();
    let server = run(|app| {
        map(app, replies.clone());
        app.map_get("/forever", || sse!(stream::pending::<Message>()));
    })
    .await;
    (server, replies, token, sender)
}

fn text(text: &str) -> Result<Message, Error> {
    Ok(Message::new().data(text))
}

#[tokio::test]
async fn what_one_protocol_began_the_other_goes_on_with() {
    let (server, replies, token, sender) = serve().await;
    sender.send(text("one")).unwrap();
    let mut first = send(server.address, &format!("GET /replies/{token}")).await;
    let read = read_until(&mut first, "-1\n\n").await;
    let id = read.rsplit("id: ").next().unwrap().trim().to_owned();
    drop(first);

    sender.send(text("two")).unwrap();
    drop(sender);
    let line = format!("GET /replies/{token} HTTP/1.1\r\nlast-event-id: {id}\r\nconnection: close");
    let rest = resume(&server, &line).await;
    assert!(rest.contains("data: two\nid: ") && !rest.contains("one"), "{rest}");
    assert!(rest.ends_with("\r\n0\r\n\r\n"), "a proper end: {rest:?}");

    let client = http2(server.address).await;
    let mut body = get2(&client, &format!("/replies/{token}")).await.into_body();
    let mut whole = String::new();
    while let Some(data) = data2(&mut body).await {
        whole.push_str(&data.expect("a proper end"));
    }
    assert!(whole.contains("data: one\n") && whole.contains("data: two\n"), "{whole}");

    let last = whole.rsplit("id: ").next().unwrap().trim();
    let line =
        format!("GET /replies/{token} HTTP/1.1\r\nlast-event-id: {last}\r\nconnection: close");
    assert!(resume(&server, &line).await.starts_with("HTTP/1.1 204 "));
    assert_eq!(replies.counts().attached, 0);
}

/// Sends this head, whose first line has its version, and reads to the end.
async fn resume(server: &Running, head: &str) -> String {
    use tokio::io::AsyncWriteExt;

    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("{head}\r\nhost: test\r\n\r\n").as_bytes()).await.unwrap();
    read_to_end(&mut stream).await
}

#[tokio::test]
async fn a_failure_cuts_the_stream_of_every_client_on_either_protocol() {
    let (server, _replies, token, sender) = serve().await;
    let path = format!("/replies/{token}");
    let mut one = send(server.address, &format!("GET {path}")).await;
    let client = http2(server.address).await;
    let mut two = get2(&client, &path).await.into_body();
    sender.send(text("one")).unwrap();
    sender.send(Err(Error::server_error("broken"))).unwrap();

    let read = read_to_end(&mut one).await;
    assert!(read.contains("data: one\n") && !read.ends_with("0\r\n\r\n"), "{read:?}");
    // h2 gives the error again and again, so the first one is the end.
    let end = loop {
        match data2(&mut two).await {
            Some(Ok(_)) => {}
            end => break end,
        }
    };
    assert!(end.is_some(), "the stream is reset, and has no proper end");
}

#[tokio::test]
async fn a_server_that_goes_away_lets_replies_finish_and_waits_for_none_that_nobody_reads() {
    let (server, replies, token, sender) = serve().await;
    let (stop, stopped) = watch::channel(());
    let unread = stream::once(async move {
        let mut stopped = stopped;
        let _ = stopped.changed().await;
        Message::new().data("late")
    });
    let unread = replies.start(Box::pin(unread)).unwrap();

    let mut forever = send(server.address, "GET /forever").await;
    let mut client = send(server.address, &format!("GET /replies/{token}")).await;
    sender.send(text("one")).unwrap();
    read_until(&mut forever, "retry: 3000\n").await;
    read_until(&mut client, "data: one\n").await;

    server.shutdown.shutdown();
    let farewell = read_to_end(&mut forever).await;
    assert!(farewell.contains("retry: "), "subscriptions are closed at once: {farewell:?}");
    sender.send(text("two")).unwrap();
    drop(sender);
    let rest = read_to_end(&mut client).await;
    assert!(rest.contains("data: two\n") && rest.ends_with("0\r\n\r\n"), "{rest:?}");
    soon("the end of the server", server.end).await.unwrap().unwrap();

    // What runs on without a client is the application's to wait for.
    replies.close();
    assert_eq!(replies.counts().running, 1);
    stop.send(()).unwrap();
    soon("the last producer", replies.wait_idle()).await;
    assert!(matches!(replies.claim(unread.as_str()).attach(), Ok(AttachOutcome::Open(_))));
}

#[tokio::test]
async fn a_head_request_is_a_client_that_leaves_at_once() {
    let (server, replies, _, _sender) = serve().await;
    let policy = AbandonPolicy::Cancel;
    let (dropped, drops) = tokio::sync::oneshot::channel::<()>();
    let unread = stream::once(async move {
        let _dropped = dropped;
        std::future::pending::<Message>().await
    });
    let token = replies.new_reply().abandon_policy(policy).start(Box::pin(unread)).unwrap();
    let mut client = send(server.address, &format!("HEAD /replies/{token}")).await;
    let head = read_until(&mut client, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
    assert!(soon("the drop of the producer", drops).await.is_err());
    let claim = replies.claim(token.as_str()).attach();
    assert!(matches!(claim, Ok(AttachOutcome::Ended(Err(ReplyError::Abandoned)))), "{claim:?}");
}

#[tokio::test]
async fn a_client_that_leaves_its_connection_is_noticed() {
    let (server, replies, token, _sender) = serve().await;
    let mut client = send(server.address, &format!("GET /replies/{token}")).await;
    read_until(&mut client, "retry: 3000\n").await;
    assert_eq!(replies.counts().attached, 1);
    drop(client);
    let left = async {
        while replies.counts().attached > 0 {
            tokio::task::yield_now().await;
        }
    };
    soon("the departure", left).await;
    assert_eq!(replies.counts().running, 1, "within the grace");
}

#[tokio::test]
async fn an_error_of_a_reply_has_its_status() {
    let cause = std::io::Error::other("broken");
    for (error, status) in [
        (ReplyError::Failed(Arc::new(cause)), 500),
        (ReplyError::ReservedEvent { name: "gap" }, 500),
        (ReplyError::Panicked("broken".into()), 500),
        (ReplyError::Cancelled, 410),
        (ReplyError::Abandoned, 410),
        (ReplyError::TooLarge { max: 1 }, 410),
        (ReplyError::TotalTooLarge { max: 1 }, 503),
        (ReplyError::Stopped, 503),
        (ReplyError::Expired, 410),
    ] {
        let mut app = App::new();
        let ended = error.clone();
        app.map_get("/", move || {
            let outcome: Result<(), ReplyError> = Err(ended.clone());
            async move {
                outcome?;
                no_content!()
            }
        });
        let response = TestClient::new(app).get("/").send().await;
        assert_eq!(response.status(), status, "{error:?}");
        assert_eq!(error.status(), status, "{error:?}");
    }
}
