//! Clients that attack a server over HTTP/1 and HTTP/2, an innocent client beside them, and the
//! effect of the attack on the innocent client and on the server's memory and CPU time.
//!
//! | module | idea |
//! |---|---|
//! | `attack` | the ways to attack, and the bytes of each (pure) |
//! | `frame_orders` | frames of all kinds in any order, from a seed (pure) |
//! | `corpus` | the same bytes as inputs of a fuzz target |
//! | `attackers` | the connections that send the bytes, for a bounded time and count |
//! | `closed_windows` | connections that ask for many responses and let the server send none |
//! | `moving_windows` | connections that change the windows of all their streams again and again |
//! | `innocent` | an ordinary client, and how long it waits |
//! | `waits` | the client's longest wait, and the percentiles (pure) |
//! | `watch` | runs all clients together, and reads the server's memory |

mod attack;
mod attackers;
mod closed_windows;
mod corpus;
mod frame_orders;
mod innocent;
mod moving_windows;
mod waits;
mod watch;

pub(crate) use attack::{Attack, CONNECTIONS, SLOW_CONNECTIONS};
pub(crate) use attackers::attack;
pub(crate) use closed_windows::hold_streams;
pub(crate) use corpus::write_corpus;
pub(crate) use moving_windows::{Moves, move_windows};
pub(crate) use watch::watch;
