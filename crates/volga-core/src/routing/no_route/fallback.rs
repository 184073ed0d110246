//! `FallbackTable`: who responds to the requests without a route.

use std::panic::Location;
use std::sync::Arc;

use http::Method;

use crate::request::path_args::{PathArgs, RouteRef};
use crate::routing::method::RouteMethod;
use crate::routing::pattern::{FIRST_SEGMENT, Pattern, Segment, segment_at};
use crate::routing::service::target::Target;
use crate::routing::settings::ScopeId;
use crate::routing::tree::{Lookup, RouteInfo, Spans, Tree};

/// The targets of requests without a route: by the patterns of routes, for a path that has routes
/// for other methods, and by the prefixes of scopes, for every other path.
pub(crate) struct FallbackTable {
    routes: Tree<usize>,
    scopes: Tree<usize>,
    /// The targets of the scopes come first, by the number of the scope. So the first target is the
    /// one of the root.
    targets: Vec<FallbackTarget>,
}

/// The target of requests without a route.
pub(crate) struct FallbackTarget {
    pub(crate) target: Target,
    /// The path arguments that it gets.
    pub(crate) args: FallbackArgs,
    /// The number of segments of the scope's prefix, or of the route's pattern.
    pub(crate) depth: usize,
}

/// The path arguments of requests without a route.
pub(crate) enum FallbackArgs {
    /// All arguments, for the fallback of a route.
    OfRoute,
    /// The arguments of the scope's prefix. Middleware of the scope takes them, as it does for
    /// requests with a route.
    OfPrefix(PrefixArgs),
}

/// The names of the arguments of a prefix, and the numbers of their segments.
#[derive(Default)]
pub(crate) struct PrefixArgs {
    info: Arc<RouteInfo>,
    segments: Box<[usize]>,
}

impl PrefixArgs {
    pub(crate) fn new(prefix: &Pattern) -> Self {
        let names = prefix.names().map(Box::from).collect();
        let info = Arc::new(RouteInfo { pattern: prefix.text().into(), names });
        let segments = prefix.segments().iter().enumerate();
        let segments = segments.filter(|(_, segment)| matches!(segment, Segment::Arg(..)));
        Self { info, segments: segments.map(|(index, _)| index).collect() }
    }

    /// The arguments of a path that starts with the prefix.
    pub(crate) fn of(&self, path: &str) -> PathArgs {
        if self.segments.is_empty() {
            return PathArgs::default();
        }
        let mut spans = Spans::default();
        let (mut at, mut number, mut found) = (FIRST_SEGMENT, 0, 0);
        while let Some((segment, next)) = segment_at(path, at) {
            if self.segments.get(found) == Some(&number) {
                spans.set(found, at, at + segment.len());
                found += 1;
            }
            (at, number) = (next, number + 1);
        }
        PathArgs::without_route(&self.info, spans)
    }
}

impl FallbackTable {
    /// Creates a table with the targets of all scopes, of which the root is the first.
    pub(crate) fn new(scopes: Vec<FallbackTarget>) -> Self {
        Self { routes: Tree::new(), scopes: Tree::new(), targets: scopes }
    }

    /// Lets a scope respond for the paths of a pattern that has routes for other methods only.
    pub(crate) fn add_routes(&mut self, pattern: &Pattern, scope: ScopeId) {
        insert(&mut self.routes, pattern, scope.index());
    }

    /// Lets the fallback of a route respond for the paths of its pattern.
    pub(crate) fn add_route_fallback(&mut self, pattern: &Pattern, target: FallbackTarget) {
        insert(&mut self.routes, pattern, self.targets.len());
        self.targets.push(target);
    }

    /// Lets a scope respond for a prefix and for everything below it. `patterns` are both.
    pub(crate) fn add_prefix(&mut self, patterns: &[Pattern], scope: ScopeId) {
        for pattern in patterns {
            insert(&mut self.scopes, pattern, scope.index());
        }
    }

    /// Prepares the search, after everything was added.
    pub(in crate::routing) fn compact(&mut self) {
        self.routes.compact();
    }

    /// The target of the root scope.
    pub(in crate::routing) fn root(&self) -> Option<&FallbackTarget> {
        self.targets.first()
    }

    /// Finds the target of a path that has routes for other methods.
    pub(in crate::routing) fn of_routes(&self, path: &str) -> Option<(&FallbackTarget, PathArgs)> {
        let mut spans = Spans::default();
        let Lookup::Route(found) = self.routes.find(&Method::GET, path, &mut spans) else {
            return None;
        };
        let target = self.targets.get(found.target)?;
        let args = match &target.args {
            FallbackArgs::OfRoute => PathArgs::new(RouteRef::Info(Arc::clone(&found.info)), spans),
            FallbackArgs::OfPrefix(args) => args.of(path),
        };
        Some((target, args))
    }

    /// Finds the target of a path without routes: of the scope with the longest prefix.
    pub(in crate::routing) fn of_scopes(&self, path: &str) -> Option<(&FallbackTarget, PathArgs)> {
        let target = self.targets.get(*self.scopes.find_deepest(path)?)?;
        let args = match &target.args {
            FallbackArgs::OfRoute => PathArgs::default(),
            FallbackArgs::OfPrefix(args) => args.of(path),
        };
        Some((target, args))
    }
}

fn insert(tree: &mut Tree<usize>, pattern: &Pattern, target: usize) {
    // The caller adds each pattern once, so there is no conflict.
    let _ = tree.insert(RouteMethod::Any, pattern, Location::caller(), target);
}
