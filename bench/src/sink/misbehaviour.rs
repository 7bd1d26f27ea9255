//! Answers that do not come, or do not end.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use clap::ValueEnum;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// Longer than any sender waits.
const HANG: Duration = Duration::from_secs(3_600);
/// Between two bytes of an answer that trickles.
const TRICKLE: Duration = Duration::from_secs(1);
/// One piece of an answer without an end.
static PIECE: [u8; 16_384] = [b'x'; 16_384];

/// What a destination does instead of answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Misbehaviour {
    /// Takes the request and says nothing.
    Hang,
    /// Takes the request and resets the connection.
    Reset,
    /// Answers 200, and then one byte a second without an end.
    Trickle,
    /// Answers 200, and then as much as is read.
    Endless,
}

impl Misbehaviour {
    /// Whether the sender sees a success before the rest goes wrong.
    pub(super) fn says_yes(self) -> bool {
        matches!(self, Self::Trickle | Self::Endless)
    }

    /// The body of an answer; only for those that answer at all, and after a long time for those that do not.
    pub(super) async fn body(self) -> Option<AnswerBody> {
        match self {
            Self::Hang => {
                sleep(HANG).await;
                None
            }
            Self::Reset => None,
            Self::Trickle => Some(AnswerBody::Trickle(Box::pin(sleep(TRICKLE)))),
            Self::Endless => Some(AnswerBody::Endless),
        }
    }
}

/// The body of an answer.
pub(super) enum AnswerBody {
    Whole(Full<Bytes>),
    Trickle(Pin<Box<Sleep>>),
    Endless,
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context),
            Self::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&PIECE))))),
            Self::Trickle(next) => {
                ready!(next.as_mut().poll(context));
                next.as_mut().reset(Instant::now() + TRICKLE);
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(body) if body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Trickle(_) | Self::Endless => SizeHint::default(),
        }
    }
}
