//! Factories whose types are erased.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::services::dc::Dc;
use crate::services::factory::Factory;
use crate::services::registry::MakeFuture;
use crate::services::registry::{ErasedFactory, ErasedService, Scope};

/// Creates a service by its factory.
pub(super) struct TypedFactory<F, Args, Kind>(
    pub(super) F,
    pub(super) PhantomData<fn() -> (Args, Kind)>,
);

impl<F: Factory<Args, Kind>, Args, Kind> ErasedFactory for TypedFactory<F, Args, Kind> {
    fn make<'a>(&'a self, scope: &'a Scope) -> MakeFuture<'a> {
        Box::pin(async {
            let service = self.0.make(scope).await?;
            Ok(Box::new(Dc::from(Arc::new(service))) as ErasedService)
        })
    }
}

/// Creates `Dc<T>` from the `Dc<S>` for which it is an alias.
pub(super) struct AliasFactory<T: ?Sized, S: ?Sized>(pub(super) fn(Arc<S>) -> Arc<T>);

impl<T, S> ErasedFactory for AliasFactory<T, S>
where
    T: ?Sized + Send + Sync + 'static,
    S: ?Sized + Send + Sync + 'static,
{
    fn make<'a>(&'a self, scope: &'a Scope) -> MakeFuture<'a> {
        Box::pin(async {
            let service = scope.resolve::<S>().await?;
            Ok(Box::new(Dc::from(self.0(service.into_inner()))) as ErasedService)
        })
    }
}
