//! The handler of each request, and the response without one.

use volga::{
    App, Group, Path, Query,
    error::Error,
    http::{Method, SkipPathArg},
    ok, status,
};

use super::in_process::{check, send, service};

#[test]
fn precedence_is_static_then_constrained_then_argument_then_rest() {
    // Mapped in the reverse order, because the order does not matter.
    let service = service(|app| {
        app.map_get("/users/{*rest}", async |rest: String| ok!("rest {rest}"))
            .map_get("/users/{name}", async |name: String| ok!("name {name}"))
            .map_get("/users/{id:int}", async |id: i64| ok!("id {id}"))
            .map_get("/users/me", async || ok!("me"))
            .map_get("/users/{id:uuid}/photo", async |id: String| ok!("photo {id}"));
    });
    check(&service, "GET /users/me", 200, "me");
    check(&service, "GET /users/7", 200, "id 7");
    check(&service, "GET /users/anna", 200, "name anna");
    check(&service, "GET /users/anna/photo", 200, "rest anna/photo");
    check(&service, "GET /users/7/", 200, "id 7");
    check(&service, "GET /users/a/b/", 200, "rest a/b/");
    check(&service, "GET /users", 404, "");
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    check(&service, &format!("GET /users/{id}/photo"), 200, &format!("photo {id}"));
}

#[test]
fn each_of_the_methods_and_any_other_is_mapped() {
    let service = service(|app| {
        app.map_get("/", || "GET")
            .map_post("/", || "POST")
            .map_put("/", || "PUT")
            .map_patch("/", || "PATCH")
            .map_delete("/", || "DELETE")
            .map_options("/", || "OPTIONS")
            .map_trace("/", || "TRACE")
            .map_connect("/", || "CONNECT")
            .map(Method::from_bytes(b"QUERY").unwrap(), "/", || "QUERY")
            .map(Method::from_bytes(b"PURGE-EVERYTHING-NOW").unwrap(), "/", || "PURGE");
        app.map_head("/", || ([("x-head", "own")], ""));
    });
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"]
    {
        check(&service, &format!("{method} /"), 200, method);
    }
    check(&service, "PURGE-EVERYTHING-NOW /", 200, "PURGE");
    check(&service, "OTHER /", 405, "");
}

#[tokio::test]
async fn head_has_the_route_of_get_unless_it_is_mapped() {
    let service = service(|app| {
        app.map_head("/own", || ([("x-head", "own")], ""))
            .map_get("/own", || "text")
            .map_get("/shared", || ([("x-get", "yes")], "text"));
    });
    let own = send(&service, "HEAD /own", &[], "").await;
    assert_eq!(own.header("x-head"), Some("own"));
    let shared = send(&service, "HEAD /shared", &[], "").await;
    assert_eq!((shared.status.as_u16(), &*shared.body), (200, ""));
    assert_eq!(shared.header("x-get"), Some("yes"));
    assert_eq!(shared.header("content-length"), Some("4"));
}

#[tokio::test]
async fn options_and_405_list_the_methods_of_every_matching_pattern() {
    let service = service(|app| {
        app.map_get("/users/{id:int}", |_: i64| "")
            .map_delete("/users/{name}", |_: String| "")
            .map_get("/health", || "");
    });
    for (line, status, allow) in [
        ("OPTIONS /users/7", 204, Some("GET, HEAD, DELETE")),
        ("PUT /users/7", 405, Some("GET, HEAD, DELETE")),
        ("GET /users/anna", 405, Some("DELETE")),
        ("POST /health", 405, Some("GET, HEAD")),
        ("OPTIONS /nothing", 404, None),
        ("GET /nothing", 404, None),
    ] {
        let answer = send(&service, line, &[], "").await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (status, allow), "{line}");
    }
    check_in_thread(service, "DELETE /users/7", 200);
}

/// Calls `check` in a thread, because it runs its own runtime, which must not be inside of another.
fn check_in_thread(service: volga::http::RouterService, line: &'static str, status: u16) {
    std::thread::spawn(move || check(&service, line, status, "")).join().expect("no panic");
}

#[test]
fn segments_are_decoded_once_and_a_malformed_path_is_400() {
    let service = service(|app| {
        app.map_get("/{text}", async |text: String| ok!("{text}"))
            .map_get("/files/{*path}", async |path: String| ok!("{path}"))
            .map_get("/caf\u{e9}/menu", async || ok!("menu"));
    });
    check(&service, "GET /a%20b+c", 200, "a b+c");
    check(&service, "GET /a%2Fb", 200, "a/b");
    check(&service, "GET /%2541", 200, "%41");
    check(&service, "GET /a&admin=1", 200, "a&admin=1");
    check(&service, "GET /files/a%20b/c", 200, "a b/c");
    check(&service, "GET /caf%C3%A9/menu", 200, "menu");
    check(&service, "GET /caf%C3%A9/other", 404, "");
    check(&service, "GET /%zz", 400, "path: malformed percent-encoding");
    check(&service, "GET /nothing/at/all%2", 400, "path: malformed percent-encoding");
    check(&service, "GET /%ff", 400, "path argument `text`: malformed percent-encoding");
}

