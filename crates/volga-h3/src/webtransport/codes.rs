//! The error codes of WebTransport, and how those of applications are mapped to HTTP/3. Pure.

use quinn::VarInt;

use crate::code::Code;

/// The code of the first application error
/// (draft-ietf-webtrans-http3, section "Resetting Data Streams").
const FIRST: u64 = 0x52e4_a40f_a8db;
/// The code of the last application error, which is `u32::MAX`.
const LAST: u64 = 0x52e5_ac98_3162;

/// A stream of a session that is not known and not expected any more, or for which there is no
/// room.
pub(crate) const BUFFERED_STREAM_REJECTED: Code = Code::new(0x3994_bd84);
/// A stream of a session that has ended.
pub(crate) const SESSION_GONE: Code = Code::new(0x170d_7b68);

/// The code of HTTP/3 for an error of an application.
pub(crate) fn to_http3(code: u32) -> VarInt {
    let code = u64::from(code);
    // Every 31st code is reserved in HTTP/3, and is left out.
    VarInt::from_u64(FIRST + code + code / 0x1e).unwrap_or(VarInt::MAX)
}

/// The error of the application. `None` if the code is another one of HTTP/3.
pub(crate) fn from_http3(code: VarInt) -> Option<u32> {
    let code = code.into_inner();
    if !(FIRST..=LAST).contains(&code) || (code - 0x21).is_multiple_of(0x1f) {
        return None;
    }
    let shifted = code - FIRST;
    u32::try_from(shifted - shifted / 0x1f).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_and_the_last_error_have_the_codes_of_the_draft() {
        assert_eq!(to_http3(0).into_inner(), FIRST);
        assert_eq!(to_http3(u32::MAX).into_inner(), LAST);
        for code in [Code::NO_ERROR, SESSION_GONE, BUFFERED_STREAM_REJECTED] {
            assert_eq!(from_http3(code.into()), None);
        }
    }

    #[test]
    fn a_reserved_code_is_no_error_of_an_application() {
        let codes = FIRST..FIRST + 1_000;
        let none = codes.filter(|&code| from_http3(VarInt::from_u64(code).unwrap()).is_none());
        let none: Vec<u64> = none.collect();
        assert!(none.iter().all(|code| (code - 0x21).is_multiple_of(0x1f)));
        assert_eq!(none.len(), 1_000 / 0x1f);
    }

    proptest! {
        #[test]
        fn an_error_comes_back_from_its_code(code in any::<u32>(), small in 0_u32..1_000) {
            for code in [code, small, u32::MAX - small] {
                prop_assert_eq!(from_http3(to_http3(code)), Some(code));
                prop_assert!(!(to_http3(code).into_inner() - 0x21).is_multiple_of(0x1f));
            }
        }
    }
}
