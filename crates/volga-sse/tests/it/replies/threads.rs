//! Many producers and clients on real threads: nothing lost, nothing twice, nothing left.

use futures_util::{StreamExt, future::join_all, stream};
use volga_sse::{AbandonPolicy, AttachOutcome, Message, Replies, ReplyToken};

use super::support::*;

const REPLIES: usize = 8;
const CLIENTS: usize = 6;
const MESSAGES: usize = 2_000;

/// Reads a whole reply; leaves and returns after every `leave_after` events.
async fn read(replies: Replies, token: ReplyToken, leave_after: usize) -> Vec<String> {
    let mut texts = Vec::new();
    let mut reader = attach(&replies, token);
    loop {
        match reader.next().await {
            Some(Ok(text)) => texts.push(text),
            Some(Err(error)) => panic!("{error}"),
            None => return texts,
        }
        if texts.len() % leave_after == 0 {
            let claim = replies.claim(token.as_str()).resume(last_event_id(&reader.last_id));
            match claim.attach().expect("the reply") {
                AttachOutcome::Ended(outcome) => {
                    outcome.expect("a proper end");
                    return texts;
                }
                attached => reader = Reader::new(attached),
            }
        }
        if texts.len() % 97 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_client_reads_every_message_once_and_in_order() {
    let replies = Replies::builder().abandon_policy(AbandonPolicy::KeepRunning).build();
    let mut clients = Vec::new();
    for _ in 0..REPLIES {
        let words = stream::iter(0..MESSAGES).then(async |n| {
            if n % 61 == 0 {
                tokio::task::yield_now().await;
            }
            Message::new().data(n.to_string())
        });
        let token = replies.start(words.boxed()).unwrap();
        for client in 1..=CLIENTS {
            clients.push(tokio::spawn(read(replies.clone(), token, 37 * client)));
        }
    }
    let expect: Vec<String> = (0..MESSAGES).map(|n| n.to_string()).collect();
    for texts in join_all(clients).await {
        assert!(texts.unwrap() == expect);
    }
    replies.wait_idle().await;
    let counts = replies.counts();
    assert_eq!((counts.running, counts.kept, counts.attached), (0, REPLIES, 0));
}

/// Starts, cancels, attaches, leaves and evicts at the same time, within tight bounds: no deadlock,
/// and every byte is given back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_happens_at_the_same_time_all_bytes_are_given_back() {
    const MAX: usize = 20_000;
    let replies = Replies::builder()
        .max_replies(16)
        .max_total_bytes(MAX)
        .max_bytes(MAX / 4)
        .abandon_policy(AbandonPolicy::Cancel)
        .retention(std::time::Duration::ZERO)
        .build();
    let work = (0..8_usize).map(|worker| {
        let replies = replies.clone();
        tokio::spawn(async move {
            for round in 0..300 {
                let words =
                    stream::iter(0..round % 50).map(|n: usize| Message::new().data(n.to_string()));
                let Ok(token) = replies.start(words) else {
                    tokio::task::yield_now().await;
                    continue;
                };
                if let Ok(AttachOutcome::Open(client)) = replies.claim(token.as_str()).attach() {
                    let mut messages = client.messages();
                    for _ in 0..(round + worker) % 7 {
                        messages.next().await;
                    }
                }
                if (round + worker) % 5 == 0 {
                    let _ = replies.claim(token.as_str()).cancel();
                }
                assert!(replies.counts().bytes <= MAX);
            }
        })
    });
    for worker in join_all(work.collect::<Vec<_>>()).await {
        worker.unwrap();
    }
    replies.stop();
    replies.wait_idle().await;
    assert_eq!(replies.counts(), volga_sse::RepliesCounts::default());
}
