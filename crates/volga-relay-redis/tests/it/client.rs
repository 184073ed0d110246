//! A client that reads all topics and moves between nodes, as a browser does.

use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use volga_sse::Position;
use volga_sse::hub::Hub;

use crate::node::as_received;
use crate::node_process::Reader;
use crate::oracle::Received;
use crate::redis_server::PATIENCE;

/// A client that runs in a task of its own.
pub(crate) struct Client {
    task: JoinHandle<Vec<Received>>,
    /// The position after which the client is done.
    last: watch::Sender<Option<Position>>,
    /// How often the client was told to move.
    moves: watch::Sender<usize>,
    has_received: watch::Receiver<bool>,
}

/// Whether everything up to a position was received.
fn is_done(received: &[Received], last: &watch::Receiver<Option<Position>>) -> bool {
    let Some(last) = *last.borrow() else { return false };
    received.iter().rev().any(|item| match item {
        Received::Message { position, .. } => *position >= last,
        Received::Gap { .. } => false,
    })
}

/// The ID with which the client returns.
fn last_event_id(received: &[Received], start: Position) -> Position {
    match received.last() {
        None => start,
        Some(Received::Message { position, .. }) => *position,
        Some(Received::Gap { through, .. }) => *through,
    }
}

impl Client {
    /// A client of nodes in this process.
    pub(crate) fn of_hubs(hubs: &[Hub], first: usize, start: Position) -> Self {
        let hubs = hubs.to_vec();
        Self::new(async move |mut last, mut moves, has_received| {
            let (mut received, mut index) = (Vec::new(), first);
            while !is_done(&received, &last) {
                let resume = last_event_id(&received, start).to_string();
                let subscribe = hubs[index % hubs.len()].subscribe("t.>").resume(resume);
                let mut subscription = subscribe.open().expect("open");
                while !is_done(&received, &last) {
                    tokio::select! {
                        delivery = subscription.next() => match delivery {
                            Some(delivery) => {
                                received.extend(as_received(delivery));
                                has_received.send_replace(true);
                            }
                            // The node did not reach the client's position in time.
                            None => break,
                        },
                        _ = last.changed() => {}
                        _ = moves.changed() => break,
                    }
                }
                index += 1;
            }
            received
        })
    }

    /// A client of nodes that are processes, at these ports.
    pub(crate) fn of_processes(ports: Arc<Mutex<Vec<u16>>>, first: usize, start: Position) -> Self {
        Self::new(async move |mut last, _moves, has_received| {
            let (mut received, mut index) = (Vec::new(), first);
            while !is_done(&received, &last) {
                let port = {
                    let ports = ports.lock().expect("no panic");
                    ports[index % ports.len()]
                };
                index += 1;
                let resume = last_event_id(&received, start);
                let Some(mut reader) = Reader::connect(port, resume).await else {
                    // The node is dead, and its successor has not started.
                    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                    continue;
                };
                while !is_done(&received, &last) {
                    tokio::select! {
                        item = reader.next() => match item {
                            Some(item) => {
                                received.push(item);
                                has_received.send_replace(true);
                            }
                            None => break,
                        },
                        _ = last.changed() => {}
                    }
                }
            }
            received
        })
    }

    fn new<F>(
        run: impl FnOnce(
            watch::Receiver<Option<Position>>,
            watch::Receiver<usize>,
            watch::Sender<bool>,
        ) -> F,
    ) -> Self
    where
        F: Future<Output = Vec<Received>> + Send + 'static,
    {
        let (last, moves) = (watch::Sender::new(None), watch::Sender::new(0));
        let (received_any, has_received) = watch::channel(false);
        let task = tokio::spawn(run(last.subscribe(), moves.subscribe(), received_any));
        Self { task, last, moves, has_received }
    }

    /// Waits until the client has received something.
    pub(crate) async fn until_reading(&mut self) {
        let reads = tokio::time::timeout(PATIENCE, self.has_received.wait_for(|has| *has)).await;
        reads.expect("a message in time").expect("the client runs");
    }

    /// Moves the client to another node.
    pub(crate) fn move_on(&mut self) {
        self.moves.send_modify(|moves| *moves += 1);
    }

    /// Everything that the client received, up to a position.
    pub(crate) async fn finish(self, last: Position) -> Vec<Received> {
        self.last.send_replace(Some(last));
        let received = tokio::time::timeout(PATIENCE, self.task).await;
        received.expect("the client gets everything in time").expect("no panic")
    }
}