#[test]
fn groups_nest_and_pass_their_arguments_first() {
    fn orders(group: &mut Group) {
        group
            .map_get("", async |user: String| ok!("orders of {user}"))
            .map_get("/{number:uint}", async |user: String, n: u32| ok!("order {n} of {user}"));
    }
    let service = service(|app| {
        app.group("/users/{user}", |users| {
            assert_eq!(users.prefix(), "/users/{user}");
            users.group("/orders", orders);
            users.map_get("/", async |user: String| ok!("user {user}"));
        })
        .map_get("/users", || "users");
        app.group("", |plain| {
            plain.map_get("/plain", || "plain");
        });
    });
    check(&service, "GET /users", 200, "users");
    check(&service, "GET /users/anna", 200, "user anna");
    check(&service, "GET /users/anna/orders", 200, "orders of anna");
    check(&service, "GET /users/anna/orders/7", 200, "order 7 of anna");
    check(&service, "GET /users/anna/orders/x", 404, "");
    check(&service, "GET /plain", 200, "plain");
}

#[test]
fn faults_of_groups_and_patterns_are_returned_together_with_their_locations() {
    let mut app = App::new();
    app.group("/users", |users| {
        users.map_get("/{id:number}", |_: u8| "").map_get("/{*rest}/x", || "");
        users.map_get("/{id}", |_: u8, _: u8| "");
    });
    app.group("orders", |orders| {
        orders.map_get("/a", || "").map_get("/a", || "");
    });
    app.map_get("/:id", || "");
    let text = app.check().unwrap_err().to_string();
    for part in [
        "`/users/{id:number}` has the unknown constraint `number`",
        "`/users/{*rest}/x` is malformed at byte 15",
        "the handler of `GET /users/{id}` takes 2 path arguments, but the pattern has 1",
        "`orders` is malformed at byte 0",
        "an argument is written `{name}`",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.matches("routing.rs:").count(), 5, "{text}");
}

#[test]
fn patterns_that_no_request_can_match_as_meant_are_faults_that_say_what_to_write() {
    for (pattern, expect) in [
        ("/a%20b", "write the segment decoded: `a b`"),
        ("/caf%C3%A9", "write the segment decoded: `caf\u{e9}`"),
        ("/a%zz", "write the segment decoded, or take it as an argument: `{name}`"),
        ("/a%2fb", "write the segment decoded, or take it as an argument: `{name}`"),
        ("/<id>", "an argument is written `{name}`"),
        ("/[id]", "an argument is written `{name}`"),
        ("/a\0", "a pattern has no control characters, such as NUL"),
        ("/a/../b", "clients resolve `.` and `..` before they send a path"),
    ] {
        let in_group = format!("{pattern}/x");
        let groups: [&dyn Fn(&mut App); 4] = [
            &|app| {
                app.map_get(pattern, || "");
            },
            &|app| {
                app.map_service(pattern, axum::Router::new());
            },
            &|app| {
                app.group(pattern, |group| {
                    group.map_get("/x", || "");
                });
            },
            &|app| {
                app.group("/in", |group| {
                    group.map_get(&in_group, || "");
                });
            },
        ];
        for map in groups {
            let mut app = App::new();
            map(&mut app);
            let text = app.check().unwrap_err().to_string();
            assert!(text.contains(expect) && text.contains("routing.rs:"), "{pattern}: {text}");
        }
    }
    let service = service(|app| {
        app.map_get("/a b/caf\u{e9}", || "decoded");
        app.map_get("/100%", || "percent");
    });
    check(&service, "GET /a%20b/caf%C3%A9", 200, "decoded");
    check(&service, "GET /100%25", 200, "percent");
}

#[test]
fn patterns_and_prefixes_start_with_a_slash_also_within_a_group() {
    for map in [
        &(|users: &mut Group| {
            users.map_get("new", || "");
        }) as &dyn Fn(&mut Group),
        &|users| {
            users.group("new", |_| {});
        },
        &|users| {
            users.map_service("new", axum::Router::new());
        },
    ] {
        let mut app = App::new();
        app.group("/users", map);
        let text = app.check().unwrap_err().to_string();
        let expect = "pattern `/usersnew` is malformed at byte 6: a pattern starts with `/`";
        assert!(text.contains(expect), "{text}");
    }
}

