//! Signed and private cookies: changes, other names, other keys, and orders of rotation.

use http::{Method, header};
use proptest::prelude::*;
use volga_core::{AppContext, Error, HandlerEndpoint, Router, RouterService, ServicesBuilder};
use volga_web::{CookieKeyError, CookieKeys, Cookies, PrivateCookies, SignedCookies};

use crate::support::get;

/// `/signed/{value}` and `/private/{value}` set the cookie `id`; `/signed` and `/private` read it.
fn service(keys: &CookieKeys) -> RouterService {
    let mut router = Router::new();
    let signed = |cookies: SignedCookies, value: String| cookies.add(("id", value));
    let private = |cookies: PrivateCookies, value: String| cookies.add(("id", value));
    router.map(Method::GET, "/signed/{value}", HandlerEndpoint::new(signed));
    router.map(Method::GET, "/private/{value}", HandlerEndpoint::new(private));
    for name in ["id", "other"] {
        let signed = move |cookies: SignedCookies| {
            // A second look changes nothing, and counts nothing.
            assert_eq!(cookies.get(name), cookies.get(name));
            format!("{:?}", cookies.get(name))
        };
        let private = move |cookies: PrivateCookies| {
            assert_eq!(cookies.get(name), cookies.get(name));
            format!("{:?}", cookies.get(name))
        };
        let suffix = if name == "id" { "" } else { "-other" };
        router.map(Method::GET, &format!("/signed{suffix}"), HandlerEndpoint::new(signed));
        router.map(Method::GET, &format!("/private{suffix}"), HandlerEndpoint::new(private));
    }
    let mut services = ServicesBuilder::new();
    services.add_singleton(keys.clone());
    router.set_context(AppContext::new(services.build().unwrap()));
    router.into_service().unwrap()
}

fn keys(secret: char) -> CookieKeys {
    CookieKeys::new(secret.to_string().repeat(32)).unwrap()
}

/// The value of the cookie `id` that the service sends.
async fn issue(service: &RouterService, path: &str) -> String {
    let response = get(service, path, &[]).await;
    let cookie = response.headers[header::SET_COOKIE].to_str().unwrap();
    cookie.split(';').next().unwrap().strip_prefix("id=").unwrap().to_owned()
}

async fn read(service: &RouterService, path: &str, cookie: &str) -> String {
    get(service, path, &[("cookie", cookie)]).await.text().to_owned()
}

