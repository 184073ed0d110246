//! Cookies: what is sent with every kind of response, what is read, and the limits.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, StatusCode, header};
use proptest::prelude::*;
use volga_core::{
    AppContext, BoxError, Endpoint, Error, HandlerEndpoint, HttpBody, HttpContext, Next, Problem,
    Router, RouterService, ScopeId, SettingsLevel, WrapMiddleware,
};
use volga_web::{
    CookieError, Cookies, MAX_COOKIE_BYTES, MAX_REQUEST_COOKIES, MAX_RESPONSE_COOKIE_BYTES,
    MAX_RESPONSE_COOKIES,
    cookie::{Cookie, SameSite},
};

use crate::support::{Pieces, Received, ask, get, service};

/// The attributes that a cookie has by default.
const DEFAULTS: &str = "; HttpOnly; SameSite=Lax; Path=/";

fn set_cookies(received: &Received) -> Vec<&str> {
    received.headers.get_all(header::SET_COOKIE).iter().map(|it| it.to_str().unwrap()).collect()
}

fn router(endpoint: impl Endpoint) -> Router {
    let mut router = Router::new();
    router.map(Method::GET, "/", endpoint);
    router
}

const ROOT: SettingsLevel = SettingsLevel::Scope(ScopeId::ROOT);

/// A handler of each kind, which adds the cookie `a`.
fn every_kind() -> Vec<(&'static str, u16, RouterService)> {
    fn add(cookies: &Cookies) {
        cookies.add(("a", "1")).unwrap();
    }
    fn one(endpoint: impl Endpoint) -> RouterService {
        service(Method::GET, "/", endpoint)
    }
    let text = async |cookies: Cookies| {
        add(&cookies);
        "text"
    };
    let own_field = |cookies: Cookies| {
        add(&cookies);
        ([("set-cookie", "own=1")], "text")
    };
    let error = |cookies: Cookies| {
        add(&cookies);
        Err::<(), _>(Error::new(StatusCode::CONFLICT, "no"))
    };
    let problem = |cookies: Cookies| {
        add(&cookies);
        Err::<(), Error>(Problem::new(422).into())
    };
    let panicking = async |cookies: Cookies| {
        add(&cookies);
        panic!("the handler panics");
        #[expect(unreachable_code, reason = "the type of the result")]
        ()
    };
    let missing = |cookies: Cookies| {
        add(&cookies);
        None::<String>
    };
    let streaming = |cookies: Cookies| {
        add(&cookies);
        HttpBody::from_stream(Pieces([Ok::<_, BoxError>(Bytes::from("piece"))].into_iter()))
    };
    vec![
        ("text", 200, one(HandlerEndpoint::new(text))),
        ("own field", 200, one(HandlerEndpoint::new(own_field))),
        ("error", 409, one(HandlerEndpoint::new(error))),
        ("problem", 422, one(HandlerEndpoint::new(problem))),
        ("panic", 500, one(HandlerEndpoint::new(panicking))),
        ("missing", 404, one(HandlerEndpoint::new(missing))),
        ("stream", 200, one(HandlerEndpoint::new(streaming))),
        ("missing with a fallback", 200, {
            let mut router = router(HandlerEndpoint::new(missing));
            router.set_fallback(ROOT, HandlerEndpoint::new(|| "fallback"));
            router.into_service().unwrap()
        }),
        ("fallback", 200, {
            let mut router = Router::new();
            router.set_fallback(ROOT, HandlerEndpoint::new(text));
            router.into_service().unwrap()
        }),
        ("middleware that responds", 200, {
            let mut router = router(HandlerEndpoint::new(|| "handler"));
            router.add_middleware(
                ROOT,
                WrapMiddleware::new(|mut ctx: HttpContext, _: Next| async move {
                    add(&ctx.extract::<Cookies>().await?);
                    Ok::<_, Error>("middleware")
                }),
            );
            router.into_service().unwrap()
        }),
        ("middleware that replaces the response", 200, {
            let mut router = router(HandlerEndpoint::new(text));
            router.add_middleware(
                ROOT,
                WrapMiddleware::new(|ctx: HttpContext, next: Next| async move {
                    drop(next.run(ctx).await);
                    "replaced"
                }),
            );
            router.into_service().unwrap()
        }),
        ("middleware that panics afterwards", 500, {
            let mut router = router(HandlerEndpoint::new(text));
            router.add_middleware(
                ROOT,
                WrapMiddleware::new(|ctx: HttpContext, next: Next| async move {
                    drop(next.run(ctx).await);
                    panic!("the middleware panics");
                    #[expect(unreachable_code, reason = "the type of the result")]
                    ()
                }),
            );
            router.into_service().unwrap()
        }),
    ]
}

