//! The creation of services: lifetimes, laziness, failures, contention.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
};

use crate::response::error::Error;
use crate::services::builder::ServicesBuilder;
use crate::services::dc::Dc;
use crate::services::factory::Inject;
use crate::services::registry::{Scope, Services};

/// Numbers the services that a test creates.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl Counter {
    fn next(&self) -> usize {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn build(register: impl FnOnce(&mut ServicesBuilder)) -> Services {
    let mut builder = ServicesBuilder::new();
    register(&mut builder);
    builder.build().unwrap()
}

async fn get<T: Clone + Send + Sync + 'static>(scope: &Scope) -> T {
    T::clone(&*scope.resolve().await.unwrap())
}

#[tokio::test]
async fn a_singleton_is_created_once_when_it_is_first_needed() {
    let counter = Counter::default();
    let made = counter.clone();
    let services = build(|all| {
        all.add_singleton_factory(move || Ok(made.next()));
    });
    assert_eq!(counter.count(), 0);
    for _ in 0..3 {
        assert_eq!(get::<usize>(&services.scope()).await, 1);
        assert_eq!(get::<usize>(&services.root()).await, 1);
    }
}

#[tokio::test]
async fn a_scoped_service_is_created_once_for_each_scope_that_needs_it() {
    let counter = Counter::default();
    let made = counter.clone();
    let services = build(|all| {
        all.add_scoped_factory(move || {
            let number = made.next();
            async move { Ok(number) }
        });
        all.add_transient_factory(|number: Dc<usize>| Ok(number.to_string()));
    });
    let (first, second) = (services.scope(), services.scope());
    assert!(!first.holds_any());
    assert_eq!(get::<usize>(&first).await, 1);
    assert_eq!(get::<String>(&first.clone()).await, "1");
    assert_eq!(get::<String>(&second).await, "2");
    assert_eq!(get::<usize>(&second).await, 2);
    assert!(first.holds_any());
    drop(services.scope());
    assert_eq!(counter.count(), 2);
}

#[tokio::test]
async fn a_transient_service_is_created_for_each_consumer() {
    let counter = Counter::default();
    let services = build(|all| {
        all.add_transient_factory(move || Ok(counter.next()));
        all.add_transient_factory(|a: Dc<usize>, b: Dc<usize>| Ok((*a, *b)));
    });
    let scope = services.scope();
    assert_eq!(get::<usize>(&scope).await, 1);
    assert_eq!(get::<(usize, usize)>(&scope).await, (2, 3));
}

#[tokio::test]
async fn scoped_services_are_dropped_with_the_last_clone_of_their_scope() {
    let services = build(|all| {
        all.add_scoped_factory(|| Ok(Arc::new(())));
    });
    let scope = services.scope();
    let weak = Arc::downgrade(&get::<Arc<()>>(&scope).await);
    let same = scope.clone();
    drop(scope);
    assert!(weak.upgrade().is_some());
    drop(same);
    assert!(weak.upgrade().is_none());
}

#[tokio::test]
async fn values_need_nothing_and_are_shared() {
    struct Plain(AtomicUsize); // neither Default nor Clone nor Inject
    let outside = Arc::new(AtomicUsize::new(5));
    let services = build(|all| {
        all.add_singleton(Plain(AtomicUsize::new(1))).add_shared(Arc::clone(&outside));
    });
    let scope = services.scope();
    scope.resolve::<Plain>().await.unwrap().0.fetch_add(1, Ordering::Relaxed);
    assert_eq!(scope.resolve::<Plain>().await.unwrap().0.load(Ordering::Relaxed), 2);
    let inside = scope.resolve::<AtomicUsize>().await.unwrap().into_inner();
    assert!(Arc::ptr_eq(&outside, &inside));
}

trait Repo: Send + Sync {
    fn number(&self) -> usize;
}

impl Repo for usize {
    fn number(&self) -> usize {
        *self
    }
}

