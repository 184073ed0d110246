//! The page: files that are compiled into the program. `page/uplot/README.md` says where the
//! plotting library comes from.

use volga::App;

/// The path, the content type and the text of each file.
const FILES: [(&str, &str, &str); 5] = [
    ("/", "text/html; charset=utf-8", include_str!("../page/index.html")),
    ("/ticker.css", "text/css; charset=utf-8", include_str!("../page/ticker.css")),
    ("/ticker.js", "text/javascript; charset=utf-8", include_str!("../page/ticker.js")),
    ("/uPlot.min.css", "text/css; charset=utf-8", include_str!("../page/uplot/uPlot.min.css")),
    (
        "/uPlot.iife.min.js",
        "text/javascript; charset=utf-8",
        include_str!("../page/uplot/uPlot.iife.min.js"),
    ),
];

/// The content security policy. The page loads nothing from other origins, so it works without a
/// network.
const POLICY: &str = "default-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

pub(crate) fn map(app: &mut App) {
    for (path, kind, text) in FILES {
        app.map_get(path, move || {
            ([("content-type", kind), ("content-security-policy", POLICY)], text)
        });
    }
}
