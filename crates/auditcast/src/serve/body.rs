//! Bodies that know the time and say when they are done.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep};

use super::connection::InFlight;

/// The body of a request took longer than it may.
#[derive(Debug, thiserror::Error)]
#[error("the request body did not arrive in time")]
pub(super) struct BodyTimeout;

/// A request body that fails when it is not whole within a limit from the first wait for it.
///
/// The limit is on the whole and not on each pause, for a client that sends a byte now and
/// then would never pause for long.
pub(super) struct TimedBody {
    body: Incoming,
    limit: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    has_ended: bool,
    end: Arc<BodyEnd>,
}

/// How a request body ended.
#[derive(Default)]
pub(super) struct BodyEnd {
    expired: AtomicBool,
    left_unread: AtomicBool,
}

impl BodyEnd {
    /// It was not whole in time.
    pub(super) fn expired(&self) -> bool {
        self.expired.load(Ordering::Relaxed)
    }

    /// The request was answered without all of it.
    pub(super) fn left_unread(&self) -> bool {
        self.left_unread.load(Ordering::Relaxed)
    }
}

impl TimedBody {
    /// The body, and what is known of its end once it is dropped.
    pub(super) fn new(body: Incoming, limit: Duration) -> (Self, Arc<BodyEnd>) {
        let end = Arc::new(BodyEnd::default());
        (Self { body, limit, deadline: None, has_ended: false, end: Arc::clone(&end) }, end)
    }
}

impl Drop for TimedBody {
    fn drop(&mut self) {
        let left_unread = !self.has_ended && !self.body.is_end_stream();
        self.end.left_unread.store(left_unread, Ordering::Relaxed);
    }
}

impl Body for TimedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.has_ended = frame.is_none();
            return Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)));
        }
        let limit = self.limit;
        let deadline = self.deadline.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(deadline.as_mut().poll(context));
        self.end.expired.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err(BodyTimeout.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response body that counts as work of its connection until it is sent or dropped.
pub(super) struct CountedBody {
    body: axum::body::Body,
    _in_flight: InFlight,
}

impl CountedBody {
    pub(super) fn new(body: axum::body::Body, in_flight: InFlight) -> Self {
        Self { body, _in_flight: in_flight }
    }
}

impl Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
