//! Clients that attack a server over HTTP/2, an innocent client beside them, and what the attack
//! does to the innocent client and to the server's memory.
//!
//! | module | idea |
//! |---|---|
//! | `attack` | what an attacker sends (pure) |
//! | `attackers` | the connections that send it, for a bounded time and count |
//! | `closed_windows` | connections that ask for many responses and let the server send none |
//! | `innocent` | an ordinary client, and how long it waits |
//! | `waits` | the longest wait, and the percentiles (pure) |
//! | `watch` | all of them together, and the server's memory |

mod attack;
mod attackers;
mod closed_windows;
mod innocent;
mod waits;
mod watch;

pub(crate) use attack::{Attack, CONNECTIONS};
pub(crate) use attackers::attack;
pub(crate) use closed_windows::hold_streams;
pub(crate) use watch::watch;
