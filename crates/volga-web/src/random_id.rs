//! Identifiers that nobody can guess.

use data_encoding::BASE64URL_NOPAD;
use volga_core::Error;

/// The number of random bytes of an identifier: 192 bits.
const RANDOM_BYTES: usize = 24;

/// The length of an identifier as text.
#[cfg(feature = "sessions")]
const RANDOM_ID_LENGTH: usize = RANDOM_BYTES / 3 * 4;

/// Returns 192 random bits of the system, as 32 characters of URL-safe Base64.
///
/// # Errors
///
/// Returns a server error if the system gives no random numbers.
pub(crate) fn random_id() -> Result<Box<str>, Error> {
    let mut bytes = [0; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(Error::server_error)?;
    Ok(BASE64URL_NOPAD.encode(&bytes).into())
}

/// Whether a text has the form of an identifier, so that no other text reaches a store.
#[cfg(feature = "sessions")]
pub(crate) fn is_random_id(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    text.len() == RANDOM_ID_LENGTH && text.bytes().all(is_part)
}

#[cfg(all(test, feature = "sessions"))]
mod tests {
    use super::*;

    #[test]
    fn identifiers_differ_and_have_their_form() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| random_id().unwrap()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| is_random_id(id)));
        let id = ids.first().unwrap();
        let other = [&id[1..], &format!("{id}a"), &id.replace(&id[..1], "/"), "", "é"];
        assert!(other.iter().all(|text| !is_random_id(text)), "{other:?}");
    }
}
