//! Bodies of answers, the slow and the endless among them.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The body of an answer on the wire.
pub(crate) enum ReplyBody {
    Whole(Bytes),
    Trickle { rest: Bytes, interval: Duration, wait: Pin<Box<Sleep>> },
    Endless,
}

impl ReplyBody {
    pub fn trickle(rest: Bytes, interval: Duration) -> Self {
        Self::Trickle { rest, interval, wait: Box::pin(sleep(interval)) }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match self.get_mut() {
            Self::Whole(bytes) | Self::Trickle { rest: bytes, .. } if bytes.is_empty() => return Poll::Ready(None),
            Self::Whole(bytes) => std::mem::take(bytes),
            Self::Trickle { rest, interval, wait } => {
                ready!(wait.as_mut().poll(cx));
                wait.set(sleep(*interval));
                rest.split_to(1)
            }
            // Blanks are what a JSON reader waits behind.
            Self::Endless => Bytes::from_static(&[b' '; 8192]),
        };
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes) | Self::Trickle { rest: bytes, .. } => bytes.is_empty(),
            Self::Endless => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) | Self::Trickle { rest: bytes, .. } => SizeHint::with_exact(bytes.len() as u64),
            Self::Endless => SizeHint::default(),
        }
    }
}
