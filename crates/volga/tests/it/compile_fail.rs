//! What the compiler says of common mistakes: a newcomer must be able to act on it.
//!
//! `TRYBUILD=overwrite cargo test -p volga --test it compile_fail` writes the texts anew; read them before they are committed.

use std::process::Command;

/// The texts are the compiler's, and so they are those of one version: the one that the manifest names.
fn compiler_wrote_the_texts() -> bool {
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
    if compiler_wrote_the_texts() {
        trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
    } else {
        println!(
            "skipped: the expected texts are those of rustc {}",
            env!("CARGO_PKG_RUST_VERSION")
        );
    }
}
