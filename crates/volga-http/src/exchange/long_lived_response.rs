//! The mark of a long-lived response.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// Marks a response whose body lasts long and mostly waits, such as an event stream. Insert it into
/// the response's extensions.
///
/// The server then keeps only the memory that the body needs: on HTTP/1 no read buffer and no
/// parser, on HTTP/2 no task of its own. The client receives the same bytes with the mark and
/// without it.
///
/// On HTTP/1, some responses gain nothing from the mark and are sent like any other: responses
/// without a body, and a response that is there before its request was read to the end.
///
/// ```
/// use http::Response;
/// use volga_http::LongLivedResponse;
///
/// let mut response = Response::new(());
/// response.extensions_mut().insert(LongLivedResponse);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LongLivedResponse;

/// Whether a response is an event stream. Its length is not known in advance, so a length that a
/// handler or a layer has set would cut it.
pub(crate) fn is_event_stream(headers: &HeaderMap) -> bool {
    const EVENT_STREAM: &[u8] = b"text/event-stream";
    headers.get(CONTENT_TYPE).is_some_and(|value| {
        let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
        essence.trim_ascii().eq_ignore_ascii_case(EVENT_STREAM)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stream_is_known_by_its_media_type() {
        for (kind, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream ; charset=utf-8", true),
            ("text/plain", false),
            ("text/event-streams", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().expect("a value"));
            assert_eq!(is_event_stream(&headers), expected, "{kind}");
        }
        assert!(!is_event_stream(&HeaderMap::new()));
    }
}
