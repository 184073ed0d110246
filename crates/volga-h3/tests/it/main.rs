//! Tests of the server over real sockets. The client is `h3` on quinn, which is other code than
//! the server's, and where a test needs to break a rule, frames that it writes itself.

mod abuse;
mod drain;
mod frames;
mod idle;
mod loss;
mod reload;
mod requests;
mod session_ends;
mod session_limits;
mod session_order;
mod session_support;
mod sessions;
mod streams;
mod support;
mod tunnels;
