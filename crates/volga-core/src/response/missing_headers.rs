//! Adds headers to a response that has others (pure).

use http::header::Entry;
use http::{HeaderMap, HeaderName};

use crate::response::into_response::HttpResponse;

/// Adds the headers that the response does not have, with all their values.
pub(crate) fn add_missing_headers(
    mut response: HttpResponse,
    headers: &HeaderMap,
    is_added: impl Fn(&HeaderName) -> bool,
) -> HttpResponse {
    for name in headers.keys().filter(|name| is_added(name)) {
        if let Entry::Vacant(entry) = response.headers_mut().entry(name) {
            let mut values = headers.get_all(name).iter().cloned();
            if let Some(first) = values.next() {
                let mut entry = entry.insert_entry(first);
                values.for_each(|value| entry.append(value));
            }
        }
    }
    response
}
