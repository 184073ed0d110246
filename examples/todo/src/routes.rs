//! The routes of the service.

use std::time::Instant;

use serde::Deserialize;
use volga::{
    App, HttpResponse, HttpResult, Json, created,
    di::Dc,
    error::Error,
    http::{HeaderValue, sse::Message},
    middleware::{HttpContext, Next},
    no_content, sse, sse_stream,
};

use crate::page;
use crate::store::{Changes, Patch, Store, Todo};

#[derive(Deserialize)]
pub(crate) struct New {
    pub(crate) title: String,
}

pub(crate) fn map(app: &mut App) {
    app.wrap(time);
    app.map_get("/", page::show);
    // What the page sends without JavaScript.
    app.group("/form", |form| {
        form.map_post("/", page::add);
        form.map_post("/{id}", page::change);
        form.map_post("/{id}/delete", page::delete);
    });
    app.map_get("/events", events);
    app.group("/todos", |todos| {
        todos.map_get("/", list);
        todos.map_post("/", add);
        todos.map_get("/{id}", find);
        todos.map_patch("/{id}", change);
        todos.map_delete("/{id}", delete);
    });
}

async fn list(store: Dc<Store>) -> Result<Json<Vec<Todo>>, Error> {
    Ok(Json(store.list().await?.todos))
}

async fn add(store: Dc<Store>, Json(new): Json<New>) -> HttpResult {
    let todo = store.add(new.title).await?;
    let location = format!("/todos/{}", todo.id);
    created!(todo; [("location", location)])
}

async fn find(id: i64, store: Dc<Store>) -> Result<Json<Todo>, Error> {
    Ok(Json(store.find(id).await?))
}

async fn change(id: i64, store: Dc<Store>, Json(patch): Json<Patch>) -> Result<Json<Todo>, Error> {
    Ok(Json(store.change(id, patch).await?))
}

async fn delete(id: i64, store: Dc<Store>) -> HttpResult {
    store.delete(id).await?;
    no_content!()
}

/// Streams the list, and then every change. A client that returns also gets the whole list first,
/// because an event ID means nothing after a restart.
async fn events(store: Dc<Store>, changes: Dc<Changes>) -> HttpResult {
    // The order matters: a change that happens between the two calls is in the list and in the
    // broadcast as well.
    let mut changes = changes.subscribe();
    let list = store.list().await?;
    let first =
        Message::new().event("list").id(list.number.to_string()).json(&list.todos).encode()?;
    sse!(sse_stream! {
        yield first;
        // An error means that this reader fell too far behind. Its stream ends, the client
        // reconnects, and the list has the changes that it missed.
        while let Ok(change) = changes.recv().await {
            if change.number > list.number {
                yield change.message;
            }
        }
    })
}

/// Adds to each response how long it took to make, in the header whose value browsers show with the
/// timings of the request.
async fn time(ctx: HttpContext, next: Next) -> HttpResponse {
    let start = Instant::now();
    let mut response = next.run(ctx).await;
    let millis = start.elapsed().as_secs_f64() * 1000.0;
    if let Ok(value) = HeaderValue::try_from(format!("app;dur={millis:.3}")) {
        response.headers_mut().insert("server-timing", value);
    }
    response
}
