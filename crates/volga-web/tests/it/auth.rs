//! Credentials as arguments, and challenges.

use http::{Method, StatusCode};
use volga_core::{
    Description, Error, ErrorResponse, FromRequestParts, HandlerEndpoint, HttpContext, Next,
    Router, RouterService, ScopeId, SettingsLevel, WrapMiddleware,
};
use volga_web::{AuthError, Basic, Bearer, Challenge, Realm, constant_time_eq};

use crate::support::{Received, get};

/// A router with a route for each kind of credentials.
fn router() -> Router {
    let mut router = Router::new();
    let bearer = async |bearer: Bearer| bearer.token().to_owned();
    router.map(Method::GET, "/bearer", HandlerEndpoint::new(bearer));
    let basic = async |basic: Basic| format!("{}|{}", basic.name(), basic.password());
    router.map(Method::GET, "/basic", HandlerEndpoint::new(basic));
    let either = async |basic: Option<Basic>, bearer: Option<Bearer>| match (basic, bearer) {
        (Some(basic), _) => Ok(basic.name().to_owned()),
        (_, Some(bearer)) => Ok(bearer.token().to_owned()),
        (None, None) => Err(AuthError::bearer().or(Challenge::basic())),
    };
    router.map(Method::GET, "/either", HandlerEndpoint::new(either));
    router
}

fn service(router: Router) -> RouterService {
    router.into_service().unwrap()
}

async fn ask(service: &RouterService, path: &str, authorization: &str) -> Received {
    get(service, path, &[("authorization", authorization)]).await
}

/// All values of `WWW-Authenticate`.
fn challenges(received: &Received) -> Vec<&str> {
    let fields = received.headers.get_all("www-authenticate").iter();
    fields.map(|field| field.to_str().unwrap()).collect()
}

const BASIC: &str = r#"Basic realm="Restricted", charset="UTF-8""#;

#[tokio::test]
async fn credentials_are_arguments_whatever_the_case_of_the_scheme() {
    let service = service(router());
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let received = ask(&service, "/bearer", &format!("{scheme} abc.def==")).await;
        assert_eq!((received.status, received.text()), (StatusCode::OK, "abc.def=="));
    }
    for scheme in ["Basic", "basic", "BASIC"] {
        // `anna:a:b`
        let received = ask(&service, "/basic", &format!("{scheme} YW5uYTphOmI=")).await;
        assert_eq!((received.status, received.text()), (StatusCode::OK, "anna|a:b"));
    }
}

