//! Programs of a newcomer: each is put together from the code blocks of the guide alone, and says
//! which pages it comes from. If a program needs a change, the guide needs one, too.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod guest_book;
