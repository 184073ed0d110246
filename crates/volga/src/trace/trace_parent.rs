//! `TraceParent`: the position of a request in a distributed trace (pure).

use std::fmt;

use http::{HeaderMap, HeaderValue};

/// The header `traceparent` of [W3C Trace
/// Context](https://www.w3.org/TR/trace-context/#traceparent-header): the trace of a request, and
/// the span of the caller from which it comes.
///
/// It is parsed as the standard requires. A header that is malformed or occurs twice is ignored.
/// For a version later than 00, the fields of version 00 are used.
///
/// ```
/// use volga::{http::{HeaderMap, HeaderValue}, trace::TraceParent};
///
/// let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
/// let mut headers = HeaderMap::new();
/// headers.insert("traceparent", HeaderValue::from_static(text));
/// let parent = TraceParent::from_headers(&headers).expect("a parent");
/// assert_eq!(parent.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
/// assert_eq!(parent.parent_id().to_string(), "b7ad6b7169203331");
/// assert!(parent.is_sampled());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TraceParent {
    trace_id: TraceId,
    parent_id: ParentId,
    flags: u8,
}

/// The ID of a trace: 32 hexadecimal digits as text, never all zeros.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TraceId(u128);

/// The ID of a span: 16 hexadecimal digits as text, never all zeros.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct ParentId(u64);

/// The length of a header of version 00.
const LENGTH: usize = 55;

impl TraceParent {
    /// Parses the header of a request. Returns `None` if the header is missing or not valid.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all("traceparent").iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Self::parse(value),
            _ => None,
        }
    }

    fn parse(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let (known, more) = text.split_at_checked(LENGTH)?;
        let mut fields = known.split('-');
        let mut field = |digits| fields.next().filter(|field| is_hex(field, digits));
        let (version, trace_id) = (field(2)?, field(32)?);
        let (parent_id, flags) = (field(16)?, field(2)?);
        let may_have_more = match version {
            // The standard forbids this version.
            "ff" => return None,
            "00" => false,
            _ => more.starts_with('-'),
        };
        if !(more.is_empty() || may_have_more) {
            return None;
        }
        let trace_id = u128::from_str_radix(trace_id, 16).ok().filter(|id| *id != 0)?;
        let parent_id = u64::from_str_radix(parent_id, 16).ok().filter(|id| *id != 0)?;
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(Self { trace_id: TraceId(trace_id), parent_id: ParentId(parent_id), flags })
    }

    /// The ID of the trace.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The ID of the caller's span from which the request comes.
    #[must_use]
    pub fn parent_id(&self) -> ParentId {
        self.parent_id
    }

    /// Whether the caller may have recorded its span.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.flags & 1 == 1
    }
}

/// Prints the value of the header, in version 00.
impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The flags that version 00 does not define must be sent as zero.
        write!(f, "00-{}-{}-{:02x}", self.trace_id, self.parent_id, self.flags & 1)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for ParentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Whether a text has this number of lower-case hexadecimal digits. The standard allows no upper
/// case.
fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn read(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("traceparent", HeaderValue::from_str(value).unwrap());
        }
        TraceParent::from_headers(&headers).map(|parent| parent.to_string())
    }

    #[test]
    fn a_valid_header_is_parsed_and_printed() {
        for (flags, expect) in [("00", "00"), ("01", "01"), ("ff", "01"), ("02", "00")] {
            let expect = format!("00-{TRACE}-{PARENT}-{expect}");
            assert_eq!(read(&[&format!("00-{TRACE}-{PARENT}-{flags}")]), Some(expect));
        }
    }

    #[test]
    fn a_later_version_is_parsed_by_the_known_fields() {
        let expect = format!("00-{TRACE}-{PARENT}-01");
        for more in ["", "-", "-a later field"] {
            let header = format!("cc-{TRACE}-{PARENT}-01{more}");
            assert_eq!(read(&[&header]), Some(expect.clone()), "{header}");
        }
    }

    #[test]
    fn a_malformed_header_is_as_good_as_none() {
        let zeros = "0".repeat(32);
        let upper = TRACE.to_uppercase();
        for header in [
            String::new(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("00-{TRACE}-{PARENT}-01-"),
            format!("00-{TRACE}-{PARENT}-0g"),
            format!("cc-{TRACE}-{PARENT}-01more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("0-{TRACE}-{PARENT}-001"),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{upper}-{PARENT}-01"),
            format!("00-{}+-{PARENT}-01", &TRACE[..31]),
            format!("00-{PARENT}-{TRACE}-01"),
            format!("00_{TRACE}_{PARENT}_01"),
        ] {
            assert_eq!(read(&[&header]), None, "{header}");
        }
        let proper = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(read(&[&proper, &proper]), None, "twice");
    }

    proptest! {
        #[test]
        fn no_header_panics(text in "[0-9a-f-]{50,60}|[ -~é]{0,60}") {
            if let Ok(value) = HeaderValue::from_str(&text)
                && let Some(parent) = TraceParent::parse(&value)
            {
                prop_assert_eq!(parent.to_string().len(), LENGTH);
            }
        }
    }
}
