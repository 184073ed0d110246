//! When the bytes of a compressed body leave, and how it ends.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body::{Body, Frame};
use proptest::prelude::*;
use volga_core::{
    BoxError, HandlerEndpoint, HttpBody, HttpResponse, Router, ScopeId, SettingsLevel,
};
use volga_web::{Compression, ContentCoding};

use super::{Decoder, decode};

/// The result of one poll of a body.
#[derive(Clone, Debug)]
enum Step {
    Data(Vec<u8>),
    Pending,
    Trailers,
    Error,
}

/// A body that does these steps, and then ends.
struct Script(std::vec::IntoIter<Step>);

impl Body for Script {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match self.0.next() {
            None => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(data.into()))),
            Some(Step::Trailers) => Some(Ok(Frame::trailers(trailers()))),
            Some(Step::Error) => Some(Err("broken on purpose".into())),
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        })
    }
}

fn trailers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-sum", HeaderValue::from_static("1"));
    headers
}

/// The body of a response that is compressed.
async fn compressed(kind: &'static str, coding: ContentCoding, steps: Vec<Step>) -> HttpBody {
    let mut router = Router::new();
    router.add_middleware(SettingsLevel::Scope(ScopeId::ROOT), Compression::new());
    router.map(
        Method::GET,
        "/",
        HandlerEndpoint::new(move || {
            let mut response = HttpResponse::new(HttpBody::new(Script(steps.clone().into_iter())));
            response.headers_mut().insert("content-type", HeaderValue::from_static(kind));
            response
        }),
    );
    let request = Request::get("/").header("accept-encoding", coding.name());
    let request = request.body(HttpBody::empty()).unwrap();
    let response = router.into_service().unwrap().respond(request).await;
    assert_eq!(response.headers()["content-encoding"], coding.name());
    response.into_body()
}

async fn next(body: &mut HttpBody) -> Option<Result<Frame<Bytes>, BoxError>> {
    poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

fn any_coding() -> impl Strategy<Value = ContentCoding> {
    prop::sample::select(ContentCoding::ALL.to_vec())
}

fn any_data() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => "[a-e ]{1,60}".prop_map(String::into_bytes),
        2 => prop::collection::vec(any::<u8>(), 1..2000),
        1 => (1_usize..120_000, any::<u8>()).prop_map(|(size, byte)| vec![byte; size]),
    ]
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn each_frame_of_an_event_stream_can_be_read_when_it_leaves(
        coding in any_coding(),
        frames in prop::collection::vec(any_data(), 1..12),
    ) {
        block_on(async {
            // The body inside is always ready, so nothing but the frames themselves says when to
            // flush.
            let steps = frames.iter().cloned().map(Step::Data).collect();
            let mut body = compressed("text/event-stream", coding, steps).await;
            let mut decoder = Decoder::new(coding);
            for frame in frames {
                let mut plain = Vec::new();
                while plain.len() < frame.len() {
                    let data = next(&mut body).await.unwrap().unwrap().into_data().unwrap();
                    plain.extend(decoder.feed(&data));
                }
                // No byte of the next frame is in it.
                assert_eq!(plain, frame, "{coding:?}");
            }
            while let Some(frame) = next(&mut body).await {
                assert_eq!(decoder.feed(&frame.unwrap().into_data().unwrap()), b"");
            }
            decoder.finish();
        });
    }

    #[test]
    fn a_document_is_whole_and_what_was_ready_leaves_when_nothing_more_is(
        coding in any_coding(),
        steps in prop::collection::vec(
            prop_oneof![3 => any_data().prop_map(Step::Data), 1 => Just(Step::Pending)],
            0..12,
        ),
    ) {
        block_on(async {
            let mut body = compressed("text/plain", coding, steps.clone()).await;
            let (mut plain, mut bytes) = (Vec::new(), Vec::new());
            let mut decoder = Decoder::new(coding);
            let mut expect = Vec::new();
            for step in steps.into_iter().chain([Step::Pending]) {
                match step {
                    Step::Data(data) => expect.extend(data),
                    _ => while plain.len() < expect.len() {
                        let data = next(&mut body).await.unwrap().unwrap().into_data().unwrap();
                        bytes.extend_from_slice(&data);
                        plain.extend(decoder.feed(&data));
                    },
                }
            }
            assert!(plain == expect, "{coding:?}");
            while let Some(frame) = next(&mut body).await {
                bytes.extend_from_slice(&frame.unwrap().into_data().unwrap());
            }
            assert!(decode(coding, &bytes) == expect, "{coding:?}");
            assert!(body.is_end_stream());
        });
    }
}

#[tokio::test]
async fn an_error_comes_after_everything_that_was_ready_before_it() {
    for coding in ContentCoding::ALL {
        for kind in ["text/plain", "text/event-stream"] {
            let steps = vec![Step::Data(b"before".to_vec()), Step::Error];
            let mut body = compressed(kind, coding, steps).await;
            let data = next(&mut body).await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(Decoder::new(coding).feed(&data), b"before");
            let error = loop {
                match next(&mut body).await.unwrap() {
                    Ok(frame) => assert_eq!(frame.into_data().unwrap(), ""),
                    Err(error) => break error,
                }
            };
            assert_eq!(error.to_string(), "broken on purpose");
            assert!(next(&mut body).await.is_none());
        }
    }
}

#[tokio::test]
async fn trailers_come_after_the_end_of_the_compressed_bytes() {
    for coding in ContentCoding::ALL {
        let steps = vec![Step::Data(vec![7; 5000]), Step::Trailers];
        let mut body = compressed("text/plain", coding, steps).await;
        let mut bytes = Vec::new();
        let found = loop {
            match next(&mut body).await.unwrap().unwrap().into_data() {
                Ok(data) => bytes.extend_from_slice(&data),
                Err(frame) => break frame.into_trailers().unwrap(),
            }
        };
        assert_eq!(decode(coding, &bytes), vec![7; 5000]);
        assert_eq!(found, trailers());
        assert!(next(&mut body).await.is_none());
    }
}
