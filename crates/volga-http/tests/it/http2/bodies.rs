//! Bodies of responses, ordinary and long-lived.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use http::HeaderMap;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

use super::support::{
    KINDS, Kind, Piece, ask, body_of, connect_with, data, read, say, scripted, start, start_with,
};
use crate::support::{EMPTY_SETTINGS, PREFACE, RawFrame, get, raw_get, send, within};

/// Everything that a client receives of a response, which is the same for both kinds.
async fn received(kind: Kind, pieces: Vec<Piece>) -> (HeaderMap, Vec<u8>, Option<HeaderMap>) {
    let server = start_with(kind, vec![body_of(pieces)]).await;
    let (mut client, _driver) = server.connect_h2().await;
    let (mut head, mut body) = ask(&mut client, "/").await.into_parts();
    assert!(head.headers.remove("date").is_some(), "{kind:?}");
    let mut all = Vec::new();
    while let Some(data) = within(body.data()).await {
        let data = data.expect("no error");
        body.flow_control().release_capacity(data.len()).expect("an open stream");
        all.extend_from_slice(&data);
    }
    (head.headers, all, within(body.trailers()).await.expect("no error"))
}

fn trailers() -> Piece {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-sum", "5".parse().expect("a value"));
    Piece::Trailers(trailers)
}

#[tokio::test]
async fn the_mark_does_not_change_what_the_client_receives() {
    let cases: [fn() -> Vec<Piece>; 6] = [
        Vec::new,
        || vec![data("one")],
        || vec![data(""), data("one"), data(""), data("two")],
        || (0..200).map(|n| data(vec![n; 1_000])).collect(),
        || vec![data(vec![b'x'; 100_000]), data("y"), data(vec![b'z'; 20_000])],
        || vec![data("one"), data("two"), trailers()],
    ];
    for (number, pieces) in cases.iter().enumerate() {
        let (mut sent, mut ended_with) = (Vec::new(), None);
        for piece in pieces() {
            match piece {
                Piece::Data(data) => sent.extend_from_slice(&data),
                Piece::Trailers(trailers) => ended_with = Some(trailers),
                Piece::Error | Piece::Panic => unreachable!("no case has it"),
            }
        }
        let ordinary = received(Kind::Ordinary, pieces()).await;
        assert!(ordinary.1 == sent && ordinary.2 == ended_with, "case {number}");
        assert!(ordinary == received(Kind::LongLivedResponse, pieces()).await, "case {number}");
    }
}

#[tokio::test]
async fn pieces_that_are_ready_together_are_one_frame() {
    const DATA: u8 = 0;
    for kind in KINDS {
        let (script, body, _taken) = scripted();
        ["one ", "two ", "three"].iter().for_each(|&piece| say(&script, data(piece)));
        let server = start_with(kind, vec![body]).await;
        let mut client = server.connect().await;
        send(&mut client, &[PREFACE, EMPTY_SETTINGS, &raw_get(1)].concat()).await;
        let frame = RawFrame::read_kind(&mut client, DATA).await;
        assert_eq!(frame.payload, b"one two three", "{kind:?}");
    }
}

#[tokio::test]
async fn a_stalled_stream_holds_one_frame_and_delays_no_other() {
    const PIECE: usize = 16 * 1024;
    for kind in KINDS {
        let (script, body, taken) = scripted();
        (0..4).for_each(|_| say(&script, data(vec![b'x'; PIECE])));
        let (other_script, other_body, _) = scripted();
        let server = start_with(kind, vec![body, other_body]).await;
        let mut builder = h2::client::Builder::new();
        let (mut client, _driver) =
            connect_with(&server, builder.initial_window_size(PIECE as u32 / 4)).await;
        let mut stalled = ask(&mut client, "/").await.into_body();
        let mut other = ask(&mut client, "/").await.into_body();
        for _ in 0..10 {
            say(&other_script, data("on"));
            read(&mut other, b"on").await;
            assert_eq!(ask(&mut client, "/").await.status(), 200);
        }
        assert_eq!(taken.load(Ordering::Relaxed), 1, "{kind:?}");
        read(&mut stalled, &[b'x'; 4 * PIECE]).await;
    }
}

