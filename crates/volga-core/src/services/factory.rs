//! Factories: functions and types that create services from other services.

use std::future::Future;

use crate::handler::output::{Async, Immediate};
use crate::response::error::Error;
use crate::services::dc::Dc;
use crate::services::needs::Needs;
use crate::services::registry::Scope;

/// A function that creates a service: async or not, with up to five [`Dc`] arguments.
///
/// It returns `Result<T, Error>`, and `T` is the type of the service: `|| Ok(Clock::new())`, or
/// `async
/// |pool: Dc<Pool>| Ok(Session::open(&pool).await?)`. The compiler infers `Args` and `Kind`.
#[diagnostic::on_unimplemented(
    message = "this function is not a factory of a service",
    label = "not a factory",
    note = "a factory takes up to five services, `Dc<T>`, and returns `Result<Service, volga::error::Error>`, or a future of it: `|pool: Dc<Pool>| Ok(Repo::new(pool))`",
    note = "a service is `Send + Sync + 'static`, and so is the factory: use `move` where it captures; an async one that captures is `move || {{ let url = url.clone(); async move {{ .. }} }}`"
)]
pub trait Factory<Args, Kind>: Send + Sync + 'static {
    /// The type of the service.
    type Service: Send + Sync + 'static;

    /// Adds the needs of the arguments.
    #[doc(hidden)]
    fn needs(needs: &mut Needs);

    /// Resolves the arguments and calls the function.
    #[doc(hidden)]
    fn make(&self, scope: &Scope) -> impl Future<Output = Result<Self::Service, Error>> + Send;
}

/// A service that has its own factory.
///
/// ```
/// use volga_core::{Dc, Error, Inject, ServicesBuilder};
///
/// struct Pool;
///
/// struct Repo { pool: Dc<Pool> }
///
/// impl Inject for Repo {
///     type Dependencies = Dc<Pool>; // several: `(Dc<Pool>, Dc<Clock>)`; none: `()`
///
///     async fn inject(pool: Dc<Pool>) -> Result<Self, Error> {
///         Ok(Self { pool })
///     }
/// }
///
/// let mut services = ServicesBuilder::new();
/// services.add_singleton(Pool);
/// services.add_scoped::<Repo>();
/// # services.check([]).unwrap();
/// ```
///
/// `inject` is a factory, too, so `add_singleton_factory(Repo::inject)` registers a singleton.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement `Inject`",
    label = "does not implement `Inject`",
    note = "implement `Inject` for it, or register a factory: `add_scoped_factory(|| Ok(..))`, `add_transient_factory(|| Ok(..))`"
)]
pub trait Inject: Sized + Send + Sync + 'static {
    /// The services that it needs: `()`, a `Dc<T>`, or a tuple of up to five.
    type Dependencies: Dependencies;

    /// Creates the service.
    ///
    /// # Errors
    ///
    /// Returns an error if the service cannot be created. The response then has status 500, or the
    /// error's own status if that is a server error.
    fn inject(dependencies: Self::Dependencies)
    -> impl Future<Output = Result<Self, Error>> + Send;
}

/// Services from which a service is created: `()`, a [`Dc`], or a tuple of up to five.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a dependency of a service",
    label = "not a dependency",
    note = "factories and `Inject` take services as `Dc<T>`"
)]
pub trait Dependencies: Sized + Send {
    /// Adds the services to the needs.
    #[doc(hidden)]
    fn needs(needs: &mut Needs);

    /// Resolves the services, from left to right.
    #[doc(hidden)]
    fn resolve(scope: &Scope) -> impl Future<Output = Result<Self, Error>> + Send;
}

impl<T: ?Sized + Send + Sync + 'static> Dependencies for Dc<T> {
    fn needs(needs: &mut Needs) {
        needs.add_service::<T>();
    }

    async fn resolve(scope: &Scope) -> Result<Self, Error> {
        scope.resolve().await
    }
}

impl Dependencies for () {
    fn needs(_: &mut Needs) {}

    async fn resolve(_: &Scope) -> Result<Self, Error> {
        Ok(())
    }
}

macro_rules! tuples {
    ($( ($($arg:ident)*) )*) => { $(
        #[diagnostic::do_not_recommend]
        impl<$($arg: Dependencies),*> Dependencies for ($($arg,)*) {
            fn needs(needs: &mut Needs) {
                $( $arg::needs(needs); )*
            }

            async fn resolve(scope: &Scope) -> Result<Self, Error> {
                Ok(($( $arg::resolve(scope).await?, )*))
            }
        }
    )* };
}

macro_rules! factories {
    ($( ($($arg:ident)*) )*) => { $(
        #[diagnostic::do_not_recommend]
        impl<F, T, $($arg),*> Factory<($($arg,)*), Immediate> for F
        where
            F: Fn($($arg),*) -> Result<T, Error> + Send + Sync + 'static,
            T: Send + Sync + 'static,
            $($arg: Dependencies,)*
        {
            type Service = T;

            fn needs(_needs: &mut Needs) {
                $( $arg::needs(_needs); )*
            }

            async fn make(&self, _scope: &Scope) -> Result<T, Error> {
                self($( $arg::resolve(_scope).await? ),*)
            }
        }

        #[diagnostic::do_not_recommend]
        impl<F, Fut, T, $($arg),*> Factory<($($arg,)*), Async> for F
        where
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future<Output = Result<T, Error>> + Send,
            T: Send + Sync + 'static,
            $($arg: Dependencies,)*
        {
            type Service = T;

            fn needs(_needs: &mut Needs) {
                $( $arg::needs(_needs); )*
            }

            async fn make(&self, _scope: &Scope) -> Result<T, Error> {
                self($( $arg::resolve(_scope).await? ),*).await
            }
        }
    )* };
}

tuples! {
    (A1 A2)
    (A1 A2 A3)
    (A1 A2 A3 A4)
    (A1 A2 A3 A4 A5)
}

factories! {
    ()
    (A1)
    (A1 A2)
    (A1 A2 A3)
    (A1 A2 A3 A4)
    (A1 A2 A3 A4 A5)
}
