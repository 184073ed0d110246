//! tonic services in an app, and a tonic client that calls them over HTTP/2.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    task::{Context, Poll},
};

use bytes::{Buf, BufMut};
use futures_util::{Stream, StreamExt, stream};
use http::uri::PathAndQuery;
use tonic::{
    Request, Response, Status,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{NamedService, ServerStreamingService, UnaryService},
    service::Routes,
    transport::Channel,
};
use volga::{middleware::BoxFuture, ok};

use super::support::{ask, run, soon};

/// Messages are plain text, so that no protocol buffer compiler is needed.
#[derive(Clone, Copy, Default)]
struct TextCodec;

impl Codec for TextCodec {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for TextCodec {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, text: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(text.as_bytes());
        Ok(())
    }
}

impl Decoder for TextCodec {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let text = String::from_utf8(bytes.to_vec());
        text.map(Some).map_err(|error| Status::invalid_argument(error.to_string()))
    }
}

/// Greets one name, or counts down to it.
#[derive(Clone)]
struct Greeter;

impl NamedService for Greeter {
    const NAME: &'static str = "greet.Greeter";
}

impl UnaryService<String> for Greeter {
    type Response = String;
    type Future = Ready<Result<Response<String>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        ready(match &**request.get_ref() {
            "" => Err(Status::invalid_argument("no name")),
            name => Ok(Response::new(format!("Hello, {name}!"))),
        })
    }
}

impl ServerStreamingService<String> for Greeter {
    type Response = String;
    type ResponseStream = std::pin::Pin<Box<dyn Stream<Item = Result<String, Status>> + Send>>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let name = request.into_inner();
        let texts = (1..=3).rev().map(move |n| Ok(format!("{n} {name}")));
        let end = stream::once(async { Err(Status::out_of_range("no number below")) });
        ready(Ok(Response::new(stream::iter(texts).chain(end).boxed())))
    }
}

/// Does what the generated code of a service does.
impl tower_service::Service<http::Request<tonic::body::Body>> for Greeter {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async {
            let mut grpc = tonic::server::Grpc::new(TextCodec);
            Ok(match request.uri().path() {
                "/greet.Greeter/Greet" => grpc.unary(Self, request).await,
                _ => grpc.server_streaming(Self, request).await,
            })
        })
    }
}

async fn client(address: std::net::SocketAddr) -> tonic::client::Grpc<Channel> {
    let endpoint = Channel::from_shared(format!("http://{address}")).unwrap();
    let mut client = tonic::client::Grpc::new(soon("a channel", endpoint.connect()).await.unwrap());
    soon("readiness", client.ready()).await.unwrap();
    client
}

/// Calls the greeter, whose paths have this prefix.
async fn check_calls(client: &mut tonic::client::Grpc<Channel>, prefix: &str) {
    let path = |method| PathAndQuery::try_from(format!("{prefix}/greet.Greeter/{method}")).unwrap();
    let mut greet = async |name: &str| {
        soon("readiness", client.ready()).await.unwrap();
        let request = Request::new(name.to_owned());
        soon("a response", client.unary(request, path("Greet"), TextCodec)).await
    };
    assert_eq!(greet("Anna").await.unwrap().into_inner(), "Hello, Anna!");
    let status = greet("").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::InvalidArgument, "no name"));

    soon("readiness", client.ready()).await.unwrap();
    let request = Request::new("x".to_owned());
    let response = client.server_streaming(request, path("CountDown"), TextCodec);
    let stream = soon("a stream", response).await.unwrap().into_inner();
    let all: Vec<_> = soon("its end", stream.collect()).await;
    let texts: Vec<_> = all.iter().filter_map(|text| text.as_deref().ok()).collect();
    assert_eq!(texts, ["3 x", "2 x", "1 x"]);
    // The status comes in the trailers, after the messages.
    let status = all.last().unwrap().as_ref().unwrap_err();
    assert_eq!((status.code(), status.message()), (tonic::Code::OutOfRange, "no number below"));
}

#[tokio::test]
async fn grpc_works_beside_routes_at_a_prefix_and_as_the_fallback() {
    let server = run(|app| {
        app.map_get("/hello", || ok!("Hello!"));
        app.map_service("/rpc", Routes::new(Greeter));
        app.fallback_service(Routes::new(Greeter));
    })
    .await;
    let mut client = client(server.address).await;
    check_calls(&mut client, "").await;
    check_calls(&mut client, "/rpc").await;
    // This method is unknown to tonic.
    let path = PathAndQuery::from_static("/rpc/greet.Other/Greet");
    soon("readiness", client.ready()).await.unwrap();
    let other = client.unary(Request::new(String::new()), path, TextCodec).await;
    assert_eq!(other.unwrap_err().code(), tonic::Code::Unimplemented);
    assert!(ask(server.address, "GET /hello").await.ends_with("Hello!"));
}
