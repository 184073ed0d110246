//! What happens when the last client leaves, with a paused clock.

use std::time::Duration;

use tokio::{runtime::Handle, time::advance};
use volga_sse::{AbandonPolicy, ClaimError, Replies};

use super::support::*;

const GRACE: Duration = Duration::from_secs(10);

fn replies(policy: AbandonPolicy) -> Replies {
    Replies::builder()
        .abandon_policy(policy)
        .first_client_timeout(Duration::from_secs(20))
        .retention(Duration::from_secs(60))
        .build()
}

const ABANDONED: &str = "a [the reply was abandoned by its clients]";

#[tokio::test(start_paused = true)]
async fn at_once_the_producer_is_dropped_with_its_last_client() {
    let replies = replies(AbandonPolicy::Cancel);
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    let (one, two) = (attach(&replies, token), attach(&replies, token));
    drop(one);
    settle().await;
    assert!(!sender.is_closed(), "another client is there");
    drop(two);
    sender.closed().await;
    assert_eq!(attach(&replies, token).rest().await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn after_a_grace_the_producer_is_dropped_and_not_before() {
    let replies = replies(AbandonPolicy::CancelAfter(GRACE));
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    drop(attach(&replies, token));
    advance(GRACE - Duration::from_millis(2)).await;
    settle().await;
    assert!(!sender.is_closed());
    // There is no access: the timer alone does it.
    advance(Duration::from_millis(1)).await;
    sender.closed().await;
    assert_eq!(attach(&replies, token).rest().await, ABANDONED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_returns_within_the_grace_gets_the_rest_and_nothing_twice() {
    let replies = replies(AbandonPolicy::CancelAfter(GRACE));
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    let mut client = attach(&replies, token);
    assert_eq!(client.next().await, Some(Ok("a".to_owned())));
    let id = client.last_id.clone();
    for word in ["b", "c", "d"] {
        drop(client);
        advance(GRACE / 2).await;
        sender.send(text(word)).unwrap();
        client = resume(&replies, token, &id);
        advance(GRACE * 3).await;
        settle().await;
    }
    drop(sender);
    assert_eq!(client.rest().await, "b c d");
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_keeps_running_comes_to_its_end_without_a_client() {
    let replies = replies(AbandonPolicy::KeepRunning);
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    drop(attach(&replies, token));
    advance(Duration::from_secs(100_000)).await;
    sender.send(text("b")).unwrap();
    drop(sender);
    settle().await;
    assert_eq!(attach(&replies, token).rest().await, "a b");
}

#[tokio::test(start_paused = true)]
async fn a_reply_may_have_a_policy_of_its_own() {
    let replies = replies(AbandonPolicy::Cancel);
    let (sender, stream) = by_hand();
    let token =
        replies.new_reply().abandon_policy(AbandonPolicy::KeepRunning).start(stream).unwrap();
    drop(attach(&replies, token));
    advance(Duration::from_secs(1_000)).await;
    settle().await;
    assert!(!sender.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_reply_without_a_first_client_is_cancelled_in_time() {
    for policy in [AbandonPolicy::Cancel, AbandonPolicy::CancelAfter(GRACE)] {
        let replies = replies(policy);
        let (sender, stream) = by_hand();
        let token = replies.start(stream).unwrap();
        advance(Duration::from_secs(19)).await;
        settle().await;
        assert!(!sender.is_closed());
        advance(Duration::from_secs(1)).await;
        sender.closed().await;
        let over = replies.claim(token.as_str()).attach();
        assert!(matches!(over, Ok(volga_sse::AttachOutcome::Ended(Err(_)))), "{over:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_keeps_running_needs_no_client_at_all() {
    let replies = replies(AbandonPolicy::KeepRunning);
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    advance(Duration::from_secs(100_000)).await;
    sender.send(text("a")).unwrap();
    drop(sender);
    settle().await;
    assert_eq!(attach(&replies, token).rest().await, "a");
}

/// These are the times of the guide.
#[tokio::test(start_paused = true)]
async fn a_reply_has_the_default_times_unless_it_has_others() {
    for is_left in [false, true] {
        let replies = Replies::new();
        let (sender, stream) = by_hand();
        let token = replies.start(stream).unwrap();
        if is_left {
            advance(Duration::from_secs(10)).await;
            drop(attach(&replies, token));
        }
        advance(Duration::from_millis(29_998)).await;
        settle().await;
        assert!(!sender.is_closed(), "left: {is_left}");
        advance(Duration::from_millis(2)).await;
        sender.closed().await;
    }
    let replies = Replies::new();
    let token = replies.start(texts(["a"])).unwrap();
    settle().await;
    advance(Duration::from_secs(5 * 60) - Duration::from_millis(3)).await;
    settle().await;
    assert_eq!(attach(&replies, token).rest().await, "a");
    advance(Duration::from_millis(3)).await;
    settle().await;
    assert_eq!(replies.claim(token.as_str()).attach().unwrap_err(), ClaimError::UnknownToken);
}

#[tokio::test(start_paused = true)]
async fn a_reply_expires_without_any_access_and_leaves_no_task() {
    let replies = replies(AbandonPolicy::Cancel);
    let token = replies.start(texts(["a", "b"])).unwrap();
    assert_eq!(attach(&replies, token).rest().await, "a b");
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the timer");
    advance(Duration::from_secs(60)).await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    assert_eq!(replies.counts(), volga_sse::RepliesCounts::default());
    assert_eq!(replies.claim(token.as_str()).attach().unwrap_err(), ClaimError::UnknownToken);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_from_a_thread_without_a_runtime_starts_the_clock_too() {
    let replies = replies(AbandonPolicy::CancelAfter(GRACE));
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    let client = attach(&replies, token);
    advance(Duration::from_secs(100)).await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "the producer, and no timer");
    std::thread::spawn(move || drop(client)).join().unwrap();
    // No `advance`: when all tasks wait, the paused clock goes on to the next timer by itself.
    sender.closed().await;
}
