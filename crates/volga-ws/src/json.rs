//! Typed messages as JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::close::CloseCode;
use crate::message::Message;
use crate::socket::{ClosedError, WebSocket, WebSocketSink, WebSocketStream};

/// Why a value could not be sent or received as JSON.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// The value cannot be written as JSON, or the message is not the JSON of the expected type.
    #[error("the message cannot be written as JSON, or is not the JSON of the expected type")]
    Json(#[from] serde_json::Error),
    /// The WebSocket is closed.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl JsonError {
    /// The code to close the WebSocket with.
    #[must_use]
    pub fn close_code(&self) -> CloseCode {
        match self {
            Self::Json(error) if error.is_io() => CloseCode::SERVER_ERROR,
            _ => CloseCode::INVALID_DATA,
        }
    }
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Message, JsonError> {
    Ok(volga_sse::__private::to_json(value)?.into())
}

fn decode<T: DeserializeOwned>(message: &Message) -> Result<T, JsonError> {
    Ok(serde_json::from_slice(message.as_bytes())?)
}

impl WebSocket {
    /// Sends a value as JSON, in a text message.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be written as JSON, or if the WebSocket is closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        Ok(self.send(encode(value)?).await?)
    }

    /// Waits for the next message, and reads it as JSON. `None` means that the WebSocket has ended.
    /// A message that is not the JSON of the type is an error, and the next call reads the next
    /// message.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Option<Result<T, JsonError>> {
        self.recv().await.map(|message| decode(&message))
    }
}

impl WebSocketSink {
    /// Sends a value as JSON, as [`WebSocket::send_json`] does.
    ///
    /// # Errors
    ///
    /// Returns an error if the value cannot be written as JSON, or if the WebSocket is closed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, the message is not sent.
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        Ok(self.send(encode(value)?).await?)
    }
}

impl WebSocketStream {
    /// Waits for the next message, and reads it as JSON, as [`WebSocket::recv_json`] does.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Option<Result<T, JsonError>> {
        self.recv().await.map(|message| decode(&message))
    }
}
