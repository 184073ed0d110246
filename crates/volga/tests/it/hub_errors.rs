//! The responses for errors of a hub, the position from which a client resumes, and the end of its
//! subscription when it leaves.

use tokio::{io::AsyncWriteExt, net::TcpStream};
use volga::{
    App,
    di::Dc,
    error::Error,
    http::sse::{Hub, Message, RefusalResponse, Resume, TopicCreation},
    ok, sse, sse_stream,
    test::TestClient,
};

use crate::support::{data2, get2, http2, read_to_end, read_until, run, run_app, send, soon};

/// `/read/TOPIC` subscribes, `/publish/TOPIC` publishes, and `/say/TEXT` publishes this text as the
/// name of an event.
fn app(hub: Hub) -> App {
    let mut app = App::new();
    app.add_singleton(hub);
    app.map_get("/read/{topic}", async |topic: String, Resume(last): Resume, hub: Dc<Hub>| {
        sse!(hub.subscribe(topic).resume(last).open()?)
    });
    app.map_get("/publish/{topic}", async |topic: String, hub: Dc<Hub>| {
        hub.publish(&topic, Message::new().data("x"))?;
        ok!()
    });
    app.map_get("/keyed/{topic}", async |topic: String, hub: Dc<Hub>| {
        hub.publish_keyed(&topic, "key", Message::new().data("x"))?;
        ok!()
    });
    app.map_get("/say/{name}", async |name: String, hub: Dc<Hub>| {
        hub.publish("a", Message::new().event(name).data("x"))?;
        ok!()
    });
    app
}

fn client(hub: Hub) -> TestClient {
    TestClient::new(app(hub))
}

#[tokio::test]
async fn the_status_says_whether_the_client_or_the_server_caused_the_refusal() {
    let hub = Hub::builder().max_topics(1).max_message_bytes(64).build();
    hub.create_topic("a").unwrap();
    let client = client(hub.clone());
    for (path, status) in [
        ("/read/a", 200),
        ("/read/b", 503),
        ("/read/a..b", 400),
        ("/read/a*", 400),
        ("/publish/b", 503),
        ("/publish/a*", 400),
        ("/keyed/a", 500),
        ("/say/event%0Adata:forged", 400),
        ("/say/a-name-that-is-far-too-long-for-an-event-of-at-most-64-bytes-in-all", 413),
    ] {
        let response = client.get(path).send().await;
        assert_eq!(response.status(), status, "{path}");
    }
    hub.close();
    client.get("/publish/a").send().await.assert_status(503);
}

#[tokio::test]
async fn a_closed_hub_tells_its_clients_what_the_application_chose() {
    for (response, status) in [
        (RefusalResponse::RetryLater, 200),
        (RefusalResponse::NoContent, 204),
        (RefusalResponse::Unavailable, 503),
    ] {
        let hub = Hub::builder().closed_response(response).build();
        let client = client(hub.clone());
        hub.close();
        let response = client.get("/read/a").send().await;
        assert_eq!(response.status(), status);
        let text = response.text().await;
        match status {
            200 => assert_eq!(text.matches("retry: ").count(), 2, "{text}"),
            204 => assert_eq!(text, ""),
            _ => assert!(text.contains("503"), "{text}"),
        }
    }
}

#[tokio::test]
async fn a_topic_that_may_not_be_created_here_is_not_found() {
    for (creation, publish) in [(TopicCreation::OnPublish, 200), (TopicCreation::Explicit, 404)] {
        let client = client(Hub::builder().topic_creation(creation).build());
        client.get("/read/a").send().await.assert_status(404);
        client.get("/publish/a").send().await.assert_status(publish);
    }
    let hub = Hub::builder().max_topics(0).build();
    check_error(hub.create_topic("a").unwrap_err().into(), 503).await;
    check_error(hub.create_topic("*").unwrap_err().into(), 400).await;
}

/// Lets an app respond with an error that was created before the app.
async fn check_error(error: Error, status: u16) {
    let mut app = App::new();
    app.map_get("/", move || Err::<(), _>(error.clone()));
    TestClient::new(app).get("/").send().await.assert_status(status);
}

#[tokio::test]
async fn an_error_from_before_the_app_has_the_same_status() {
    let error = Hub::new().subscribe(Vec::<String>::new()).open().map(drop).unwrap_err();
    check_error(error.into(), 400).await;
}

#[tokio::test]
async fn a_client_resumes_by_the_header_or_by_the_parameter() {
    let hub = Hub::new();
    let client = client(hub.clone());
    let first = hub.publish("a", Message::new().data("first")).unwrap().to_string();
    let second = hub.publish("a", Message::new().data("second")).unwrap().to_string();
    hub.publish("a", Message::new().data("third")).unwrap();
    for (request, expect) in [
        (client.get("/read/a").header("last-event-id", &first), "second"),
        (client.get(&format!("/read/a?lastEventId={first}")), "second"),
        // The parameter is from when the page was loaded; only the header is up to date.
        (
            client.get(&format!("/read/a?lastEventId={first}")).header("last-event-id", &second),
            "third",
        ),
    ] {
        let mut events = request.send().await.events();
        assert_eq!(events.next().await.unwrap().unwrap().data(), expect);
    }
}

