//! `ReplyToken`: the name of a reply, which nobody can guess.

use std::{fmt, str::FromStr};

use crate::replies::error::StartError;

/// The random bits come from the operating system. Their number is a multiple of 24, so that the
/// text has no padding.
const RANDOM_BYTES: usize = 18;
const TEXT_BYTES: usize = RANDOM_BYTES / 3 * 4;

/// The name of a reply: 144 random bits from the operating system, as 24 letters, digits, `-` and
/// `_`, so that it can stand in a URL as it is.
///
/// A client that has the token may read the reply, unless the reply has an
/// [owner](crate::replies::claim::NewReply::owner). URLs end up in logs and histories. Where
/// that is too little protection, give the reply an owner, or send the token in a header. `Debug`
/// does not show it.
///
/// Replies are looked up in a hash map whose key differs from process to process, so it is chance
/// which tokens a guess is compared with, if any. Therefore the time that a look-up takes does not
/// tell an attacker how much of a guess is right.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ReplyToken([u8; TEXT_BYTES]);

impl ReplyToken {
    /// Makes a new token, and the epoch of its reply's positions.
    pub(crate) fn random() -> Result<(Self, u64), StartError> {
        let mut token = [0; RANDOM_BYTES];
        let mut epoch = [0; 8];
        getrandom::fill(&mut token)
            .and_then(|()| getrandom::fill(&mut epoch))
            .map_err(|_| StartError::NoRandomness)?;
        Ok((Self::of(token), u64::from_ne_bytes(epoch)))
    }

    pub(crate) fn of(random: [u8; RANDOM_BYTES]) -> Self {
        /// RFC 4648, section 5: base 64 for URLs.
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let mut text = [0; TEXT_BYTES];
        for (three, four) in random.chunks_exact(3).zip(text.chunks_exact_mut(4)) {
            let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
            for (at, digit) in four.iter_mut().enumerate() {
                *digit = DIGITS[(bits >> (18 - 6 * at)) as usize & 63];
            }
        }
        Self(text)
    }

    /// The token as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // The bytes are ASCII, by construction and by `from_str`.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl AsRef<str> for ReplyToken {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for ReplyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for ReplyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplyToken(..)")
    }
}

/// A text that is not a token: not 24 letters, digits, `-` and `_`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ReplyTokenError(());

impl fmt::Display for ReplyTokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a token, which is 24 letters, digits, `-` and `_`")
    }
}

impl std::error::Error for ReplyTokenError {}

impl FromStr for ReplyToken {
    type Err = ReplyTokenError;

    fn from_str(text: &str) -> Result<Self, ReplyTokenError> {
        let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        match text.as_bytes().try_into() {
            Ok(bytes) if text.as_bytes().iter().all(is_digit) => Ok(Self(bytes)),
            _ => Err(ReplyTokenError(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_base_64_for_urls() {
        assert_eq!(ReplyToken::of([0; 18]).as_str(), "A".repeat(24));
        assert_eq!(ReplyToken::of([0xff; 18]).as_str(), "_".repeat(24));
        assert_eq!(ReplyToken::of(*b"any carnal pleasur").as_str(), "YW55IGNhcm5hbCBwbGVhc3Vy");
    }

    #[test]
    fn a_token_is_its_text_and_nothing_else_is_one() {
        let (token, _) = ReplyToken::random().unwrap();
        assert_eq!(token.to_string().parse(), Ok(token));
        for text in ["", "short", &"A".repeat(25), &"é".repeat(12), "YW55IGNhcm5hbCBwbGVhc3V="] {
            assert_eq!(text.parse::<ReplyToken>(), Err(ReplyTokenError(())), "{text}");
        }
    }

    #[test]
    fn two_tokens_differ_and_a_log_shows_neither() {
        let ((one, first), (two, second)) =
            (ReplyToken::random().unwrap(), ReplyToken::random().unwrap());
        assert_ne!(one, two);
        assert_ne!(first, second);
        assert_eq!(format!("{one:?}"), "ReplyToken(..)");
    }
}