#[tokio::test]
async fn a_cookie_is_sent_with_every_kind_of_response() {
    for (kind, status, service) in every_kind() {
        for method in [Method::GET, Method::HEAD] {
            let response = ask(&service, method, "/", &[]).await;
            assert_eq!(response.status, status, "{kind}");
            let sent = set_cookies(&response);
            assert!(sent.contains(&&*format!("a=1{DEFAULTS}")), "{kind}: {sent:?}");
            assert_eq!(sent.len(), if kind == "own field" { 2 } else { 1 }, "{kind}");
        }
    }
}

#[tokio::test]
async fn arguments_and_middleware_share_the_cookies_also_before_routing() {
    let mut router = router(HandlerEndpoint::new(|one: Cookies, other: Cookies| {
        one.add(("b", "2")).unwrap();
        format!("{:?} {:?} {:?}", other.get("a"), other.get("b"), other.get("c"))
    }));
    let add_a = || {
        WrapMiddleware::new(|mut ctx: HttpContext, next: Next| async move {
            let cookies = ctx.extract::<Cookies>().await?;
            cookies.add(("a", "1"))?;
            let response = next.run(ctx).await;
            cookies.add(("after", "3"))?;
            Ok::<_, Error>(response)
        })
    };
    router.add_before_routing(add_a());
    router.add_middleware(ROOT, add_a());
    let service = router.into_service().unwrap();
    let response = get(&service, "/", &[("cookie", "c=9; a=0")]).await;
    assert_eq!(response.text(), r#"Some("1") Some("2") Some("9")"#);
    let names: Vec<_> =
        set_cookies(&response).iter().map(|text| text.split('=').next().unwrap()).collect();
    assert_eq!(names, ["a", "b", "after"]);
}

#[tokio::test]
async fn the_cookies_of_all_fields_are_read_and_what_is_no_cookie_is_ignored() {
    let service = service(
        Method::GET,
        "/",
        HandlerEndpoint::new(|cookies: Cookies| format!("{:?}", cookies.received())),
    );
    for (fields, expect) in [
        (&[][..], "[]"),
        (&[("cookie", "a=1")], r#"[("a", "1")]"#),
        (&[("cookie", "a=1; b=2"), ("cookie", "a=3")], r#"[("a", "1"), ("b", "2"), ("a", "3")]"#),
        (&[("cookie", " a = 1 ;;x;=y; b=c=d;")], r#"[("a", "1"), ("b", "c=d")]"#),
        (&[("cookie", "a=ä; b=\"2\"")], r#"[("a", "ä"), ("b", "\"2\"")]"#),
    ] {
        assert_eq!(get(&service, "/", fields).await.text(), expect, "{fields:?}");
    }
    let not_text = http::HeaderValue::from_bytes(b"a=1; b=\xff; c=3").unwrap();
    let request = http::Request::get("/").header("cookie", not_text);
    let response = service.respond(request.body(HttpBody::empty()).unwrap()).await;
    assert_eq!(Received::new(response).await.text(), r#"[("a", "1"), ("c", "3")]"#);
}

#[tokio::test]
async fn a_cookie_is_removed_where_it_was_added() {
    const GONE: &str = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
    let removed = service(
        Method::GET,
        "/",
        HandlerEndpoint::new(|cookies: Cookies| {
            cookies.remove("a")?;
            cookies.remove(Cookie::build("a").path("/shop").domain("example.com"))?;
            cookies.add(Cookie::build(("b", "2")).path("/here"))?;
            cookies.remove("b")?;
            cookies.remove("__Host-c")?;
            Ok::<_, Error>(format!("{:?} {:?}", cookies.get("a"), cookies.get("b")))
        }),
    );
    let response = get(&removed, "/", &[("cookie", "a=1")]).await;
    assert_eq!(response.text(), "None None");
    let expect = [
        format!("a=; HttpOnly; SameSite=Lax; Path=/; {GONE}"),
        format!("a=; HttpOnly; SameSite=Lax; Path=/shop; Domain=example.com; {GONE}"),
        format!("b=; HttpOnly; SameSite=Lax; Path=/here; {GONE}"),
        format!("__Host-c=; HttpOnly; SameSite=Lax; Secure; Path=/; {GONE}"),
    ];
    assert_eq!(set_cookies(&response), expect);
}

#[tokio::test]
async fn the_last_cookie_with_one_name_path_and_domain_counts() {
    let written = service(
        Method::GET,
        "/",
        HandlerEndpoint::new(|cookies: Cookies| {
            for (value, path, domain) in
                [("1", "/", "a.example"), ("2", "/b", "a.example"), ("3", "/", "A.example")]
            {
                cookies.add(Cookie::build(("n", value)).path(path).domain(domain))?;
            }
            cookies.add(("N", "4"))?;
            Ok::<_, Error>(cookies.get("n").unwrap())
        }),
    );
    let response = get(&written, "/", &[]).await;
    let values: Vec<_> = set_cookies(&response).iter().map(|text| &text[..3]).collect();
    assert_eq!((values, response.text()), (vec!["n=2", "n=3", "N=4"], "3"));
}

#[tokio::test]
async fn the_check_of_the_app_decides_about_secure() {
    #[derive(Clone)]
    struct Encrypted;

    let mut router = router(HandlerEndpoint::new(|cookies: Cookies| {
        cookies.add(("a", "1"))?;
        cookies.add(Cookie::build(("b", "2")).same_site(SameSite::None))
    }));
    let is_https = |extensions: &http::Extensions| extensions.get::<Encrypted>().is_some();
    router.set_context(AppContext::default().with_https_check(is_https));
    let service = router.into_service().unwrap();
    for is_encrypted in [false, true] {
        let mut request = http::Request::get("/").body(HttpBody::empty()).unwrap();
        if is_encrypted {
            request.extensions_mut().insert(Encrypted);
        }
        let response = Received::new(service.respond(request).await).await;
        let secure: Vec<_> =
            set_cookies(&response).iter().map(|text| text.contains("; Secure")).collect();
        assert_eq!(secure, [is_encrypted, true]);
    }
}

#[tokio::test]
async fn a_cookie_after_the_head_is_an_error_that_says_so() {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let early = service(
        Method::GET,
        "/",
        HandlerEndpoint::new(move |cookies: Cookies| {
            *keep.lock().unwrap() = Some(cookies);
        }),
    );
    assert!(set_cookies(&get(&early, "/", &[]).await).is_empty());
    let cookies = kept.lock().unwrap().take().unwrap();
    let late = Err(CookieError::HeadSent { name: "a".to_owned() });
    assert_eq!((cookies.add(("a", "1")), cookies.remove("a")), (late.clone(), late));
}

#[tokio::test]
async fn limits_of_requests_and_responses_are_reached() {
    let reading = service(Method::GET, "/", HandlerEndpoint::new(|_: Cookies| ()));
    for (count, status) in [(MAX_REQUEST_COOKIES, 200), (MAX_REQUEST_COOKIES + 1, 431)] {
        let field = vec!["a=1"; count].join("; ");
        let response = get(&reading, "/", &[("cookie", &field)]).await;
        assert_eq!(response.status, status);
        let half = vec!["a=1"; count / 2].join(";");
        let rest = vec!["a=1"; count - count / 2].join(";");
        let fields = [("cookie", &*half), ("cookie", &*rest)];
        assert_eq!(get(&reading, "/", &fields).await.status, status);
    }

    let many = service(
        Method::GET,
        "/",
        HandlerEndpoint::new(|cookies: Cookies| {
            for number in 0..MAX_RESPONSE_COOKIES {
                cookies.add((format!("n{number}"), "1")).unwrap();
            }
            let more = cookies.add(("more", "1"));
            assert_eq!(more, Err(CookieError::TooMany { name: "more".to_owned() }));
            // One that takes the place of another is not one more.
            cookies.add(("n0", "2")).unwrap();
        }),
    );
    assert_eq!(set_cookies(&get(&many, "/", &[]).await).len(), MAX_RESPONSE_COOKIES);

    let large = service(
        Method::GET,
        "/",
        HandlerEndpoint::new(|cookies: Cookies| {
            let value = "x".repeat(MAX_COOKIE_BYTES - 1);
            let fitting = MAX_RESPONSE_COOKIE_BYTES / (MAX_COOKIE_BYTES + DEFAULTS.len() + 1);
            for name in ('a'..).take(fitting) {
                cookies.add((name.to_string(), value.clone())).unwrap();
            }
            let more = cookies.add(("z", value)).unwrap_err();
            assert!(matches!(more, CookieError::TotalSize { .. }), "{more}");
            fitting.to_string()
        }),
    );
    let response = get(&large, "/", &[]).await;
    assert_eq!(set_cookies(&response).len().to_string(), response.text());
}

/// Whether RFC 6265 allows the text as a name and as a value.
fn is_allowed(name: &str, value: &str) -> bool {
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c));
    is_name && value.chars().all(|c| c.is_ascii_graphic() && !"\",;\\".contains(c))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// A cookie that is added comes back unchanged with the next request, or is refused.
    #[test]
    fn a_cookie_comes_back_as_it_was_added_or_is_refused(
        pairs in prop::collection::vec(
            prop_oneof![
                ("[!#$%&'*+.^_`|~0-9a-zA-Z-]{1,20}", "[!#-+./0-:<-\\[\\]-~-]{0,40}"),
                (any::<String>(), any::<String>()),
            ],
            1..6,
        ),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let added = pairs.clone();
            let router = service(Method::GET, "/", HandlerEndpoint::new(move |cookies: Cookies| {
                let refused = added.iter().filter(|(name, value)| {
                    let result = cookies.add((name.clone(), value.clone()));
                    assert_eq!(result.is_ok(), is_allowed(name, value), "{name:?} {value:?}");
                    result.is_err()
                });
                refused.count().to_string()
            }));
            let response = get(&router, "/", &[]).await;
            assert_eq!(response.status, 200, "{}", response.text());
            let sent = set_cookies(&response);
            let field: Vec<_> = sent.iter().map(|it| it.split("; ").next().unwrap()).collect();
            let read = service(Method::GET, "/", HandlerEndpoint::new(move |cookies: Cookies| {
                for (index, (name, value)) in pairs.iter().enumerate() {
                    let is_last = !pairs[index + 1..].iter().any(|(other, value)| {
                        other == name && is_allowed(name, value)
                    });
                    if is_allowed(name, value) && is_last {
                        assert_eq!(cookies.get(name).as_ref(), Some(value));
                    }
                }
            }));
            let response = get(&read, "/", &[("cookie", &field.join("; "))]).await;
            assert_eq!(response.status, 200, "{}", response.text());
        });
    }
}
