//! Which scope responds to a request without a route, against a scan of all scopes and routes.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use http::{HeaderValue, Method, Request};
use proptest::prelude::*;

use crate::handler::box_future::BoxFuture;
use crate::handler::handler_endpoint::HandlerEndpoint;
use crate::middleware::HttpContext;
use crate::middleware::wrap::WrapMiddleware;
use crate::request::body::HttpBody;
use crate::request::parts::Next;
use crate::response::into_response::HttpResponse;
use crate::routing::router::Router;
use crate::routing::settings::{ScopeId, SettingsLevel};

/// A scope of the model. The scope around it is chosen among the scopes before it.
#[derive(Clone, Debug)]
struct TestScope {
    parent: usize,
    prefix: &'static str,
    has_fallback: bool,
}

/// A route of the model: its scope, its method and its pattern.
type TestRoute = (usize, Method, &'static str);

#[derive(Clone, Debug)]
struct Model {
    /// The first one is the root.
    scopes: Vec<TestScope>,
    routes: Vec<TestRoute>,
}

impl Model {
    fn prefix(&self, scope: usize) -> String {
        let TestScope { parent, prefix, .. } = self.scopes[scope];
        match scope {
            0 => String::new(),
            _ => format!("{}{prefix}", self.prefix(parent)).trim_end_matches('/').to_owned(),
        }
    }

    fn pattern(&self, (scope, _, pattern): &TestRoute) -> String {
        format!("{}{pattern}", self.prefix(*scope)).trim_end_matches('/').to_owned()
    }

    /// The scopes around a scope, from the outside in, with the scope itself.
    fn chain(&self, scope: usize) -> Vec<usize> {
        let mut chain = if scope == 0 { vec![] } else { self.chain(self.scopes[scope].parent) };
        chain.push(scope);
        chain
    }

    fn common(&self, scopes: &[usize]) -> usize {
        let chains: Vec<_> = scopes.iter().map(|scope| self.chain(*scope)).collect();
        let is_common = |scope: &&usize| chains.iter().all(|chain| chain.contains(scope));
        *chains[0].iter().rev().find(is_common).unwrap()
    }

    /// The scope that responds, and whether the path is known. `None` if the request has a route.
    fn responds(&self, method: &Method, path: &str) -> Option<(usize, bool)> {
        let at_path: Vec<_> =
            self.routes.iter().filter(|route| matches(&self.pattern(route), path)).collect();
        if at_path.iter().any(|(_, other, _)| other == method) {
            return None;
        }
        if let Some(best) = at_path.iter().map(|route| order(&self.pattern(route))).min() {
            let best = at_path.iter().filter(|route| order(&self.pattern(route)) == best);
            let scopes: Vec<_> = best.map(|(scope, ..)| *scope).collect();
            return Some((self.common(&scopes), true));
        }
        let enclosing = (0..self.scopes.len()).filter(|scope| {
            let is_own = *scope == 0 || !self.scopes[*scope].prefix.trim_matches('/').is_empty();
            is_own && is_below(&self.prefix(*scope), path)
        });
        let rank = |scope: &usize| {
            let prefix = self.prefix(*scope);
            (Reverse(prefix.matches('/').count()), order(&prefix))
        };
        let enclosing: Vec<_> = enclosing.collect();
        let best = enclosing.iter().map(rank).min().unwrap();
        let best: Vec<_> = enclosing.into_iter().filter(|scope| rank(scope) == best).collect();
        let with_fallback: Vec<_> =
            best.iter().filter(|scope| self.scopes[**scope].has_fallback).collect();
        match *with_fallback {
            [only] => Some((*only, false)),
            _ => Some((self.common(&best), false)),
        }
    }

    /// Builds the router: the scopes as they are numbered, and the routes in this order. Settings
    /// come before the routes or after them.
    fn router(&self, routes: &[TestRoute], are_settings_first: bool) -> Router {
        let mut router = Router::new();
        let mut ids = vec![ScopeId::ROOT];
        for TestScope { parent, prefix, .. } in &self.scopes[1..] {
            ids.push(router.scope(ids[*parent], prefix));
        }
        let map = |router: &mut Router| {
            for (scope, method, pattern) in routes {
                router.map_in(ids[*scope], method.clone(), pattern, HandlerEndpoint::new(|| ""));
            }
        };
        if !are_settings_first {
            map(&mut router);
        }
        for (number, id) in ids.iter().enumerate() {
            let level = SettingsLevel::Scope(*id);
            router.add_middleware(level, WrapMiddleware::new(mark(number)));
            if self.scopes[number].has_fallback {
                router.set_fallback(level, HandlerEndpoint::new(move || format!("{number}")));
            }
        }
        if are_settings_first {
            map(&mut router);
        }
        router
    }
}

/// Adds the number of a scope to each response that passes.
fn mark(scope: usize) -> impl Fn(HttpContext, Next) -> BoxFuture<HttpResponse> + Clone {
    move |ctx, next| {
        Box::pin(async move {
            let mut response = next.run(ctx).await;
            response.headers_mut().append("x-scope", HeaderValue::from(scope));
            response
        })
    }
}

fn segments(path: &str) -> Vec<&str> {
    path.trim_end_matches('/').split('/').skip(1).collect()
}

fn is_below(prefix: &str, path: &str) -> bool {
    let (prefix, path) = (segments(prefix), segments(path));
    let fits = |(one, other): (&&str, &&str)| one == other || one.starts_with('{');
    prefix.len() <= path.len() && prefix.iter().zip(&path).all(fits)
}

fn matches(pattern: &str, path: &str) -> bool {
    segments(pattern).len() == segments(path).len() && is_below(pattern, path)
}

/// Static segments are tried before arguments.
fn order(pattern: &str) -> Vec<String> {
    // A `~` comes after all letters.
    let of = |segment: &str| if segment.starts_with('{') { "~" } else { segment }.to_owned();
    segments(pattern).into_iter().map(of).collect()
}

/// The scopes that have seen the response, from the outside in.
async fn seen(router: Router, requests: &[(Method, String)]) -> Vec<(u16, Vec<usize>)> {
    let service = router.into_service().unwrap();
    let mut all = Vec::new();
    for (method, path) in requests {
        let request = Request::builder().method(method).uri(path).body(HttpBody::empty()).unwrap();
        let response = service.respond(request).await;
        let marks = response.headers().get_all("x-scope").iter().rev();
        let marks = marks.map(|mark| mark.to_str().unwrap().parse().unwrap()).collect();
        all.push((response.status().as_u16(), marks));
    }
    all
}

fn requests() -> Vec<(Method, String)> {
    let mut paths = vec![String::new()];
    for length in 0..3 {
        let longer: Vec<_> =
            paths.iter().filter(|path| path.matches('/').count() == length).collect();
        let longer =
            longer.into_iter().flat_map(|path| ["a", "b", "c"].map(|s| format!("{path}/{s}")));
        let longer: Vec<_> = longer.collect();
        paths.extend(longer);
    }
    paths[0] = "/".to_owned();
    let methods = [Method::GET, Method::DELETE, Method::OPTIONS];
    paths
        .into_iter()
        .flat_map(|path| methods.clone().map(|method| (method, path.clone())))
        .collect()
}

fn model() -> impl Strategy<Value = Model> {
    let prefix = prop::sample::select(vec!["", "", "/", "/a", "/a", "/b", "/{x}", "/a/b", "/a/"]);
    let scope = (any::<prop::sample::Index>(), prefix, prop::bool::weighted(0.2));
    let pattern = prop::sample::select(vec!["/", "/a", "/b", "/{y}", "/a/b", "/{y}/b"]);
    let method = prop::sample::select(vec![Method::GET, Method::POST]);
    let route = (any::<prop::sample::Index>(), method, pattern);
    let lists = (prop::collection::vec(scope, 0..5), prop::collection::vec(route, 0..6));
    lists.prop_map(|(scopes, routes)| {
        let root = TestScope { parent: 0, prefix: "", has_fallback: false };
        let mut model = Model { scopes: vec![root], routes: Vec::new() };
        for (parent, prefix, has_fallback) in scopes {
            // A name may be used once in a pattern.
            let parent = parent.index(model.scopes.len());
            let is_free = !(prefix.contains("{x}") && model.prefix(parent).contains("{x}"));
            let prefix = if is_free { prefix } else { "/c" };
            model.scopes.push(TestScope { parent, prefix, has_fallback });
        }
        let mut known = BTreeSet::new();
        for (scope, method, pattern) in routes {
            let route = (scope.index(model.scopes.len()), method, pattern);
            let text = model.pattern(&route).replace("{x}", "{}").replace("{y}", "{}");
            if known.insert((text, route.1.to_string())) {
                model.routes.push(route);
            }
        }
        model
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_scope_of_the_routes_or_of_the_prefix_responds_in_whatever_order_they_are_added(
        model in model(),
        shuffled in any::<prop::sample::Index>(),
    ) {
        let requests = requests();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(seen(model.router(&model.routes, true), &requests));
        for ((method, path), (status, scopes)) in requests.iter().zip(&found) {
            if let Some((scope, is_known)) = model.responds(method, path) {
                prop_assert_eq!(scopes, &model.chain(scope), "{} {}", method, path);
                let has_fallback =
                    scopes.iter().any(|scope| model.scopes[*scope].has_fallback);
                let expect = match (is_known, *method == Method::OPTIONS) {
                    (true, true) => 204,
                    _ if has_fallback && (is_known || *method != Method::OPTIONS) => 200,
                    (true, false) => 405,
                    (false, _) => *status,
                };
                prop_assert_eq!(*status, expect, "{} {}", method, path);
            }
        }

        // The order of routes and settings, and what is added elsewhere, change nothing.
        let mut routes = model.routes.clone();
        if !routes.is_empty() {
            let middle = shuffled.index(routes.len());
            routes.rotate_left(middle);
        }
        let mut other = model.router(&routes, false);
        let elsewhere = other.scope(ScopeId::ROOT, "/elsewhere");
        let route = other.map_in(elsewhere, Method::GET, "/x", HandlerEndpoint::new(|| ""));
        for level in [SettingsLevel::Scope(elsewhere), SettingsLevel::Route(route)] {
            other.set_fallback(level, HandlerEndpoint::new(|| "elsewhere"));
        }
        let bare = other.scope(ScopeId::ROOT, "");
        other.set_fallback(SettingsLevel::Scope(bare), HandlerEndpoint::new(|| "bare"));
        prop_assert_eq!(runtime.block_on(seen(other, &requests)), found);
    }
}
