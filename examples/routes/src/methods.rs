//! HEAD, OPTIONS and TRACE in place of Volga's own responses, and a method of your own.

use volga::{
    App, HttpBody, HttpRequest, HttpResult,
    http::{
        Method,
        header::{self, HeaderName},
    },
    no_content, ok, response,
};

pub(crate) fn map(app: &mut App) {
    app.map_get("/notes", async || ok!("a note"));

    // The length is known without building the body.
    app.map_get("/archive", async || ok!("{}", "x".repeat(1 << 20)));
    app.map_head("/archive", async || {
        response!(200, HttpBody::empty(); [("content-length", "1048576"), ("x-parts", "1")])
    });

    app.map_options(
        "/archive",
        async || no_content!(; [("allow", "GET, HEAD, OPTIONS"), ("accept-ranges", "none")]),
    );

    app.map_trace("/notes", echo);

    app.map(Method::from_bytes(b"PURGE").expect("a method"), "/notes", async || ok!("purged"));
}

/// Returns the head of the request as it came (RFC 9110, section 9.3.8), without its secrets.
async fn echo(request: HttpRequest) -> HttpResult {
    const SECRET: [HeaderName; 3] =
        [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];
    let mut text = format!("{} {} {:?}\r\n", request.method(), request.uri(), request.version());
    for (name, value) in request.headers().iter().filter(|(name, _)| !SECRET.contains(name)) {
        text += &format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    text += "\r\n";
    response!(200, text; [("content-type", "message/http")])
}