#[tokio::test]
async fn an_alias_has_the_lifetime_of_its_service() {
    async fn numbers(register: impl FnOnce(&mut ServicesBuilder)) -> [usize; 4] {
        let services = build(|all| {
            register(all);
            all.add_alias::<dyn Repo, usize>(|repo| repo);
        });
        let (first, second) = (services.scope(), services.scope());
        let repo = async |scope: &Scope| scope.resolve::<dyn Repo>().await.unwrap().number();
        [repo(&first).await, repo(&first).await, get::<usize>(&first).await, repo(&second).await]
    }
    let counter = Counter::default();
    let numbered = || {
        let counter = counter.clone();
        move || Ok(counter.next())
    };
    assert_eq!(numbers(|all| _ = all.add_singleton(7_usize)).await, [7, 7, 7, 7]);
    assert_eq!(numbers(|all| _ = all.add_singleton_factory(numbered())).await, [1, 1, 1, 1]);
    assert_eq!(numbers(|all| _ = all.add_scoped_factory(numbered())).await, [2, 2, 2, 3]);
    assert_eq!(numbers(|all| _ = all.add_transient_factory(numbered())).await, [4, 5, 6, 7]);

    let chosen: Arc<dyn Repo> = if counter.count() > 0 { Arc::new(1) } else { Arc::new(2) };
    let services = build(|all| _ = all.add_shared(chosen));
    assert_eq!(services.scope().resolve::<dyn Repo>().await.unwrap().number(), 1);
}

#[tokio::test]
async fn a_type_can_have_its_own_factory() {
    struct Name(String);
    impl Inject for Name {
        type Dependencies = (Dc<u8>, Dc<str>);

        async fn inject((number, text): Self::Dependencies) -> Result<Self, Error> {
            Ok(Self(format!("{text} {number}")))
        }
    }
    struct Alone;
    impl Inject for Alone {
        type Dependencies = ();

        async fn inject((): ()) -> Result<Self, Error> {
            Ok(Self)
        }
    }
    let registrations: [fn(&mut ServicesBuilder); 3] = [
        |all| _ = all.add_scoped::<Name>().add_transient::<Alone>(),
        |all| _ = all.add_transient::<Name>().add_scoped::<Alone>(),
        |all| _ = all.add_singleton_factory(Name::inject).add_scoped::<Alone>(),
    ];
    for register in registrations {
        let services = build(|all| {
            register(all);
            all.add_singleton(3_u8).add_shared::<str>(Arc::from("number"));
        });
        assert_eq!(services.scope().resolve::<Name>().await.unwrap().0, "number 3");
        services.scope().resolve::<Alone>().await.unwrap();
    }
}

#[tokio::test]
async fn factories_take_up_to_five_services_and_may_be_async() {
    let services = build(|all| {
        all.add_singleton(1_u8).add_singleton(2_u16).add_singleton(3_u32).add_singleton(4_u64);
        all.add_transient_factory(
            async |a: Dc<u8>, b: Dc<u16>, c: Dc<u32>, d: Dc<u64>, e: Dc<String>| {
                tokio::task::yield_now().await;
                Ok(format!("{a}{b}{c}{d}{e}").into_boxed_str())
            },
        );
        all.add_scoped_factory(|a: Dc<u8>| Ok(a.to_string()));
    });
    assert_eq!(&*get::<Box<str>>(&services.scope()).await, "12341");
}

#[tokio::test]
async fn a_second_registration_replaces_the_first() {
    let services = build(|all| {
        all.add_scoped_factory(|| Ok(1_u8)).add_singleton(2_u8);
    });
    assert!(!services.has_scoped());
    assert_eq!(get::<u8>(&services.scope()).await, 2);
}

