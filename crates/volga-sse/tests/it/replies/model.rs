//! Random steps against a plain model: at every step, each client reads what the model predicts.

use std::time::Duration;

use proptest::prelude::*;
use tokio::{sync::mpsc::UnboundedSender, time::advance};
use volga_sse::{AbandonPolicy, AttachOutcome, ClaimError, Replies, ReplyToken};

use super::support::*;

const KEEP: u64 = 20;
const GRACE: u64 = 7;
const FIRST: u64 = 11;

#[derive(Clone, Debug)]
enum Step {
    Start(u8),
    Produce(prop::sample::Index, u8),
    Fail(prop::sample::Index),
    Finish(prop::sample::Index),
    Cancel(prop::sample::Index),
    Attach(prop::sample::Index),
    /// A client reads this many events.
    Read(prop::sample::Index, u8),
    Leave(prop::sample::Index),
    /// A client leaves, and returns with its last event ID.
    Return(prop::sample::Index),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        2 => (0..3_u8).prop_map(Step::Start),
        8 => (which(), 1..5_u8).prop_map(|(which, count)| Step::Produce(which, count)),
        1 => which().prop_map(Step::Fail),
        2 => which().prop_map(Step::Finish),
        1 => which().prop_map(Step::Cancel),
        5 => which().prop_map(Step::Attach),
        6 => (which(), 0..6_u8).prop_map(|(which, count)| Step::Read(which, count)),
        3 => which().prop_map(Step::Leave),
        4 => which().prop_map(Step::Return),
        3 => (1..12_u8).prop_map(Step::Wait),
    ]
}

/// The expected state of a reply.
struct Model {
    token: ReplyToken,
    sender: Option<UnboundedSender<Item>>,
    abandoned: AbandonPolicy,
    produced: usize,
    end: Option<&'static str>,
    clients: usize,
    /// The second at which it is cancelled, unless a client comes.
    cancel_at: Option<u64>,
    gone_at: Option<u64>,
    is_overdue: bool,
    is_gone: bool,
}

struct Client {
    reader: Reader,
    reply: usize,
    read: usize,
    ended: bool,
}

struct World {
    replies: Replies,
    models: Vec<Model>,
    clients: Vec<Client>,
    now: u64,
}

const ENDS: [&str; 3] = [
    "the producer of the reply failed",
    "the reply was cancelled",
    "the reply was abandoned by its clients",
];

impl World {
    fn end(&mut self, at: usize, end: &'static str) {
        let model = &mut self.models[at];
        if model.end.is_none() {
            (model.end, model.sender) = (Some(end), None);
            (model.cancel_at, model.gone_at) = (None, Some(self.now + KEEP));
        }
    }

    fn leave(&mut self, at: usize) {
        let client = self.clients.swap_remove(at);
        if !client.ended {
            self.left(client.reply);
        }
    }

    fn left(&mut self, at: usize) {
        let model = &mut self.models[at];
        model.clients -= 1;
        if model.clients > 0 {
            return;
        }
        model.is_gone |= model.is_overdue;
        match model.abandoned {
            _ if model.end.is_some() => {}
            AbandonPolicy::Cancel => self.end(at, ENDS[2]),
            AbandonPolicy::CancelAfter(grace) => model.cancel_at = Some(self.now + grace.as_secs()),
            AbandonPolicy::KeepRunning => {}
        }
    }

    /// A second passes.
    fn pass(&mut self) {
        self.now += 1;
        for at in 0..self.models.len() {
            if self.models[at].cancel_at == Some(self.now) {
                self.end(at, ENDS[2]);
            }
            let model = &mut self.models[at];
            if model.gone_at == Some(self.now) {
                model.is_overdue = true;
                model.is_gone = model.clients == 0;
            }
        }
    }

    async fn attach(&mut self, reply: usize, read: usize, id: &str) {
        let model = &mut self.models[reply];
        let claim = self.replies.claim(model.token.as_str());
        let claim = if id.is_empty() { claim } else { claim.resume(last_event_id(id)) };
        match claim.attach() {
            Err(error) => {
                assert_eq!(error, ClaimError::UnknownToken);
                assert!(model.is_overdue || model.is_gone);
            }
            Ok(AttachOutcome::Ended(outcome)) => {
                let end = outcome.err().map_or(String::new(), |error| error.to_string());
                assert_eq!((Some(end.as_str()), read), (model.end, model.produced));
            }
            Ok(attached) => {
                assert!(!model.is_overdue && (model.end.is_none() || read < model.produced));
                (model.clients, model.cancel_at) = (model.clients + 1, None);
                let mut reader = Reader::new(attached);
                id.clone_into(&mut reader.last_id);
                self.clients.push(Client { reader, reply, read, ended: false });
            }
        }
    }

