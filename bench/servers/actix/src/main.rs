//! The laboratory's server, on actix-web with the event streams of actix-web-lab.

use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, Responder, get, post, web};
use actix_web_lab::sse;
use bench_common::{CHANNEL, Greeting, HELLO, LARGE, Tick};
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

type Topic = broadcast::Sender<sse::Data>;

#[derive(Deserialize)]
struct Firehose {
    n: u64,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let topic = web::Data::new(Topic::new(CHANNEL));
    HttpServer::new(move || {
        App::new()
            .app_data(topic.clone())
            .service(events)
            .service(publish)
            .service(firehose)
            .service(plaintext)
            .service(large)
            .service(json)
            .service(user)
    })
    .workers(bench_common::workers().unwrap_or(1))
    .bind_auto_h2c(bench_common::address())?
    .run()
    .await
}

#[get("/events")]
async fn events(topic: web::Data<Topic>) -> impl Responder {
    let messages = BroadcastStream::new(topic.subscribe());
    sse::Sse::from_stream(messages.map(|data| data.map(sse::Event::Data)))
        .with_keep_alive(Duration::from_secs(15))
}

#[post("/publish")]
async fn publish(topic: web::Data<Topic>, data: String) -> impl Responder {
    // An error means that nobody listens, which is not a fault.
    let _ = topic.send(sse::Data::new(data));
    HttpResponse::NoContent()
}

#[get("/firehose")]
async fn firehose(query: web::Query<Firehose>) -> impl Responder {
    let ticks =
        (0..query.n).map(|counter| sse::Data::new_json(Tick::new(counter)).map(sse::Event::Data));
    sse::Sse::from_stream(stream::iter(ticks)).with_keep_alive(Duration::from_secs(15))
}

#[get("/plaintext")]
async fn plaintext() -> &'static str {
    HELLO
}

#[get("/large")]
async fn large() -> &'static [u8] {
    LARGE
}

#[get("/json")]
async fn json() -> impl Responder {
    web::Json(Greeting::HELLO)
}

#[get("/users/{id}")]
async fn user(id: web::Path<u64>) -> String {
    format!("user {id}")
}
