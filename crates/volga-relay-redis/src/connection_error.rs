//! Why a connection to Redis failed or ended.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::RedisError;

/// Why a connection to Redis failed or ended. The node connects again.
#[derive(Clone, Debug)]
pub struct ConnectionError {
    /// The address, without a password.
    server: Arc<str>,
    cause: Cause,
}

/// The cause of a connection's end.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// The client or the server says why.
    Redis(Arc<RedisError>),
    /// There was no reply for this time.
    Silent(Duration),
    /// The server is a replica, and refuses messages.
    IsReplica,
    /// The replica has no connection to its primary.
    NoPrimary,
    /// The log ends before the position that the node has, or there is no log.
    LogBeganAnew,
    /// The reply is not what the command returns.
    UnexpectedReply(&'static str),
}

impl ConnectionError {
    pub(crate) fn new(server: &Arc<str>, cause: Cause) -> Self {
        Self { server: Arc::clone(server), cause }
    }

    /// The address of the server, without a password.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The first word of the error with which the server replied. `None` if it did not reply.
    pub(crate) fn code(&self) -> Option<&str> {
        let Cause::Redis(error) = &self.cause else { return None };
        error.code()
    }

    /// The error with which the server replied, without its first word.
    pub(crate) fn reply(&self) -> Option<&str> {
        let Cause::Redis(error) = &self.cause else { return None };
        error.code().and(error.detail())
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.server;
        match &self.cause {
            Cause::Redis(error) => match (error.code(), error.detail()) {
                (Some(code @ "READONLY"), _) => write!(
                    f,
                    "Redis at {server} is a replica ({code}): name the primary, or both with \
                     `other_server`"
                ),
                (Some(code @ "NOSCRIPT"), _) => {
                    write!(f, "Redis at {server} has forgotten the script ({code})")
                }
                (Some(code), detail) => {
                    write!(f, "Redis at {server} replied: {code} {}", detail.unwrap_or_default())
                }
                // The client has no kind of its own for this.
                (None, _) if error.to_string().contains("invalid peer certificate") => write!(
                    f,
                    "this node does not trust the certificate of Redis at {server} ({error}): name \
                     its authority with `tls_authorities`, and the server as in the certificate"
                ),
                (None, _) => write!(f, "no connection to Redis at {server}: {error}"),
            },
            Cause::Silent(time) => {
                write!(f, "Redis at {server} did not reply within {} ms", time.as_millis())
            }
            Cause::IsReplica => write!(
                f,
                "Redis at {server} is a replica: name the primary, or both with `other_server`"
            ),
            Cause::NoPrimary => {
                write!(f, "the replica of Redis at {server} has no connection to its primary")
            }
            Cause::LogBeganAnew => {
                write!(f, "the log of Redis at {server} ends before what this node has read")
            }
            Cause::UnexpectedReply(command) => write!(
                f,
                "Redis at {server} sent an unexpected reply to {command}; Redis 7 or later is needed"
            ),
        }
    }
}

impl Error for ConnectionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Redis(error) => Some(&**error),
            _ => None,
        }
    }
}
