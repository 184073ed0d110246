//! `DecompressedBody`: decompresses another body while it is read.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use volga_core::{BoxError, HttpBody};

use crate::decompression::chain::{Chain, Step};

/// The number of compressed bytes after which other tasks get their turn if nothing came out of
/// them.
const MAX_WORK_IN_A_TURN: usize = 256 * 1024;

/// Decompresses another body. It reads the next bytes when the ones before are used up.
pub(crate) struct DecompressedBody {
    inner: HttpBody,
    /// `None` once the body has ended or failed.
    chain: Option<Chain>,
    trailers: Option<Frame<Bytes>>,
}

impl DecompressedBody {
    pub(crate) fn new(inner: HttpBody, chain: Chain) -> Self {
        Self { inner, chain: Some(chain), trailers: None }
    }

    fn fail<T>(&mut self, error: impl Into<BoxError>) -> Poll<Option<Result<T, BoxError>>> {
        // Nobody reads the rest. Dropping it now lets the server stop reading it now.
        self.inner = HttpBody::empty();
        self.chain = None;
        Poll::Ready(Some(Err(error.into())))
    }
}

impl Body for DecompressedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut work = 0;
        loop {
            let Some(chain) = &mut self.chain else {
                return Poll::Ready(self.trailers.take().map(Ok));
            };
            match chain.step() {
                Ok(Step::Plain(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Ok(Step::Worked(bytes)) => {
                    work += bytes;
                    if work > MAX_WORK_IN_A_TURN {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                    continue;
                }
                Ok(Step::NeedsInput) => {}
                Err(error) => return self.fail(error),
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(cx)) {
                Some(Ok(frame)) => match (frame.into_data(), &mut self.chain) {
                    (Ok(bytes), Some(chain)) => chain.feed(bytes),
                    (Err(trailers), _) => self.trailers = Some(trailers),
                    (Ok(_), None) => {}
                },
                Some(Err(error)) => return self.fail(error),
                None => {
                    if let Some(Err(error)) = self.chain.take().map(|chain| chain.check_end()) {
                        return self.fail(error);
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.chain.is_none() && self.trailers.is_none()
    }
}
