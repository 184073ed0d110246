//! Services of an app: values that handlers take by their type.

use std::sync::Arc;

use volga_core::{Factory, Inject};

use crate::App;

impl App {
    /// Adds a service that is there already: plain shared state, which a handler takes as `Dc<T>`. It lives as long as the app.
    ///
    /// Registering a type again replaces the first.
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

    /// Adds a service that the program holds elsewhere, too, or one under a trait: `add_shared::<dyn Repo>(Arc::new(PgRepo))`.
    #[track_caller]
    pub fn add_shared<T: ?Sized + Send + Sync + 'static>(&mut self, value: Arc<T>) -> &mut Self {
        self.services_mut().add_shared(value);
        self
    }

    /// Adds a service that is made when it is first asked for, and lives as long as the app. If making it fails, the next who asks tries again.
    ///
    /// The factory is a function, async or not, of up to five services, and gives a `Result`.
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

    /// Adds a service that each request makes once, when it first asks for it, and that lives as long as the body of the response.
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

    /// Adds a service that is made for each argument.
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

    /// As [`add_scoped_factory`](Self::add_scoped_factory), for a type that says how it is made.
    #[track_caller]
    pub fn add_scoped<T: Inject>(&mut self) -> &mut Self {
        self.services_mut().add_scoped::<T>();
        self
    }

    /// As [`add_transient_factory`](Self::add_transient_factory), for a type that says how it is made.
    #[track_caller]
    pub fn add_transient<T: Inject>(&mut self) -> &mut Self {
        self.services_mut().add_transient::<T>();
        self
    }

    /// Lets a service be taken under a trait, too: `add_alias::<dyn Repo, PgRepo>(|repo| repo)`.
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
