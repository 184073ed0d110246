//! Every bound is reached, and not before.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::advance;
use volga_sse::{AbandonPolicy, ClaimError, Message, Replies, StartError};

use super::support::*;

/// The bytes for which a message counts in addition to its own.
const OVERHEAD: usize = 96;

/// The bytes for which a reply counts. The length of its IDs depends on its random epoch, so a
/// client reads the messages.
async fn bytes_of(replies: &Replies, token: volga_sse::ReplyToken) -> usize {
    let volga_sse::AttachOutcome::Open(client) =
        replies.claim(token.as_str()).attach().expect("the reply")
    else {
        panic!("over")
    };
    client
        .messages()
        .map(|message| message.expect("a message").len() + OVERHEAD)
        .fold(0, async |a, b| a + b)
        .await
}

#[tokio::test]
async fn a_reply_may_have_its_bytes_and_not_one_more() {
    let endless = || stream::iter(0..).map(|n: u32| Message::new().data(format!("{n:08}")));
    let replies = Replies::builder().max_bytes(10_000).build();
    let token = replies.start(endless()).unwrap();
    let text = attach(&replies, token).rest().await;
    let (words, error) = text.split_once(" [").unwrap();
    assert_eq!(error, "the reply exceeds 10000 bytes]");
    let held = replies.counts().bytes;
    let one = held / words.split(' ').count();
    assert!(held <= 10_000 && held + one + 8 > 10_000, "{held}");
    assert!(words.starts_with("00000000 00000001 "));
    replies.wait_idle().await;
}

#[tokio::test]
async fn held_bytes_are_what_was_sent_and_a_fixed_part_for_each_message() {
    let replies = Replies::new();
    let token = replies.start(texts(["a", "bc", "def"])).unwrap();
    replies.wait_idle().await;
    assert_eq!(replies.counts().bytes, bytes_of(&replies, token).await);
}

#[tokio::test]
async fn there_may_be_so_many_replies_and_one_that_runs_never_makes_room() {
    let replies = Replies::builder().max_replies(2).build();
    let ((_one, first), (two, second)) = (by_hand(), by_hand());
    let first = replies.start(first).unwrap();
    let second = replies.start(second).unwrap();
    let full = replies.start(texts(["x"])).unwrap_err();
    assert_eq!((full, full.status().as_u16()), (StartError::Full { max: 2 }, 503));

    // The second reply has ended, but a client reads it.
    let reader = attach(&replies, second);
    drop(two);
    while replies.counts().running == 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(replies.start(texts(["x"])).unwrap_err(), StartError::Full { max: 2 });
    drop(reader);
    let third = replies.start(texts(["x"])).unwrap();
    assert_eq!(replies.claim(second.as_str()).attach().unwrap_err(), ClaimError::UnknownToken);
    assert_eq!(attach(&replies, third).rest().await, "x");
    assert!(replies.claim(first.as_str()).attach().is_ok());
}

#[tokio::test]
async fn all_replies_together_have_their_bytes_and_the_oldest_make_room() {
    let word = "x".repeat(1_000);
    let replies = Replies::builder().max_total_bytes(4_000).build();
    let start = || {
        let message = Message::new().data(&word);
        replies.start(stream::iter([message])).unwrap()
    };
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(start());
        replies.wait_idle().await;
        assert!(replies.counts().bytes <= 4_000);
    }
    let there = |token: &volga_sse::ReplyToken| replies.claim(token.as_str()).attach().is_ok();
    assert_eq!(tokens.iter().map(there).collect::<Vec<_>>(), [false, false, true, true, true]);
}

#[tokio::test]
async fn where_no_room_can_be_made_the_reply_that_needs_it_ends() {
    let replies = Replies::builder().max_total_bytes(1_000).build();
    let ((one, first), (two, second)) = (by_hand(), by_hand());
    let (first, second) = (replies.start(first).unwrap(), replies.start(second).unwrap());
    let (mut reader, other) = (attach(&replies, first), attach(&replies, second));
    one.send(text("x".repeat(500))).unwrap();
    assert!(reader.next().await.is_some_and(|item| item.is_ok()));
    two.send(text("y".repeat(500))).unwrap();
    assert_eq!(other.rest().await, "[all replies together exceed 1000 bytes]");
    one.send(text("z")).unwrap();
    drop(one);
    assert_eq!(reader.rest().await, "z", "the other goes on");
}

#[tokio::test(start_paused = true)]
async fn an_expired_reply_is_read_to_its_end_by_its_clients() {
    let replies = Replies::builder().retention(Duration::ZERO).build();
    let token = replies.start(texts(["a", "b", "c"])).unwrap();
    let (mut reader, other) = (attach(&replies, token), attach(&replies, token));
    assert_eq!(reader.next().await, Some(Ok("a".to_owned())));
    let id = reader.last_id.clone();
    settle().await;
    let again = replies.claim(token.as_str()).resume(last_event_id(&id)).attach();
    assert_eq!(again.unwrap_err(), ClaimError::UnknownToken, "no further client finds it");
    assert_eq!(reader.rest().await, "b c");
    assert_eq!(replies.counts().kept, 1);
    assert_eq!(other.rest().await, "a b c");
    assert_eq!((replies.counts().kept, replies.counts().bytes), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_for_ever_does_not_keep_an_expired_reply_when_room_is_needed() {
    let replies = Replies::builder().retention(Duration::from_secs(5)).max_replies(1).build();
    let token = replies.start(texts(["a", "b"])).unwrap();
    let mut stalled = attach(&replies, token);
    assert_eq!(stalled.next().await, Some(Ok("a".to_owned())));
    settle().await;
    assert_eq!(replies.start(texts(["x"])).unwrap_err(), StartError::Full { max: 1 });
    advance(Duration::from_secs(5)).await;
    let next = replies.start(texts(["x"])).unwrap();
    assert_eq!(stalled.rest().await, "[the reply is no longer kept]");
    assert_eq!(attach(&replies, next).rest().await, "x");
}

#[tokio::test]
async fn a_stalled_client_does_not_stall_the_producer() {
    let replies = Replies::builder().abandon_policy(AbandonPolicy::KeepRunning).build();
    let words = stream::iter(0..10_000).map(|n: u32| Message::new().data(n.to_string()));
    let token = replies.start(words).unwrap();
    let stalled = attach(&replies, token);
    replies.wait_idle().await;
    assert_eq!(replies.counts().running, 0);
    let text = stalled.rest().await;
    let expect: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    assert_eq!(text, expect.join(" "));
}
