//! The unidirectional streams of a client: its control stream and those of QPACK.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Buf, Bytes};
use quinn::{ReadError, RecvStream};

use crate::code::Code;
use crate::frame::{self, FrameReader, Piece};
use crate::guarded::GuardedRecv;
use crate::limits::{READ_BYTES, SETTINGS_MAX};
use crate::settings::ClientSettings;
use crate::shared_connection::SharedConnection;
use crate::webtransport::arrivals::ArrivedStream;
use crate::webtransport::codes;
use crate::{streams, varint};

/// Reads a stream to its end.
///
/// # Errors
///
/// Returns the code with which the connection ends.
pub(crate) async fn read(
    mut stream: RecvStream,
    shared: Arc<SharedConnection>,
) -> Result<(), Code> {
    let Some((kind, rest)) = read_number(&mut stream, Bytes::new()).await else {
        // A stream may end before its type has arrived (RFC 9114, section 6.2).
        return Ok(());
    };
    let index = match kind {
        streams::CONTROL => 0,
        streams::QPACK_ENCODER => 1,
        streams::QPACK_DECODER => 2,
        // Only a server may push.
        streams::PUSH => return Err(Code::STREAM_CREATION_ERROR),
        streams::WEBTRANSPORT if shared.sessions.is_some() => {
            return read_session_stream(stream, rest, &shared).await;
        }
        _ => {
            // An error means that the stream has ended.
            let _ = stream.stop(Code::STREAM_CREATION_ERROR.into());
            return Ok(());
        }
    };
    if !shared.unique_streams.open(index) {
        return Err(Code::STREAM_CREATION_ERROR);
    }
    let mut reader = CriticalStream { stream, received: rest };
    match kind {
        streams::CONTROL => read_control(&mut reader, &shared).await,
        streams::QPACK_ENCODER => loop {
            let bytes = reader.next().await?;
            // Only one instruction is allowed for a table without space: to set its size to 0.
            if bytes.iter().any(|&byte| byte != 0x20) {
                return Err(Code::QPACK_ENCODER_STREAM_ERROR);
            }
        },
        // The server's heads refer to no table, so nothing that the client could say of it matters.
        _ => loop {
            reader.next().await?;
        },
    }
}

/// Hands a stream to its WebTransport session.
async fn read_session_stream(
    stream: RecvStream,
    received: Bytes,
    shared: &SharedConnection,
) -> Result<(), Code> {
    let Some(sessions) = &shared.sessions else { return Ok(()) };
    let mut recv = GuardedRecv::new(stream, codes::BUFFERED_STREAM_REJECTED);
    let mut timer = shared.waits.head();
    let read = tokio::select! {
        biased;
        read = read_number(&mut recv, received) => read,
        () = timer.expired() => None,
    };
    // The stream has ended before its session was named, or the client takes too long.
    let Some((session, rest)) = read else { return Ok(()) };
    sessions.deliver(session, ArrivedStream { recv, rest, send: None }, &shared.waits).await
}

/// Reads a number, and returns the bytes that have arrived after it. `received` are the bytes that
/// have arrived before.
async fn read_number(stream: &mut RecvStream, mut received: Bytes) -> Option<(u64, Bytes)> {
    loop {
        if let Some((number, length)) = varint::read(&received) {
            received.advance(length);
            return Some((number, received));
        }
        let chunk = stream.read_chunk(READ_BYTES, true).await.ok()??;
        received = match received.is_empty() {
            true => chunk.bytes,
            false => [&received[..], &chunk.bytes[..]].concat().into(),
        };
    }
}

/// A stream whose end is an error of the connection.
struct CriticalStream {
    stream: RecvStream,
    received: Bytes,
}

impl CriticalStream {
    async fn next(&mut self) -> Result<Bytes, Code> {
        if !self.received.is_empty() {
            return Ok(std::mem::take(&mut self.received));
        }
        match self.stream.read_chunk(READ_BYTES, true).await {
            Ok(Some(chunk)) => Ok(chunk.bytes),
            // The connection has ended for another reason, which comes first.
            Err(ReadError::ConnectionLost(_)) => std::future::pending().await,
            Ok(None) | Err(_) => Err(Code::CLOSED_CRITICAL_STREAM),
        }
    }
}

async fn read_control(reader: &mut CriticalStream, shared: &SharedConnection) -> Result<(), Code> {
    let mut frames = FrameReader::new(SETTINGS_MAX);
    let mut has_settings = false;
    let mut last_goaway = varint::MAX;
    let mut last_push = 0;
    loop {
        let Some(piece) = frames.next()? else {
            frames.feed(reader.next().await?);
            continue;
        };
        let (kind, payload) = match piece {
            Piece::Whole { kind, payload } => (kind, payload),
            Piece::TooLarge { .. } => return Err(Code::EXCESSIVE_LOAD),
            Piece::Data(_) | Piece::SessionStream { .. } => return Err(Code::FRAME_UNEXPECTED),
        };
        match kind {
            frame::SETTINGS if !has_settings => {
                has_settings = true;
                let settings = ClientSettings::parse(&payload)?;
                let size = settings.max_field_section_size;
                shared.max_field_section_size.store(size, Ordering::Relaxed);
            }
            _ if !has_settings => return Err(Code::MISSING_SETTINGS),
            // The server pushes nothing, so these say nothing, but must be valid.
            frame::GOAWAY => {
                let id = number(&payload)?;
                if id > last_goaway {
                    return Err(Code::ID_ERROR);
                }
                last_goaway = id;
            }
            frame::MAX_PUSH_ID => {
                let id = number(&payload)?;
                if id < last_push {
                    return Err(Code::ID_ERROR);
                }
                last_push = id;
            }
            // No push was announced that could be cancelled.
            frame::CANCEL_PUSH => return Err(Code::ID_ERROR),
            _ => return Err(Code::FRAME_UNEXPECTED),
        }
    }
}

/// The only number of a payload.
fn number(payload: &[u8]) -> Result<u64, Code> {
    match varint::read(payload) {
        Some((number, length)) if length == payload.len() => Ok(number),
        _ => Err(Code::FRAME_ERROR),
    }
}
