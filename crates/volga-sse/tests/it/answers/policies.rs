//! What happens when nobody is left, by a paused clock.

use std::time::Duration;

use tokio::{runtime::Handle, time::advance};
use volga_sse::{Abandoned, Answers, ClaimError};

use super::support::*;

const GRACE: Duration = Duration::from_secs(10);

fn answers(policy: Abandoned) -> Answers {
    Answers::builder()
        .when_abandoned(policy)
        .first_client_within(Duration::from_secs(20))
        .keep(Duration::from_secs(60))
        .build()
}

const ABANDONED: &str = "a [the answer was abandoned by its clients]";

#[tokio::test(start_paused = true)]
async fn at_once_the_producer_is_dropped_with_its_last_client() {
    let answers = answers(Abandoned::Cancel);
    let (sender, stream) = by_hand();
    let token = answers.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    let (one, two) = (attach(&answers, token), attach(&answers, token));
    drop(one);
    settle().await;
    assert!(!sender.is_closed(), "another client is there");
    drop(two);
    sender.closed().await;
    assert_eq!(attach(&answers, token).rest().await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn after_a_grace_the_producer_is_dropped_and_not_before() {
    let answers = answers(Abandoned::CancelAfter(GRACE));
    let (sender, stream) = by_hand();
    let token = answers.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    drop(attach(&answers, token));
    advance(GRACE - Duration::from_millis(2)).await;
    settle().await;
    assert!(!sender.is_closed());
    // Nobody calls: the timer alone does it.
    advance(Duration::from_millis(1)).await;
    sender.closed().await;
    assert_eq!(attach(&answers, token).rest().await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_within_the_grace_gets_the_rest_and_nothing_twice() {
    let answers = answers(Abandoned::CancelAfter(GRACE));
    let (sender, stream) = by_hand();
    let token = answers.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    let mut client = attach(&answers, token);
    assert_eq!(client.next().await, Some(Ok("a".to_owned())));
    let id = client.last_id.clone();
    for word in ["b", "c", "d"] {
        drop(client);
        advance(GRACE / 2).await;
        sender.send(text(word)).unwrap();
        client = resume(&answers, token, &id);
        advance(GRACE * 3).await;
        settle().await;
    }
    drop(sender);
    assert_eq!(client.rest().await, "b c d");
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_runs_on_comes_to_its_end_without_a_client() {
    let answers = answers(Abandoned::RunOn);
    let (sender, stream) = by_hand();
    let token = answers.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    drop(attach(&answers, token));
    advance(Duration::from_secs(100_000)).await;
    sender.send(text("b")).unwrap();
    drop(sender);
    settle().await;
    assert_eq!(attach(&answers, token).rest().await, "a b");
}

#[tokio::test(start_paused = true)]
async fn an_answer_says_for_itself_what_happens() {
    let answers = answers(Abandoned::Cancel);
    let (sender, stream) = by_hand();
    let token = answers.new_answer().when_abandoned(Abandoned::RunOn).start(stream).unwrap();
    drop(attach(&answers, token));
    advance(Duration::from_secs(1_000)).await;
    settle().await;
    assert!(!sender.is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_comes_for_is_cancelled_in_time() {
    for policy in [Abandoned::Cancel, Abandoned::CancelAfter(GRACE)] {
        let answers = answers(policy);
        let (sender, stream) = by_hand();
        let token = answers.start(stream).unwrap();
        advance(Duration::from_secs(19)).await;
        settle().await;
        assert!(!sender.is_closed());
        advance(Duration::from_secs(1)).await;
        sender.closed().await;
        let over = answers.claim(token.as_str()).attach();
        assert!(matches!(over, Ok(volga_sse::Attached::Over(Err(_)))), "{over:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_time_kept_is_over_though_nobody_calls_and_no_task_is_left() {
    let answers = answers(Abandoned::Cancel);
    let token = answers.start(texts(["a", "b"])).unwrap();
    assert_eq!(attach(&answers, token).rest().await, "a b");
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the timer");
    advance(Duration::from_secs(60)).await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    assert_eq!(answers.facts(), volga_sse::AnswersFacts::default());
    assert_eq!(answers.claim(token.as_str()).attach().unwrap_err(), ClaimError::Unknown);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_from_a_thread_without_a_runtime_starts_the_clock_too() {
    let answers = answers(Abandoned::CancelAfter(GRACE));
    let (sender, stream) = by_hand();
    let token = answers.start(stream).unwrap();
    let client = attach(&answers, token);
    advance(Duration::from_secs(100)).await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the producer, and no timer");
    std::thread::spawn(move || drop(client)).join().unwrap();
    // No advance: with everything at rest, the paused clock goes on to the timer by itself.
    sender.closed().await;
}
