//! Whether the preconditions of a request hold (pure). RFC 9110, section 13.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, Method, header};
use volga_core::headers::ETag;

use crate::files::file_request::FileRequest;
use crate::files::validators::Validators;

/// What the preconditions demand.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// Respond as the method says. `Range` counts only if `use_range` is true.
    Proceed { use_range: bool },
    /// Respond with status 304: the client has this version.
    NotModified,
    /// Respond with status 412.
    Failed,
}

/// Evaluates the preconditions in the order of RFC 9110, section 13.2.2.
pub(crate) fn check(request: &FileRequest, own: &Validators, now: SystemTime) -> Verdict {
    let FileRequest { method, headers } = request;
    let is_read = *method == Method::GET || *method == Method::HEAD;

    // Steps 1 and 2.
    if headers.contains_key(header::IF_MATCH) {
        if !lists_tag(headers, &header::IF_MATCH, own, ETag::strong_eq) {
            return Verdict::Failed;
        }
    } else if let (Some(limit), Some(modified)) =
        (date(headers, &header::IF_UNMODIFIED_SINCE), own.modified)
        && modified > limit
    {
        return Verdict::Failed;
    }

    // Steps 3 and 4.
    if headers.contains_key(header::IF_NONE_MATCH) {
        if lists_tag(headers, &header::IF_NONE_MATCH, own, ETag::weak_eq) {
            return if is_read { Verdict::NotModified } else { Verdict::Failed };
        }
    } else if is_read
        && let (Some(limit), Some(modified)) =
            (date(headers, &header::IF_MODIFIED_SINCE), own.modified)
        && modified <= limit
    {
        return Verdict::NotModified;
    }

    // Step 5. Only GET has ranges (section 14.2).
    Verdict::Proceed { use_range: *method == Method::GET && is_range_current(headers, own, now) }
}

/// Whether `If-Range` is missing or names this version (section 13.1.5).
fn is_range_current(headers: &HeaderMap, own: &Validators, now: SystemTime) -> bool {
    let Some(value) = headers.get(header::IF_RANGE) else { return true };
    let Ok(text) = value.to_str() else { return false };
    if let Ok(tag) = text.trim().parse::<ETag>() {
        return own.etag.as_ref().is_some_and(|own| own.strong_eq(&tag));
    }
    let (Some(date), Some(modified)) = (date(headers, &header::IF_RANGE), own.modified) else {
        return false;
    };
    // A date identifies a version only once its second is over (section 8.8.2.2).
    let is_over = now.duration_since(modified).is_ok_and(|age| age >= Duration::from_secs(1));
    date == modified && is_over
}

/// Whether a list of tags has `*`, or a tag that is equal to the own one.
fn lists_tag(
    headers: &HeaderMap,
    name: &HeaderName,
    own: &Validators,
    is_equal: fn(&ETag, &ETag) -> bool,
) -> bool {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        // The file exists, so `*` always holds.
        list.trim() == "*"
            || own.etag.as_ref().is_some_and(|own| tags(list).any(|tag| is_equal(own, &tag)))
    })
}

/// The tags of a list, up to the first one that is malformed. A tag may contain a comma.
fn tags(list: &str) -> impl Iterator<Item = ETag> {
    let mut rest = list;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let open = rest.find('"')?;
        let close = open + 1 + rest[open + 1..].find('"')?;
        let (tag, after) = rest.split_at(close + 1);
        rest = after;
        tag.parse().ok()
    })
}

