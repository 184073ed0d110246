//! What was registered, and the scopes that services are made in.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::Arc,
};

use tokio::sync::OnceCell;

use crate::response::error::Error;
use crate::services::dc::Dc;
use crate::services::error::ServiceError;
use crate::services::factory::Factory;

/// The services of an app, checked. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Services(Arc<Registry>);

impl Services {
    pub(super) fn new(entries: BTreeMap<TypeId, Entry>, scoped: usize) -> Self {
        Self(Arc::new(Registry { entries, scoped }))
    }

    /// Opens a scope: for a piece of work that is no request. Scoped services that are made in it live as long as it does.
    ///
    /// ```
    /// # use volga_core::ServicesBuilder;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), volga_core::Error> {
    /// let mut builder = ServicesBuilder::new();
    /// builder.add_scoped_factory(|| Ok(String::from("mine")));
    /// let services = builder.build()?;
    ///
    /// let job = services.scope();
    /// assert_eq!(*job.resolve::<String>().await?, "mine");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn scope(&self) -> Scope {
        let slots =
            self.has_scoped().then(|| (0..self.0.scoped).map(|_| OnceCell::new()).collect());
        Scope { services: self.clone(), slots }
    }

    /// A scope that can make all but scoped services.
    pub(crate) fn root(&self) -> Scope {
        Scope { services: self.clone(), slots: None }
    }

    /// Whether any service lives as long as a request. Otherwise a scope is nothing but these services.
    pub(crate) fn has_scoped(&self) -> bool {
        self.0.scoped > 0
    }

    pub(crate) fn has<T: ?Sized + 'static>(&self) -> bool {
        self.0.entries.contains_key(&TypeId::of::<T>())
    }
}

/// The services that one request, or one piece of work, sees. Clones are the same scope.
#[derive(Clone)]
pub struct Scope {
    services: Services,
    slots: Option<Arc<[Slot]>>,
}

impl Scope {
    /// The service that is registered as `T`, made if need be.
    ///
    /// Of several that ask at the same time, one makes it and the others wait for it.
    ///
    /// # Errors
    ///
    /// A [`ServiceError`], with status 500 or what status of the server its factory gave.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it is dropped while it makes a service, the next one who waits for it makes it anew.
    pub async fn resolve<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Dc<T>, Error> {
        let missing = ServiceError::missing::<T>;
        let entry = self.services.0.entries.get(&TypeId::of::<T>()).ok_or_else(missing)?;
        let kept = match &entry.held {
            Storage::Value(value) => value,
            Storage::Singleton(made, maker) => {
                made.get_or_try_init(async || entry.make(maker, &self.services.root()).await)
                    .await?
            }
            Storage::Scoped(index, maker) => {
                let slot = self.slots.as_ref().and_then(|slots| slots.get(*index));
                let slot =
                    slot.ok_or_else(|| ServiceError::NoScope { service: entry.name.clone() })?;
                slot.get_or_try_init(|| entry.make(maker, self)).await?
            }
            Storage::Transient(maker) => {
                let made = entry.make(maker, self).await?;
                return Ok(*made.downcast::<Dc<T>>().map_err(|_| missing())?);
            }
        };
        Ok(kept.downcast_ref::<Dc<T>>().ok_or_else(missing)?.clone())
    }

    /// Whether a scoped service was made, so that the scope must be kept.
    pub(crate) fn holds_any(&self) -> bool {
        self.slots.as_ref().is_some_and(|slots| slots.iter().any(OnceCell::initialized))
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope").field("services", &self.services).finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Registry {
    entries: BTreeMap<TypeId, Entry>,
    /// How many slots a scope has.
    scoped: usize,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.values().map(|entry| &entry.name)).finish()
    }
}

pub(super) struct Entry {
    pub(super) name: String,
    pub(super) held: Storage,
}

impl Entry {
    async fn make(&self, maker: &BoxFactory, scope: &Scope) -> Result<ErasedService, Error> {
        maker.make(scope).await.map_err(|error| Error::of_factory(&self.name, error))
    }
}

/// How a service is held, by its lifetime.
pub(super) enum Storage {
    Value(ErasedService),
    Singleton(OnceCell<ErasedService>, BoxFactory),
    /// In this slot of each scope.
    Scoped(usize, BoxFactory),
    Transient(BoxFactory),
}

/// A `Dc<T>` under its type.
pub(super) type ErasedService = Box<dyn Any + Send + Sync>;
pub(super) type BoxFactory = Box<dyn ErasedFactory>;
type Slot = OnceCell<ErasedService>;
type MakeFuture<'a> = Pin<Box<dyn Future<Output = Result<ErasedService, Error>> + Send + 'a>>;

/// A factory whose type is forgotten.
pub(super) trait ErasedFactory: Send + Sync {
    fn make<'a>(&'a self, scope: &'a Scope) -> MakeFuture<'a>;
}

/// Makes a service by its factory.
pub(super) struct TypedFactory<F, Args, Kind>(
    pub(super) F,
    pub(super) PhantomData<fn() -> (Args, Kind)>,
);

impl<F: Factory<Args, Kind>, Args, Kind> ErasedFactory for TypedFactory<F, Args, Kind> {
    fn make<'a>(&'a self, scope: &'a Scope) -> MakeFuture<'a> {
        Box::pin(async {
            let service = self.0.make(scope).await?;
            Ok(Box::new(Dc::from(Arc::new(service))) as ErasedService)
        })
    }
}

/// Makes `Dc<T>` of the `Dc<S>` that it is an alias for.
pub(super) struct AliasFactory<T: ?Sized, S: ?Sized>(pub(super) fn(Arc<S>) -> Arc<T>);

impl<T, S> ErasedFactory for AliasFactory<T, S>
where
    T: ?Sized + Send + Sync + 'static,
    S: ?Sized + Send + Sync + 'static,
{
    fn make<'a>(&'a self, scope: &'a Scope) -> MakeFuture<'a> {
        Box::pin(async {
            let service = scope.resolve::<S>().await?;
            Ok(Box::new(Dc::from(self.0(service.into_inner()))) as ErasedService)
        })
    }
}
