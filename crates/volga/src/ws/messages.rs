//! `map_msg`: a function that replies to each message.

use std::future::Future;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use volga_core::{__private::to_json, Error, Json};
use volga_ws::{CloseCode, CloseReason, Message, Utf8Bytes, WebSocket};

use super::handler::SocketHandler;
use crate::http::Bytes;

/// What a function of [`map_msg`](crate::Group::map_msg) takes as its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a message of a WebSocket",
    note = "take a `String`, `Bytes`, `Vec<u8>`, `Json<T>` or `volga::http::ws::Message`"
)]
pub trait FromMessage: Sized {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// Returns the reason to close the WebSocket with.
    fn from_message(message: Message) -> Result<Self, CloseReason>;
}

impl FromMessage for Message {
    fn from_message(message: Message) -> Result<Self, CloseReason> {
        Ok(message)
    }
}

impl FromMessage for Utf8Bytes {
    fn from_message(message: Message) -> Result<Self, CloseReason> {
        match message {
            Message::Text(text) => Ok(text),
            Message::Binary(_) => {
                Err(CloseReason::new(CloseCode::UNSUPPORTED, "this WebSocket takes texts"))
            }
        }
    }
}

impl FromMessage for String {
    fn from_message(message: Message) -> Result<Self, CloseReason> {
        Utf8Bytes::from_message(message).map(|text| text.as_str().to_owned())
    }
}

impl FromMessage for Bytes {
    fn from_message(message: Message) -> Result<Self, CloseReason> {
        match message {
            Message::Binary(bytes) => Ok(bytes),
            Message::Text(_) => {
                Err(CloseReason::new(CloseCode::UNSUPPORTED, "this WebSocket takes bytes"))
            }
        }
    }
}

impl FromMessage for Vec<u8> {
    fn from_message(message: Message) -> Result<Self, CloseReason> {
        Bytes::from_message(message).map(Into::into)
    }
}

impl<T: DeserializeOwned> FromMessage for Json<T> {
    fn from_message(message: Message) -> Result<Self, CloseReason> {
        serde_json::from_slice(message.as_bytes())
            .map(Json)
            .map_err(|error| CloseReason::new(CloseCode::INVALID_DATA, error.to_string()))
    }
}

/// What a function of [`map_msg`](crate::Group::map_msg) returns.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a reply to a message of a WebSocket",
    note = "return a text, bytes, `Json(value)`, a `Message`, an `Option` or `Result` of one, or `()`"
)]
pub trait IntoReply {
    /// Makes the reply. `None` sends nothing.
    ///
    /// # Errors
    ///
    /// Returns the error with which the WebSocket is closed.
    fn into_reply(self) -> Result<Option<Message>, Error>;
}

impl IntoReply for () {
    fn into_reply(self) -> Result<Option<Message>, Error> {
        Ok(None)
    }
}

macro_rules! replies {
    ($($type:ty),*) => { $(
        impl IntoReply for $type {
            fn into_reply(self) -> Result<Option<Message>, Error> {
                Ok(Some(self.into()))
            }
        }
    )* };
}

replies!(Message, &str, String, Utf8Bytes, &'static [u8], Vec<u8>, Bytes);

impl<T: Serialize> IntoReply for Json<T> {
    fn into_reply(self) -> Result<Option<Message>, Error> {
        // A value that cannot be written is a mistake of the server.
        let text = to_json(&self.0).map_err(Error::server_error)?;
        Ok(Some(String::from_utf8(text).map_err(Error::server_error)?.into()))
    }
}

impl<R: IntoReply> IntoReply for Option<R> {
    fn into_reply(self) -> Result<Option<Message>, Error> {
        self.map_or(Ok(None), R::into_reply)
    }
}

impl<R: IntoReply, E: Into<Error>> IntoReply for Result<R, E> {
    fn into_reply(self) -> Result<Option<Message>, Error> {
        self.map_err(Into::into)?.into_reply()
    }
}

/// A function of [`map_msg`](crate::Group::map_msg): it takes a message and up to four further
/// arguments, and returns a future of the reply.
#[diagnostic::on_unimplemented(
    message = "this is not a function for the messages of a WebSocket",
    label = "not a function for messages",
    note = "write `async |text: String| text`: the message comes first, and every type is written"
)]
pub trait MessageHandler<M, Args> {
    /// Runs the function for a message.
    #[doc(hidden)]
    fn reply(
        self,
        message: M,
        args: Args,
    ) -> impl Future<Output = Result<Option<Message>, Error>> + Send;
}

macro_rules! message_handlers {
    ($( ($($arg:ident)*) )*) => { $(
        impl<Func, Fut, M, $($arg,)*> MessageHandler<M, ($($arg,)*)> for Func
        where
            Func: FnOnce(M, $($arg),*) -> Fut,
            Fut: Future<Output: IntoReply> + Send,
        {
            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            fn reply(
                self,
                message: M,
                ($($arg,)*): ($($arg,)*),
            ) -> impl Future<Output = Result<Option<Message>, Error>> + Send {
                let future = self(message, $($arg),*);
                async move { future.await.into_reply() }
            }
        }
    )* };
}

impl<Func, Fut, M> MessageHandler<M, ()> for Func
where
    Func: FnOnce(M) -> Fut,
    Fut: Future<Output: IntoReply> + Send,
{
    fn reply(
        self,
        message: M,
        (): (),
    ) -> impl Future<Output = Result<Option<Message>, Error>> + Send {
        let future = self(message);
        async move { future.await.into_reply() }
    }
}

message_handlers! {
    (A)
    (A B)
    (A B C)
    (A B C D)
}

/// Runs a function for each message of a socket.
pub(super) struct MessageLoop<F, M> {
    handler: F,
    marker: PhantomData<fn() -> M>,
}

impl<F, M> MessageLoop<F, M> {
    pub(super) fn new(handler: F) -> Self {
        Self { handler, marker: PhantomData }
    }
}

impl<F: Clone, M> Clone for MessageLoop<F, M> {
    fn clone(&self) -> Self {
        Self::new(self.handler.clone())
    }
}

impl<F, M, Args> SocketHandler<Args> for MessageLoop<F, M>
where
    F: MessageHandler<M, Args> + Clone + Send + Sync + 'static,
    M: FromMessage + Send + 'static,
    Args: Clone + Send + Sync + 'static,
{
    type Output = Result<(), Error>;

    async fn run(self, mut socket: WebSocket, args: Args) -> Result<(), Error> {
        while let Some(message) = socket.recv().await {
            let message = match M::from_message(message) {
                Ok(message) => message,
                Err(reason) => {
                    socket.close(reason);
                    break;
                }
            };
            if let Some(reply) = self.handler.clone().reply(message, args.clone()).await? {
                socket.send(reply).await?;
            }
        }
        Ok(())
    }
}
