//! The accept loop: who is let in, for how long, and how the server stops.
//!
//! `axum::serve` has no time limits at all, so that a handful of silent clients could hold every
//! connection; hence a loop of our own.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::connection::{HttpService, connection};
use crate::settings::Settings;

/// After a failed accept, such as for want of file descriptors, others are given time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long and how many.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at a time; further ones wait unaccepted.
    pub connections_max: usize,
    /// For the TLS handshake, and again for the first request head.
    pub header_timeout: Duration,
    /// For a whole request body, and for a client that stops reading.
    pub body_timeout: Duration,
    /// Between the end of an answer and the end of the next request head.
    pub idle_timeout: Duration,
    /// From the stop to the moment when the requests still in flight are cut.
    pub drain: Duration,
}

impl From<&Settings> for Limits {
    fn from(settings: &Settings) -> Self {
        Self {
            connections_max: settings.http.connections_max,
            header_timeout: settings.http.header_timeout,
            body_timeout: settings.http.body_timeout,
            idle_timeout: settings.http.idle_timeout,
            drain: settings.shutdown,
        }
    }
}

/// How the server stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because a request on them had not finished in time.
    pub cut: usize,
}

/// Where connections come from: a socket, or a test.
pub trait Listener {
    /// One connection.
    type Io: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// The next connection and its peer. Dropping the future loses none.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, SocketAddr)>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, peer) = TcpListener::accept(self).await?;
        // Answers are written whole; waiting to fill a packet only delays them.
        // A peer that is gone already is found out by its first read.
        let _ = stream.set_nodelay(true);
        Ok((stream, peer))
    }
}

/// Serves `service` until `stop` is cancelled, then lets the requests in flight finish.
///
/// From the stop on no connection is accepted, idle ones are closed, and each other one closes with
/// its answer; what is left after `limits.drain` is cut.
pub async fn serve(
    mut listener: impl Listener,
    service: impl HttpService,
    tls: Option<Arc<ServerConfig>>,
    limits: Limits,
    stop: CancellationToken,
) -> Drained {
    let tls = tls.map(TlsAcceptor::from);
    let mut connections = JoinSet::new();
    let places = Arc::new(Semaphore::new(limits.connections_max));
    loop {
        let accepted = tokio::select! {
            accepted = next(&mut listener, &places) => accepted,
            // One that has ended, were it by a panic, is forgotten.
            Some(_) = connections.join_next() => continue,
            () = stop.cancelled() => break,
        };
        let (stream, peer, place) = match accepted {
            Ok(accepted) => accepted,
            // That one peer gave up while it waited; it must not cost the others a pause.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset) => continue,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                // Also when stopped in the meantime: the loop sees it at its next turn.
                let _ = timeout(ACCEPT_PAUSE, stop.cancelled()).await;
                continue;
            }
        };
        // A token of its own: those of one parent wait for each other whenever they are looked at.
        let serving = connection(stream, peer, service.clone(), tls.clone(), limits, stop.child_token());
        connections.spawn(async move {
            let _place = place;
            serving.await;
        });
    }
    drop(listener);
    // What does not end in time is left in the set.
    let _ = timeout(limits.drain, async { while connections.join_next().await.is_some() {} }).await;
    let left = connections.len();
    connections.shutdown().await;
    Drained { cut: left }
}

async fn next<L: Listener>(
    listener: &mut L,
    places: &Arc<Semaphore>,
) -> io::Result<(L::Io, SocketAddr, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, place))
}

#[cfg(test)]
mod tests;