#[tokio::test]
async fn a_failing_body_resets_only_its_stream_after_its_earlier_data() {
    for kind in KINDS {
        for failure in [|| Piece::Error, || Piece::Panic] {
            let failing = body_of([data("before"), failure()]);
            let at_once = body_of([failure()]);
            let (script, other, _) = scripted();
            let server = start_with(kind, vec![other, failing, at_once]).await;
            let (mut client, driver) = server.connect_h2().await;
            let mut other = ask(&mut client, "/").await.into_body();

            let mut body = ask(&mut client, "/").await.into_body();
            read(&mut body, b"before").await;
            let error = within(body.data()).await.expect("no end").expect_err("a reset");
            assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{kind:?}");

            let mut body = ask(&mut client, "/").await.into_body();
            let error = within(body.data()).await.expect("no end").expect_err("a reset");
            assert_eq!(error.reason(), Some(Reason::INTERNAL_ERROR), "{kind:?}");

            say(&script, data("continues"));
            read(&mut other, b"continues").await;
            assert!(!driver.is_finished());
        }
    }
}

#[tokio::test]
async fn a_reset_drops_the_body_whether_it_waits_or_is_stalled() {
    for kind in KINDS {
        let (waiting_script, waiting, _) = scripted();
        let (stalled_script, stalled, _) = scripted();
        (0..4).for_each(|_| say(&stalled_script, data(vec![b'x'; 100_000])));
        let server = start_with(kind, vec![waiting, stalled]).await;
        let (mut client, driver) = server.connect_h2().await;
        for script in [waiting_script, stalled_script] {
            let (response, mut request) =
                client.send_request(get(), true).expect("an open connection");
            let _body = within(response).await.expect("a response");
            request.send_reset(Reason::CANCEL);
            within(script.closed()).await;
            client = within(client.ready()).await.expect("an open connection");
        }
        assert!(!driver.is_finished());
    }
}

#[tokio::test]
async fn a_stream_that_is_always_ready_starves_neither_requests_nor_other_streams() {
    for kind in KINDS {
        let (script, other_body, _) = scripted();
        let (endless_script, endless_body, _) = scripted();
        let feeder = tokio::spawn(async move {
            while endless_script.send(data(vec![b'x'; 10_000])).is_ok() {
                tokio::task::yield_now().await;
            }
        });
        let server = start_with(kind, vec![endless_body, other_body]).await;
        let (mut client, _driver) = server.connect_h2().await;
        let mut endless = ask(&mut client, "/").await.into_body();
        let reader = tokio::spawn(async move {
            while let Some(Ok(data)) = endless.data().await {
                endless.flow_control().release_capacity(data.len()).expect("an open stream");
            }
        });
        let mut other = ask(&mut client, "/").await.into_body();
        for _ in 0..20 {
            say(&script, data("on"));
            read(&mut other, b"on").await;
            assert_eq!(ask(&mut client, "/").await.status(), 200);
        }
        reader.abort();
        within(feeder).await.expect("the reset of the stream drops its body");
    }
}

#[tokio::test]
async fn a_slow_handler_delays_no_other_request() {
    let (script, body, _) = scripted();
    let (give, bodies) = mpsc::unbounded_channel();
    give.send(body).expect("open");
    let bodies = Arc::new(tokio::sync::Mutex::new(bodies));
    let server = start(move |request| {
        let bodies = Arc::clone(&bodies);
        async move {
            if request.uri().path() == "/long" {
                std::future::pending::<()>().await;
            }
            Kind::LongLivedResponse.response(bodies.lock().await.recv().await.expect("a body"))
        }
    })
    .await;
    let (mut client, _driver) = server.connect_h2().await;
    let long = http::Request::get("http://a/long").body(()).expect("a request");
    let (_long, _) = client.send_request(long, true).expect("an open connection");
    let mut body = ask(&mut client, "/").await.into_body();
    for _ in 0..3 {
        say(&script, data("on"));
        read(&mut body, b"on").await;
    }
}

/// A body that is always ready with an empty piece.
struct EmptyPieces;

impl Body for EmptyPieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::new()))))
    }

    fn is_end_stream(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn a_body_of_endless_empty_pieces_delays_nothing_and_sends_no_frames() {
    for kind in KINDS {
        let server = start(move |_| async move { kind.response(EmptyPieces) }).await;
        let (mut client, driver) = server.connect_h2().await;
        let mut bodies = Vec::new();
        for _ in 0..10 {
            bodies.push(ask(&mut client, "/").await);
        }
        // After more than a hundred empty frames the client would have given up.
        assert!(!driver.is_finished());
    }
}
