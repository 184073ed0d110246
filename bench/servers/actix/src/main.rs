//! The laboratory's server, on actix-web with the event streams of actix-web-lab.

use std::time::Duration;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, Responder, get, post, rt, web};
use actix_web_lab::sse;
use actix_ws::Message;
use bench_common::{CHANNEL, Greeting, HELLO, LARGE, Tick};
use bytestring::ByteString;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;

type Topic = broadcast::Sender<sse::Data>;
type SocketTopic = broadcast::Sender<ByteString>;

#[derive(Deserialize)]
struct Firehose {
    n: u64,
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let topic = web::Data::new(Topic::new(CHANNEL));
    let socket_topic = web::Data::new(SocketTopic::new(CHANNEL));
    HttpServer::new(move || {
        App::new()
            .app_data(topic.clone())
            .app_data(socket_topic.clone())
            .service(events)
            .service(publish)
            .service(firehose)
            .service(plaintext)
            .service(large)
            .service(json)
            .service(user)
            // The laboratory asks for the messages of a hub or of a channel. Here both are a
            // channel.
            .route("/ws/echo", web::get().to(echo))
            .route("/ws/events", web::get().to(socket_events))
            .route("/ws/channel", web::get().to(socket_events))
            .route("/ws/publish", web::post().to(publish_to_sockets))
            .route("/ws/publish-channel", web::post().to(publish_to_sockets))
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
    // An error means that nothing listens any more, which is not a fault.
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

async fn echo(request: HttpRequest, body: web::Payload) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut messages) = actix_ws::handle(&request, body)?;
    rt::spawn(async move {
        while let Some(Ok(message)) = messages.recv().await {
            let sent = match message {
                Message::Text(text) => session.text(text).await,
                Message::Binary(bytes) => session.binary(bytes).await,
                Message::Ping(bytes) => session.pong(&bytes).await,
                _ => break,
            };
            if sent.is_err() {
                break;
            }
        }
    });
    Ok(response)
}

async fn socket_events(
    request: HttpRequest,
    body: web::Payload,
    topic: web::Data<SocketTopic>,
) -> actix_web::Result<HttpResponse> {
    let (response, mut session, mut received) = actix_ws::handle(&request, body)?;
    let mut messages = topic.subscribe();
    rt::spawn(async move {
        loop {
            let sent = tokio::select! {
                message = messages.recv() => {
                    let Ok(text) = message else { break };
                    session.text(text).await
                }
                message = received.recv() => match message {
                    Some(Ok(Message::Ping(bytes))) => session.pong(&bytes).await,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                    Some(Ok(_)) => Ok(()),
                },
            };
            if sent.is_err() {
                break;
            }
        }
    });
    Ok(response)
}

async fn publish_to_sockets(topic: web::Data<SocketTopic>, data: String) -> impl Responder {
    // An error means that nothing listens any more, which is not a fault.
    let _ = topic.send(data.into());
    HttpResponse::NoContent()
}
