//! Tasks that live with the app: their start, their end, and what follows an early end.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::stream;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep, sleep_until},
};
use volga::{
    App, CancellationToken, TaskPolicy,
    di::Dc,
    error::{Error, ShutdownError},
    http::sse::Message,
    ok, sse,
    test::TestClient,
};

use super::support::{ask, read_until, run_app, send, soon};

/// The reports of the app, as texts.
type Reports = Arc<Mutex<Vec<String>>>;

fn reporting() -> (App, Reports) {
    let reports = Reports::default();
    let kept = Arc::clone(&reports);
    let app = App::new().on_error(move |report| {
        assert!(report.task().is_some());
        kept.lock().unwrap().push(report.to_string());
    });
    (app, reports)
}

#[tokio::test]
async fn a_task_starts_with_the_app_and_may_finish_after_it_is_told() {
    let (events, mut seen) = mpsc::unbounded_channel();
    let (finish, finished) = tokio::sync::watch::channel(false);
    let mut app = App::new();
    app.add_singleton(String::from("a service"));
    app.add_background_task("work", async move |token: CancellationToken, text: Dc<String>| {
        events.send(text.to_string()).unwrap();
        token.cancelled().await;
        events.send("told".to_owned()).unwrap();
        let mut finished = finished.clone();
        finished.wait_for(|finished| *finished).await.unwrap();
        events.send("finished".to_owned()).unwrap();
    });
    app.map_get("/", || ok!("served"));
    assert!(seen.try_recv().is_err(), "it starts with the app");
    let server = run_app(app).await;
    assert_eq!(soon("the start", seen.recv()).await.unwrap(), "a service");
    assert!(ask(server.address, "GET /").await.ends_with("served"));
    server.shutdown.shutdown();
    assert_eq!(soon("the signal", seen.recv()).await.unwrap(), "told");
    assert!(!server.end.is_finished());
    finish.send(true).unwrap();
    soon("the end", server.end).await.unwrap().unwrap();
    assert_eq!(seen.recv().await.unwrap(), "finished");
}

#[tokio::test]
async fn a_task_is_told_after_the_hooks_and_while_they_run_it_works() {
    let (left, leave) = oneshot::channel::<()>();
    let (events, mut seen) = mpsc::unbounded_channel();
    let told = events.clone();
    let mut app = App::new().before_shutdown(|| async move {
        drop(leave.await);
        events.send("hook").unwrap();
    });
    app.add_background_task("work", async move |token: CancellationToken| {
        told.send("started").unwrap();
        token.cancelled().await;
        told.send("told").unwrap();
    });
    let server = run_app(app).await;
    assert_eq!(soon("the start", seen.recv()).await, Some("started"));
    server.shutdown.shutdown();
    drop(left);
    assert_eq!(soon("the hook", seen.recv()).await, Some("hook"));
    assert_eq!(soon("the signal", seen.recv()).await, Some("told"));
    soon("the end", server.end).await.unwrap().unwrap();
}

/// Each kind of function is a task.
#[tokio::test]
async fn functions_and_closures_of_every_kind_are_tasks() {
    async fn named(token: CancellationToken) {
        token.cancelled().await;
    }
    async fn endless() -> std::io::Result<()> {
        std::future::pending().await
    }
    let text = String::from("captured");
    let shared = Arc::new(text.clone());
    let mut app = App::new().with_shutdown_timeout(Duration::ZERO);
    app.add_singleton(0_u8);
    app.add_background_task("named", named);
    app.add_background_task("endless", endless);
    app.add_background_task("loop", async || {
        loop {
            sleep(Duration::from_secs(1)).await;
        }
    });
    app.add_background_task("captures", async move |token: CancellationToken, _: Dc<u8>| {
        token.cancelled().await;
        drop((text, shared));
    });
    app.add_background_task("block", |token: CancellationToken| async move {
        token.cancelled().await;
        Ok::<_, Error>(())
    });
    let server = run_app(app).await;
    server.shutdown.shutdown();
    let error = soon("the end", server.end).await.unwrap().unwrap_err();
    assert!(error.to_string().contains("still busy"), "{error}");
}

#[tokio::test]
async fn a_task_that_does_not_end_is_dropped_at_the_deadline_and_counted() {
    let (guard, dropped) = oneshot::channel::<()>();
    let guard = Arc::new(Mutex::new(Some(guard)));
    let mut app = App::new().with_shutdown_timeout(Duration::from_millis(20));
    app.add_background_task("work", async move || {
        let _guard = guard.lock().unwrap().take();
        std::future::pending::<()>().await;
    });
    let server = run_app(app).await;
    server.shutdown.shutdown();
    let error = soon("the end", server.end).await.unwrap().unwrap_err();
    assert!(error.to_string().starts_with("1 task was still busy"), "{error}");
    assert!(error.to_string().ends_with("when their token is cancelled: `work`"), "{error}");
    assert!(soon("the drop", dropped).await.is_err());
}

