//! Several nodes as one hub: the seam between a hub and an engine that keeps one ordered log for
//! all nodes. It knows no engine and needs no runtime.
//!
//! A crate `volga-relay-NAME` connects an engine. It implements `Relay`, through which the hub
//! publishes, and it owns the `Feed`, through which everything that the engine holds comes in.
//! [`HubBuilder::build_shared`](crate::hub::HubBuilder::build_shared) makes both. The model test
//! in `tests/it/hub_nodes` has an engine in memory.
//!
//! | module | content |
//! |---|---|
//! | `adapter`, `error` | what a hub asks of an engine |
//! | `feed`, `incoming` | what comes in from an engine |
//! | `payload` (pure) | a message as the engine holds it |
//! | `announcing` | what a node tells the others about who subscribes on it, and when |
//! | `control` (pure) | what the hubs of the nodes tell each other |
//! | `epochs` (pure) | positions of the engine, and the hub's own dense numbers |
//! | `rollbacks` (pure) | messages that were delivered and then lost by the engine |
//! | `shared_hub` | what the handles of a shared hub have in common |
//! | `state`, `waiters`, `tail_query` | whether the node is ready, and clients that wait for it |
//! | `send`, `retry_keys` | `Hub::send` |

pub(crate) mod adapter;
pub(crate) mod announcing;
pub(crate) mod control;
pub(crate) mod epochs;
pub(crate) mod error;
pub(crate) mod feed;
pub(crate) mod incoming;
pub(crate) mod payload;
pub(crate) mod retry_keys;
pub(crate) mod rollbacks;
pub(crate) mod send;
pub(crate) mod shared_hub;
pub(crate) mod state;
pub(crate) mod tail_query;
pub(crate) mod waiters;
