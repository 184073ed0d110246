//! The services of an app: values that handlers take by their type.

use std::sync::Arc;

use volga_core::{Factory, Inject};

use crate::app::App;

impl App {
    /// Adds a value as a singleton: plain shared state, which a handler takes as `Dc<T>`. It lives
    /// as long as the app.
    ///
    /// A second registration of a type replaces the first.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use volga::{App, di::Dc, ok};
    ///
    /// let mut app = App::new();
    /// app.add_singleton(AtomicU64::new(0));
    /// app.map_get("/count", |count: Dc<AtomicU64>| ok!(count.fetch_add(1, Ordering::Relaxed)));
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn add_singleton<T: Send + Sync + 'static>(&mut self, value: T) -> &mut Self {
        self.services_mut().add_singleton(value);
        self
    }

    /// Adds a singleton that is already in an `Arc`, also under a trait: `add_shared::<dyn
    /// Repo>(Arc::new(PgRepo))`.
    #[track_caller]
    pub fn add_shared<T: ?Sized + Send + Sync + 'static>(&mut self, value: Arc<T>) -> &mut Self {
        self.services_mut().add_shared(value);
        self
    }

    /// Adds a singleton that is created when it is first needed, and lives as long as the app. If
    /// the factory fails, the next request that needs the service calls it again.
    ///
    /// The factory is a function, async or not, with up to five services as arguments. It returns a
    /// `Result`.
    #[track_caller]
    pub fn add_singleton_factory<F, Args, Kind>(&mut self, factory: F) -> &mut Self
    where
        F: Factory<Args, Kind>,
        Args: 'static,
        Kind: 'static,
    {
        self.services_mut().add_singleton_factory(factory);
        self
    }

    /// Adds a service that is created once for each request that needs it, and lives as long as the
    /// body of the response.
    #[track_caller]
    pub fn add_scoped_factory<F, Args, Kind>(&mut self, factory: F) -> &mut Self
    where
        F: Factory<Args, Kind>,
        Args: 'static,
        Kind: 'static,
    {
        self.services_mut().add_scoped_factory(factory);
        self
    }

    /// Adds a service that is created for each argument.
    #[track_caller]
    pub fn add_transient_factory<F, Args, Kind>(&mut self, factory: F) -> &mut Self
    where
        F: Factory<Args, Kind>,
        Args: 'static,
        Kind: 'static,
    {
        self.services_mut().add_transient_factory(factory);
        self
    }

    /// Adds a scoped service whose type has its own factory, as
    /// [`add_scoped_factory`](Self::add_scoped_factory) does.
    #[track_caller]
    pub fn add_scoped<T: Inject>(&mut self) -> &mut Self {
        self.services_mut().add_scoped::<T>();
        self
    }

    /// Adds a transient service whose type has its own factory, as
    /// [`add_transient_factory`](Self::add_transient_factory) does.
    #[track_caller]
    pub fn add_transient<T: Inject>(&mut self) -> &mut Self {
        self.services_mut().add_transient::<T>();
        self
    }

    /// Registers a service under a trait, too: `add_alias::<dyn Repo, PgRepo>(|repo| repo)`.
    #[track_caller]
    pub fn add_alias<T, S>(&mut self, alias: fn(Arc<S>) -> Arc<T>) -> &mut Self
    where
        T: ?Sized + Send + Sync + 'static,
        S: ?Sized + Send + Sync + 'static,
    {
        self.services_mut().add_alias(alias);
        self
    }
}
