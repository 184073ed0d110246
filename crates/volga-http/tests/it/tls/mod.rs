//! HTTPS: handshakes, ends, records, names, reloads and tickets.

mod client_certificates;
mod ends;
mod handshakes;
mod names;
mod records;
mod reload;
mod stalled;
mod support;
mod tickets;
