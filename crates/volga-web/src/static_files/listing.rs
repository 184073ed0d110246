//! The page that lists a folder (pure).

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::static_files::store::{Listing, MAX_LISTED_FILES};

/// What is encoded in a link to a name: everything but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Writes the page. `folder` is the path of the folder within the static files.
pub(crate) fn page(folder: &str, listing: &Listing) -> String {
    let title = if folder.is_empty() { "Files".to_owned() } else { escape(folder) };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>{title}</title>\n<h1>{title}</h1>\n<ul>\n"
    );
    if !folder.is_empty() {
        page.push_str("<li><a href=\"../\">../</a>\n");
    }
    for name in &listing.names {
        let (plain, slash) = match name.strip_suffix('/') {
            Some(plain) => (plain, "/"),
            None => (name.as_str(), ""),
        };
        let link = utf8_percent_encode(plain, ENCODED);
        let _ = writeln!(page, "<li><a href=\"./{link}{slash}\">{}{slash}</a>", escape(plain));
    }
    page.push_str("</ul>\n");
    if listing.is_cut {
        let _ = writeln!(page, "<p>Only {MAX_LISTED_FILES} names are shown.");
    }
    page
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            char => escaped.push(char),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_text_and_links_are_encoded() {
        let names = ["a & 'b'.txt", "<script>/", "100%.txt", "javascript:x"];
        let names = names.into_iter().map(String::from).collect();
        let page = page("x/<b>", &Listing { names, is_cut: true });
        for part in [
            "<h1>x/&lt;b&gt;</h1>",
            "<a href=\"../\">",
            "<a href=\"./a%20%26%20%27b%27.txt\">a &amp; &#39;b&#39;.txt</a>",
            "<a href=\"./%3Cscript%3E/\">&lt;script&gt;/</a>",
            "<a href=\"./100%25.txt\">100%.txt</a>",
            "<a href=\"./javascript%3Ax\">",
            "Only 10000 names",
        ] {
            assert!(page.contains(part), "{part} is not in {page}");
        }
    }
}
