//! Every bound, reached and not before.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time::advance;
use volga_sse::{Abandoned, Answers, ClaimError, Message, StartError};

use super::support::*;

/// What a message of so many bytes on the wire is counted as.
const OVERHEAD: usize = 96;

/// What these texts are counted as in an answer. Its epoch is random, and so the length of its IDs; it is read off one.
async fn bytes_of(answers: &Answers, token: volga_sse::Token) -> usize {
    let volga_sse::Attached::Open(client) =
        answers.claim(token.as_str()).attach().expect("the answer")
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
async fn an_answer_may_have_its_bytes_and_not_one_more() {
    let endless = || stream::iter(0..).map(|n: u32| Message::new().data(format!("{n:08}")));
    let answers = Answers::builder().max_bytes(10_000).build();
    let token = answers.start(endless()).unwrap();
    let text = attach(&answers, token).rest().await;
    let (words, error) = text.split_once(" [").unwrap();
    assert_eq!(error, "the answer exceeds 10000 bytes]");
    let held = answers.facts().bytes;
    let one = held / words.split(' ').count();
    assert!(held <= 10_000 && held + one + 8 > 10_000, "{held}");
    assert!(words.starts_with("00000000 00000001 "));
    answers.wait_idle().await;
}

#[tokio::test]
async fn held_bytes_are_what_was_sent_and_a_fixed_part_for_each_message() {
    let answers = Answers::new();
    let token = answers.start(texts(["a", "bc", "def"])).unwrap();
    answers.wait_idle().await;
    assert_eq!(answers.facts().bytes, bytes_of(&answers, token).await);
}

#[tokio::test]
async fn there_may_be_so_many_answers_and_one_that_runs_never_makes_room() {
    let answers = Answers::builder().max_answers(2).build();
    let ((_one, first), (two, second)) = (by_hand(), by_hand());
    let first = answers.start(first).unwrap();
    let second = answers.start(second).unwrap();
    assert_eq!(answers.start(texts(["x"])).unwrap_err(), StartError::Full { max: 2 });

    // One has ended, but is read.
    let reader = attach(&answers, second);
    drop(two);
    while answers.facts().running == 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(answers.start(texts(["x"])).unwrap_err(), StartError::Full { max: 2 });
    drop(reader);
    let third = answers.start(texts(["x"])).unwrap();
    assert_eq!(answers.claim(second.as_str()).attach().unwrap_err(), ClaimError::Unknown);
    assert_eq!(attach(&answers, third).rest().await, "x");
    assert!(answers.claim(first.as_str()).attach().is_ok());
}

#[tokio::test]
async fn all_answers_together_have_their_bytes_and_the_oldest_make_room() {
    let word = "x".repeat(1_000);
    let answers = Answers::builder().max_total_bytes(4_000).build();
    let start = || {
        let message = Message::new().data(&word);
        answers.start(stream::iter([message])).unwrap()
    };
    let mut tokens = Vec::new();
    for _ in 0..5 {
        tokens.push(start());
        answers.wait_idle().await;
        assert!(answers.facts().bytes <= 4_000);
    }
    let there = |token: &volga_sse::Token| answers.claim(token.as_str()).attach().is_ok();
    assert_eq!(tokens.iter().map(there).collect::<Vec<_>>(), [false, false, true, true, true]);
}

#[tokio::test]
async fn where_no_room_can_be_made_the_answer_that_needs_it_ends() {
    let answers = Answers::builder().max_total_bytes(1_000).build();
    let ((one, first), (two, second)) = (by_hand(), by_hand());
    let (first, second) = (answers.start(first).unwrap(), answers.start(second).unwrap());
    let (mut reader, other) = (attach(&answers, first), attach(&answers, second));
    one.send(text("x".repeat(500))).unwrap();
    assert!(reader.next().await.is_some_and(|item| item.is_ok()));
    two.send(text("y".repeat(500))).unwrap();
    assert_eq!(other.rest().await, "[all answers together exceed 1000 bytes]");
    one.send(text("z")).unwrap();
    drop(one);
    assert_eq!(reader.rest().await, "z", "the other goes on");
}

#[tokio::test(start_paused = true)]
async fn past_its_time_an_answer_is_read_to_its_end_by_those_who_read_it() {
    let answers = Answers::builder().keep(Duration::ZERO).build();
    let token = answers.start(texts(["a", "b", "c"])).unwrap();
    let (mut reader, other) = (attach(&answers, token), attach(&answers, token));
    assert_eq!(reader.next().await, Some(Ok("a".to_owned())));
    let id = reader.last_id.clone();
    settle().await;
    let again = answers.claim(token.as_str()).resume(last_event_id(&id)).attach();
    assert_eq!(again.unwrap_err(), ClaimError::Unknown, "nobody else comes to it");
    assert_eq!(reader.rest().await, "b c");
    assert_eq!(answers.facts().kept, 1);
    assert_eq!(other.rest().await, "a b c");
    assert_eq!((answers.facts().kept, answers.facts().bytes), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_for_ever_holds_nothing_past_its_time_when_room_is_needed() {
    let answers = Answers::builder().keep(Duration::from_secs(5)).max_answers(1).build();
    let token = answers.start(texts(["a", "b"])).unwrap();
    let mut stalled = attach(&answers, token);
    assert_eq!(stalled.next().await, Some(Ok("a".to_owned())));
    settle().await;
    assert_eq!(answers.start(texts(["x"])).unwrap_err(), StartError::Full { max: 1 });
    advance(Duration::from_secs(5)).await;
    let next = answers.start(texts(["x"])).unwrap();
    assert_eq!(stalled.rest().await, "[the answer is no longer kept]");
    assert_eq!(attach(&answers, next).rest().await, "x");
}

#[tokio::test]
async fn a_stalled_client_does_not_stall_the_producer() {
    let answers = Answers::builder().when_abandoned(Abandoned::RunOn).build();
    let words = stream::iter(0..10_000).map(|n: u32| Message::new().data(n.to_string()));
    let token = answers.start(words).unwrap();
    let stalled = attach(&answers, token);
    answers.wait_idle().await;
    assert_eq!(answers.facts().running, 0);
    let text = stalled.rest().await;
    let expect: Vec<String> = (0..10_000).map(|n| n.to_string()).collect();
    assert_eq!(text, expect.join(" "));
}