#[tokio::test]
async fn missing_credentials_have_a_challenge_without_an_error() {
    let service = service(router());
    for (path, expect) in [("/bearer", "Bearer"), ("/basic", BASIC)] {
        // Those of another scheme are missing, too.
        let others = ["Negotiate abc", if path == "/basic" { "Bearer a" } else { "Basic YTpi" }];
        let mut all = vec![get(&service, path, &[]).await];
        for other in others {
            all.push(ask(&service, path, other).await);
        }
        for received in all {
            assert_eq!(received.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(challenges(&received), [expect]);
            assert!(received.text().contains("send `Authorization: "), "{}", received.text());
        }
    }
}

#[tokio::test]
async fn malformed_credentials_have_a_challenge_that_says_so() {
    let service = service(router());
    for value in ["Bearer", "Bearer ", "Bearer a b", "Bearer \"a\"", "Bearer =", "bearer a,b"] {
        let received = ask(&service, "/bearer", value).await;
        assert_eq!(received.status, StatusCode::UNAUTHORIZED, "{value}");
        let [challenge] = challenges(&received)[..] else { panic!("one challenge") };
        let start = r#"Bearer error="invalid_token", error_description=""#;
        assert!(challenge.starts_with(start), "{value}: {challenge}");
        // An optional argument that is malformed is not absent.
        assert_eq!(ask(&service, "/either", value).await.status, StatusCode::UNAUTHORIZED);
    }
    for value in ["Basic", "Basic !", "Basic YW5uYQ==", "Basic YTpiCg==", "Basic YTr/", "Basic YTp"]
    {
        let received = ask(&service, "/basic", value).await;
        assert_eq!(received.status, StatusCode::UNAUTHORIZED, "{value}");
        assert_eq!(challenges(&received), [BASIC], "{value}");
        assert_eq!(ask(&service, "/either", value).await.status, StatusCode::UNAUTHORIZED);
    }
    for path in ["/bearer", "/basic"] {
        let twice = [("authorization", "Bearer a"), ("authorization", "Basic YTpi")];
        let received = get(&service, path, &twice).await;
        assert_eq!(received.status, StatusCode::UNAUTHORIZED);
        assert!(received.text().contains("sent several times"), "{}", received.text());
    }
}

#[tokio::test]
async fn optional_credentials_let_a_route_take_several_kinds() {
    let service = service(router());
    assert_eq!(ask(&service, "/either", "Bearer abc").await.text(), "abc");
    assert_eq!(ask(&service, "/either", "Basic YW5uYTph").await.text(), "anna");
    for received in [get(&service, "/either", &[]).await, ask(&service, "/either", "X y").await] {
        assert_eq!(received.status, StatusCode::UNAUTHORIZED);
        assert_eq!(challenges(&received), ["Bearer", BASIC]);
    }
}

#[tokio::test]
async fn the_innermost_realm_names_the_challenges_without_one() {
    let mut router = router();
    let at = |scope| SettingsLevel::Scope(scope);
    router.add_middleware(at(ScopeId::ROOT), Realm::from_static("all"));
    let inner = router.scope(ScopeId::ROOT, "/inner");
    router.add_middleware(at(inner), Realm::try_from("a \"b\"".to_owned()).unwrap());
    let handler = HandlerEndpoint::new(async || {
        let own = Challenge::new("Own").with_realm(Realm::from_static("own"));
        Err::<(), _>(AuthError::invalid_token("expired").or(own).or(Challenge::basic()))
    });
    router.map_in(inner, Method::GET, "/", handler);
    let service = service(router);
    let received = get(&service, "/bearer", &[]).await;
    assert_eq!(challenges(&received), [r#"Bearer realm="all""#]);
    let received = get(&service, "/basic", &[]).await;
    assert_eq!(challenges(&received), [r#"Basic realm="all", charset="UTF-8""#]);
    let expect = [
        r#"Bearer realm="a \"b\"", error="invalid_token", error_description="expired""#,
        r#"Own realm="own""#,
        r#"Basic realm="a \"b\"", charset="UTF-8""#,
    ];
    assert_eq!(challenges(&get(&service, "/inner", &[]).await), expect);
}

#[tokio::test]
async fn a_challenge_of_anybody_else_keeps_its_text() {
    let mut router = router();
    let level = SettingsLevel::Scope(ScopeId::ROOT);
    router.add_middleware(level, Realm::from_static("all"));
    router.add_middleware(
        level,
        WrapMiddleware::new(|ctx: HttpContext, next: Next| async move {
            let mut response = next.run(ctx).await;
            response.headers_mut().append("www-authenticate", "Digest".parse().unwrap());
            response
        }),
    );
    let received = get(&service(router), "/bearer", &[]).await;
    assert_eq!(challenges(&received), [r#"Bearer realm="all""#, "Digest"]);
}

/// Every way in which code refuses a request by an `AuthError`.
#[tokio::test]
async fn handlers_and_extractors_return_an_auth_error() {
    struct Admin;

    impl FromRequestParts for Admin {
        async fn from_request_parts(parts: &mut volga_core::RequestParts) -> Result<Self, Error> {
            match Bearer::from_request_parts(parts).await?.matches("admin") {
                true => Ok(Self),
                false => Err(AuthError::insufficient_scope("admin"))?,
            }
        }
    }

    let mut router = Router::new();
    let plain = async || Err::<(), _>(AuthError::invalid_token("expired"));
    router.map(Method::GET, "/plain", HandlerEndpoint::new(plain));
    let question_mark = async move || -> Result<(), Error> {
        Err(AuthError::invalid_token("expired"))?;
        Ok(())
    };
    router.map(Method::GET, "/error", HandlerEndpoint::new(question_mark));
    let any = async move || -> Result<(), ErrorResponse> {
        Err(AuthError::invalid_token("expired"))?;
        Ok(())
    };
    router.map(Method::GET, "/any", HandlerEndpoint::new(any));
    router.map(
        Method::GET,
        "/value",
        HandlerEndpoint::new(async || AuthError::invalid_token("expired")),
    );
    router.map(Method::GET, "/admin", HandlerEndpoint::new(async |_: Admin| "yes"));
    let service = service(router);
    for path in ["/plain", "/error", "/any", "/value"] {
        let received = get(&service, path, &[]).await;
        assert_eq!(received.status, StatusCode::UNAUTHORIZED, "{path}");
        let expect = r#"Bearer error="invalid_token", error_description="expired""#;
        assert_eq!(challenges(&received), [expect], "{path}");
        assert!(received.text().contains("expired"), "{}", received.text());
    }
    let received = ask(&service, "/admin", "Bearer user").await;
    assert_eq!(received.status, StatusCode::FORBIDDEN);
    assert_eq!(challenges(&received), [r#"Bearer error="insufficient_scope", scope="admin""#]);
    assert_eq!(ask(&service, "/admin", "Bearer admin").await.text(), "yes");
}

#[tokio::test]
async fn a_parameter_that_http_does_not_allow_is_a_server_error() {
    let mut router = Router::new();
    let handler = async || AuthError::new(Challenge::new("Own").with_param("a", "b\r\nc"));
    router.map(Method::GET, "/", HandlerEndpoint::new(handler));
    let received = get(&service(router), "/", &[]).await;
    assert_eq!(received.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(challenges(&received).is_empty());
}

#[tokio::test]
async fn credentials_describe_themselves_and_do_not_print_their_secrets() {
    let mut description = Description::new();
    Bearer::describe(&mut description);
    Option::<Basic>::describe(&mut description);
    let headers = description.headers();
    assert!(headers.iter().all(|header| header.name == "authorization"));
    assert_eq!(headers.iter().map(|header| header.is_required).collect::<Vec<_>>(), [true, false]);
    assert_eq!(description.responses()[0].status, Some(StatusCode::UNAUTHORIZED));
    assert!(!description.are_extensions_read() && !description.are_headers_read());

    let mut router = Router::new();
    let debug =
        async |bearer: Option<Bearer>, basic: Option<Basic>| format!("{bearer:?} {basic:?}");
    router.map(Method::GET, "/", HandlerEndpoint::new(debug));
    let service = service(router);
    for (value, secrets) in
        [("Bearer s3cret", ["s3cret", "s3cret"]), ("Basic YW5uYTpzM2M=", ["anna", "s3c"])]
    {
        let text = ask(&service, "/", value).await.text().to_owned();
        assert!(
            text.contains("Some(") && !secrets.iter().any(|secret| text.contains(secret)),
            "{text}"
        );
    }
}

#[test]
fn secrets_are_equal_only_if_all_bytes_are() {
    for at in 0..32 {
        let mut other = [7_u8; 32];
        assert!(constant_time_eq([7; 32], other));
        other[at] ^= 1;
        assert!(!constant_time_eq([7; 32], other) && !constant_time_eq([7; 32], &other[..at]));
    }
}
