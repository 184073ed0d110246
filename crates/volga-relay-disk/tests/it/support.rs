//! Opening a log that may not be closed yet.

use std::{path::Path, time::Duration};

use futures_util::FutureExt;
use volga_relay_disk::DiskLog;
use volga_sse::{
    Position,
    hub::{Delivery, Hub, HubBuilder, Subscription},
};

pub(crate) fn builder() -> HubBuilder {
    Hub::builder().max_messages(100_000).max_bytes(100 << 20).keyed("k.*", 10).unwrap()
}

/// Opens a log. Its last hub may have been dropped a moment ago.
pub(crate) fn open(log: &DiskLog) -> Hub {
    log.clone().open(builder()).unwrap()
}

pub(crate) fn log(folder: &Path) -> DiskLog {
    // The default may be too short for a machine that is busy with other tests.
    DiskLog::new(folder.join("hub.redb")).open_timeout(Duration::from_secs(60))
}

/// A message or a gap that a client has received.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Received {
    Message(Position, String),
    Gap(Option<Position>, Position),
}

pub(crate) fn received(delivery: Delivery) -> Option<Received> {
    match delivery {
        Delivery::Gap(gap) => Some(Received::Gap(gap.after(), gap.through())),
        Delivery::Message(message) => {
            let text = String::from_utf8(message.as_bytes().to_vec()).unwrap();
            let data = text.lines().find_map(|line| line.strip_prefix("data: "))?;
            Some(Received::Message(message.position()?, data.to_owned()))
        }
    }
}

/// Everything that is ready.
pub(crate) fn ready(subscription: &mut Subscription) -> Vec<Received> {
    let next = || subscription.next().now_or_never()?;
    std::iter::from_fn(next).filter_map(received).collect()
}
