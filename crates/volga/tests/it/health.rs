//! Liveness and readiness: the routes, and the checks behind them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::sleep,
};
use volga::{
    App, CancellationToken,
    di::Dc,
    error::Error,
    limits::{DEFAULT_CHECK_INTERVAL, DEFAULT_CHECK_TIMEOUT},
    ok,
    test::TestClient,
};

use super::support::{ask, run_app, soon};

/// Asks the route, and expects the status and the document.
async fn check(client: &TestClient, path: &str, status: u16, expect: Value) {
    let response = client.get(path).send().await;
    response.assert_status(status);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.json::<Value>().await, expect);
}

#[tokio::test]
async fn only_readiness_changes_when_the_shutdown_is_requested() {
    let (app, shutdown) = App::new().with_shutdown();
    let mut app = app;
    app.map_liveness("/live");
    app.map_readiness("/ready");
    let client = TestClient::new(app);
    check(&client, "/live", 200, json!({ "status": "alive" })).await;
    check(&client, "/ready", 200, json!({ "status": "ready" })).await;
    shutdown.shutdown();
    check(&client, "/live", 200, json!({ "status": "alive" })).await;
    check(&client, "/ready", 503, json!({ "status": "shutting down" })).await;
}

#[tokio::test(start_paused = true)]
async fn the_document_names_the_checks_that_fail() {
    let states: Arc<[AtomicBool; 3]> = Arc::default();
    let mut app = App::new().on_error(|_| ());
    app.add_shared(Arc::clone(&states));
    app.add_readiness_check("zero", async |states: Dc<[AtomicBool; 3]>| {
        states[0].load(Ordering::Relaxed)
    });
    app.add_readiness_check("one", async |states: Dc<[AtomicBool; 3]>| {
        let passes = states[1].load(Ordering::Relaxed);
        passes.then_some(()).ok_or_else(|| std::io::Error::other("on purpose"))
    });
    let own = Arc::clone(&states);
    app.add_readiness_check("two", async move || -> Result<(), Error> {
        assert!(own[2].load(Ordering::Relaxed), "on purpose");
        Ok(())
    });
    app.map_readiness("/ready");
    app.map_readiness("/inner/ready");
    let client = TestClient::new(app);
    // Every set of failing checks, from one to the next.
    for failing in (0..8_u32).chain((0..8).rev()) {
        let fails = |index: usize| failing & (1 << index) != 0;
        for (index, state) in states.iter().enumerate() {
            state.store(!fails(index), Ordering::Relaxed);
        }
        sleep(DEFAULT_CHECK_INTERVAL).await;
        let names = ["zero", "one", "two"].into_iter().enumerate();
        let names: Vec<_> = names.filter(|(at, _)| fails(*at)).map(|(_, name)| name).collect();
        for path in ["/ready", "/inner/ready"] {
            match failing {
                0 => check(&client, path, 200, json!({ "status": "ready" })).await,
                _ => {
                    let expect = json!({ "status": "not ready", "failed": names });
                    check(&client, path, 503, expect).await;
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_when_it_begins_and_not_at_each_request() {
    let passes = Arc::new(AtomicBool::new(false));
    let state = Arc::clone(&passes);
    let reports = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&reports);
    let mut app = App::new().on_error(move |report| kept.lock().unwrap().push(report.to_string()));
    app.add_readiness_check("database", async move || match state.load(Ordering::Relaxed) {
        true => Ok(()),
        false => Err(Error::server_error("no password")),
    });
    app.map_readiness("/ready");
    let client = TestClient::new(app);
    for (is_well, count) in [(false, 1), (false, 1), (true, 1), (true, 1), (false, 2), (false, 2)] {
        passes.store(is_well, Ordering::Relaxed);
        sleep(DEFAULT_CHECK_INTERVAL).await;
        let response = client.get("/ready").send().await;
        response.assert_status(if is_well { 200 } else { 503 });
        assert!(!response.text().await.contains("password"), "clients see names only");
        assert_eq!(reports.lock().unwrap().len(), count);
    }
    assert_eq!(reports.lock().unwrap()[0], "readiness check database: no password");
}

#[tokio::test(start_paused = true)]
async fn a_check_that_takes_too_long_is_dropped_and_has_failed() {
    let (seen, mut events) = mpsc::unbounded_channel();
    let mut app = App::new().on_error(|report| assert!(report.to_string().contains("took longer")));
    let own = seen.clone();
    app.add_readiness_check("default", async move |token: CancellationToken| -> bool {
        let own = own.clone();
        token.on_cancel(move || own.send("told").unwrap());
        std::future::pending().await
    });
    let check_of_own = app.add_readiness_check("own", async || {
        sleep(DEFAULT_CHECK_TIMEOUT * 2).await;
        true
    });
    check_of_own.timeout(DEFAULT_CHECK_TIMEOUT * 3).interval(Duration::ZERO);
    app.map_readiness("/ready");
    let client = TestClient::new(app);
    check(&client, "/ready", 503, json!({ "status": "not ready", "failed": ["default"] })).await;
    assert_eq!(events.recv().await, Some("told"));
}

/// Counts its runs, each of which waits for the gate.
fn counting(app: &mut App) -> (Arc<AtomicUsize>, watch::Sender<bool>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let (gate, closed) = watch::channel(false);
    let counted = Arc::clone(&runs);
    app.add_readiness_check("slow", async move || {
        counted.fetch_add(1, Ordering::Relaxed);
        let mut closed = closed.clone();
        closed.wait_for(|open| *open).await.is_ok()
    });
    app.map_readiness("/ready");
    (runs, gate)
}

#[tokio::test(start_paused = true)]
async fn many_requests_share_one_run_and_its_result_is_kept() {
    let mut app = App::new();
    let (runs, gate) = counting(&mut app);
    let client = Arc::new(TestClient::new(app));
    let ask = |client: &Arc<TestClient>| {
        let client = Arc::clone(client);
        tokio::spawn(async move { client.get("/ready").send().await.status().as_u16() })
    };
    let asking: Vec<_> = (0..100).map(|_| ask(&client)).collect();
    sleep(Duration::from_millis(1)).await;
    // Clients that leave do not start it anew.
    for _ in 0..100 {
        let leaving = ask(&client);
        tokio::task::yield_now().await;
        leaving.abort();
    }
    gate.send(true).unwrap();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), 200);
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    for (wait, expect) in [(Duration::ZERO, 1), (DEFAULT_CHECK_INTERVAL, 2), (Duration::ZERO, 2)] {
        sleep(wait).await;
        assert_eq!(ask(&client).await.unwrap(), 200);
        assert_eq!(runs.load(Ordering::Relaxed), expect);
    }
}

#[tokio::test]
async fn the_app_serves_and_is_not_ready_until_the_delay_is_over() {
    let mut app = App::new().with_shutdown_delay(Duration::from_millis(300));
    app.map_readiness("/ready");
    app.map_get("/", || ok!("served"));
    let server = run_app(app).await;
    assert!(ask(server.address, "GET /ready").await.starts_with("HTTP/1.1 200 "));
    server.shutdown.shutdown();
    let text = ask(server.address, "GET /ready").await;
    assert!(text.starts_with("HTTP/1.1 503 ") && text.contains("shutting down"), "{text}");
    assert!(ask(server.address, "GET /").await.ends_with("served"));
    soon("the end", server.end).await.unwrap().unwrap();
}

#[test]
fn a_missing_service_and_a_name_of_two_checks_are_found_at_the_start() {
    struct Missing;
    let mut app = App::new();
    app.add_readiness_check("database", async |_: Dc<Missing>| true);
    let faults = app.check().unwrap_err().to_string();
    assert!(faults.contains("`Missing` is needed by readiness check `database`"), "{faults}");
    assert!(faults.contains("health.rs:"), "{faults}");
    app.add_singleton(Missing);
    app.check().unwrap();
    app.add_readiness_check("database", async || true);
    let faults = app.check().unwrap_err().to_string();
    assert!(faults.contains("`database` names two checks"), "{faults}");
}

/// The receiver is dropped with the service that a check holds, so nothing keeps an app alive.
#[tokio::test(start_paused = true)]
async fn a_check_does_not_keep_the_app_alive() {
    let (guard, dropped) = oneshot::channel::<()>();
    let guard = Arc::new(guard);
    let mut app = App::new();
    app.add_readiness_check("held", async move || !guard.is_closed());
    app.map_readiness("/ready");
    let client = TestClient::new(app);
    check(&client, "/ready", 200, json!({ "status": "ready" })).await;
    drop(client);
    assert!(dropped.await.is_err());
}