/// Every number of arguments that a handler takes, with patterns and prefixes of every number.
#[test]
fn a_handler_takes_all_arguments_by_position_or_none() {
    let mut faults = 0;
    for prefix in 0..3 {
        for own in 0..3 {
            for taken in 0..4 {
                let args = |from: usize, count: usize| {
                    (from..from + count).map(|n| format!("/x/{{a{n}}}")).collect::<String>()
                };
                let mut app = App::new();
                app.group(&args(0, prefix), |group| {
                    let pattern = format!("/end{}", args(prefix, own));
                    match taken {
                        0 => group.map_get(&pattern, || ""),
                        1 => group.map_get(&pattern, |_: String, _: Method| ""),
                        2 => group.map_get(&pattern, |_: String, _: Query<Vec<()>>, _: u8| ""),
                        _ => group.map_get(&pattern, |_: u8, _: SkipPathArg, _: String| ""),
                    };
                });
                let is_fit = taken == 0 || taken == prefix + own;
                match app.check() {
                    Ok(()) => assert!(is_fit, "{taken} of {prefix} and {own}"),
                    Err(fault) => {
                        faults += 1;
                        let text = fault.to_string();
                        assert!(!is_fit && text.contains("routing.rs:"), "{text}");
                        assert_eq!(text.contains("SkipPathArg"), taken < prefix + own, "{text}");
                    }
                }
            }
        }
    }
    assert_eq!(faults, 20);
}

#[test]
fn a_path_type_that_the_pattern_does_not_fit_is_a_fault() {
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Named {
        id: u32,
        #[serde(flatten)]
        rest: Rest,
    }
    #[derive(serde::Deserialize)]
    #[expect(dead_code, reason = "only deserialized")]
    struct Rest {
        name: String,
        page: Option<String>,
    }
    let mut app = App::new();
    app.map_get("/a/{id}", async |_: Path<Named>| "");
    app.map_get("/b/{name}/{page}", async |_: Path<Named>| "");
    app.map_get("/c/{id}/{name}", async |_: Path<Named>| "");
    app.map_get("/d/{id}/{name}", async |_: Path<u8>| "");
    app.group("/e/{tenant}", |group| {
        group.map_get("/{id}/{name}", async |_: Path<(u8, String)>| "");
        group.map_get("/{id}", async |_: Path<(u8, String)>| "");
    });
    app.map_get("/f/{x}", async |_: Result<Path<Named>, Error>| "");
    app.map_get("/g/{id}", || "").map_fallback(async |_: Path<(u8, u8)>| "");
    let text = app.check().unwrap_err().to_string();
    for part in [
        "`GET /a/{id}`: the pattern has no argument `name`: add the segment `{name}`",
        "`GET /b/{name}/{page}`: the pattern has no argument `id`: add the segment `{id}`",
        "`GET /d/{id}/{name}`: the type is one value, but the pattern has 2 arguments: use a struct",
        "`GET /e/{tenant}/{id}/{name}`: the type takes 2 values, but the pattern has 3",
        "`GET /g/{id}`: the type is a tuple of size 2, but the pattern has 1 argument",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(text.matches("routing.rs:").count(), 5, "{text}");
}

#[test]
fn a_status_may_be_sent_for_every_other_path() {
    let service = service(|app| {
        app.map_get("/{*rest}", async |rest: String| status!(418, "no {rest}"));
    });
    check(&service, "GET /a/b", 418, "no a/b");
    check(&service, "GET /", 404, "");
}

#[test]
fn async_closures_that_capture_are_handlers_fallbacks_and_middleware() {
    let state = std::sync::Arc::new("state".to_owned());
    let text = "text".to_owned();
    let service = service(|app| {
        let (captured, used_up) = (state.clone(), text.clone());
        app.map_get("/get/{id}", async move |id: u32| ok!("{captured} {used_up} {id}"));
        let used_up = text.clone();
        app.map_post("/once", async move || used_up);
        let captured = state.clone();
        app.map_get("/filtered/{id}", || "in").filter(async move |id: String| *captured == id);
        let captured = state.clone();
        app.map_get("/with", || "in").with(async move |next: volga::middleware::NextCall| {
            let response = next.await;
            ok!("{captured} {}", response.status().as_u16())
        });
        app.group("/mapped", |group| {
            let captured = text.clone();
            group.map_get("", || Err::<(), _>(volga::error::Error::client_error("no")));
            group.map_err(async move |_| ok!("{captured}"));
        });
        let captured = text.clone();
        app.map_fallback(async move || status!(404, "{captured}"));
    });
    for _ in 0..2 {
        check(&service, "GET /get/7", 200, "state text 7");
        check(&service, "POST /once", 200, "text");
        check(&service, "GET /filtered/state", 200, "in");
        check(&service, "GET /with", 200, "state 200");
        check(&service, "GET /mapped", 200, "text");
        check(&service, "GET /nowhere", 404, "text");
    }
}
