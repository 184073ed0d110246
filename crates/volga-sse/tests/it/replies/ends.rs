//! How replies end: every client learns it, whenever it attaches.

use std::sync::{Arc, Mutex};

use futures_util::{StreamExt, stream};
use tokio::runtime::{Builder, Handle};
use volga_sse::{AttachOutcome, Message, Replies, ReplyError, StartError};

use super::support::*;

/// The ends with which the observer was called.
#[derive(Clone, Default)]
struct Ends(Arc<Mutex<Vec<String>>>);

impl Ends {
    fn replies(&self) -> Replies {
        let ends = Arc::clone(&self.0);
        let observer = move |end: volga_sse::ReplyEnd<'_>| {
            let outcome = match end.outcome() {
                Ok(()) => "finished".to_owned(),
                Err(error) => match std::error::Error::source(error) {
                    Some(cause) => format!("{error}: {cause}"),
                    None => error.to_string(),
                },
            };
            let owner = end.owner().unwrap_or("nobody");
            ends.lock()
                .expect("no panic")
                .push(format!("{owner}, {} messages, {outcome}", end.messages()));
        };
        Replies::builder().on_end(observer).build()
    }

    fn told(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

#[tokio::test]
async fn a_proper_end_is_one_for_every_client() {
    let ends = Ends::default();
    let replies = ends.replies();
    let token = replies.new_reply().owner("anna").start(texts(["a", "b"])).unwrap();
    let mine = || Reader::new(replies.claim(token.as_str()).owner("anna").attach().unwrap());
    let (one, two) = (mine(), mine());
    assert_eq!((one.rest().await, two.rest().await), ("a b".to_owned(), "a b".to_owned()));
    assert_eq!(mine().rest().await, "a b", "one that comes after the end");
    assert_eq!(ends.told(), ["anna, 2 messages, finished"]);
}

#[tokio::test]
async fn an_error_of_the_producer_reaches_every_client_and_its_cause_the_observer() {
    let ends = Ends::default();
    let replies = ends.replies();
    let broken = "x".parse::<u8>().map(|_| Message::new());
    let items = stream::iter([Ok(Message::new().data("a")), broken]);
    let token = replies.start(items).unwrap();
    let live = attach(&replies, token);
    let expect = "a [the producer of the reply failed]";
    assert_eq!(live.rest().await, expect);
    let mut late = attach(&replies, token);
    assert_eq!(late.next().await, Some(Ok("a".to_owned())));
    let id = late.last_id.clone();
    assert_eq!(late.rest().await, "[the producer of the reply failed]");
    assert_eq!(
        ends.told(),
        ["nobody, 1 messages, the producer of the reply failed: invalid digit found in string"]
    );
    // A client that has every event gets the outcome, not a stream.
    let over = replies.claim(token.as_str()).resume(last_event_id(&id)).attach().unwrap();
    assert!(matches!(over, AttachOutcome::Ended(Err(ReplyError::Failed(_)))), "{over:?}");
}

#[tokio::test]
async fn a_message_that_cannot_be_encoded_is_a_failure() {
    let ends = Ends::default();
    let replies = ends.replies();
    let token =
        replies.start(stream::iter([Message::new().data("a"), Message::new().event("")])).unwrap();
    assert_eq!(attach(&replies, token).rest().await, "a [the producer of the reply failed]");
    assert!(ends.told()[0].contains("the event name is empty"), "{:?}", ends.told());
}

#[tokio::test]
async fn a_panic_is_caught_and_reaches_every_client() {
    let ends = Ends::default();
    let replies = ends.replies();
    let words = stream::iter(["a", "b"]).map(|word| match word {
        "a" => text(word),
        _ => panic!("out of words"),
    });
    let token = replies.start(words).unwrap();
    let expect = "a [the producer of the reply panicked: out of words]";
    assert_eq!(attach(&replies, token).rest().await, expect);
    assert_eq!(attach(&replies, token).rest().await, expect);
    assert_eq!(
        ends.told(),
        ["nobody, 1 messages, the producer of the reply panicked: out of words"]
    );
    replies.wait_idle().await;
}

#[tokio::test]
async fn a_producer_that_panics_while_it_is_dropped_ends_the_reply() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::hint::black_box(false), "dropped");
        }
    }
    let replies = Replies::new();
    let bomb = Bomb;
    let words = stream::iter(["a"]).map(move |word| {
        let _held = &bomb;
        text(word)
    });
    let token = replies.start(words).unwrap();
    let end = attach(&replies, token).rest().await;
    assert_eq!(end, "a [the producer of the reply panicked: while it was dropped]");
    replies.wait_idle().await;
}

