//! Session tickets: with them a client that returns needs no full handshake (RFC 5077, and RFC
//! 8446, section 4.6.1).

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

use crate::limits::{MAX_TICKET_KEYS, TICKET_LIFETIME};
use crate::tls::error::TlsError;

/// Which keys encrypt the session tickets.
#[derive(Clone)]
pub(crate) enum TicketKeys {
    /// Random keys of this process, which change every six hours.
    Random,
    /// These keys. The first encrypts, and all of them decrypt.
    Shared(Vec<[u8; 32]>),
    /// The same, from the lines of a file.
    File(PathBuf),
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random => f.write_str("Random"),
            Self::Shared(keys) => write!(f, "Shared({} keys)", keys.len()),
            Self::File(path) => write!(f, "File({})", path.display()),
        }
    }
}

/// Reads the keys in a file: one on each line, as 64 hexadecimal digits. Empty lines and lines that
/// begin with `#` do not count.
pub(crate) fn parse(path: &Path, text: &[u8]) -> Result<Vec<[u8; 32]>, TlsError> {
    let mut keys = Vec::new();
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let key = hexadecimal(line)
            .ok_or_else(|| TlsError::TicketKey { path: path.to_owned(), line: index + 1 })?;
        keys.push(key);
    }
    Ok(keys)
}

fn hexadecimal(digits: &[u8]) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if digits.len() != 2 * key.len() {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let value = |digit: u8| char::from(digit).to_digit(16);
        *byte = u8::try_from(value(pair[0])? << 4 | value(pair[1])?).ok()?;
    }
    Some(key)
}

/// Encrypts tickets with keys that several processes have.
pub(crate) struct SharedTickets {
    keys: Vec<TicketKey>,
    random: SystemRandom,
}

struct TicketKey {
    key: LessSafeKey,
    /// The first bytes of each ticket, which say which key decrypts it. They are derived from the
    /// key, so every process finds the same.
    name: [u8; NAME_LEN],
}

const NAME_LEN: usize = 16;

impl SharedTickets {
    pub(crate) fn new(keys: &[[u8; 32]]) -> Result<Arc<Self>, TlsError> {
        if keys.is_empty() || keys.len() > MAX_TICKET_KEYS {
            return Err(TlsError::TicketKeyCount { count: keys.len() });
        }
        let keys = keys
            .iter()
            .map(|bytes| {
                let mut name = [0; NAME_LEN];
                let hash = digest(&SHA256, &[b"volga ticket key name", &bytes[..]].concat());
                name.copy_from_slice(&hash.as_ref()[..NAME_LEN]);
                let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).map_err(|_| {
                    TlsError::Config { reason: "a ticket key is refused".to_owned() }
                })?;
                Ok(TicketKey { key: LessSafeKey::new(key), name })
            })
            .collect::<Result<_, TlsError>>()?;
        Ok(Arc::new(Self { keys, random: SystemRandom::new() }))
    }
}

/// A ticket is the name of its key, a nonce, the encrypted session, and its authentication tag.
impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(TICKET_LIFETIME.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let TicketKey { key, name } = self.keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        // A counter would tell how many tickets were given out, and two processes would count the
        // same numbers.
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(name),
                &mut sealed,
            )
            .ok()?;
        Some([&name[..], &nonce, &sealed, tag.as_ref()].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME_LEN)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let TicketKey { key, name } = self.keys.iter().find(|key| key.name == name)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = sealed.to_vec();
        let length = key.open_in_place(nonce, Aad::from(name), &mut bytes).ok()?.len();
        bytes.truncate(length);
        Some(bytes)
    }
}

impl fmt::Debug for SharedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedTickets({} keys)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(keys: &[[u8; 32]]) -> Arc<SharedTickets> {
        SharedTickets::new(keys).expect("a valid number of keys")
    }

    #[test]
    fn another_process_with_the_key_decrypts_whatever_place_the_key_has() {
        let session = b"a session of any length".repeat(20);
        for length in [0, 1, 100, session.len()] {
            let ticket = tickets(&[[1; 32]]).encrypt(&session[..length]).expect("a ticket");
            for keys in [&[[1; 32]][..], &[[2; 32], [1; 32]], &[[1; 32], [2; 32]]] {
                let decrypted = tickets(keys).decrypt(&ticket);
                assert_eq!(decrypted.as_deref(), Some(&session[..length]));
            }
            assert_eq!(tickets(&[[2; 32]]).decrypt(&ticket), None, "the key was removed");
        }
    }

    #[test]
    fn every_changed_or_missing_byte_makes_a_ticket_invalid() {
        let tickets = tickets(&[[7; 32]]);
        let ticket = tickets.encrypt(b"session").expect("a ticket");
        for at in 0..ticket.len() {
            assert_eq!(tickets.decrypt(&ticket[..at]), None, "{at} bytes");
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None, "byte {at}");
        }
    }

    #[test]
    fn a_file_has_a_key_on_each_line_and_a_wrong_line_is_named() {
        let path = Path::new("tickets.keys");
        let text = format!("# newest first\n{}\r\n\n{}\n", "0F".repeat(32), "a1".repeat(32));
        assert_eq!(parse(path, text.as_bytes()).expect("two keys"), [[0x0f; 32], [0xa1; 32]]);
        for wrong in ["0".repeat(63), "0".repeat(65), "0".repeat(62) + "0g", "+1".repeat(32)] {
            let error = parse(path, format!("\n{wrong}").as_bytes()).expect_err("not a key");
            assert!(error.to_string().starts_with("line 2 of `tickets.keys` is not"), "{error}");
        }
    }

    #[test]
    fn the_number_of_keys_is_limited() {
        for count in [0, MAX_TICKET_KEYS + 1] {
            let error = SharedTickets::new(&vec![[0; 32]; count]).expect_err("a wrong number");
            assert!(matches!(error, TlsError::TicketKeyCount { count: found } if found == count));
        }
        assert!(SharedTickets::new(&[[0; 32]; MAX_TICKET_KEYS]).is_ok());
    }
}
