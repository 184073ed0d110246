//! Request bodies in padded frames, in memory and with a paused clock. A connection ends if it has
//! much padding for little content, however its bytes are cut, and in no other case.

use std::convert::Infallible;
use std::pin::Pin;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::yield_now;
use tokio::time::sleep;
use tower_service::Service;

use super::abuse::{GET, PREFACE, frame};
use super::direct::received_frames::{
    ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, SETTINGS,
};
use super::rapid_resets::{block_on, goaway};
use super::tests::connect_to;
use super::*;
use crate::limits::{MAX_PADDING_BYTES, PADDING_BYTES_PER_SECOND};

/// Reads the request's body, and responds with its length.
#[derive(Clone)]
struct LengthService;

impl Service<Request<RequestBody>> for LengthService {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        Box::pin(async {
            let length = match request.into_body().collect().await {
                Ok(body) => format!("{} bytes", body.to_bytes().len()),
                Err(_) => "an incomplete body".to_owned(),
            };
            Ok(Response::new(Full::from(length)))
        })
    }
}

/// A body in frames of the same shape.
#[derive(Clone, Copy, Debug)]
struct Upload {
    frames: usize,
    content: usize,
    padding: u8,
}

impl Upload {
    /// How much padding the body has beyond its content.
    fn cost(self) -> usize {
        self.frames * usize::from(self.padding).saturating_sub(self.content)
    }

    /// Sends it in writes of this many bytes, with a pause after each. Returns what the server
    /// sends.
    async fn send(self, write: usize, pause: Option<Duration>) -> Vec<u8> {
        let (client, serving) = connect_to(LengthService, 64 * 1024);
        let (mut read, mut writer) = tokio::io::split(client);
        let sending = async move {
            let start = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
            writer.write_all(&start).await.expect("room");
            // The stream has the server's wide window once the client has acknowledged its setting.
            yield_now().await;
            let payload =
                [&[self.padding][..], &vec![b'.'; self.content], &vec![0; self.padding.into()]];
            let sent = [
                frame(SETTINGS, ACK, 0, &[]),
                frame(HEADERS, END_HEADERS, 1, GET),
                frame(DATA, PADDED, 1, &payload.concat()).repeat(self.frames),
                frame(DATA, END_STREAM, 1, &[]),
            ];
            for part in sent.concat().chunks(write) {
                if writer.write_all(part).await.is_err() {
                    break;
                }
                match pause {
                    Some(pause) => sleep(pause).await,
                    None => yield_now().await,
                }
            }
            // The responses have arrived when all tasks wait.
            sleep(LINGER_TIME).await;
        };
        let reading = async {
            let mut all = Vec::new();
            let _ = read.read_to_end(&mut all).await;
            all
        };
        let ((), all) = tokio::join!(
            async {
                sending.await;
                serving.abort();
            },
            reading
        );
        all
    }
}

fn is_answered(sent: &[u8], upload: Upload) -> bool {
    let length = format!("{} bytes", upload.frames * upload.content);
    sent.windows(length.len()).any(|part| part == length.as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]
    #[test]
    fn padding_beyond_the_budget_ends_the_connection_and_nothing_else_does(
        frames in 900..1_200usize,
        content in prop_oneof![1..10usize, 1..300usize],
        padding in prop_oneof![any::<u8>(), 240..=255u8],
        write in prop_oneof![1 => 9..60usize, 5 => 60..5_000usize],
    ) {
        let upload = Upload { frames, content, padding };
        let sent = block_on(upload.send(write, None));
        let is_too_much = upload.cost() > MAX_PADDING_BYTES;
        let expected = is_too_much.then_some(Reason::ENHANCE_YOUR_CALM);
        prop_assert_eq!(goaway(&sent), expected, "{:?} in writes of {}", upload, write);
        prop_assert_eq!(is_answered(&sent, upload), !is_too_much);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_pads_every_small_message_may_do_so_for_hours() {
    let upload = Upload { frames: 10_000, content: 20, padding: 255 };
    assert!(upload.cost() > 5 * MAX_PADDING_BYTES);
    let write = 9 + 1 + upload.content + usize::from(upload.padding);
    let each = upload.cost() as f64 / upload.frames as f64;
    let pause = Duration::from_secs_f64(1.1 * each / PADDING_BYTES_PER_SECOND as f64);
    let sent = upload.send(write, Some(pause)).await;
    assert_eq!(goaway(&sent), None);
    assert!(is_answered(&sent, upload));
}