#[tokio::test]
async fn cancelled_it_ends_for_all_and_its_producer_is_dropped() {
    let ends = Ends::default();
    let replies = ends.replies();
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    sender.send(text("a")).unwrap();
    let mut client = attach(&replies, token);
    assert_eq!(client.next().await, Some(Ok("a".to_owned())));
    replies.claim(token.as_str()).cancel().unwrap();
    replies.claim(token.as_str()).cancel().expect("the second time without effect");
    assert_eq!(client.rest().await, "[the reply was cancelled]");
    sender.closed().await;
    replies.wait_idle().await;
    assert_eq!(attach(&replies, token).rest().await, "a [the reply was cancelled]");
    assert_eq!(ends.told(), ["nobody, 1 messages, the reply was cancelled"]);
}

#[tokio::test]
async fn cancelled_before_its_first_poll_it_never_runs() {
    let replies = Replies::new();
    let token = replies
        .start(stream::poll_fn(|_| -> std::task::Poll<Option<Message>> { panic!("it ran") }))
        .unwrap();
    replies.claim(token.as_str()).cancel().unwrap();
    replies.wait_idle().await;
    let over = replies.claim(token.as_str()).attach().unwrap();
    assert!(matches!(over, AttachOutcome::Ended(Err(ReplyError::Cancelled))), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn with_the_last_replies_everything_stops() {
    let ends = Ends::default();
    let replies = ends.replies();
    let (sender, stream) = by_hand();
    let running = replies.start(stream).unwrap();
    let finished = replies.start(texts(["a", "b"])).unwrap();
    settle().await;
    let (live, mut behind) = (attach(&replies, running), attach(&replies, finished));
    assert_eq!(behind.next().await, Some(Ok("a".to_owned())));
    let clone = replies.clone();
    drop(replies);
    settle().await;
    assert!(!sender.is_closed(), "a clone is there");
    drop(clone);
    sender.closed().await;
    assert_eq!(live.rest().await, "[all replies were stopped]");
    assert_eq!(behind.rest().await, "[the reply is no longer kept]");
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    assert_eq!(
        ends.told(),
        ["nobody, 2 messages, finished", "nobody, 0 messages, all replies were stopped"]
    );
}

#[tokio::test]
async fn closed_it_starts_nothing_more_and_what_runs_goes_on() {
    let replies = Replies::new();
    let (sender, stream) = by_hand();
    let token = replies.start(stream).unwrap();
    replies.close();
    assert_eq!(replies.start(texts(["x"])).unwrap_err(), StartError::Closed);
    let client = attach(&replies, token);
    sender.send(text("a")).unwrap();
    drop(sender);
    replies.wait_idle().await;
    assert_eq!(client.rest().await, "a");
}

#[tokio::test]
async fn stopped_every_producer_is_dropped_and_finished_replies_stay() {
    let replies = Replies::new();
    let (sender, stream) = by_hand();
    let finished = replies.start(texts(["a"])).unwrap();
    assert_eq!(attach(&replies, finished).rest().await, "a");
    let running = replies.start(stream).unwrap();
    let client = attach(&replies, running);
    replies.stop();
    assert_eq!(client.rest().await, "[all replies were stopped]");
    sender.closed().await;
    replies.wait_idle().await;
    assert_eq!(attach(&replies, finished).rest().await, "a");
}

#[test]
fn clients_are_told_that_the_runtime_of_the_producer_is_gone() {
    let replies = Replies::new();
    assert_eq!(replies.start(texts(["x"])).unwrap_err(), StartError::NoRuntime);
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    let (sender, stream) = by_hand();
    let client = runtime.block_on(async {
        let token = replies.start(stream).unwrap();
        attach(&replies, token)
    });
    drop(runtime);
    assert!(sender.is_closed());
    assert_eq!(
        futures_util::FutureExt::now_or_never(client.rest()).unwrap(),
        "[the reply was cancelled]"
    );
    // Another runtime runs the timer.
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let token = replies.start(texts(["a"])).unwrap();
        assert_eq!(attach(&replies, token).rest().await, "a");
        tokio::time::advance(volga_sse::DEFAULT_REPLY_RETENTION * 2).await;
        settle().await;
        assert_eq!(replies.counts().kept, 0);
    });
}