/// The ways in which a task ends too early.
const EARLY_ENDS: [(&str, &str); 4] = [
    ("panic", "task work: panic: on purpose"),
    ("error", "task work: on purpose"),
    ("return", "task work: the task returned before the app shut down; let it wait for"),
    ("argument", "task work: `u8` could not be created"),
];

/// Adds a task that ends in this way, and counts its runs.
fn add_task(app: &mut App, end: &'static str, policy: TaskPolicy) -> Arc<AtomicUsize> {
    let runs = Arc::new(AtomicUsize::new(0));
    let (counted, fails) = (Arc::clone(&runs), Arc::clone(&runs));
    app.add_scoped_factory(move || {
        if end == "argument" {
            fails.fetch_add(1, Ordering::Relaxed);
            return Err(Error::server_error("on purpose"));
        }
        Ok(0_u8)
    });
    let task = async move |_: Dc<u8>| {
        counted.fetch_add(1, Ordering::Relaxed);
        match end {
            "panic" => panic!("on purpose"),
            "error" => Err(Error::server_error("on purpose")),
            _ => Ok(()),
        }
    };
    app.add_background_task("work", task).policy(policy);
    runs
}

#[tokio::test(start_paused = true)]
async fn each_early_end_is_reported_and_restarts_come_less_and_less_often() {
    for (end, report) in EARLY_ENDS {
        let (mut app, reports) = reporting();
        let runs = add_task(&mut app, end, TaskPolicy::Restart);
        let start = Instant::now();
        let client = TestClient::new(app);
        // The delays are 1, 2, 4, 8, 16, 32 and 60 seconds.
        for (at_second, expect) in [(0, 1), (2, 2), (4, 3), (8, 4), (62, 6), (100, 7), (180, 8)] {
            sleep_until(start + Duration::from_millis(at_second * 1000 + 500)).await;
            assert_eq!(runs.load(Ordering::Relaxed), expect, "{end} after {at_second} s");
        }
        let reports = reports.lock().unwrap();
        assert_eq!(reports.len(), 8, "{end}");
        assert!(reports.iter().all(|text| text.starts_with(report)), "{reports:?}");
        drop(client);
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_policy_to_report_the_app_serves_without_the_task() {
    for (end, report) in EARLY_ENDS {
        let (mut app, reports) = reporting();
        let runs = add_task(&mut app, end, TaskPolicy::Report);
        app.map_get("/", || ok!("served"));
        let client = TestClient::new(app);
        sleep(Duration::from_secs(3600)).await;
        assert_eq!(runs.load(Ordering::Relaxed), 1, "{end}");
        let reports = reports.lock().unwrap().clone();
        assert!(reports.len() == 1 && reports[0].starts_with(report), "{reports:?}");
        assert_eq!(client.get("/").send().await.text().await, "served");
    }
}

#[tokio::test]
async fn with_the_policy_to_stop_the_app_it_shuts_down_in_order() {
    for (end, report) in EARLY_ENDS {
        let (mut app, reports) = reporting();
        let (go, gone) = tokio::sync::watch::channel(false);
        add_task(&mut app, end, TaskPolicy::StopApp);
        app.map_get("/events", || sse!(stream::pending::<Message>()));
        // The task waits until the stream is open, so that there is something to shut down.
        let mut gate = gone.clone();
        app.add_background_task("gate", async move |_: CancellationToken| {
            gate.wait_for(|open| *open).await.unwrap();
        })
        .may_finish();
        let server = run_app(app).await;
        go.send(true).unwrap();
        let error = soon("the end", server.end).await.unwrap().unwrap_err();
        assert_eq!(error.to_string(), "the background task `work` ended, so the app was stopped");
        let error = ShutdownError::of(&error).unwrap();
        assert_eq!((error, error.exit_code()), (&ShutdownError::TaskEnded { name: "work" }, 4));
        let reports = reports.lock().unwrap();
        assert!(reports.len() == 1 && reports[0].starts_with(report), "{reports:?}");
    }
}

#[tokio::test]
async fn streams_get_their_farewell_when_a_task_stops_the_app() {
    let (open, opened) = tokio::sync::watch::channel(false);
    let mut app = App::new().on_error(|_| ());
    app.map_get("/events", || sse!(stream::pending::<Message>()));
    let task = async move || {
        let mut opened = opened.clone();
        opened.wait_for(|open| *open).await.unwrap();
    };
    app.add_background_task("work", task).policy(TaskPolicy::StopApp);
    let server = run_app(app).await;
    let mut client = send(server.address, "GET /events").await;
    read_until(&mut client, "retry: 3000").await;
    open.send(true).unwrap();
    read_until(&mut client, "\r\n0\r\n\r\n").await;
    assert!(soon("the end", server.end).await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_task_that_may_finish_ends_silently_and_its_error_is_still_reported() {
    for (end, count) in [("return", 0), ("error", 1), ("panic", 1)] {
        let (mut app, reports) = reporting();
        let runs = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&runs);
        let task = async move || {
            counted.fetch_add(1, Ordering::Relaxed);
            match end {
                "panic" => panic!("on purpose"),
                "error" => Err(std::io::Error::other("on purpose")),
                _ => Ok(()),
            }
        };
        app.add_background_task("import", task).may_finish().policy(TaskPolicy::Report);
        let client = TestClient::new(app);
        sleep(Duration::from_secs(3600)).await;
        assert_eq!((runs.load(Ordering::Relaxed), reports.lock().unwrap().len()), (1, count));
        drop(client);
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_its_restart_does_not_start_in_the_drain() {
    let (mut app, _) = reporting();
    let runs = add_task(&mut app, "error", TaskPolicy::Restart);
    let (app, shutdown) = app.with_shutdown();
    let client = TestClient::new(app);
    sleep(Duration::from_millis(500)).await;
    shutdown.shutdown();
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    drop(client);
}

#[tokio::test]
async fn an_error_during_the_drain_is_reported_and_an_end_is_not() {
    for (end, count) in [("error", 1), ("panic", 1), ("return", 0)] {
        let (mut app, reports) = reporting();
        let (started, mut starts) = mpsc::unbounded_channel();
        let task = async move |token: CancellationToken| {
            started.send(()).unwrap();
            token.cancelled().await;
            match end {
                "panic" => panic!("on purpose"),
                "error" => Err(Error::server_error("on purpose")),
                _ => Ok(()),
            }
        };
        app.add_background_task("work", task).policy(TaskPolicy::StopApp);
        let server = run_app(app).await;
        soon("the start", starts.recv()).await.unwrap();
        server.shutdown.shutdown();
        soon("the end", server.end).await.unwrap().unwrap();
        assert_eq!(reports.lock().unwrap().len(), count, "{end}");
    }
}

#[tokio::test]
async fn a_client_for_tests_runs_the_tasks_of_its_app() {
    for in_process in [true, false] {
        let (events, mut seen) = mpsc::unbounded_channel();
        let (app, shutdown) = App::new().with_shutdown();
        let mut app = app;
        app.add_background_task("work", async move |token: CancellationToken| {
            events.send("started").unwrap();
            token.cancelled().await;
            events.send("told").unwrap();
        });
        let client = match in_process {
            true => TestClient::new(app),
            false => TestClient::serve(app).await,
        };
        assert_eq!(soon("the start", seen.recv()).await, Some("started"));
        shutdown.shutdown();
        assert_eq!(soon("the signal", seen.recv()).await, Some("told"));
        drop(client);
        assert_eq!(soon("the drop", seen.recv()).await, None);
    }
}

#[tokio::test]
async fn tasks_of_an_app_that_became_a_service_run_without_it() {
    let (events, mut seen) = mpsc::unbounded_channel();
    let (app, shutdown) = App::new().with_shutdown();
    let mut app = app;
    app.add_background_task("work", async move |token: CancellationToken| {
        events.send("started").unwrap();
        token.cancelled().await;
        events.send("told").unwrap();
    });
    drop(app.into_service().unwrap());
    assert_eq!(soon("the start", seen.recv()).await, Some("started"));
    shutdown.shutdown();
    assert_eq!(soon("the signal", seen.recv()).await, Some("told"));
}

fn with_task() -> App {
    let mut app = App::new();
    app.add_background_task("work", async || ());
    app
}

#[test]
fn without_a_runtime_an_app_with_tasks_is_no_service() {
    let faults = with_task().into_service().unwrap_err().to_string();
    assert!(faults.contains("`add_background_task`") && faults.contains("runtime"), "{faults}");
}

#[test]
#[should_panic(expected = "create the client in a `#[tokio::test]`")]
fn without_a_runtime_a_client_for_tests_says_what_to_do() {
    drop(TestClient::new(with_task()));
}

#[test]
fn a_missing_service_and_a_name_of_two_tasks_are_found_at_the_start() {
    struct Missing;
    let mut app = App::new();
    app.add_background_task("work", async |_: CancellationToken, _: Dc<Missing>| ());
    let faults = app.check().unwrap_err().to_string();
    assert!(faults.contains("`Missing` is needed by background task `work`"), "{faults}");
    assert!(faults.contains("background_tasks.rs:"), "{faults}");
    app.add_singleton(Missing);
    app.check().unwrap();
    app.add_background_task("work", async || ());
    let faults = app.check().unwrap_err().to_string();
    assert!(faults.contains("`work` names two tasks"), "{faults}");
}
