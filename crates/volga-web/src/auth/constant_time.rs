//! `constant_time_eq`: compares secrets (pure).

use subtle::ConstantTimeEq;

/// Compares two secrets, such as tokens, in a time that does not depend on where they differ.
/// Otherwise a client could guess a secret byte by byte, by measuring how long a refusal takes.
///
/// The time does depend on whether the lengths are equal, so a client can learn the length of the
/// secret. Do not compare passwords with it: store a hash, and let its crate compare.
///
/// ```
/// use volga_web::constant_time_eq;
///
/// assert!(constant_time_eq("s3cret", "s3cret"));
/// assert!(!constant_time_eq("s3cret", "s3creT") && !constant_time_eq("s3cret", "s3cre"));
/// ```
#[must_use]
pub fn constant_time_eq(one: impl AsRef<[u8]>, other: impl AsRef<[u8]>) -> bool {
    one.as_ref().ct_eq(other.as_ref()).into()
}
