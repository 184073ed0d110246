//! `CookieKeys`: the keys of signed and private cookies.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use data_encoding::BASE64URL_NOPAD;
use ring::aead::{self, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::hmac::{self, HMAC_SHA256};
use ring::rand::{SecureRandom, SystemRandom};

/// The smallest size of a secret, in bytes.
const MIN_SECRET: usize = 32;
/// The size of the random bytes from which the key of one private cookie is derived.
const SALT_LEN: usize = 16;

/// The keys of [`SignedCookies`](crate::SignedCookies) and
/// [`PrivateCookies`](crate::PrivateCookies). Add them to the app as a singleton.
///
/// A secret has at least 32 bytes, and nobody can guess it: `openssl rand -hex 32` makes one. Keep
/// it outside of the program, for example in an environment variable.
///
/// # Rotation
///
/// The first key signs and encrypts. All keys verify and decrypt. To replace a secret, deploy the
/// new one with the old one as [`also_accept`](Self::also_accept), and remove the old one when all
/// cookies that it has signed are out of date. If several servers share the cookies, let all of
/// them accept the new secret before the first one signs with it.
///
/// ```
/// use volga_web::CookieKeys;
///
/// # fn main() -> Result<(), volga_web::CookieKeyError> {
/// # let (new, old) = ("n".repeat(32), "o".repeat(32));
/// let keys = CookieKeys::new(new)?.also_accept(old)?;
/// # let _ = keys;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CookieKeys {
    /// The first one writes.
    keys: Vec<Key>,
    changed: Arc<AtomicU64>,
}

#[derive(Clone)]
struct Key {
    signing: hmac::Key,
    /// The keys of private cookies are derived from it.
    private: Prk,
}

/// Why a secret cannot be a key.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CookieKeyError {
    /// The secret has fewer than 32 bytes.
    #[error(
        "the secret for cookies has {size} bytes, and at least {MIN_SECRET} are needed; make one \
         with `openssl rand -hex 32`"
    )]
    TooShort {
        /// The size of the secret in bytes.
        size: usize,
    },
    /// The system gave no random numbers.
    #[error("the system gave no random numbers")]
    Random,
}

impl CookieKeys {
    /// Creates keys from a secret of at least 32 bytes.
    ///
    /// # Errors
    ///
    /// Returns [`CookieKeyError::TooShort`] if the secret has fewer bytes.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, CookieKeyError> {
        let keys = vec![Key::new(secret.as_ref())?];
        Ok(Self { keys, changed: Arc::default() })
    }

    /// Creates keys from a random secret. The cookies are worth nothing after a restart, and for
    /// other servers, so this is for development and tests.
    ///
    /// # Errors
    ///
    /// Returns [`CookieKeyError::Random`] if the system gives no random numbers.
    pub fn random() -> Result<Self, CookieKeyError> {
        let mut secret = [0; MIN_SECRET];
        SystemRandom::new().fill(&mut secret).map_err(|_| CookieKeyError::Random)?;
        Self::new(secret)
    }

    /// Adds a secret with which cookies are read, but not written.
    ///
    /// # Errors
    ///
    /// Returns [`CookieKeyError::TooShort`] if the secret has fewer than 32 bytes.
    pub fn also_accept(mut self, secret: impl AsRef<[u8]>) -> Result<Self, CookieKeyError> {
        self.keys.push(Key::new(secret.as_ref())?);
        Ok(self)
    }

    /// The number of cookies that were not valid when they were read: changed by the client, signed
    /// with a key that is not accepted any more, or not signed. Clones have the same number. In one
    /// request each name counts once.
    #[must_use]
    pub fn invalid_count(&self) -> u64 {
        self.changed.load(Ordering::Relaxed)
    }

    pub(super) fn count_invalid(&self) {
        self.changed.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns the value with its signature: `signature.value`.
    pub(super) fn sign(&self, name: &str, value: &str) -> String {
        let signature = hmac::sign(&self.keys[0].signing, &signed_text(name, value));
        format!("{}.{value}", BASE64URL_NOPAD.encode(signature.as_ref()))
    }

    /// Returns the value without its signature. `None` if no key has signed it for this name.
    pub(super) fn verify(&self, name: &str, signed: &str) -> Option<String> {
        let (signature, value) = signed.split_once('.')?;
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
        let text = signed_text(name, value);
        let is_valid = |key: &Key| hmac::verify(&key.signing, &text, &signature).is_ok();
        self.keys.iter().any(is_valid).then(|| value.to_owned())
    }

    /// Encrypts a value. `None` if the system gives no random numbers.
    pub(super) fn encrypt(&self, name: &str, value: &str) -> Option<String> {
        let mut out = vec![0; SALT_LEN + NONCE_LEN];
        SystemRandom::new().fill(&mut out).ok()?;
        let (salt, nonce) = out.split_at(SALT_LEN);
        let key = self.keys[0].cipher(salt, name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = value.as_bytes().to_vec();
        key.seal_in_place_append_tag(nonce, Aad::from(name.as_bytes()), &mut text).ok()?;
        out.extend(text);
        Some(BASE64URL_NOPAD.encode(&out))
    }

    /// Decrypts a value. `None` if no key has encrypted it for this name.
    pub(super) fn decrypt(&self, name: &str, encrypted: &str) -> Option<String> {
        let bytes = BASE64URL_NOPAD.decode(encrypted.as_bytes()).ok()?;
        let (salt, rest) = bytes.split_at_checked(SALT_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        self.keys.iter().find_map(|key| {
            let cipher = key.cipher(salt, name)?;
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut text = sealed.to_vec();
            let text = cipher.open_in_place(nonce, Aad::from(name.as_bytes()), &mut text).ok()?;
            String::from_utf8(text.to_vec()).ok()
        })
    }
}

impl Key {
    fn new(secret: &[u8]) -> Result<Self, CookieKeyError> {
        if secret.len() < MIN_SECRET {
            return Err(CookieKeyError::TooShort { size: secret.len() });
        }
        let extracted = Salt::new(HKDF_SHA256, b"volga cookies").extract(secret);
        // One secret gives keys that have nothing in common, so a signed cookie is never taken for
        // a private one. Both lengths are those of HKDF-SHA256, so the expansion cannot fail.
        let too_long = |_| CookieKeyError::Random;
        let signing = extracted.expand(&[b"signed"], HMAC_SHA256).map_err(too_long)?.into();
        let private = extracted.expand(&[b"private"], HKDF_SHA256).map_err(too_long)?.into();
        Ok(Self { signing, private })
    }

    /// The key of one private cookie. Each cookie has a key of its own, because random nonces of
    /// one key would repeat after too many cookies.
    fn cipher(&self, salt: &[u8], name: &str) -> Option<LessSafeKey> {
        let algorithm: &'static aead::Algorithm = &AES_256_GCM;
        let info = [salt, name.as_bytes()];
        let key = self.private.expand(&info, algorithm).ok()?;
        Some(LessSafeKey::new(UnboundKey::from(key)))
    }
}

/// The text that is signed. A name has no `=`, so two pairs never have the same text.
fn signed_text(name: &str, value: &str) -> Vec<u8> {
    format!("{name}={value}").into_bytes()
}

/// Shows the number of keys only.
impl fmt::Debug for CookieKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.keys.len();
        f.debug_struct("CookieKeys").field("keys", &keys).finish_non_exhaustive()
    }
}
