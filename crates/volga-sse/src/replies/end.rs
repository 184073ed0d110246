//! `ReplyEnd`: how a reply ended, as its observer is told.

use std::sync::Arc;

use crate::replies::error::ReplyError;
use crate::replies::token::ReplyToken;

/// A function that is called at the end of each reply.
pub(crate) type EndObserver = Arc<dyn Fn(ReplyEnd<'_>) + Send + Sync>;

/// How a reply ended, as the [observer](crate::replies::settings::RepliesBuilder::on_end) is told.
#[derive(Debug)]
pub struct ReplyEnd<'a> {
    pub(crate) token: ReplyToken,
    pub(crate) owner: Option<&'a str>,
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) outcome: Result<(), &'a ReplyError>,
}

impl ReplyEnd<'_> {
    /// The reply's token.
    #[must_use]
    pub fn token(&self) -> ReplyToken {
        self.token
    }

    /// The reply's owner, if it has one.
    #[must_use]
    pub fn owner(&self) -> Option<&str> {
        self.owner
    }

    /// The number of its messages.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// The bytes for which it counts towards the bounds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// `Ok` for a proper end, otherwise the error that every client gets.
    pub fn outcome(&self) -> Result<(), &ReplyError> {
        self.outcome
    }
}
