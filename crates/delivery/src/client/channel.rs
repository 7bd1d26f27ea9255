//! Connections for protocols other than HTTP, made as those for HTTP are: resolve, check,
//! connect to that very address, shake hands.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Client, ConnectError, Peer, Profile, connect::Stream};

/// A connection to a permitted address.
pub struct Channel {
    stream: TokioIo<Stream>,
}

impl Channel {
    /// Who is at the other end.
    pub fn peer(&self) -> Option<Peer> {
        self.stream.inner().peer()
    }
}

impl Client {
    /// Opens a connection, with TLS or without.
    ///
    /// # Errors
    /// [`ConnectError`]; nothing was sent then.
    pub async fn open(&self, host: &str, port: u16, tls: bool, profile: Profile) -> Result<Channel, ConnectError> {
        let stream = self.ways(profile.account).of(profile).raw.clone().open(host, port, tls).await?;
        Ok(Channel { stream: TokioIo::new(stream) })
    }

    /// How long a whole request may take.
    pub fn request_timeout(&self) -> Duration {
        self.settings.request_timeout
    }
}

impl AsyncRead for Channel {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Channel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
