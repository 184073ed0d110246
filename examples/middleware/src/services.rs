//! Services, which handlers take by their type, and the lifetimes of services.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use volga::{
    App,
    di::{Dc, Inject},
    error::Error,
    ok,
};

/// A singleton: all requests share one.
#[derive(Default)]
struct Visits(AtomicU64);

/// A service behind a trait, so that a test can replace it.
pub(crate) trait Greet: Send + Sync {
    fn greet(&self, name: &str) -> String;
}

struct Polite;

impl Greet for Polite {
    fn greet(&self, name: &str) -> String {
        format!("Good day, {name}")
    }
}

/// A scoped service: one for each request that uses it, shared by all arguments of that request.
struct Visit {
    number: u64,
}

impl Drop for Visit {
    fn drop(&mut self) {
        println!("visit {} is over", self.number);
    }
}

/// A transient service: a new one for each argument. It depends on two other services.
struct Letter {
    greet: Dc<dyn Greet>,
    visit: Dc<Visit>,
}

impl Inject for Letter {
    type Dependencies = (Dc<dyn Greet>, Dc<Visit>);

    async fn inject((greet, visit): Self::Dependencies) -> Result<Self, Error> {
        Ok(Self { greet, visit })
    }
}

pub(crate) fn map(app: &mut App) {
    app.add_singleton(Visits::default());
    app.add_shared::<dyn Greet>(Arc::new(Polite));
    app.add_scoped_factory(async |visits: Dc<Visits>| {
        Ok(Visit { number: visits.0.fetch_add(1, Ordering::Relaxed) + 1 })
    });
    app.add_transient::<Letter>();

    app.map_get("/visits", async |visits: Dc<Visits>| ok!(visits.0.load(Ordering::Relaxed)));
    app.map_get("/letter/{name}", async |name: String, letter: Dc<Letter>, visit: Dc<Visit>| {
        assert_eq!(letter.visit.number, visit.number);
        ok!("{}. You are visitor {}.", letter.greet.greet(&name), visit.number)
    });
}
