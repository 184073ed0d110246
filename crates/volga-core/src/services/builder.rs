//! `ServicesBuilder`: registers services.

use std::{
    any::{TypeId, type_name},
    fmt,
    marker::PhantomData,
    panic::Location,
    sync::Arc,
};

use tokio::sync::OnceCell;

use crate::services::check::{ServiceConsumer, ServiceFaults, check};
use crate::services::dc::Dc;
use crate::services::erased_factory::{AliasFactory, TypedFactory};
use crate::services::factory::{Factory, Inject};
use crate::services::needs::Needs;
use crate::services::needs::short_name;
use crate::services::registration::{Lifetime, Registration, Registrations, Source};
use crate::services::registry::{Entry, Services, Storage};

/// Registers services, each under its type.
///
/// | Lifetime | Created | From a value | By a factory | By the type itself |
/// |---|---|---|---|---|
/// | singleton | once, when it is first needed | [`add_singleton`](Self::add_singleton), [`add_shared`](Self::add_shared) | [`add_singleton_factory`](Self::add_singleton_factory) | |
/// | scoped | once for each request that needs it | | [`add_scoped_factory`](Self::add_scoped_factory) | [`add_scoped`](Self::add_scoped) |
/// | transient | for each argument that needs it | | [`add_transient_factory`](Self::add_transient_factory) | [`add_transient`](Self::add_transient) |
///
/// A scoped service lives until the body of the response is dropped, so a stream keeps it until the
/// stream ends. Any service lives longer if you hold a `Dc` of it.
///
/// The order of registrations does not matter. A second registration of a type replaces the first,
/// so a test can replace a service. The checks at start-up report services that are missing,
/// services that need each other in a circle, and a singleton that would keep a scoped service
/// beyond its request.
///
/// ```
/// use volga_core::{Dc, ServicesBuilder};
///
/// struct Config { url: String }
/// struct Pool { url: String }
/// trait Repo: Send + Sync { fn name(&self) -> String; }
/// struct PgRepo { pool: Dc<Pool> }
/// impl Repo for PgRepo { fn name(&self) -> String { self.pool.url.clone() } }
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), volga_core::Error> {
/// let mut services = ServicesBuilder::new();
/// services
///     .add_singleton(Config { url: "pg://".into() })
///     .add_singleton_factory(async |config: Dc<Config>| Ok(Pool { url: config.url.clone() }))
///     .add_scoped_factory(|pool: Dc<Pool>| Ok(PgRepo { pool }))
///     .add_alias::<dyn Repo, PgRepo>(|repo| repo);
///
/// let scope = services.build()?.scope();
/// assert_eq!(scope.resolve::<dyn Repo>().await?.name(), "pg://");
/// # Ok(()) }
/// ```
#[derive(Default)]
pub struct ServicesBuilder {
    registrations: Registrations,
}

impl ServicesBuilder {
    /// Creates a builder without services.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value as a singleton: plain shared state.
    #[track_caller]
    pub fn add_singleton<T: Send + Sync + 'static>(&mut self, value: T) -> &mut Self {
        self.add_shared(Arc::new(value))
    }

    /// Adds a singleton that is already in an `Arc`, also under a trait: `add_shared::<dyn
    /// Repo>(Arc::new(PgRepo))`.
    #[track_caller]
    pub fn add_shared<T: ?Sized + Send + Sync + 'static>(&mut self, value: Arc<T>) -> &mut Self {
        self.add::<T>(Needs::default(), Source::Value(Box::new(Dc::from(value))))
    }

    /// Adds a singleton that is created when it is first needed. If the factory fails, the next
    /// request that needs the service calls it again.
    #[track_caller]
    pub fn add_singleton_factory<F, Args, Kind>(&mut self, factory: F) -> &mut Self
    where
        F: Factory<Args, Kind>,
        Args: 'static,
        Kind: 'static,
    {
        self.add_factory(Lifetime::Singleton, factory)
    }

    /// Adds a service that is created once for each request that needs it.
    #[track_caller]
    pub fn add_scoped_factory<F, Args, Kind>(&mut self, factory: F) -> &mut Self
    where
        F: Factory<Args, Kind>,
        Args: 'static,
        Kind: 'static,
    {
        self.add_factory(Lifetime::Scoped, factory)
    }

    /// Adds a service that is created for each argument.
    #[track_caller]
    pub fn add_transient_factory<F, Args, Kind>(&mut self, factory: F) -> &mut Self
    where
        F: Factory<Args, Kind>,
        Args: 'static,
        Kind: 'static,
    {
        self.add_factory(Lifetime::Transient, factory)
    }

    /// Adds a scoped service whose type has its own factory, as
    /// [`add_scoped_factory`](Self::add_scoped_factory) does.
    #[track_caller]
    pub fn add_scoped<T: Inject>(&mut self) -> &mut Self {
        self.add_factory(Lifetime::Scoped, T::inject)
    }

    /// Adds a transient service whose type has its own factory, as
    /// [`add_transient_factory`](Self::add_transient_factory) does.
    #[track_caller]
    pub fn add_transient<T: Inject>(&mut self) -> &mut Self {
        self.add_factory(Lifetime::Transient, T::inject)
    }

    /// Registers a service under a trait, too: `add_alias::<dyn Repo, PgRepo>(|repo| repo)`. It is
    /// the same service, with the same lifetime.
    #[track_caller]
    pub fn add_alias<T, S>(&mut self, alias: fn(Arc<S>) -> Arc<T>) -> &mut Self
    where
        T: ?Sized + Send + Sync + 'static,
        S: ?Sized + Send + Sync + 'static,
    {
        let mut needs = Needs::default();
        needs.add_service::<S>();
        let factory = Box::new(AliasFactory(alias));
        self.add::<T>(needs, Source::Factory(Lifetime::SameAs(TypeId::of::<S>()), factory))
    }

    /// Checks the services that are registered so far, and that the consumers' services are among
    /// them.
    ///
    /// # Errors
    ///
    /// Returns all faults, each with its place in the source.
    pub fn check<'a>(
        &self,
        consumers: impl IntoIterator<Item = ServiceConsumer<'a>>,
    ) -> Result<(), ServiceFaults> {
        check(&self.registrations, consumers)
    }

    /// Returns the services.
    ///
    /// # Errors
    ///
    /// Returns the same faults as [`check`](Self::check).
    pub fn build(self) -> Result<Services, ServiceFaults> {
        self.check([])?;
        let lifetimes: Vec<_> =
            self.registrations.list().iter().map(|one| self.registrations.lifetime(one)).collect();
        let mut scoped = 0;
        let entry = |(registration, lifetime): (Registration, Lifetime)| {
            let storage = match (registration.source, lifetime) {
                (Source::Value(value), _) => Storage::Value(value),
                (Source::Factory(_, factory), Lifetime::Transient) => Storage::Transient(factory),
                (Source::Factory(_, factory), Lifetime::Scoped) => {
                    scoped += 1;
                    Storage::Scoped(scoped - 1, factory)
                }
                (Source::Factory(_, factory), _) => Storage::Singleton(OnceCell::new(), factory),
            };
            (registration.id, Entry { name: registration.name, storage })
        };
        let entries =
            self.registrations.into_list().into_iter().zip(lifetimes).map(entry).collect();
        Ok(Services::new(entries, scoped))
    }

    #[track_caller]
    fn add_factory<F, Args, Kind>(&mut self, lifetime: Lifetime, factory: F) -> &mut Self
    where
        F: Factory<Args, Kind>,
        Args: 'static,
        Kind: 'static,
    {
        let mut needs = Needs::default();
        F::needs(&mut needs);
        let factory = Box::new(TypedFactory(factory, PhantomData));
        self.add::<F::Service>(needs, Source::Factory(lifetime, factory))
    }

    #[track_caller]
    fn add<T: ?Sized + 'static>(&mut self, needs: Needs, source: Source) -> &mut Self {
        let (id, name, location) =
            (TypeId::of::<T>(), short_name(type_name::<T>()), Location::caller());
        let registration = Registration { id, name, location, needs, source };
        self.registrations.add(registration);
        self
    }
}

impl fmt::Debug for ServicesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.registrations.list().iter().map(|service| &service.name))
            .finish()
    }
}