#[tokio::test]
async fn an_id_that_cannot_be_read_is_a_gap_and_never_refused() {
    let hub = Hub::new();
    let client = client(hub.clone());
    hub.publish("a", Message::new().data("first")).unwrap();
    let long = "x".repeat(5_000);
    let values = ["a\tb", "7", "\u{80}\u{85}", &long];
    let by_header = values.map(|value| client.get("/read/a").header("last-event-id", value));
    let queries = ["%00", "%", "%ff", "%ff%00", "+7", "7&lastEventId=7", "%0a", &long];
    let by_query = queries.map(|value| client.get(&format!("/read/a?lastEventId={value}")));
    for request in by_header.into_iter().chain(by_query) {
        let response = request.send().await;
        assert_eq!(response.status(), 200);
        let gap = response.events().next().await.unwrap().unwrap();
        assert_eq!(gap.event(), "gap", "{gap:?}");
        assert!(gap.data().starts_with("{\"after\":null,"), "{gap:?}");
    }
}

#[tokio::test]
async fn a_subscription_ends_when_its_client_leaves() {
    let hub = Hub::new();
    let server = run(|app| {
        app.add_singleton(hub.clone());
        app.map_get("/read/{topic}", async |topic: String, hub: Dc<Hub>| {
            sse!(hub.subscribe(topic).open()?)
        });
        app.map_get("/block/{topic}", async |topic: String, hub: Dc<Hub>| {
            let mut messages = hub.subscribe(topic).open()?;
            sse!(sse_stream! {
                while let Some(delivery) = messages.next().await {
                    yield delivery;
                }
            })
        });
    })
    .await;
    let left = async || {
        while hub.stats().subscribers > 0 {
            tokio::task::yield_now().await;
        }
    };
    for path in ["/read/a", "/read/*", "/block/a"] {
        let mut client = send(server.address, &format!("GET {path}")).await;
        read_until(&mut client, "id: ").await;
        assert_eq!(hub.stats().subscribers, 1);
        drop(client);
        soon("the end over HTTP/1", left()).await;

        let client = http2(server.address).await;
        let mut body = get2(&client, path).await.into_body();
        data2(&mut body).await.expect("data").expect("no error");
        assert_eq!(hub.stats().subscribers, 1);
        // The connection stays open, and the client resets the stream alone.
        drop(body);
        soon("the end over HTTP/2", left()).await;
    }
}

/// Over a socket, where the bytes of a header need not be text.
#[tokio::test]
async fn any_bytes_of_an_id_are_a_gap_and_never_refused() {
    let hub = Hub::new();
    let position = hub.publish("a", Message::new().data("first")).unwrap().to_string();
    hub.close();
    let server = run_app(app(hub)).await;
    let long = [b'7'; 5_000];
    let longest = [0xe9; 4_096];
    let values: [&[u8]; 12] = [
        b"7",
        b"\xff",
        b"caf\xe9",
        "caf\u{e9}".as_bytes(),
        "\u{85}".as_bytes(),
        b"\xc2",
        b"\x80\x9f",
        b"a\tb",
        b"7 7",
        "\u{feff}\u{20ac}".as_bytes(),
        &long,
        &longest,
    ];
    let field = |value: &[u8]| [b"last-event-id: ", value, b"\r\n"].concat();
    let by_header = values.map(|value| ("", field(value)));
    let known = position.as_bytes();
    // Several of them, also of known ones: it is not clear what the client has.
    let several = [
        ("", [field(known), field(known)].concat()),
        ("", [field(known), field(b"\xff")].concat()),
        ("?lastEventId=%ff", field(b"\xff")),
        ("?lastEventId=%", field(b"a\tb")),
        ("?lastEventId=7&lastEventId=%00", Vec::new()),
        ("?lastEventId=%e9", Vec::new()),
        ("?lastEventId=%c3%a9", Vec::new()),
        ("?lastEventId=%80", Vec::new()),
    ];
    for (query, fields) in by_header.into_iter().chain(several) {
        let head = format!("GET /read/a{query} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        let request = [head.as_bytes(), &fields, b"\r\n"].concat();
        socket.write_all(&request).await.unwrap();
        let text = read_to_end(&mut socket).await;
        let case = String::from_utf8_lossy(&request);
        assert!(text.starts_with("HTTP/1.1 200 "), "{case}: {text}");
        assert!(text.contains("event: gap\ndata: {\"after\":null,"), "{case}: {text}");
    }
}