#[tokio::test]
async fn a_failed_factory_is_a_server_error_and_is_called_again() {
    struct Outer;
    let counter = Counter::default();
    let services = build(|all| {
        all.add_singleton_factory(move || match counter.next() {
            1 => Err(std::io::Error::from(std::io::ErrorKind::NotFound).into()),
            2 => Err(Error::new(http::StatusCode::SERVICE_UNAVAILABLE, "the pool is empty")),
            number => Ok(number),
        });
        all.add_scoped_factory(|_: Dc<usize>| Ok(Outer));
    });
    let scope = services.scope();
    // The kind of an I/O error does not decide the status here.
    let error = scope.resolve::<Outer>().await.err().unwrap();
    assert_eq!(error.status(), 500);
    assert_eq!(error.to_string(), "`Outer` could not be created");
    let inner = std::error::Error::source(error.cause()).unwrap();
    assert_eq!(inner.to_string(), "`usize` could not be created");
    assert_eq!(inner.source().unwrap().to_string(), "entity not found");
    let error = scope.resolve::<Outer>().await.err().unwrap();
    assert_eq!(error.status(), 503);
    assert!(!scope.holds_any());
    scope.resolve::<Outer>().await.unwrap();
}

#[tokio::test]
async fn an_unavailable_service_is_named_in_the_error() {
    let services = build(|all| _ = all.add_scoped_factory(|| Ok(1_u8)));
    let text = |error: Error| (error.status().as_u16(), error.to_string());
    let error = services.scope().resolve::<dyn Repo>().await.err().unwrap();
    assert_eq!(
        text(error),
        (500, "`dyn Repo` is not registered: add `app.add_singleton(..)` or a factory".to_owned())
    );
    let error = services.root().resolve::<u8>().await.err().unwrap();
    let (status, text) = text(error);
    assert_eq!(status, 500);
    assert!(text.starts_with("`u8` is scoped, but this code runs outside of a scope"), "{text}");
}

#[test]
fn many_threads_create_a_lazy_singleton_once() {
    let counter = Counter::default();
    let made = counter.clone();
    let services = build(|all| {
        all.add_singleton_factory(move || {
            let made = made.clone();
            async move {
                // Lets the other threads reach the same point.
                for _ in 0..50 {
                    tokio::task::yield_now().await;
                }
                Ok(made.next())
            }
        });
        all.add_transient_factory(|number: Dc<usize>| Ok(number.to_string()));
    });
    let barrier = std::sync::Barrier::new(8);
    std::thread::scope(|threads| {
        for _ in 0..8 {
            threads.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                barrier.wait();
                assert_eq!(runtime.block_on(get::<String>(&services.scope())), "1");
            });
        }
    });
    assert_eq!(counter.count(), 1);
}

#[tokio::test]
async fn after_a_cancelled_or_panicked_creation_the_next_caller_creates_the_singleton() {
    let counter = Counter::default();
    let made = counter.clone();
    let services = build(|all| {
        all.add_singleton_factory(move || {
            let number = made.next();
            async move {
                tokio::task::yield_now().await;
                assert_ne!(number, 2, "the second one panics");
                Ok(number)
            }
        });
    });
    let scope = services.scope();
    let mut first: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(scope.resolve::<usize>());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(&mut cx).is_pending());
    let mut next = pin!(scope.resolve::<usize>());
    assert!(next.as_mut().poll(&mut cx).is_pending());
    assert_eq!(counter.count(), 1, "the second waits");
    drop(first);
    assert!(matches!(next.as_mut().poll(&mut cx), Poll::Pending));
    assert_eq!(counter.count(), 2, "the second creates it");
    let panicked = tokio::spawn({
        let services = services.clone();
        async move { services.scope().resolve::<usize>().await.map(|_| ()) }
    });
    let caught =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| next.as_mut().poll(&mut cx)));
    assert!(caught.is_err());
    // After the panic the next caller creates it.
    panicked.await.unwrap().unwrap();
    assert_eq!(get::<usize>(&services.scope()).await, 3);
}
