//! `Engine`: one connection to Redis, and the commands that the node sends. Other files do not know
//! the crate `redis`, apart from its values.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, RedisResult, Value, cmd};
use tokio::time::timeout;
use volga_sse::Position;
use volga_sse::hub::{Append, KeyChange};

use crate::connection_error::{Cause, ConnectionError};
use crate::entry::{Entry, Table, id_of, milliseconds_at, parse_entries, parse_id, time_at};
use crate::epoch_list::EpochList;
use crate::keys::Keys;
use crate::lazy_timer::LazyTimer;
use crate::queue::PendingAppend;
use crate::reply::{array, bytes, items, number, text};
use crate::servers::{Server, Servers};
use crate::settings::{READ_BLOCK, READ_COUNT, REPLY_TIMEOUT};

const ENTER: &str = include_str!("scripts/enter.lua");
const APPEND: &str = include_str!("scripts/append.lua");
const TAIL: &str = include_str!("scripts/tail.lua");
const SNAPSHOT: &str = include_str!("scripts/snapshot.lua");

/// A connection to Redis. It does not connect again by itself, because each connection must enter
/// the current epoch first.
pub(crate) struct Engine {
    connection: MultiplexedConnection,
    address: Arc<str>,
    timer: LazyTimer,
}

/// The reply to [`Engine::enter`].
#[derive(Debug)]
pub(crate) struct Entered {
    pub(crate) epoch: u64,
    /// The end of the log.
    pub(crate) tail: Position,
    /// The time of the server's clock.
    pub(crate) time: Option<SystemTime>,
    pub(crate) epochs: EpochList,
}

/// The role of a server.
#[derive(Debug)]
pub(crate) enum Role {
    Primary,
    Replica { is_connected: bool },
}

/// The result for a message.
#[derive(Debug)]
pub(crate) enum Outcome {
    Appended(Position),
    /// Another epoch has begun, so the message was not appended.
    Stale,
    /// The server refused the message.
    Failed(String),
}

impl Engine {
    /// Connects to a server.
    pub(crate) async fn connect(server: &Server) -> Result<Self, ConnectionError> {
        // The reply to a blocking command may take longer than other replies, so each command has
        // its time limit here. The default of the crate would break off a read that blocks.
        let config =
            AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let address = Arc::clone(&server.address);
        let connect = server.client.get_multiplexed_async_connection_with_config(&config);
        match timeout(REPLY_TIMEOUT, connect).await {
            Ok(Ok(connection)) => Ok(Self { connection, address, timer: LazyTimer::new() }),
            Ok(Err(error)) => Err(ConnectionError::new(&address, Cause::Redis(error.into()))),
            Err(_) => Err(ConnectionError::new(&address, Cause::Silent(REPLY_TIMEOUT))),
        }
    }

    /// Connects to the primary among the servers, and enters its current epoch. If several servers
    /// say that they are the primary, the one with the longest log is: a primary that comes back
    /// after a failover is not a replica yet.
    pub(crate) async fn connect_primary(
        servers: &Servers,
        keys: &Keys,
        known: Option<Position>,
    ) -> Result<(Self, Entered), ConnectionError> {
        let mut engine = match &servers.0[..] {
            [server] => Self::connect(server).await?,
            several => Self::find_primary(several, keys).await?,
        };
        let entered = engine.enter(keys, known).await?;
        Ok((engine, entered))
    }