#[tokio::test]
async fn what_was_changed_in_any_byte_is_absent_and_counted() {
    let keys = keys('k');
    let service = service(&keys);
    for kind in ["/signed", "/private"] {
        let value = issue(&service, &format!("{kind}/seven.7")).await;
        assert_eq!(read(&service, kind, &format!("id={value}")).await, r#"Some("seven.7")"#);
        let mut count = keys.invalid_count();
        for at in 0..value.len() {
            for bit in 0..7 {
                let mut bytes = value.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(bytes) else { continue };
                // These would end the cookie, or are not sent by any client.
                if changed.contains([';', '\x7f']) || changed.contains(|c: char| c < '!') {
                    continue;
                }
                let found = read(&service, kind, &format!("id={changed}")).await;
                count += 1;
                assert_eq!((&*found, keys.invalid_count()), ("None", count), "{kind} {at} {bit}");
            }
        }
        for cut in 0..value.len() {
            assert_eq!(read(&service, kind, &format!("id={}", &value[..cut])).await, "None");
        }
    }
}

#[tokio::test]
async fn a_value_is_valid_for_its_name_and_its_kind_only() {
    let keys = keys('k');
    let service = service(&keys);
    let signed = issue(&service, "/signed/7").await;
    let private = issue(&service, "/private/7").await;
    for (path, cookie) in [
        ("/signed-other", format!("other={signed}")),
        ("/private-other", format!("other={private}")),
        ("/signed", format!("id={private}")),
        ("/private", format!("id={signed}")),
        ("/signed", "id=7".to_owned()),
        ("/private", "id=7".to_owned()),
        ("/private", "id=".to_owned()),
        ("/signed", "id=.7".to_owned()),
    ] {
        let before = keys.invalid_count();
        assert_eq!(read(&service, path, &cookie).await, "None", "{path} {cookie}");
        assert_eq!(keys.invalid_count(), before + 1, "{path} {cookie}");
    }
    // A cookie that is absent is not a changed one.
    let before = keys.invalid_count();
    assert_eq!(read(&service, "/signed", "x=1").await, "None");
    assert_eq!(keys.invalid_count(), before);
}

#[tokio::test]
async fn a_forged_cookie_with_the_same_name_does_not_hide_the_valid_one() {
    let keys = keys('k');
    let service = service(&keys);
    for kind in ["/signed", "/private"] {
        let value = issue(&service, &format!("{kind}/7")).await;
        for cookie in [format!("id=forged; id={value}"), format!("id={value}; id=forged")] {
            let before = keys.invalid_count();
            assert_eq!(read(&service, kind, &cookie).await, r#"Some("7")"#);
            assert_eq!(keys.invalid_count(), before + 1);
        }
    }
}

#[tokio::test]
async fn the_first_key_writes_and_all_keys_read_in_every_order() {
    let of = |secrets: &str| {
        let mut secrets = secrets.chars();
        let first = keys(secrets.next().unwrap());
        secrets.fold(first, |keys, secret| keys.also_accept(secret.to_string().repeat(32)).unwrap())
    };
    let orders = [
        "a", "b", "c", "ab", "ba", "ac", "ca", "bc", "cb", "abc", "acb", "bac", "bca", "cab", "cba",
    ];
    for kind in ["/signed", "/private"] {
        for writer in orders {
            let value = issue(&service(&of(writer)), &format!("{kind}/7")).await;
            for reader in orders {
                let found = read(&service(&of(reader)), kind, &format!("id={value}")).await;
                let is_accepted = reader.contains(&writer[..1]);
                let expect = if is_accepted { r#"Some("7")"# } else { "None" };
                assert_eq!(found, expect, "{kind}: {writer} writes, {reader} reads");
            }
        }
    }
}

#[tokio::test]
async fn what_was_added_is_read_in_the_same_request() {
    let keys = keys('k');
    let mut router = Router::new();
    router.map(
        Method::GET,
        "/",
        HandlerEndpoint::new(|signed: SignedCookies, private: PrivateCookies, plain: Cookies| {
            signed.add(("s", "1"))?;
            private.add(("p", "a; b"))?;
            let read = [signed.get("s"), private.get("p"), signed.plain().get("p")];
            assert_eq!(plain.get("s"), signed.plain().get("s"));
            signed.remove("s")?;
            private.remove("p")?;
            Ok::<_, Error>(format!("{:?} {:?}", &read[..2], [signed.get("s"), private.get("p")]))
        }),
    );
    let mut services = ServicesBuilder::new();
    services.add_singleton(keys.clone());
    router.set_context(AppContext::new(services.build().unwrap()));
    let response = get(&router.into_service().unwrap(), "/", &[]).await;
    assert_eq!(response.text(), r#"[Some("1"), Some("a; b")] [None, None]"#);
    assert_eq!(keys.invalid_count(), 0);
}

#[test]
fn keys_that_are_missing_are_a_fault_that_says_what_to_add() {
    let mut router = Router::new();
    router.map(Method::GET, "/", HandlerEndpoint::new(|_: SignedCookies| ()));
    router.map(Method::GET, "/p", HandlerEndpoint::new(|_: PrivateCookies| ()));
    let faults = router.check_services(&ServicesBuilder::new()).unwrap_err().to_string();
    for route in ["GET /", "GET /p"] {
        let expect = format!("`CookieKeys` is needed by {route}: add `app.add_singleton(..)`");
        assert!(faults.contains(&expect), "{faults}");
    }
}

#[test]
fn a_short_secret_is_refused_and_no_secret_is_shown() {
    for size in [0, 1, 31] {
        let short = CookieKeys::new(vec![7; size]);
        assert_eq!(short.unwrap_err(), CookieKeyError::TooShort { size });
        let short = keys('k').also_accept(vec![7; size]);
        assert_eq!(short.unwrap_err(), CookieKeyError::TooShort { size });
    }
    assert_eq!(format!("{:?}", keys('k')), "CookieKeys { keys: 1, .. }");
    assert!(CookieKeys::random().is_ok());
}

#[tokio::test]
async fn no_two_private_values_are_equal() {
    let service = service(&keys('k'));
    let one = issue(&service, "/private/7").await;
    assert_ne!(one, issue(&service, "/private/7").await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// A private value may be any text that fits.
    #[test]
    fn any_text_comes_back_from_a_private_cookie(text in any::<String>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let keys = keys('k');
            let mut router = Router::new();
            let added = text.clone();
            router.map(Method::GET, "/", HandlerEndpoint::new(move |cookies: PrivateCookies| {
                cookies.add(("id", added.clone()))
            }));
            router.map(Method::GET, "/read", HandlerEndpoint::new(move |cookies: PrivateCookies| {
                assert_eq!(cookies.get("id").as_ref(), Some(&text));
            }));
            let mut services = ServicesBuilder::new();
            services.add_singleton(keys);
            router.set_context(AppContext::new(services.build().unwrap()));
            let service = router.into_service().unwrap();
            let value = issue(&service, "/").await;
            let response = get(&service, "/read", &[("cookie", &format!("id={value}"))]).await;
            assert_eq!(response.status, 200);
        });
    }
}
