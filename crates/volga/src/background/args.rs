//! Arguments of functions that the app calls outside of requests.

use volga_core::{CancellationToken, Dc, Dependencies, Error, Needs, Scope};

/// The parts of the app that a call outside of a request can use.
#[derive(Clone, Debug)]
pub struct CallContext {
    pub(crate) scope: Scope,
    /// Fires when the call should end.
    pub(crate) shutdown: CancellationToken,
}

/// An argument of a function that the app calls outside of requests: a service as
/// [`Dc<T>`](crate::di::Dc), or the [`CancellationToken`]. The token of a background task fires
/// when the drain begins, and that of a readiness check when its time limit is over.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of a background task or of a readiness check",
    label = "not an argument here",
    note = "no request is at hand: take services as `Dc<T>`, and the shutdown as `CancellationToken`"
)]
pub trait AppArg: Sized {
    /// Adds the services that the argument needs.
    #[doc(hidden)]
    fn needs(needs: &mut Needs);

    /// Makes the argument.
    #[doc(hidden)]
    fn make(context: &CallContext) -> impl Future<Output = Result<Self, Error>> + Send;
}

impl<T: ?Sized + Send + Sync + 'static> AppArg for Dc<T> {
    fn needs(needs: &mut Needs) {
        <Self as Dependencies>::needs(needs);
    }

    async fn make(context: &CallContext) -> Result<Self, Error> {
        context.scope.resolve().await
    }
}

impl AppArg for CancellationToken {
    fn needs(_: &mut Needs) {}

    async fn make(context: &CallContext) -> Result<Self, Error> {
        Ok(context.shutdown.clone())
    }
}

/// The arguments of a function that the app calls outside of requests, as a tuple of up to five
/// [`AppArg`]. The compiler infers it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the arguments of a background task or of a readiness check",
    label = "not arguments here"
)]
pub trait AppArgs: Sized {
    /// Adds the services that all arguments need.
    #[doc(hidden)]
    fn needs(needs: &mut Needs);

    /// Makes the arguments, from left to right.
    #[doc(hidden)]
    fn make(context: &CallContext) -> impl Future<Output = Result<Self, Error>> + Send;
}

macro_rules! tuples {
    ($( ($($arg:ident)*) )*) => { $(
        impl<$($arg: AppArg + Send),*> AppArgs for ($($arg,)*) {
            fn needs(_needs: &mut Needs) {
                $( $arg::needs(_needs); )*
            }

            async fn make(_context: &CallContext) -> Result<Self, Error> {
                Ok(($( $arg::make(_context).await?, )*))
            }
        }
    )* };
}

tuples! {
    ()
    (A1)
    (A1 A2)
    (A1 A2 A3)
    (A1 A2 A3 A4)
    (A1 A2 A3 A4 A5)
}
