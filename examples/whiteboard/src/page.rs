//! The page: three files that are compiled into the program.

use volga::App;

/// The path, the content type and the text of each file.
const FILES: [(&str, &str, &str); 3] = [
    ("/", "text/html; charset=utf-8", include_str!("../page/index.html")),
    ("/whiteboard.css", "text/css; charset=utf-8", include_str!("../page/whiteboard.css")),
    ("/whiteboard.js", "text/javascript; charset=utf-8", include_str!("../page/whiteboard.js")),
];

/// The page loads nothing from other origins, and connects only to its own.
const POLICY: &str = "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn map(app: &mut App) {
    for (path, kind, text) in FILES {
        app.map_get(path, move || {
            ([("content-type", kind), ("content-security-policy", POLICY)], text)
        });
    }
}
