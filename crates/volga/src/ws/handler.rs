//! `SocketHandler`: functions that get a WebSocket, and what they return.

use std::future::Future;

use volga_core::Error;
use volga_ws::WebSocket;

/// A function that gets a [`WebSocket`] and up to nine further arguments, and returns a future of
/// `()` or of a `Result`.
#[diagnostic::on_unimplemented(
    message = "this is not a function for a WebSocket",
    label = "not a function for a WebSocket",
    note = "write `async |mut socket: WebSocket, id: u32| ..`: the socket comes first, and every type is written",
    note = "the function returns `()`, or `Result<(), E>` where `volga::error::Error` can be made from `E`"
)]
pub trait SocketHandler<Args> {
    /// The output of the function.
    #[doc(hidden)]
    type Output: SocketOutput;

    /// Runs the function.
    #[doc(hidden)]
    fn run(
        self,
        socket: WebSocket,
        args: Args,
    ) -> impl Future<Output = Self::Output> + Send + 'static;
}

/// What a function for a WebSocket returns.
pub trait SocketOutput {
    /// The error with which the WebSocket is closed.
    #[doc(hidden)]
    fn into_result(self) -> Result<(), Error>;
}

impl SocketOutput for () {
    fn into_result(self) -> Result<(), Error> {
        Ok(())
    }
}

impl<E: Into<Error>> SocketOutput for Result<(), E> {
    fn into_result(self) -> Result<(), Error> {
        self.map_err(Into::into)
    }
}

macro_rules! socket_handlers {
    ($( ($($arg:ident)*) )*) => { $(
        impl<F, Fut, $($arg,)*> SocketHandler<($($arg,)*)> for F
        where
            F: FnOnce(WebSocket, $($arg),*) -> Fut,
            Fut: Future<Output: SocketOutput> + Send + 'static,
        {
            type Output = Fut::Output;

            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            fn run(
                self,
                socket: WebSocket,
                ($($arg,)*): ($($arg,)*),
            ) -> impl Future<Output = Self::Output> + Send + 'static {
                self(socket, $($arg),*)
            }
        }
    )* };
}

impl<F, Fut> SocketHandler<()> for F
where
    F: FnOnce(WebSocket) -> Fut,
    Fut: Future<Output: SocketOutput> + Send + 'static,
{
    type Output = Fut::Output;

    fn run(self, socket: WebSocket, (): ()) -> impl Future<Output = Self::Output> + Send + 'static {
        self(socket)
    }
}

socket_handlers! {
    (A)
    (A B)
    (A B C)
    (A B C D)
    (A B C D E)
    (A B C D E G)
    (A B C D E G H)
    (A B C D E G H I)
    (A B C D E G H I J)
}
