//! Measures how much it costs to find the route of a request: one look-up of a method and a path,
//! including the arguments, without calling the handler.
//!
//! The peer is matchit, which axum and others use for routing, and which knows no methods. Both
//! look up every path of the table in turn, so one iteration has as many look-ups as there are
//! routes.

use divan::{Bencher, black_box, counter::ItemsCount};
use volga_core::{HandlerEndpoint, Router, RouterService};

#[global_allocator]
static ALLOCATOR: divan::AllocProfiler = divan::AllocProfiler::system();

const SIZES: &[usize] = &[10, 100, 1_000];

fn main() {
    divan::main();
}

#[divan::bench(args = SIZES)]
fn volga(bencher: Bencher, size: usize) {
    let table = Table::new(size);
    let service = table.service();
    let get = http::Method::GET;
    bencher.counter(ItemsCount::new(size)).bench(|| {
        for path in &table.paths {
            let found = service.find(&get, black_box(path));
            assert!(black_box(&found).is_some());
        }
    });
}

#[divan::bench(args = SIZES)]
fn matchit_alone(bencher: Bencher, size: usize) {
    let table = Table::new(size);
    let router = table.matchit();
    bencher.counter(ItemsCount::new(size)).bench(|| {
        for path in &table.paths {
            let found = router.at(black_box(path));
            assert!(black_box(&found).is_ok());
        }
    });
}

#[divan::bench(args = SIZES)]
fn volga_unknown(bencher: Bencher, size: usize) {
    let table = Table::new(size);
    let service = table.service();
    let get = http::Method::GET;
    bencher.counter(ItemsCount::new(size)).bench(|| {
        for path in &table.unknown {
            let found = service.find(&get, black_box(path));
            assert!(black_box(&found).is_none());
        }
    });
}

#[divan::bench(args = SIZES)]
fn matchit_unknown(bencher: Bencher, size: usize) {
    let table = Table::new(size);
    let router = table.matchit();
    bencher.counter(ItemsCount::new(size)).bench(|| {
        for path in &table.unknown {
            let found = router.at(black_box(path));
            assert!(black_box(&found).is_err());
        }
    });
}

/// Routes of a typical service: resources, each with a list, an item, and things below the item.
struct Table {
    patterns: Vec<String>,
    /// One path for each pattern.
    paths: Vec<String>,
    /// Similar paths that no pattern matches.
    unknown: Vec<String>,
}

const WORDS: [&str; 12] = [
    "users",
    "orders",
    "invoices",
    "teams",
    "projects",
    "repositories",
    "comments",
    "labels",
    "milestones",
    "deployments",
    "keys",
    "events",
];

impl Table {
    fn new(size: usize) -> Self {
        let shapes = [
            ("/api/v1/{name}", "/api/v1/{name}"),
            ("/api/v1/{name}/{id}", "/api/v1/{name}/4711"),
            ("/api/v1/{name}/{id}/history", "/api/v1/{name}/4711/history"),
            ("/api/v1/{name}/{id}/members/{member}", "/api/v1/{name}/4711/members/anna"),
            ("/{name}/search", "/{name}/search"),
        ];
        let mut table = Self { patterns: Vec::new(), paths: Vec::new(), unknown: Vec::new() };
        for index in 0..size {
            let round = index / shapes.len();
            let (word, number) = (WORDS[round % WORDS.len()], round / WORDS.len());
            let name = if number == 0 { word.to_owned() } else { format!("{word}-{number}") };
            let (pattern, path) = shapes[index % shapes.len()];
            table.patterns.push(pattern.replace("{name}", &name));
            table.paths.push(path.replace("{name}", &name));
            table.unknown.push(format!("{}/nothing/here", path.replace("{name}", &name)));
        }
        table
    }

    fn service(&self) -> RouterService {
        let mut router = Router::new();
        for pattern in &self.patterns {
            router.map(http::Method::GET, pattern, HandlerEndpoint::new(|| ""));
        }
        router.into_service().expect("no faults")
    }

    fn matchit(&self) -> matchit::Router<usize> {
        let mut router = matchit::Router::new();
        for (index, pattern) in self.patterns.iter().enumerate() {
            router.insert(pattern, index).expect("no conflict");
        }
        router
    }
}
