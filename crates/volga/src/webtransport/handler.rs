//! `SessionHandler`: functions that get a WebTransport session, and what they return.

use std::future::Future;

use volga_core::Error;
use volga_h3::{WebTransport, WebTransportCloseInfo};

/// A function that gets a [`WebTransport`] session and up to nine further arguments, and returns a
/// future of `()`, of a [`WebTransportCloseInfo`], or of a `Result`.
#[diagnostic::on_unimplemented(
    message = "this is not a function for a WebTransport session",
    label = "not a function for a WebTransport session",
    note = "write `async |session: WebTransport, id: u32| ..`: the session comes first, and every type is written",
    note = "the function returns `()`, a `WebTransportCloseInfo`, or a `Result` of one of them"
)]
pub trait SessionHandler<Args> {
    /// Runs the function.
    #[doc(hidden)]
    fn run(
        self,
        session: WebTransport,
        args: Args,
    ) -> impl Future<Output = Result<WebTransportCloseInfo, Error>> + Send + 'static;
}

/// The output of a function for a WebTransport session.
pub trait SessionOutput {
    /// The code and text with which the session is closed.
    #[doc(hidden)]
    fn into_result(self) -> Result<WebTransportCloseInfo, Error>;
}

impl SessionOutput for () {
    fn into_result(self) -> Result<WebTransportCloseInfo, Error> {
        Ok(self.into())
    }
}

impl SessionOutput for WebTransportCloseInfo {
    fn into_result(self) -> Result<WebTransportCloseInfo, Error> {
        Ok(self)
    }
}

impl<T: Into<WebTransportCloseInfo>, E: Into<Error>> SessionOutput for Result<T, E> {
    fn into_result(self) -> Result<WebTransportCloseInfo, Error> {
        self.map(Into::into).map_err(Into::into)
    }
}

macro_rules! session_handlers {
    ($( ($($arg:ident)*) )*) => { $(
        impl<F, Fut, $($arg,)*> SessionHandler<($($arg,)*)> for F
        where
            F: FnOnce(WebTransport, $($arg),*) -> Fut,
            Fut: Future<Output: SessionOutput> + Send + 'static,
        {
            #[expect(non_snake_case, reason = "the arguments are named by their types")]
            fn run(
                self,
                session: WebTransport,
                ($($arg,)*): ($($arg,)*),
            ) -> impl Future<Output = Result<WebTransportCloseInfo, Error>> + Send + 'static {
                let future = self(session, $($arg),*);
                async move { future.await.into_result() }
            }
        }
    )* };
}

impl<F, Fut> SessionHandler<()> for F
where
    F: FnOnce(WebTransport) -> Fut,
    Fut: Future<Output: SessionOutput> + Send + 'static,
{
    fn run(
        self,
        session: WebTransport,
        (): (),
    ) -> impl Future<Output = Result<WebTransportCloseInfo, Error>> + Send + 'static {
        let future = self(session);
        async move { future.await.into_result() }
    }
}

session_handlers! {
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
