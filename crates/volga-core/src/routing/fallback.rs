//! `FallbackTable`: the targets of requests without a route.

use std::panic::Location;

use http::Method;

use crate::request::path_args::PathArgs;
use crate::routing::method::RouteMethod;
use crate::routing::pattern::Pattern;
use crate::routing::target::Target;
use crate::routing::tree::{Found, Spans, Tree};

/// The targets of requests without a route, by the paths of routes and the prefixes of scopes.
pub(crate) struct FallbackTable {
    pub(super) tree: Tree<usize>,
    targets: Vec<FallbackTarget>,
}

/// The target of requests without a route.
pub(crate) struct FallbackTarget {
    pub(crate) target: Target,
    /// Whether the target is the fallback of a route, and gets the path arguments.
    pub(crate) has_args: bool,
    /// The number of segments of the scope's prefix, or of the route's pattern.
    pub(crate) depth: usize,
}

impl FallbackTable {
    pub(crate) fn new() -> Self {
        Self { tree: Tree::new(), targets: Vec::new() }
    }

    /// Adds a target for those of the patterns that have no target yet.
    pub(crate) fn add(&mut self, patterns: &[Pattern], target: FallbackTarget) {
        for pattern in patterns {
            let location = Location::caller();
            // A conflict is ignored: the target that was added first stays.
            let _ = self.tree.insert(RouteMethod::Any, pattern, location, self.targets.len());
        }
        self.targets.push(target);
    }

    /// Finds the target for a path: of a route, or else of the scope with the longest prefix. The
    /// last target is the one of all paths.
    pub(super) fn find(&self, path: &str) -> (Option<&FallbackTarget>, PathArgs) {
        let mut spans = Spans::default();
        match self.tree.find(&Method::GET, path, &mut spans) {
            Found::Route(found) => {
                let fallback = self.targets.get(found.target);
                let has_args = fallback.is_some_and(|fallback| fallback.has_args);
                let args = has_args.then(|| PathArgs::new(&found.info, spans));
                (fallback, args.unwrap_or_default())
            }
            _ => (self.targets.last(), PathArgs::default()),
        }
    }
}
