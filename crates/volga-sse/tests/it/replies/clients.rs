//! Clients that attach and leave: each gets every message once, in order.

use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use volga_sse::{AttachOutcome, ClaimError, Decoder, Message, Position, Replies, Sse, StreamKind};

use super::support::*;

fn words(items: Vec<Result<String, String>>) -> String {
    items.into_iter().map(Result::unwrap).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn a_slow_client_and_a_quick_one_read_the_same() {
    let replies = Replies::new();
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    let (mut quick, slow) = (attach(&replies, token), attach(&replies, token));
    for word in ["a", "b", "c"] {
        sender.send(text(word)).unwrap();
        assert_eq!(quick.next().await, Some(Ok(word.to_owned())));
        assert_eq!(words(quick.ready()), "");
    }
    let mut late = attach(&replies, token);
    assert_eq!(words(late.ready()), "a b c");
    sender.send(text("d")).unwrap();
    drop(sender);
    assert_eq!(quick.rest().await, "d");
    assert_eq!(late.rest().await, "d");
    assert_eq!(slow.rest().await, "a b c d");
}

#[tokio::test]
async fn resumed_at_each_event_it_goes_on_with_the_next() {
    let replies = Replies::new();
    let token = replies.start(texts(["a", "b", "c"])).unwrap();
    let mut client = attach(&replies, token);
    let mut ids = vec![String::new()];
    while client.next().await.is_some() {
        ids.push(client.last_id.clone());
    }
    for (id, rest) in ids.iter().zip(["a b c", "b c", "c"]) {
        assert_eq!(resume(&replies, token, id).rest().await, rest);
    }
    let over = replies.claim(token.as_str()).resume(last_event_id(&ids[3])).attach().unwrap();
    assert!(matches!(over, AttachOutcome::Ended(Ok(()))), "{over:?}");
}

#[tokio::test]
async fn an_unknown_id_gets_a_gap_and_then_the_reply_from_its_start() {
    let replies = Replies::new();
    let (one, two) = (replies.start(texts(["a"])).unwrap(), replies.start(texts(["b"])).unwrap());
    let mut client = attach(&replies, one);
    client.next().await;
    // The second reply has ended, and its only event has the number 1.
    let foreign = Position::new(0x2a, 1).to_string();
    let mut other = attach(&replies, two);
    other.next().await;
    let own: Position = other.last_id.parse().expect("a position");
    let [before, beyond] = [0, 2].map(|number| Position::new(own.epoch(), number).to_string());
    for id in [client.last_id.as_str(), "7", "\u{e9}", "\u{fffd}", &foreign, &before, &beyond] {
        let claim = replies.claim(two.as_str()).resume(last_event_id(id));
        let Ok(AttachOutcome::Open(client)) = claim.attach() else { panic!("{id}") };
        let body = Sse::new(client).without_retry().into_response().into_body();
        let wire = body.collect().await.expect("a proper end").to_bytes();
        let mut decoder = Decoder::new();
        let events = decoder.feed(&wire).expect("within limits");
        let [gap, message] = &events[..] else { panic!("{events:?}") };
        assert_eq!((gap.event(), gap.id(), message.data()), ("gap", "", "b"), "{id}");
        let data: serde_json::Value = serde_json::from_str(gap.data()).expect("JSON");
        assert_eq!((&data["after"], &data["snapshot"]), (&().into(), &true.into()));
        assert!(data["through"].is_string());
        // Its ID is known from now on.
        let over = replies.claim(two.as_str()).resume(last_event_id(message.id())).attach();
        assert!(matches!(over, Ok(AttachOutcome::Ended(Ok(())))), "{over:?}");
    }
}

#[tokio::test]
async fn a_client_that_has_everything_waits_while_the_reply_runs() {
    let replies = Replies::new();
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    let mut client = attach(&replies, token);
    client.next().await;
    let mut back = resume(&replies, token, &client.last_id);
    assert_eq!(words(back.ready()), "");
    sender.send(text("b")).unwrap();
    drop(sender);
    assert_eq!(back.rest().await, "b");
}

#[tokio::test]
async fn only_its_owner_may_have_it() {
    let replies = Replies::new();
    let hers = replies.new_reply().owner("anna").start(texts(["a"])).unwrap();
    let free = replies.start(texts(["b"])).unwrap();
    let claim =
        |token: &str, owner: Option<&str>| replies.claim(token).owner(owner).attach().map(|_| ());
    for (token, owner, expect) in [
        (hers.as_str(), Some("anna"), Ok(())),
        (hers.as_str(), Some("bert"), Err(ClaimError::WrongOwner)),
        (hers.as_str(), Some(""), Err(ClaimError::WrongOwner)),
        (hers.as_str(), None, Err(ClaimError::WrongOwner)),
        (free.as_str(), None, Ok(())),
        (free.as_str(), Some("anna"), Err(ClaimError::WrongOwner)),
        ("AAAAAAAAAAAAAAAAAAAAAAAA", None, Err(ClaimError::UnknownToken)),
        ("", None, Err(ClaimError::UnknownToken)),
    ] {
        assert_eq!(claim(token, owner), expect, "{owner:?}");
    }
    let cancel = |owner| replies.claim(hers.as_str()).owner(owner).cancel();
    assert_eq!((cancel("bert"), cancel("anna")), (Err(ClaimError::WrongOwner), Ok(())));
}

#[tokio::test]
async fn the_counts_follow_replies_and_clients() {
    let replies = Replies::new();
    let count = || {
        let counts = replies.counts();
        (counts.running, counts.kept, counts.attached)
    };
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    let (one, two) = (attach(&replies, token), attach(&replies, token));
    assert_eq!(count(), (1, 0, 2));
    drop(two);
    drop(sender);
    // A client that has read to the end no longer counts, although it is not dropped yet.
    let mut one = one;
    assert_eq!(one.next().await, None);
    assert_eq!(count(), (0, 1, 0));
    assert_eq!(replies.counts().bytes, 0);
}

#[tokio::test]
async fn an_attachment_is_a_finite_event_stream() {
    let replies = Replies::new();
    let token = replies
        .start(stream::iter([Message::new().comment("c"), Message::new().data("a")]))
        .unwrap();
    let AttachOutcome::Open(client) = replies.claim(token.as_str()).attach().unwrap() else {
        panic!("over")
    };
    let sse: Sse<_> = client.into_sse();
    assert_eq!(sse.close_handle().kind(), StreamKind::Finite);
    let body = sse.without_retry().into_response().into_body().collect().await.unwrap().to_bytes();
    let text = std::str::from_utf8(&body).unwrap();
    assert!(text.starts_with(": c\ndata: a\nid: ") && text.ends_with("-2\n\n"), "{text}");
}

#[tokio::test]
async fn items_that_come_encoded_are_shared_out_like_any_other() {
    let replies = Replies::new();
    let encoded = Message::new().id("mine").data("a\nb").encode().unwrap();
    let token = replies.start(stream::iter([encoded]).map(Ok::<_, std::io::Error>)).unwrap();
    let mut client = attach(&replies, token);
    assert_eq!(client.next().await, Some(Ok("a\nb".to_owned())));
    assert!(client.last_id.ends_with("-1"), "{}", client.last_id);
}