    async fn find_primary(servers: &[Server], keys: &Keys) -> Result<Self, ConnectionError> {
        let (mut best, mut failure) = (None, None);
        for server in servers {
            match Self::look_at(server, keys).await {
                Ok((engine, tail)) => {
                    if best.as_ref().is_none_or(|(_, best_tail)| *best_tail < tail) {
                        best = Some((engine, tail));
                    }
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        match (best, failure) {
            (Some((engine, _)), _) => Ok(engine),
            (None, Some(failure)) => Err(failure),
            (None, None) => unreachable!("there is at least one server"),
        }
    }

    /// Connects to a server, and returns the end of its log if it is a primary.
    async fn look_at(
        server: &Server,
        keys: &Keys,
    ) -> Result<(Self, Option<Position>), ConnectionError> {
        let mut engine = Self::connect(server).await?;
        match engine.role().await? {
            Role::Primary => {
                let tail = engine.tail(keys).await?;
                Ok((engine, tail))
            }
            Role::Replica { .. } => Err(engine.error(Cause::IsReplica)),
        }
    }

    pub(crate) fn error(&self, cause: Cause) -> ConnectionError {
        ConnectionError::new(&self.address, cause)
    }

    /// Runs the script that each connection runs first.
    pub(crate) async fn enter(
        &mut self,
        keys: &Keys,
        known: Option<Position>,
    ) -> Result<Entered, ConnectionError> {
        let known = known.unwrap_or(Position::new(0, 0));
        let mut command = cmd("EVAL");
        command.arg(ENTER).arg(3).arg(&keys.log).arg(&keys.run).arg(&keys.epochs);
        command.arg(known.epoch()).arg(known.number());
        let reply = self.call(&command, REPLY_TIMEOUT).await?;
        let parse = |reply| {
            let [epoch, tail, time, epochs] = items(reply)?;
            Some(Entered {
                epoch: number(epoch)?,
                tail: parse_id(&bytes(tail)?)?,
                time: time_at(number(time)?),
                epochs: parse_epochs(epochs)?,
            })
        };
        parse(reply).ok_or_else(|| self.error(Cause::UnexpectedReply("EVAL")))
    }

    /// The epochs that the server knows.
    pub(crate) async fn epochs(&mut self, keys: &Keys) -> Result<EpochList, ConnectionError> {
        let mut command = cmd("LRANGE");
        command.arg(&keys.epochs).arg(0).arg(-1);
        let reply = self.call(&command, REPLY_TIMEOUT).await?;
        parse_epochs(reply).ok_or_else(|| self.error(Cause::UnexpectedReply("LRANGE")))
    }

    /// The end of the log. `None` if the server has no log.
    pub(crate) async fn tail(&mut self, keys: &Keys) -> Result<Option<Position>, ConnectionError> {
        let mut command = cmd("EVAL");
        let reply = self.call(command.arg(TAIL).arg(1).arg(&keys.log), REPLY_TIMEOUT).await?;
        if matches!(reply, Value::Nil) {
            return Ok(None);
        }
        let tail = bytes(reply).and_then(|id| parse_id(&id));
        tail.map(Some).ok_or_else(|| self.error(Cause::UnexpectedReply("EVAL")))
    }

    /// The role of the server.
    pub(crate) async fn role(&mut self) -> Result<Role, ConnectionError> {
        let reply = self.call(&cmd("ROLE"), REPLY_TIMEOUT).await?;
        let parse = |reply| {
            let mut items = array(reply)?.into_iter();
            match &*bytes(items.next()?)? {
                b"master" => Some(Role::Primary),
                b"slave" => {
                    let is_connected = bytes(items.nth(2)?)? == b"connected";
                    Some(Role::Replica { is_connected })
                }
                _ => None,
            }
        };
        parse(reply).ok_or_else(|| self.error(Cause::UnexpectedReply("ROLE")))
    }

    /// Reads entries after a position. If there are none and `blocks` is set, the server waits for
    /// one for [`READ_BLOCK`].
    pub(crate) async fn read(
        &mut self,
        keys: &Keys,
        after: Position,
        blocks: bool,
    ) -> Result<Vec<Entry>, ConnectionError> {
        let mut command = cmd("XREAD");
        command.arg("COUNT").arg(READ_COUNT);
        let mut limit = REPLY_TIMEOUT;
        if blocks {
            command.arg("BLOCK").arg(READ_BLOCK.as_millis() as u64);
            limit += READ_BLOCK;
        }
        command.arg("STREAMS").arg(&keys.log).arg(id_of(after));
        let reply = self.call(&command, limit).await?;
        parse_entries(reply).ok_or_else(|| self.error(Cause::UnexpectedReply("XREAD")))
    }

    /// A page of the names of the keyed topics, and the cursor of the next page. It is 0 after the
    /// last page.
    pub(crate) async fn keyed_topics(
        &mut self,
        keys: &Keys,
        cursor: u64,
    ) -> Result<(u64, Vec<String>), ConnectionError> {
        let mut command = cmd("SSCAN");
        let command = command.arg(&keys.keyed).arg(cursor).arg("COUNT").arg(100);
        let reply = self.call(command, REPLY_TIMEOUT).await?;
        let parse = |reply| {
            let [cursor, names] = items(reply)?;
            // A name of another program that is not text belongs to no topic.
            Some((number(cursor)?, array(names)?.into_iter().filter_map(text).collect()))
        };
        parse(reply).ok_or_else(|| self.error(Cause::UnexpectedReply("SSCAN")))
    }

    /// The tables of keyed topics. `None` stands for a server without a log.
    pub(crate) async fn tables(
        &mut self,
        keys: &Keys,
        topics: &[String],
    ) -> Result<Vec<Option<Table>>, ConnectionError> {
        let mut pipeline = redis::pipe();
        for topic in topics {
            let command = pipeline.cmd("EVAL").arg(SNAPSHOT).arg(2);
            command.arg(&keys.log).arg(keys.table(topic));
        }
        let replies: RedisResult<Vec<Value>> =
            match timeout(REPLY_TIMEOUT, pipeline.query_async(&mut self.connection)).await {
                Ok(replies) => replies,
                Err(_) => return Err(self.error(Cause::Silent(REPLY_TIMEOUT))),
            };
        let replies = replies.map_err(|error| self.error(Cause::Redis(error.into())))?;
        let parse = |reply| match reply {
            Value::Nil => Some(None),
            reply => Table::parse(reply).map(Some),
        };
        let tables = replies.into_iter().map(parse).collect::<Option<_>>();
        tables.ok_or_else(|| self.error(Cause::UnexpectedReply("EVAL")))
    }

    /// Makes the server know the append script, and returns its name.
    pub(crate) async fn load_append(&mut self) -> Result<String, ConnectionError> {
        let mut command = cmd("SCRIPT");
        let reply = self.call(command.arg("LOAD").arg(APPEND), REPLY_TIMEOUT).await?;
        text(reply).ok_or_else(|| self.error(Cause::UnexpectedReply("SCRIPT LOAD")))
    }

    /// Appends messages with one command.
    pub(crate) async fn append(
        &mut self,
        call: &AppendCall<'_>,
        batch: &[PendingAppend],
    ) -> Result<Vec<Outcome>, ConnectionError> {
        let keys = call.keys;
        let mut command = cmd("EVALSHA");
        command.arg(call.script).arg(2).arg(&keys.log).arg(&keys.keyed);
        command.arg(call.epoch).arg(call.max_entries).arg(&keys.tables).arg(&keys.retries);
        command.arg(volga_sse::hub::RETRY_WINDOW.as_millis() as u64);
        for PendingAppend { append, .. } in batch {
            let (change, key) = match append.key() {
                KeyChange::None => ("", ""),
                KeyChange::Set(key) => ("s", key),
                KeyChange::Remove(key) => ("r", key),
            };
            command.arg(append.topic()).arg(&append.payload()[..]).arg(change).arg(key);
            command.arg(append.retry_key().unwrap_or_default());
        }
        let reply = self.call(&command, REPLY_TIMEOUT).await?;
        let parse = |value| {
            let text = text(value)?;
            Some(match text.strip_prefix('!') {
                Some(error) => Outcome::Failed(error.to_owned()),
                None if text == "stale" => Outcome::Stale,
                None => Outcome::Appended(parse_id(text.as_bytes())?),
            })
        };
        let outcomes = array(reply).and_then(|replies| replies.into_iter().map(parse).collect());
        let outcomes: Option<Vec<_>> = outcomes;
        outcomes
            .filter(|outcomes| outcomes.len() == batch.len())
            .ok_or_else(|| self.error(Cause::UnexpectedReply("EVALSHA")))
    }

    /// Appends one message that has neither a key nor a retry key. This needs no script, which
    /// would take Redis longer than the append itself.
    pub(crate) async fn append_plain(
        &mut self,
        call: &AppendCall<'_>,
        append: &Append,
        now: SystemTime,
    ) -> Result<Outcome, ConnectionError> {
        let mut command = cmd("XADD");
        command.arg(&call.keys.log).arg("NOMKSTREAM").arg("MAXLEN").arg("~").arg(call.max_entries);
        command.arg(format!("{}-*", call.epoch)).arg("t").arg(append.topic());
        command.arg("p").arg(&append.payload()[..]).arg("a").arg(milliseconds_at(now));
        match self.call(&command, REPLY_TIMEOUT).await {
            // Without the log, another life of the server has begun.
            Ok(Value::Nil) => Ok(Outcome::Stale),
            Ok(reply) => {
                let position = bytes(reply).and_then(|id| parse_id(&id));
                let position = position.map(Outcome::Appended);
                position.ok_or_else(|| self.error(Cause::UnexpectedReply("XADD")))
            }
            Err(error) => match error.reply() {
                Some(text) if text.contains("equal or smaller") => Ok(Outcome::Stale),
                _ => Err(error),
            },
        }
    }

    /// The time of the server's clock.
    pub(crate) async fn time(&mut self) -> Result<SystemTime, ConnectionError> {
        let reply = self.call(&cmd("TIME"), REPLY_TIMEOUT).await?;
        let parse = |reply| {
            let [seconds, microseconds] = items(reply)?;
            let seconds = number(seconds)?.checked_mul(1_000)?;
            time_at(seconds.checked_add(number(microseconds)? / 1_000)?)
        };
        parse(reply).ok_or_else(|| self.error(Cause::UnexpectedReply("TIME")))
    }

    /// Waits for this long, with the timer of this connection.
    pub(crate) async fn pause(&mut self, time: Duration) {
        _ = self.timer.limit(time, std::future::pending::<()>()).await;
    }

    /// Waits until so many replicas have what this connection appended, or until the time is over.
    /// Returns how many have it.
    pub(crate) async fn wait_for_replicas(
        &mut self,
        replicas: u32,
        wait: Duration,
    ) -> Result<u32, ConnectionError> {
        let mut command = cmd("WAIT");
        // Zero would stand for no limit.
        command.arg(replicas).arg(wait.as_millis().max(1) as u64);
        let reply = self.call(&command, wait + REPLY_TIMEOUT).await?;
        let replicas = number(reply).and_then(|number| number.try_into().ok());
        replicas.ok_or_else(|| self.error(Cause::UnexpectedReply("WAIT")))
    }

    async fn call(&mut self, command: &Cmd, limit: Duration) -> Result<Value, ConnectionError> {
        let reply = self.connection.send_packed_command(command);
        let reply = match self.timer.limit(limit, reply).await {
            Some(reply) => reply.and_then(Value::extract_error),
            None => return Err(self.error(Cause::Silent(limit))),
        };
        reply.map_err(|error| self.error(Cause::Redis(error.into())))
    }
}

/// The arguments that all calls of the append script have in common.
#[derive(Debug)]
pub(crate) struct AppendCall<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) script: &'a str,
    pub(crate) epoch: u64,
    pub(crate) max_entries: usize,
}

fn parse_epochs(reply: Value) -> Option<EpochList> {
    let lines = array(reply)?.into_iter().map(bytes).collect::<Option<Vec<_>>>()?;
    EpochList::parse(lines.iter().map(Vec::as_slice))
}
