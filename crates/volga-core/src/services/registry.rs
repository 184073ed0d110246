//! Registered services, and the scopes in which they are created.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
};

use tokio::sync::OnceCell;

use crate::response::error::Error;
use crate::services::dc::Dc;
use crate::services::error::ServiceError;

/// The checked services of an app. Clones share the services.
#[derive(Clone, Debug, Default)]
pub struct Services(Arc<Registry>);

impl Services {
    pub(super) fn new(entries: BTreeMap<TypeId, Entry>, scoped: usize) -> Self {
        Self(Arc::new(Registry { entries, scoped }))
    }

    /// Opens a scope for work outside of a request. Scoped services that are created in it live as
    /// long as the scope.
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

    /// Returns a scope that can create all services except scoped ones.
    pub(crate) fn root(&self) -> Scope {
        Scope { services: self.clone(), slots: None }
    }

    /// Whether any service is scoped. If not, requests need no scope.
    pub(crate) fn has_scoped(&self) -> bool {
        self.0.scoped > 0
    }

    pub(crate) fn has<T: ?Sized + 'static>(&self) -> bool {
        self.0.entries.contains_key(&TypeId::of::<T>())
    }
}

/// The services of one request, or of one piece of work. Clones are the same scope.
#[derive(Clone)]
pub struct Scope {
    services: Services,
    slots: Option<Arc<[Slot]>>,
}

impl Scope {
    /// Returns the service that is registered as `T`. It is created if necessary.
    ///
    /// If several callers ask for a new service at the same time, one of them creates it, and the
    /// others wait for it.
    ///
    /// # Errors
    ///
    /// Returns an [`Error`] whose cause is a [`ServiceError`]. The status is 500, or the status
    /// that the factory has set if that is a server error.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if the future is dropped while it creates a service, another waiting caller
    /// creates the service.
    pub async fn resolve<T: ?Sized + Send + Sync + 'static>(&self) -> Result<Dc<T>, Error> {
        let missing = ServiceError::missing::<T>;
        let entry = self.services.0.entries.get(&TypeId::of::<T>()).ok_or_else(missing)?;
        let kept = match &entry.storage {
            Storage::Value(value) => value,
            Storage::Singleton(made, factory) => {
                made.get_or_try_init(async || entry.make(factory, &self.services.root()).await)
                    .await?
            }
            Storage::Scoped(index, factory) => {
                let slot = self.slots.as_ref().and_then(|slots| slots.get(*index));
                let slot =
                    slot.ok_or_else(|| ServiceError::NoScope { service: entry.name.clone() })?;
                slot.get_or_try_init(|| entry.make(factory, self)).await?
            }
            Storage::Transient(factory) => {
                let made = entry.make(factory, self).await?;
                return Ok(*made.downcast::<Dc<T>>().map_err(|_| missing())?);
            }
        };
        Ok(kept.downcast_ref::<Dc<T>>().ok_or_else(missing)?.clone())
    }

    /// Whether a scoped service was created. Then the scope must be kept.
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
    /// The number of slots of a scope.
    scoped: usize,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.values().map(|entry| &entry.name)).finish()
    }
}

pub(super) struct Entry {
    pub(super) name: String,
    pub(super) storage: Storage,
}

impl Entry {
    async fn make(&self, factory: &BoxFactory, scope: &Scope) -> Result<ErasedService, Error> {
        factory.make(scope).await.map_err(|error| Error::of_factory(&self.name, error))
    }
}

/// The storage of a service, by its lifetime.
pub(super) enum Storage {
    Value(ErasedService),
    Singleton(OnceCell<ErasedService>, BoxFactory),
    /// The service is in the slot with this index of each scope.
    Scoped(usize, BoxFactory),
    Transient(BoxFactory),
}

/// A `Dc<T>` whose type is erased.
pub(super) type ErasedService = Box<dyn Any + Send + Sync>;
pub(super) type BoxFactory = Box<dyn ErasedFactory>;
type Slot = OnceCell<ErasedService>;
pub(super) type MakeFuture<'a> =
    Pin<Box<dyn Future<Output = Result<ErasedService, Error>> + Send + 'a>>;

/// A factory whose type is erased.
pub(super) trait ErasedFactory: Send + Sync {
    fn make<'a>(&'a self, scope: &'a Scope) -> MakeFuture<'a>;
}
