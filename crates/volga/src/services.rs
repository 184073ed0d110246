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
    ///
    /// ```
    /// use std::sync::Arc;
    /// use volga::{App, di::Dc, ok};
    ///
    /// trait Clock: Send + Sync {
    ///     fn now(&self) -> u64;
    /// }
    ///
    /// struct Fixed(u64);
    ///
    /// impl Clock for Fixed {
    ///     fn now(&self) -> u64 {
    ///         self.0
    ///     }
    /// }
    ///
    /// let mut app = App::new();
    /// app.add_shared::<dyn Clock>(Arc::new(Fixed(7)));
    /// app.map_get("/now", async |clock: Dc<dyn Clock>| ok!("{}", clock.now()));
    /// # app.check().unwrap();
    /// ```
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
    ///
    /// ```
    /// use volga::{App, di::Dc, error::Error, ok};
    ///
    /// struct Settings { size: usize }
    /// struct Pool(Vec<u32>);
    ///
    /// let mut app = App::new();
    /// app.add_singleton(Settings { size: 4 });
    /// app.add_singleton_factory(async |settings: Dc<Settings>| {
    ///     Ok::<_, Error>(Pool(vec![0; settings.size]))
    /// });
    /// app.map_get("/size", async |pool: Dc<Pool>| ok!("{}", pool.0.len()));
    /// # app.check().unwrap();
    /// ```
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
    ///
    /// ```
    /// use volga::{App, di::Dc, error::Error, ok};
    ///
    /// struct Visit(std::time::Instant);
    ///
    /// let mut app = App::new();
    /// app.add_scoped_factory(|| Ok::<_, Error>(Visit(std::time::Instant::now())));
    /// app.map_get("/", async |visit: Dc<Visit>| ok!("{:?}", visit.0.elapsed()));
    /// # app.check().unwrap();
    /// ```
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
    ///
    /// ```
    /// use volga::{App, di::Dc, error::Error, ok};
    ///
    /// struct Buffer(Vec<u8>);
    ///
    /// let mut app = App::new();
    /// app.add_transient_factory(|| Ok::<_, Error>(Buffer(Vec::with_capacity(1024))));
    /// app.map_get("/", async |one: Dc<Buffer>, other: Dc<Buffer>| {
    ///     ok!("{} and {}", one.0.capacity(), other.0.capacity())
    /// });
    /// # app.check().unwrap();
    /// ```
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
    ///
    /// ```
    /// use volga::{App, di::{Dc, Inject}, error::Error, ok};
    ///
    /// struct Letter(&'static str);
    ///
    /// impl Inject for Letter {
    ///     type Dependencies = ();
    ///
    ///     async fn inject((): ()) -> Result<Self, Error> {
    ///         Ok(Self("Dear Anna"))
    ///     }
    /// }
    ///
    /// let mut app = App::new();
    /// app.add_scoped::<Letter>();
    /// app.map_get("/letter", async |letter: Dc<Letter>| ok!("{}", letter.0));
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn add_scoped<T: Inject>(&mut self) -> &mut Self {
        self.services_mut().add_scoped::<T>();
        self
    }

    /// Adds a transient service whose type has its own factory, as
    /// [`add_transient_factory`](Self::add_transient_factory) does.
    ///
    /// ```
    /// use volga::{App, di::{Dc, Inject}, error::Error, ok};
    ///
    /// struct Letter(&'static str);
    ///
    /// impl Inject for Letter {
    ///     type Dependencies = ();
    ///
    ///     async fn inject((): ()) -> Result<Self, Error> {
    ///         Ok(Self("Dear Anna"))
    ///     }
    /// }
    ///
    /// let mut app = App::new();
    /// app.add_transient::<Letter>();
    /// app.map_get("/letter", async |letter: Dc<Letter>| ok!("{}", letter.0));
    /// # app.check().unwrap();
    /// ```
    #[track_caller]
    pub fn add_transient<T: Inject>(&mut self) -> &mut Self {
        self.services_mut().add_transient::<T>();
        self
    }

    /// Registers a service under a trait, too: `add_alias::<dyn Repo, PgRepo>(|repo| repo)`.
    ///
    /// ```
    /// use volga::{App, di::Dc, error::Error, ok};
    ///
    /// trait Clock: Send + Sync {
    ///     fn now(&self) -> u64;
    /// }
    ///
    /// struct Fixed(u64);
    ///
    /// impl Clock for Fixed {
    ///     fn now(&self) -> u64 {
    ///         self.0
    ///     }
    /// }
    ///
    /// let mut app = App::new();
    /// app.add_scoped_factory(|| Ok::<_, Error>(Fixed(7)));
    /// app.add_alias::<dyn Clock, Fixed>(|fixed| fixed);
    /// app.map_get("/now", async |clock: Dc<dyn Clock>| ok!("{}", clock.now()));
    /// # app.check().unwrap();
    /// ```
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
