//! Fields of a handler or a layer that contradict the framing of a response: the client never gets
//! them, and they are reported once.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use volga::{
    App, HttpBody, HttpResponse,
    http::sse::Message,
    middleware::{HttpContext, Next},
    ok, sse,
};

use super::support::{ask, data2, get2, http2, run_app};

type Log = Arc<Mutex<Vec<String>>>;

/// A body of `pieces` pieces of ten bytes, whose length is known or not.
fn body(pieces: usize, is_known: bool) -> HttpBody {
    let piece = Bytes::from_static(b"0123456789");
    if is_known {
        return HttpBody::full(piece.repeat(pieces));
    }
    HttpBody::from_stream(stream::iter(
        (0..pieces).map(move |_| Ok::<_, std::io::Error>(piece.clone())),
    ))
}

fn response(status: u16, fields: &[(&'static str, String)], body: HttpBody) -> HttpResponse {
    let mut response = HttpResponse::new(body);
    *response.status_mut() = status.try_into().unwrap();
    for (name, value) in fields {
        response.headers_mut().append(*name, value.parse().unwrap());
    }
    response
}

/// A response with the handler's fields, and what has to come of it.
struct Case {
    status: u16,
    fields: Vec<(&'static str, String)>,
    pieces: usize,
    is_known: bool,
    /// The bytes that the client gets, or nothing if the body must end with an error.
    length: Option<usize>,
    /// A part of the report, or nothing if there must be none.
    reported: Option<&'static str>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for is_known in [true, false] {
        for pieces in [0, 1, 5] {
            let actual = 10 * pieces;
            for declared in [0, 1, 10, 11, 49, 50, 51, 1000] {
                let matches = declared == actual;
                let (length, reported) = match (is_known || pieces == 0, matches) {
                    (_, true) => (Some(actual), None),
                    // An empty body may belong to a response to HEAD, so its field is no mistake.
                    (true, false) if is_known && pieces == 0 => (Some(0), None),
                    (true, false) if is_known => (Some(actual), Some("but the body has")),
                    (_, false) if declared < actual => (None, Some("more than")),
                    (_, false) => (None, Some("of its `content-length`")),
                };
                let fields = vec![("content-length", declared.to_string())];
                cases.push(Case { status: 200, fields, pieces, is_known, length, reported });
            }
            for coding in ["identity", "gzip", "chunked", "chunked, gzip", "gzip, chunked"] {
                let fields = vec![("transfer-encoding", coding.to_owned())];
                let (length, reported) = (Some(actual), Some("`transfer-encoding` was removed"));
                cases.push(Case { status: 200, fields, pieces, is_known, length, reported });
            }
            for value in ["ten", "-1", "1, 1", "0x10"] {
                let fields = vec![("content-length", value.to_owned())];
                let reported = (!is_known || pieces > 0).then_some("not one number");
                let length = Some(actual);
                cases.push(Case { status: 200, fields, pieces, is_known, length, reported });
            }
            let is_wrong = pieces > 0 || !is_known;
            let reported = is_wrong.then_some("205 has no body");
            let (fields, length) = (Vec::new(), Some(0));
            cases.push(Case { status: 205, fields, pieces, is_known, length, reported });
        }
    }
    cases
}

fn logged_app() -> (App, Log) {
    let log = Log::default();
    let kept = Arc::clone(&log);
    let app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    (app, log)
}

/// Where a response gets its fields and its body.
#[derive(Clone, Copy, Debug)]
enum Place {
    Handler,
    RouteLayer,
    AppLayer,
    BeforeRouting,
}

#[tokio::test]
async fn contradictions_are_corrected_or_end_the_body_and_are_reported() {
    for place in [Place::Handler, Place::RouteLayer, Place::AppLayer, Place::BeforeRouting] {
        contradictions(place).await;
    }
}

async fn contradictions(place: Place) {
    let cases = cases();
    let (mut app, log) = logged_app();
    let mut responses = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let (status, fields) = (case.status, case.fields.clone());
        let (pieces, is_known) = (case.pieces, case.is_known);
        let respond = move || response(status, &fields, body(pieces, is_known));
        let path = format!("/{number}");
        match place {
            Place::Handler => {
                app.map_get(&path, respond);
            }
            Place::RouteLayer => {
                app.map_get(&path, || ok!("replaced")).map_ok(move |_: HttpResponse| {
                    let response = respond();
                    async move { response }
                });
            }
            Place::AppLayer | Place::BeforeRouting => {
                app.map_get(&path, || ok!("replaced"));
                responses.push(respond);
            }
        }
    }
    let replace = move |ctx: HttpContext, next: Next| {
        let number: usize = ctx.uri.path()[1..].parse().unwrap();
        let response = responses[number]();
        async move {
            drop(next.run(ctx).await);
            response
        }
    };
    match place {
        Place::AppLayer => {
            app.wrap(replace);
        }
        Place::BeforeRouting => {
            app.before_routing(|before| {
                before.wrap(replace);
            });
        }
        Place::Handler | Place::RouteLayer => {}
    }
    let server = run_app(app).await;
    let client = http2(server.address).await;
    for (number, case) in cases.iter().enumerate() {
        let what = format!(
            "{place:?} {number}: {} {:?}, {} pieces, known: {}",
            case.status, case.fields, case.pieces, case.is_known
        );
        let text = ask(server.address, &format!("GET /{number}")).await;
        check_report(&log, case, &what);
        let (head, body) = text.split_once("\r\n\r\n").expect(&what);
        let head = head.to_ascii_lowercase();
        let is_chunked = head.contains("\r\ntransfer-encoding: chunked\r\n");
        assert_eq!(head.matches("transfer-encoding").count(), usize::from(is_chunked), "{what}");
        assert!(!(is_chunked && head.contains("content-length")), "{what}");
        let received = body.matches("0123456789").count() * 10;
        match case.length {
            Some(length) => {
                assert_eq!(received, length, "{what}: {text}");
                let is_complete = if is_chunked {
                    body.ends_with("0\r\n\r\n")
                } else {
                    head.contains(&format!("\r\ncontent-length: {length}"))
                };
                assert!(is_complete, "{what}: {text}");
            }
            // The body ends before its announced length, so the client can tell.
            None => assert!(!body.ends_with("0\r\n\r\n"), "{what}: {text}"),
        }

        let mut body = get2(&client, &format!("/{number}")).await.into_body();
        let mut received = 0;
        let is_complete = loop {
            match data2(&mut body).await {
                Some(Ok(data)) => received += data.len(),
                Some(Err(_)) => break false,
                None => break true,
            }
        };
        assert_eq!(is_complete, case.length.is_some(), "{what}");
        if let Some(length) = case.length {
            assert_eq!(received, length, "{what}");
        }
        check_report(&log, case, &what);
    }
}

fn check_report(log: &Log, case: &Case, what: &str) {
    let log = std::mem::take(&mut *log.lock().unwrap());
    match case.reported {
        Some(part) => {
            assert!(log.len() == 1 && log[0].contains(part), "{what}: {log:?}");
        }
        None => assert!(log.is_empty(), "{what}: {log:?}"),
    }
}

#[tokio::test]
async fn a_length_on_an_event_stream_cuts_nothing() {
    let (mut app, log) = logged_app();
    app.map_get("/handler", || {
        let events = stream::iter((0..10).map(|_| Message::new().data("0123456789")));
        sse!(events; [("content-length", "30"), ("transfer-encoding", "identity")])
    });
    app.map_get("/layer", || {
        sse!(stream::iter((0..10).map(|_| Message::new().data("0123456789"))))
    })
    .map_ok(|mut response: HttpResponse| async move {
        response.headers_mut().insert("content-length", 30.into());
        response.headers_mut().insert("transfer-encoding", "gzip".parse().unwrap());
        response
    });
    let server = run_app(app).await;
    let client = http2(server.address).await;
    for path in ["/handler", "/layer"] {
        let text = ask(server.address, &format!("GET {path}")).await;
        assert_eq!(text.matches("data: 0123456789\n\n").count(), 10, "{text}");
        assert!(!text.contains("content-length") && text.ends_with("0\r\n\r\n"), "{text}");
        let mut body = get2(&client, path).await.into_body();
        let mut all = String::new();
        while let Some(data) = data2(&mut body).await {
            all.push_str(&data.unwrap());
        }
        assert_eq!(all.matches("data: 0123456789\n\n").count(), 10, "{all}");
    }
    let log = std::mem::take(&mut *log.lock().unwrap());
    // On each of two paths and two protocols.
    for fault in ["removed from an event stream", "`transfer-encoding` was removed"] {
        let count = log.iter().filter(|line| line.contains(fault)).count();
        assert_eq!(count, 4, "{fault}: {log:?}");
    }
}
