//! Sessions: what the server knows of a browser, by a cookie with a random ID.
//!
//! | module | content |
//! |---|---|
//! | `session` | the argument [`Session`](session::Session) |
//! | `settings` | [`Sessions`](settings::Sessions): the store and the times, as a service of the app |
//! | `expiry` | when a session ends (pure) |
//! | `id`, `record`, `store` | what a store keeps, and the trait that it implements |
//! | `memory` | the store in memory |
//! | `file` | the store in the files of a folder |
//!
//! The cookie is written by [`Cookies`](crate::Cookies), so it is on every response, also on the
//! head of an event stream. To add a store, implement [`SessionStore`](store::SessionStore);
//! `examples/login` has one on SQLite.

mod expiry;
pub(crate) mod file;
pub(crate) mod id;
pub(crate) mod memory;
pub(crate) mod record;
pub(crate) mod session;
pub(crate) mod settings;
pub(crate) mod store;
