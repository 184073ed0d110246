//! Faults of routes, and prefixes of scopes.

use http::Method;

use super::*;
use crate::handler::handler_endpoint::HandlerEndpoint;

fn nothing() -> impl Endpoint {
    HandlerEndpoint::new(|| "")
}

#[track_caller]
fn check(router: Router, expect: &[&str]) {
    let faults = router.into_service().unwrap_err();
    let all = faults.to_string();
    assert_eq!(faults.iter().count(), expect.len(), "{all}");
    assert_eq!(all.matches("\n").count(), expect.len(), "{all}");
    for (part, fault) in expect.iter().zip(faults.iter()) {
        let fault = fault.to_string();
        assert!(fault.contains(part) && fault.contains("tests.rs:"), "{fault}");
    }
}

#[test]
fn all_faults_are_returned_together_with_their_locations() {
    let mut router = Router::new();
    router.map(Method::GET, "a", nothing());
    router.map(Method::GET, "/{x}", nothing());
    router.map(Method::GET, "/{y}", nothing());
    router.map(Method::GET, "/z/{y}", HandlerEndpoint::new(|_: u8, _: u8| ""));
    router.map(Method::GET, "/{*rest}/x", nothing());
    router.map(Method::GET, "/{id:number}", nothing());
    check(
        router,
        &[
            "pattern `a` is malformed at byte 0: a pattern starts with `/`",
            "`GET /{y}` conflicts with `GET /{x}`, mapped before at ",
            "the handler of `GET /z/{y}` takes 2 path arguments, but the pattern has 1",
            "pattern `/{*rest}/x` is malformed at byte 9: `{*name}` must be the last segment",
            "pattern `/{id:number}` has the unknown constraint `number`",
        ],
    );
}

#[test]
fn the_prefixes_of_scopes_come_before_the_patterns_of_routes() {
    let mut router = Router::new();
    let users = router.scope(ScopeId::ROOT, "/users/{id}/");
    let plain = router.scope(users, "");
    let orders = router.scope(plain, "/orders");
    let id = router.map_in(orders, Method::GET, "/{number}", nothing());
    let itself = router.map_in(orders, Method::GET, "", nothing());
    let slash = router.map_in(users, Method::GET, "/", nothing());
    assert_eq!(router.route(id), (&Method::GET.into(), "/users/{id}/orders/{number}"));
    assert_eq!(router.route(itself).1, "/users/{id}/orders");
    assert_eq!(router.route(slash).1, "/users/{id}/");
    assert_eq!(router.scopes_of(id).collect::<Vec<_>>(), [orders, plain, users, ScopeId::ROOT]);
    assert_eq!(router.prefix(orders), "/users/{id}/orders");
    router.check().unwrap();
}

#[test]
fn a_faulty_prefix_is_one_fault_and_routes_of_different_scopes_may_conflict() {
    let mut router = Router::new();
    let faulty = router.scope(ScopeId::ROOT, "users");
    router.map_in(faulty, Method::GET, "/a", nothing());
    router.map_in(faulty, Method::GET, "/a", nothing());
    router.scope(ScopeId::ROOT, "/files/{*rest}");
    let users = router.scope(ScopeId::ROOT, "/users");
    router.map(Method::GET, "/users/{id}", nothing());
    router.map_in(users, Method::GET, "/{name}", nothing());
    router.map_in(users, Method::GET, "{name}", nothing());
    let repeated = router.scope(users, "/{id}");
    router.map_in(repeated, Method::GET, "/{id}", nothing());
    check(
        router,
        &[
            "pattern `users` is malformed at byte 0",
            "pattern `/files/{*rest}` is malformed at byte 7: a prefix cannot end with `{*name}`",
            "`GET /users/{name}` conflicts with `GET /users/{id}`",
            "pattern `/users{name}` is malformed at byte 6",
            "pattern `/users/{id}/{id}` has two arguments named `id`",
        ],
    );
}
