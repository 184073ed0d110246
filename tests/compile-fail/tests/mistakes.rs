//! The messages of the compiler for common mistakes. A newcomer must be able to act on them.
//!
//! `TRYBUILD=overwrite cargo test -p compile-fail` updates the expected texts. Read
//! them before you commit them.

use std::process::Command;

/// The texts differ between versions of the compiler. The expected ones are from the version in the
/// manifest.
fn is_expected_compiler() -> bool {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().expect("a compiler").stdout;
    String::from_utf8_lossy(&version).starts_with(concat!(
        "rustc ",
        env!("CARGO_PKG_RUST_VERSION"),
        "."
    ))
}

#[test]
fn mistakes_are_explained() {
    if is_expected_compiler() {
        trybuild::TestCases::new().compile_fail("cases/*.rs");
    } else {
        println!("skipped: the expected texts are from rustc {}", env!("CARGO_PKG_RUST_VERSION"));
    }
}
