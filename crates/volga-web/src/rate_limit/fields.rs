//! The fields of responses under a limit, and the refusal (pure).
//!
//! `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-10. They
//! are lists of structured fields (RFC 9651), so each limit adds a member.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use volga_core::{Error, Problem};

use crate::rate_limit::quota::{Decision, Quota};

pub(crate) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The type that the draft registers for this problem.
const QUOTA_EXCEEDED: &str = "https://iana.org/assignments/http-problem-types#quota-exceeded";
const TITLE: &str = "Request cannot be satisfied as assigned quota has been exceeded";

/// The name of a limit as a string of structured fields. Other characters than visible ASCII and
/// spaces are left out.
pub(crate) fn quoted(name: &str) -> String {
    let mut quoted = String::from("\"");
    for char in name.chars().filter(|char| matches!(char, ' '..='~')) {
        if matches!(char, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(char);
    }
    quoted.push('"');
    quoted
}

/// The member of `RateLimit-Policy`. A window with a part of a second is left out.
pub(crate) fn policy(name: &str, quota: Quota) -> HeaderValue {
    let window = quota.window();
    let mut text = format!("{};q={}", quoted(name), quota.requests());
    if window.subsec_nanos() == 0 && window > Duration::ZERO && window.as_secs() < 1_000_000_000_000
    {
        text += &format!(";w={}", window.as_secs());
    }
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"default\""))
}

fn limit(name: &str, decision: &Decision) -> HeaderValue {
    let reset = seconds(decision.reset);
    let text = format!("{};r={};t={reset}", quoted(name), decision.remaining);
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("\"default\""))
}

/// Whole seconds, rounded up: a client that returns then is never too early.
fn seconds(time: Duration) -> u64 {
    let seconds = time.as_secs() + u64::from(time.subsec_nanos() > 0);
    seconds.min(999_999_999_999)
}

/// Adds the fields to a response.
pub(crate) fn write(
    headers: &mut HeaderMap,
    name: &str,
    policy: &HeaderValue,
    decision: &Decision,
) {
    headers.append(RATELIMIT_POLICY, policy.clone());
    headers.append(RATELIMIT, limit(name, decision));
}

/// The refusal of a request that may be sent again after this many nanoseconds.
pub(crate) fn refusal(
    name: &str,
    policy: &HeaderValue,
    decision: &Decision,
    retry_after: u64,
) -> Error {
    let wait = seconds(Duration::from_nanos(retry_after)).max(1);
    let unit = if wait == 1 { "second" } else { "seconds" };
    let problem = Problem::of(StatusCode::TOO_MANY_REQUESTS)
        .with_type(QUOTA_EXCEEDED)
        .with_title(TITLE)
        .with_detail(format!("too many requests; send the next one in {wait} {unit}"))
        .with_extension("violated-policies", [name])
        .with_header(("retry-after", wait.to_string()))
        .with_header((RATELIMIT_POLICY, policy.clone()))
        .with_header((RATELIMIT, limit(name, decision)));
    problem.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_windows_are_written_as_structured_fields() {
        for (name, quota, expect) in [
            ("default", Quota::per_minute(100), "\"default\";q=100;w=60"),
            ("a\"b\\c\né", Quota::per_second(0), "\"a\\\"b\\\\c\";q=0;w=1"),
            ("", Quota::new(5, Duration::from_millis(1500)), "\"\";q=5"),
            ("x", Quota::new(5, Duration::ZERO), "\"x\";q=5"),
            ("x", Quota::new(5, Duration::MAX), "\"x\";q=5"),
        ] {
            assert_eq!(policy(name, quota), expect);
        }
        let reset = Duration::from_millis(1001);
        let decision = Decision { remaining: 7, reset, retry_after: None };
        assert_eq!(limit("default", &decision), "\"default\";r=7;t=2");
    }
}