    /// Reads up to this many events. Each must be the next one of the model.
    async fn read(&mut self, at: usize, count: usize) {
        let client = &mut self.clients[at];
        let model = &self.models[client.reply];
        for _ in 0..count {
            if client.ended {
                break;
            }
            let more = client.read < model.produced;
            let item = futures_util::FutureExt::now_or_never(client.reader.next());
            match (item, model.end) {
                (None, None) if !more => return,
                (Some(Some(Ok(text))), _) if more => {
                    assert_eq!(text, client.read.to_string());
                    client.read += 1;
                }
                (Some(None), Some("")) if !more => client.ended = true,
                (Some(Some(Err(error))), Some(end)) if !more && error == end => {
                    client.ended = true;
                    // After the error, the stream ends.
                    assert_eq!(client.reader.next().await, None);
                }
                (item, end) => {
                    panic!("{item:?} of {} after {} ({end:?})", model.produced, client.read)
                }
            }
        }
        if client.ended {
            let reply = client.reply;
            self.left(reply);
            self.clients.swap_remove(at);
        }
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Start(policy) => {
                let grace = Duration::from_secs(GRACE);
                let abandoned = [
                    AbandonPolicy::Cancel,
                    AbandonPolicy::CancelAfter(grace),
                    AbandonPolicy::KeepRunning,
                ];
                let abandoned = abandoned[usize::from(policy)];
                let (sender, stream) = by_hand();
                let token =
                    self.replies.new_reply().abandon_policy(abandoned).start(stream).expect("room");
                let cancel_at =
                    (abandoned != AbandonPolicy::KeepRunning).then_some(self.now + FIRST);
                self.models.push(Model {
                    token,
                    sender: Some(sender),
                    abandoned,
                    produced: 0,
                    end: None,
                    clients: 0,
                    cancel_at,
                    gone_at: None,
                    is_overdue: false,
                    is_gone: false,
                });
            }
            Step::Produce(which, count) => {
                for _ in 0..count {
                    let at = which.index(self.models.len());
                    let model = &mut self.models[at];
                    if let Some(sender) = &model.sender {
                        sender.send(text(model.produced.to_string())).expect("a producer");
                        model.produced += 1;
                    }
                }
            }
            Step::Fail(which) => {
                let at = which.index(self.models.len());
                if let Some(sender) = &self.models[at].sender {
                    sender.send(Err("broken".into())).expect("a producer");
                }
                self.end(at, ENDS[0]);
            }
            Step::Finish(which) => self.end(which.index(self.models.len()), ""),
            Step::Cancel(which) => {
                let at = which.index(self.models.len());
                let cancelled = self.replies.claim(self.models[at].token.as_str()).cancel();
                assert_eq!(cancelled.is_err(), self.models[at].is_overdue);
                self.end(at, ENDS[1]);
            }
            Step::Attach(which) => self.attach(which.index(self.models.len()), 0, "").await,
            Step::Wait(seconds) => {
                // Second by second, so that what is due happens at its time, as in the model.
                for _ in 0..seconds {
                    advance(Duration::from_secs(1)).await;
                    quiet().await;
                    self.pass();
                }
            }
            Step::Read(..) | Step::Leave(_) | Step::Return(_) if self.clients.is_empty() => {}
            Step::Read(which, count) => {
                self.read(which.index(self.clients.len()), count.into()).await;
            }
            Step::Leave(which) => self.leave(which.index(self.clients.len())),
            Step::Return(which) => {
                let at = which.index(self.clients.len());
                let Client { reply, read, .. } = self.clients[at];
                let id = self.clients[at].reader.last_id.clone();
                self.leave(at);
                self.attach(reply, read, &id).await;
            }
        }
    }

    fn check(&self) {
        let count = |is: fn(&&Model) -> bool| self.models.iter().filter(is).count();
        let counts = self.replies.counts();
        assert_eq!(counts.running, count(|model| model.end.is_none()), "running");
        assert_eq!(counts.kept, count(|model| model.end.is_some() && !model.is_gone), "kept");
        assert_eq!(counts.attached, self.clients.len(), "attached");
        let empty = self.models.iter().all(|model| model.is_gone || model.produced == 0);
        assert_eq!(counts.bytes == 0, empty, "bytes");
    }
}

/// Lets the tasks do what they can without time passing.
async fn quiet() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

async fn run(steps: Vec<Step>) {
    let replies = Replies::builder()
        .retention(Duration::from_secs(KEEP))
        .first_client_timeout(Duration::from_secs(FIRST))
        .build();
    let mut world = World { replies, models: Vec::new(), clients: Vec::new(), now: 0 };
    world.step(Step::Start(2)).await;
    for step in steps {
        world.step(step).await;
        quiet().await;
        world.check();
    }
    // In the end every client reads everything.
    for at in (0..world.clients.len()).rev() {
        world.read(at, usize::MAX).await;
    }
    // Then all replies end, all clients leave, and nothing is left.
    world.replies.stop();
    world.clients.clear();
    advance(Duration::from_secs(KEEP)).await;
    assert_eq!(world.replies.counts(), volga_sse::RepliesCounts::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A failure prints its steps, and keeps its seed.
    #[test]
    fn clients_read_what_the_model_says(steps in proptest::collection::vec(step(), 0..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(run(steps));
    }
}