/// The date of a header. A date that is malformed, or sent more than once, is ignored.
fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    let mut values = headers.get_all(name).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    httpdate::parse_http_date(value.to_str().ok()?.trim()).ok()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    /// What a header says, compared with the file.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    enum State {
        Absent,
        Holds,
        Fails,
    }
    use State::{Absent, Fails, Holds};

    /// The table of section 13.2.2 for a GET request whose file has both validators: If-Match,
    /// If-Unmodified-Since, If-None-Match and If-Modified-Since; and the result. `None` means any
    /// state.
    const TABLE: [([Option<State>; 4], Verdict); 9] = {
        const GO: Verdict = Verdict::Proceed { use_range: true };
        const ANY: Option<State> = None;
        [
            ([Some(Fails), ANY, ANY, ANY], Verdict::Failed),
            ([Some(Absent), Some(Fails), ANY, ANY], Verdict::Failed),
            ([Some(Holds), ANY, Some(Fails), ANY], Verdict::NotModified),
            ([Some(Absent), ANY, Some(Fails), ANY], Verdict::NotModified),
            ([ANY, ANY, Some(Holds), ANY], GO),
            ([Some(Holds), ANY, Some(Absent), Some(Fails)], Verdict::NotModified),
            ([Some(Absent), ANY, Some(Absent), Some(Fails)], Verdict::NotModified),
            ([Some(Holds), ANY, Some(Absent), ANY], GO),
            ([Some(Absent), ANY, Some(Absent), ANY], GO),
        ]
    };

    fn by_table(states: [State; 4]) -> Verdict {
        let fits = |row: &&([Option<State>; 4], Verdict)| {
            row.0.iter().zip(states).all(|(want, state)| want.is_none_or(|want| want == state))
        };
        TABLE.iter().find(fits).unwrap().1
    }

    fn seconds(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn date_text(at: u64) -> String {
        httpdate::fmt_http_date(seconds(at))
    }

    const MODIFIED: u64 = 1_700_000_000;

    fn own(is_weak: bool) -> Validators {
        let etag = if is_weak { ETag::weak("a,b") } else { ETag::strong("a,b") };
        Validators { etag: etag.ok(), modified: Some(seconds(MODIFIED)), hides_modified: false }
    }

    fn request(method: Method, headers: &[(HeaderName, String)]) -> FileRequest {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), value.parse().unwrap());
        }
        FileRequest::new(&method, &map)
    }

    fn verdict(method: Method, own: &Validators, headers: &[(HeaderName, String)]) -> Verdict {
        check(&request(method, headers), own, seconds(MODIFIED + 100))
    }

    /// Texts of a list of tags that has the tag of the file, and of one that has not.
    fn tag_list(has_own: bool) -> impl Strategy<Value = Vec<String>> {
        let other = prop::collection::vec("(W/)?\"[a-z,]{0,2}x\"", 0..3);
        let own = prop::sample::select(vec!["*", "\"a,b\""]);
        (other.clone(), own, other, ",[ \t]{0,2},?").prop_map(move |(before, own, after, comma)| {
            match own {
                "*" if has_own => vec!["*".into()],
                own => {
                    let own = (has_own && own != "*").then(|| own.to_owned());
                    let all: Vec<_> = before.into_iter().chain(own).chain(after).collect();
                    vec![all.join(&comma)]
                }
            }
        })
    }

    fn header_values(
        name: HeaderName,
    ) -> impl Strategy<Value = (State, Vec<(HeaderName, String)>)> {
        let is_list = name == header::IF_MATCH || name == header::IF_NONE_MATCH;
        // If-None-Match holds if no tag matches, and If-Modified-Since if the file is newer.
        let holds_if_matching = name == header::IF_MATCH || name == header::IF_UNMODIFIED_SINCE;
        prop::sample::select(vec![Absent, Holds, Fails]).prop_flat_map(move |state| {
            let name = name.clone();
            let matches = (state == Holds) == holds_if_matching;
            let texts = match (state, is_list) {
                (Absent, _) => Just(Vec::new()).boxed(),
                (_, true) => tag_list(matches).boxed(),
                (_, false) if matches => {
                    (0_u64..9).prop_map(|n| vec![date_text(MODIFIED + n)]).boxed()
                }
                (_, false) => (1_u64..9).prop_map(|n| vec![date_text(MODIFIED - n)]).boxed(),
            };
            texts.prop_map(move |texts| {
                (state, texts.into_iter().map(|text| (name.clone(), text)).collect())
            })
        })
    }

    proptest! {
        #[test]
        fn every_combination_gives_what_the_table_says(
            (s1, h1) in header_values(header::IF_MATCH),
            (s2, h2) in header_values(header::IF_UNMODIFIED_SINCE),
            (s3, h3) in header_values(header::IF_NONE_MATCH),
            (s4, h4) in header_values(header::IF_MODIFIED_SINCE),
            method in prop::sample::select(vec!["GET", "HEAD", "PUT", "DELETE"]),
        ) {
            let headers = [h1, h2, h3, h4].concat();
            let method: Method = method.parse().unwrap();
            let is_read = method == "GET" || method == "HEAD";
            // Other methods ignore If-Modified-Since (section 13.1.3), and a version that the
            // client has is a failure for them.
            let states = [s1, s2, s3, if is_read { s4 } else { Absent }];
            let expect = match by_table(states) {
                Verdict::NotModified if !is_read => Verdict::Failed,
                Verdict::Proceed { .. } => Verdict::Proceed { use_range: method == "GET" },
                other => other,
            };
            prop_assert_eq!(verdict(method, &own(false), &headers), expect, "{:?}", headers);
        }
    }

    #[test]
    fn a_weak_tag_never_matches_strongly() {
        let own = own(true);
        for tag in ["\"a,b\"", "W/\"a,b\""] {
            let with = |name| verdict(Method::GET, &own, &[(name, tag.to_owned())]);
            assert_eq!(with(header::IF_MATCH), Verdict::Failed);
            assert_eq!(with(header::IF_NONE_MATCH), Verdict::NotModified);
            assert_eq!(with(header::IF_RANGE), Verdict::Proceed { use_range: false });
        }
    }

    #[test]
    fn if_range_needs_the_exact_version() {
        let range = |value: &str, now| {
            let request = request(Method::GET, &[(header::IF_RANGE, value.to_owned())]);
            check(&request, &own(false), seconds(now)) == Verdict::Proceed { use_range: true }
        };
        let later = MODIFIED + 100;
        assert!(range("\"a,b\"", later));
        assert!(range(&date_text(MODIFIED), later));
        for value in ["W/\"a,b\"", "\"x\"", "*", "x", "\"a,b\", \"x\"", &date_text(MODIFIED + 1)] {
            assert!(!range(value, later), "{value}");
        }
        // The file may change again within its second.
        assert!(!range(&date_text(MODIFIED), MODIFIED));
    }

    #[test]
    fn a_malformed_date_is_ignored_and_a_malformed_tag_matches_nothing() {
        let with = |name, value: &str| verdict(Method::GET, &own(false), &[(name, value.into())]);
        let go = Verdict::Proceed { use_range: true };
        assert_eq!(with(header::IF_UNMODIFIED_SINCE, "yesterday"), go);
        assert_eq!(with(header::IF_MODIFIED_SINCE, "2100-01-01"), go);
        assert_eq!(with(header::IF_NONE_MATCH, "a,b"), go);
        assert_eq!(with(header::IF_MATCH, "a,b"), Verdict::Failed);
        let twice = vec![(header::IF_MODIFIED_SINCE, date_text(MODIFIED)); 2];
        assert_eq!(verdict(Method::GET, &own(false), &twice), go);
    }

    #[test]
    fn without_validators_only_if_match_can_fail() {
        let none = Validators::default();
        let with = |name, value: String| verdict(Method::GET, &none, &[(name, value)]);
        let go = Verdict::Proceed { use_range: true };
        assert_eq!(with(header::IF_MATCH, "\"a\"".into()), Verdict::Failed);
        assert_eq!(with(header::IF_MATCH, "*".into()), go);
        assert_eq!(with(header::IF_NONE_MATCH, "\"a\"".into()), go);
        assert_eq!(with(header::IF_NONE_MATCH, "*".into()), Verdict::NotModified);
        assert_eq!(with(header::IF_UNMODIFIED_SINCE, date_text(1)), go);
        assert_eq!(with(header::IF_MODIFIED_SINCE, date_text(MODIFIED)), go);
    }
}
